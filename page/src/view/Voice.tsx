import { useState } from "preact/hooks";
import type { VoiceEntry } from "../api";
import { app, play, setSettings } from "../app";
import { t, useLanguage } from "../i18n";
import type { Settings } from "../model/project";
import { DEFAULTS, RANGES } from "../model/project";
import { nameOf, resolve, withSpeaker } from "../model/voices";
import type { VoiceChoice } from "../model/voices";
import { useStore } from "../store";
import type { Opened } from "./App";
import { Icon } from "./icons";
import { Presets } from "./Presets";

const MANY = 7; // voices, of which one is found by typing
const ROWS = 5;

export function VoicePanel({ open }: { open: (what: Opened) => void }) {
  useLanguage();
  const voices = useStore(app, (s) => s.voices);
  const settings = useStore(app, (s) => s.history.now.settings);
  const choice = resolve(voices, settings.voice);
  return (
    <aside class="panel" aria-label={t("voice")}>
      {choice && <Picker voices={voices} choice={choice} />}
      <button class="plain wide" onClick={() => open("about")}>
        <Icon name="info" />
        {t("about")}
      </button>
      <Sliders settings={settings} />
      <Presets />
    </aside>
  );
}

const choose = (choice: VoiceChoice | null) => choice && setSettings({ voice: nameOf(choice) });

function Picker({ voices, choice }: { voices: VoiceEntry[]; choice: VoiceChoice }) {
  const [wanted, setWanted] = useState("");
  const found = voices.filter((v) => v === choice.voice || `${v.key} ${v.speakers.map((s) => s.name).join(" ")}`.toLowerCase().includes(wanted.toLowerCase()));
  const { voice, speaker, style } = choice;
  return (
    <div class="picker">
      {voices.length > MANY && (
        <input type="search" aria-label={t("voiceSearch")} placeholder={t("voiceSearch")} value={wanted} onInput={(e) => setWanted(e.currentTarget.value)} />
      )}
      <label class="field">
        <span>{t("voice")}</span>
        <select class={voices.length > MANY ? "list" : undefined} value={voice.key} size={voices.length > MANY ? ROWS : 1} onChange={(e) => choose(resolve(voices, e.currentTarget.value))}>
          {found.map((v) => (
            <option value={v.key}>{v.key}</option>
          ))}
        </select>
      </label>
      {voice.speakers.length > 1 && (
        <label class="field">
          <span>{t("speaker")}</span>
          <select value={speaker.name} onChange={(e) => choose(withSpeaker(voice, e.currentTarget.value, style.name))}>
            {voice.speakers.map((s) => (
              <option value={s.name}>{s.name}</option>
            ))}
          </select>
        </label>
      )}
      <fieldset class="chips">
        <legend>{t("style")}</legend>
        {speaker.styles.map((s) => (
          <label>
            <input type="radio" name="style" checked={s.name === style.name} onChange={() => choose({ voice, speaker, style: s })} />
            <span>{s.name}</span>
          </label>
        ))}
      </fieldset>
      <p class="hint">{`${t("licence")}: ${voice.licence ?? t("noLicence")} · ${voice.sample_rate / 1000} kHz · ${voice.megabytes} MB`}</p>
    </div>
  );
}

function Sliders({ settings }: { settings: Settings }) {
  const canPitch = useStore(app, (s) => s.canPitch);
  const again = () => {
    setSettings({ seed: Math.floor(Math.random() * 1_000_000) });
    void play(Math.max(0, app.get().selected));
  };
  return (
    <div class="sliders">
      <Slider name="speed" value={settings.speed} unit="×" />
      <Slider name="style_weight" value={settings.style_weight} />
      <Slider name="sdp_ratio" value={settings.sdp_ratio} />
      <PauseSlider value={settings.pause} />
      <Slider name="intonation" value={settings.intonation} unit="×" disabled={!canPitch} />
      <details>
        <summary>{t("more")}</summary>
        <Slider name="pitch" value={settings.pitch} unit="×" disabled={!canPitch} />
        <Slider name="noise" value={settings.noise} />
        <Slider name="noise_w" value={settings.noise_w} />
        <button class="plain" onClick={() => setSettings({ ...DEFAULTS, voice: settings.voice })}>
          {t("defaults")}
        </button>
      </details>
      <div class="seed">
        <label class="field">
          <span>{t("seed")}</span>
          <input
            type="number" min={0} max={Number.MAX_SAFE_INTEGER} step={1} value={settings.seed}
            onChange={(e) => Number.isSafeInteger(e.currentTarget.valueAsNumber) && setSettings({ seed: Math.max(0, e.currentTarget.valueAsNumber) })}
          />
        </label>
        <button class="plain" onClick={again}>
          <Icon name="dice" />
          {t("again")}
        </button>
      </div>
    </div>
  );
}

type Ranged = Exclude<keyof typeof RANGES, "pause">;

function Slider({ name, value, unit = "", disabled = false }: { name: Ranged; value: number; unit?: string; disabled?: boolean }) {
  const [low, high, step] = RANGES[name];
  return (
    <div class="slider" title={disabled ? t("needsPitch") : undefined}>
      <span>{t(name)}</span>
      <output>{`${value.toFixed(2)}${unit}`}</output>
      <input
        type="range" aria-label={t(name)} min={low} max={high} step={step} value={value} disabled={disabled}
        onInput={(e) => setSettings({ [name]: e.currentTarget.valueAsNumber })}
        onDblClick={() => setSettings({ [name]: DEFAULTS[name] })}
      />
    </div>
  );
}

function PauseSlider({ value }: { value: number | null }) {
  const [low, high, step] = RANGES.pause;
  return (
    <div class="slider">
      <label for="pause">{t("pauseBetween")}</label>
      <output>{value === null ? t("automatic") : `${value.toFixed(2)} ${t("seconds")}`}</output>
      <input
        id="pause" type="range" min={low} max={high} step={step} value={value ?? 0.4} class={value === null ? "auto" : undefined}
        onInput={(e) => setSettings({ pause: e.currentTarget.valueAsNumber })}
      />
      {value !== null && (
        <button class="plain small" onClick={() => setSettings({ pause: null })}>
          {t("automatic")}
        </button>
      )}
    </div>
  );
}
