import { useState } from "preact/hooks";
import * as api from "../api";
import { app, failed, setSettings } from "../app";
import { t } from "../i18n";
import type { Preset } from "../model/presets";
import { fromPreset, toPreset } from "../model/presets";
import { useStore } from "../store";
import { useRoving } from "./roving";

/** Voice and sliders under a name, kept by the server: VOICEVOX clients have the same list. */
export function Presets() {
  const [all, setAll] = useState<Preset[]>([]);
  const [name, setName] = useState("");
  const settings = useStore(app, (s) => s.history.now.settings);
  const voices = useStore(app, (s) => s.voices);
  const load = () => api.presets().then(setAll, failed);
  const save = async (event: Event) => {
    event.preventDefault();
    const preset = name.trim() ? toPreset(name.trim(), settings, voices) : null;
    if (!preset) return;
    await api.addPreset(preset).then(load, failed);
    setName("");
  };
  return (
    <details class="presets" onToggle={(e) => e.currentTarget.open && void load()}>
      <summary>{t("presets")}</summary>
      <ul {...useRoving<HTMLUListElement>("button")}>
        {all.map((preset) => (
          <li key={preset.id}>
            <button class="plain grow" title={t("apply")} onClick={() => setSettings(fromPreset(preset, voices))}>{preset.name}</button>
            <button class="plain small" aria-label={`${t("remove")}: ${preset.name}`} onClick={() => void api.deletePreset(preset.id).then(load, failed)}>
              {t("remove")}
            </button>
          </li>
        ))}
      </ul>
      <form class="row" onSubmit={(e) => void save(e)}>
        <input aria-label={t("presetName")} placeholder={t("presetName")} value={name} maxLength={60} onInput={(e) => setName(e.currentTarget.value)} />
        <button class="plain">{t("savePreset")}</button>
      </form>
    </details>
  );
}
