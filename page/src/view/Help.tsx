import { t } from "../i18n";
import type { Key } from "../i18n";
import { Dialog } from "./Dialog";

const STEPS: Key[] = ["helpWrite", "helpClick", "helpAccent", "helpLength", "helpPhrase", "helpTeach", "helpKeep"];
const KEYS: [string, Key][] = [
  ["Ctrl + Enter", "keyPlay"],
  ["Esc", "keyEdit"],
  ["B", "keyCompare"],
  ["Ctrl + Z", "undo"],
  ["Ctrl + Shift + Z", "redo"],
  ["Tab", "keyTab"],
  ["← → ↑ ↓", "keyArrows"],
  ["Delete", "keyDelete"],
];

/** What can be done, and the keys for it. */
export function HelpDialog({ close }: { close: () => void }) {
  return (
    <Dialog name={t("help")} close={close}>
      <ul class="steps">
        {STEPS.map((step) => (
          <li>{t(step)}</li>
        ))}
      </ul>
      <h3>{t("keys")}</h3>
      <dl class="facts keys">
        {KEYS.map(([key, what]) => (
          <>
            <dt><kbd>{key}</kbd></dt>
            <dd>{t(what)}</dd>
          </>
        ))}
      </dl>
    </Dialog>
  );
}
