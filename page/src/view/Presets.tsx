import { useState } from "preact/hooks";
import { app, setSettings } from "../app";
import { t } from "../i18n";
import { useStore } from "../store";
import type { Settings } from "../model/project";

const KEPT = "sokuon-presets";
type Kept = Record<string, Settings>;

function kept(): Kept {
  try {
    return JSON.parse(localStorage.getItem(KEPT) ?? "{}") as Kept;
  } catch {
    return {};
  }
}

/** Voice and sliders under a name, in this browser. */
export function Presets() {
  const [all, setAll] = useState(kept);
  const [name, setName] = useState("");
  const settings = useStore(app, (s) => s.history.now.settings);
  const keep = (next: Kept) => {
    localStorage.setItem(KEPT, JSON.stringify(next));
    setAll(next);
  };
  return (
    <details class="presets">
      <summary>{t("presets")}</summary>
      <ul>
        {Object.entries(all).map(([own, values]) => (
          <li>
            <button class="plain grow" onClick={() => setSettings(values)}>{own}</button>
            <button class="plain small" aria-label={`${t("remove")}: ${own}`} onClick={() => keep(Object.fromEntries(Object.entries(all).filter(([n]) => n !== own)))}>
              {t("remove")}
            </button>
          </li>
        ))}
      </ul>
      <form
        class="row"
        onSubmit={(e) => {
          e.preventDefault();
          if (name.trim()) keep({ ...all, [name.trim()]: settings });
          setName("");
        }}
      >
        <input aria-label={t("presetName")} placeholder={t("presetName")} value={name} maxLength={60} onInput={(e) => setName(e.currentTarget.value)} />
        <button class="plain">{t("savePreset")}</button>
      </form>
    </details>
  );
}
