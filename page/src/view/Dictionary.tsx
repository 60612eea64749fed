import { useEffect, useState } from "preact/hooks";
import * as api from "../api";
import { cutSoon, failed, notify, readSoon, takes } from "../app";
import { t } from "../i18n";
import { morae, shown, toKatakana } from "../model/kana";
import { tonesOf } from "../model/phrases";
import { Dialog } from "./Dialog";
import { COLUMN } from "./Pitch";
import { useRoving } from "./roving";

export interface WordDraft {
  surface: string;
  reading: string;
  accent: number;
}

const TYPES = ["PROPER_NOUN", "COMMON_NOUN", "VERB", "ADJECTIVE", "SUFFIX"] as const;

/** Teach the server a word: all texts, and all programs that use it, read it like that from now on. */
export function WordDialog({ draft, close }: { draft: WordDraft; close: () => void }) {
  const [surface, setSurface] = useState(draft.surface);
  const [reading, setReading] = useState(draft.reading);
  const [accent, setAccent] = useState(draft.accent);
  const [type, setType] = useState<string>(TYPES[0]);
  const [priority, setPriority] = useState(8);
  const [wrong, setWrong] = useState<string | null>(null);
  const pieces = morae(reading);
  const save = async (event: Event) => {
    event.preventDefault();
    if (!pieces) return setWrong(t("notKana"));
    try {
      await api.teach({ surface, pronunciation: toKatakana(reading), accent_type: Math.min(accent, pieces.length), word_type: type, priority });
      learned();
      notify({ kind: "info", text: "taught" });
      close();
    } catch (error) {
      if (error instanceof api.Refused) setWrong(error.message);
      else failed(error);
    }
  };
  return (
    <Dialog name={t("teach")} close={close}>
      <form class="form" onSubmit={(e) => void save(e)}>
        <Field name={t("surface")} value={surface} set={setSurface} />
        <Field name={t("reading")} value={reading} set={setReading} />
        {pieces && <AccentChoice pieces={pieces} accent={accent} set={setAccent} />}
        <label class="field">
          <span>{t("wordType")}</span>
          <select value={type} onChange={(e) => setType(e.currentTarget.value)}>
            {TYPES.map((own) => (
              <option value={own}>{t(own)}</option>
            ))}
          </select>
        </label>
        <div class="slider">
          <span>{t("priority")}</span>
          <output>{priority}</output>
          <input type="range" aria-label={t("priority")} min={0} max={10} step={1} value={priority} onInput={(e) => setPriority(e.currentTarget.valueAsNumber)} />
        </div>
        {wrong && <p class="wrong" role="alert">{wrong}</p>}
        <div class="row end">
          <button type="button" class="plain" onClick={close}>{t("cancel")}</button>
          <button class="primary">{t("save")}</button>
        </div>
      </form>
    </Dialog>
  );
}

function Field({ name, value, set }: { name: string; value: string; set: (value: string) => void }) {
  return (
    <label class="field">
      <span>{name}</span>
      <input lang="ja" required maxLength={60} value={value} onInput={(e) => set(e.currentTarget.value)} />
    </label>
  );
}

/** The mora after which the pitch falls; 0 is none. */
function AccentChoice({ pieces, accent, set }: { pieces: string[]; accent: number; set: (accent: number) => void }) {
  const tones = tonesOf(Math.min(accent, pieces.length), pieces.length);
  const points = tones.map((tone, i) => `${(i + 0.5) * COLUMN},${tone ? 8 : 26}`).join(" ");
  return (
    <fieldset class="chips accent">
      <legend>{t("accent")}</legend>
      <svg class="pitch" width={pieces.length * COLUMN} height={34} aria-hidden="true">
        <polyline points={points} />
      </svg>
      <div>
        {[t("flat"), ...pieces.map(shown)].map((name, i) => (
          <label>
            <input type="radio" name="accent" checked={i === accent} onChange={() => set(i)} />
            <span lang="ja">{i ? `${name}${"＼"}` : name}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

/** A reading with a mark where the pitch falls. */
function withFall(reading: string, accent: number): string {
  const pieces = morae(reading);
  if (!pieces || accent < 1) return `${reading}（${t("flat")}）`;
  return [...pieces.slice(0, accent), "＼", ...pieces.slice(accent)].join("");
}

/** What was spoken before was read with other words. */
function learned(): void {
  takes.clear();
  cutSoon(0);
  readSoon(0);
}

export function DictionaryDialog({ close, teach }: { close: () => void; teach: (word: WordDraft) => void }) {
  const [words, setWords] = useState<[string, api.DictionaryWord][]>([]);
  const load = () => void api.words().then((all) => setWords(Object.entries(all)), failed);
  useEffect(load, []);
  const forget = async (id: string) => {
    await api.forget(id).catch(failed);
    learned();
    load();
  };
  return (
    <Dialog name={t("dictionary")} close={close}>
      {!words.length && <p class="hint">{t("noWords")}</p>}
      <ul class="words" {...useRoving<HTMLUListElement>("button")}>
        {words.map(([id, word]) => (
          <li>
            <span lang="ja">{word.surface}</span>
            <span lang="ja">{withFall(word.pronunciation, word.accent_type)}</span>
            <button class="plain small" aria-label={`${t("forget")}: ${word.surface}`} onClick={() => void forget(id)}>{t("forget")}</button>
          </li>
        ))}
      </ul>
      <div class="row end">
        <button class="primary" onClick={() => teach({ surface: "", reading: "", accent: 0 })}>{t("teach")}</button>
      </div>
    </Dialog>
  );
}
