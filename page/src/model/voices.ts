/** Names of the form voice/speaker/style. Pure. */

import type { VoiceEntry } from "../api";

export interface VoiceChoice {
  voice: VoiceEntry;
  speaker: VoiceEntry["speakers"][number];
  style: VoiceEntry["speakers"][number]["styles"][number];
}

export function nameOf(choice: VoiceChoice): string {
  return `${choice.voice.key}/${choice.speaker.name}/${choice.style.name}`;
}

export function choices(voices: VoiceEntry[]): VoiceChoice[] {
  return voices.flatMap((voice) =>
    voice.speakers.flatMap((speaker) => speaker.styles.map((style) => ({ voice, speaker, style }))),
  );
}

/** A choice as people read it: no name twice. */
export function titleOf({ voice, speaker, style }: VoiceChoice): string {
  return [...new Set([voice.key, speaker.name, style.name])].join("・");
}

/** What a name stands for; the nearest there is where it is unknown; null without any voice. */
export function resolve(voices: VoiceEntry[], name: string): VoiceChoice | null {
  const all = choices(voices);
  const [key, speaker] = name.split("/");
  return (
    all.find((c) => nameOf(c) === name) ??
    all.find((c) => c.voice.key === key && c.speaker.name === speaker) ??
    all.find((c) => c.voice.key === key) ??
    all[0] ??
    null
  );
}

/** The same style of another speaker where it has that, else the speaker's first. */
export function withSpeaker(voice: VoiceEntry, speakerName: string, styleName: string): VoiceChoice | null {
  const speaker = voice.speakers.find((s) => s.name === speakerName) ?? voice.speakers[0];
  const style = speaker?.styles.find((s) => s.name === styleName) ?? speaker?.styles[0];
  return speaker && style ? { voice, speaker, style } : null;
}
