/** Settings as presets of the VOICEVOX API, which other clients of this server see, too. Pure. */

import type { VoiceEntry } from "../api";
import type { Settings } from "./project";
import { RANGES } from "./project";
import { choices, nameOf, resolve } from "./voices";

export interface Preset {
  id: number;
  name: string;
  speaker_uuid: string;
  style_id: number;
  speedScale: number;
  /** 0…1 is the style's strength, 1…2 is 1…10. */
  intonationScale: number;
  /** 0…1 is sdp_ratio 0…0.2, 1…2 is 0.2…1. */
  tempoDynamicsScale: number;
  pitchScale: number;
  volumeScale: number;
  prePhonemeLength: number;
  postPhonemeLength: number;
}

export function toPreset(name: string, settings: Settings, voices: VoiceEntry[]): Preset | null {
  const choice = resolve(voices, settings.voice);
  if (!choice) return null;
  const { style_weight: weight, sdp_ratio: ratio } = settings;
  return {
    id: -1, // the server gives one
    name,
    speaker_uuid: choice.speaker.uuid,
    style_id: choice.style.id,
    speedScale: settings.speed,
    intonationScale: weight <= 1 ? weight : 1 + (weight - 1) / 9,
    tempoDynamicsScale: ratio <= 0.2 ? ratio / 0.2 : 1 + (ratio - 0.2) / 0.8,
    pitchScale: rounded(settings.pitch - 1),
    volumeScale: 1,
    prePhonemeLength: 0.1,
    postPhonemeLength: 0.1,
  };
}

/** What a preset says of settings; its voice only if it is here. */
export function fromPreset(preset: Preset, voices: VoiceEntry[]): Partial<Settings> {
  const choice = choices(voices).find((c) => c.style.id === preset.style_id);
  const { intonationScale: strength, tempoDynamicsScale: tempo } = preset;
  return {
    ...(choice ? { voice: nameOf(choice) } : {}),
    speed: bounded("speed", preset.speedScale),
    style_weight: bounded("style_weight", strength <= 1 ? strength : 1 + (strength - 1) * 9),
    sdp_ratio: bounded("sdp_ratio", tempo <= 1 ? tempo * 0.2 : 0.2 + (tempo - 1) * 0.8),
    pitch: bounded("pitch", 1 + preset.pitchScale),
  };
}

function bounded(name: keyof typeof RANGES, value: number): number {
  const [low, high] = RANGES[name];
  return rounded(Math.min(high, Math.max(low, value)));
}

const rounded = (value: number) => Math.round(value * 1e6) / 1e6;
