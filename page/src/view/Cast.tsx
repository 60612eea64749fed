import { app, setCast } from "../app";
import { t } from "../i18n";
import { characters } from "../model/lines";
import { choices, nameOf, titleOf } from "../model/voices";
import { useStore } from "../store";
import { Dialog } from "./Dialog";

/** Who speaks for whom in a dialogue. */
export function CastDialog({ close }: { close: () => void }) {
  const text = useStore(app, (s) => s.history.now.text);
  const cast = useStore(app, (s) => s.history.now.cast);
  const voices = useStore(app, (s) => s.voices);
  const names = [...new Set([...characters(text), ...Object.keys(cast)])];
  return (
    <Dialog name={t("cast")} close={close}>
      <p class="hint">{t("castHint")}</p>
      {names.map((name) => (
        <label class="field">
          <span lang="ja">{name}</span>
          <select value={cast[name] ?? ""} onChange={(e) => setCast(name, e.currentTarget.value || null)}>
            <option value="">{t("narrator")}</option>
            {choices(voices).map((choice) => (
              <option value={nameOf(choice)}>{titleOf(choice)}</option>
            ))}
          </select>
        </label>
      ))}
    </Dialog>
  );
}
