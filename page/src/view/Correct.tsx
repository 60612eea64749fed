import { useEffect, useRef, useState } from "preact/hooks";
import { app, automatic, correct, failed, playLine, resetLine, setPause } from "../app";
import { t, useLanguage } from "../i18n";
import { isPause, morae, shown } from "../model/kana";
import type { Phrase } from "../model/phrases";
import { accentOf, join, readingOf, reset, withReading } from "../model/phrases";
import { correctionOf } from "../model/requests";
import { useStore } from "../store";
import { Tool } from "./App";
import type { WordDraft } from "./Dictionary";
import { Icon } from "./icons";
import { Lengths } from "./Lengths";
import { Pitch } from "./Pitch";
import { useRoving } from "./roving";

/** Of the selected sentence: accent phrases, readings, lengths, the pause after it. */
export function Correct({ teach }: { teach: (word: WordDraft) => void }) {
  useLanguage();
  const line = useStore(app, (s) => s.lines[s.selected] ?? null);
  const phrases = useStore(app, (s) => s.phrases);
  return (
    <section class="correct" aria-label={t("correct")}>
      <Head text={line?.text ?? null} />
      <p class="hint">{t(line ? "howToCorrect" : "correctHint")}</p>
      {line && (
        <div class="phrases" aria-busy={phrases === null}>
          {(phrases ?? []).map((phrase, i) => (
            <>
              {i > 0 && <JoinButton at={i - 1} />}
              <PhraseCard phrase={phrase} at={i} teach={teach} />
            </>
          ))}
          <Pause sentence={line.text} />
        </div>
      )}
    </section>
  );
}

function Head({ text }: { text: string | null }) {
  const corrected = useStore(app, (s) => text !== null && correctionOf(s.history.now, text) !== null);
  const heard = useStore(app, (s) => s.heard);
  return (
    <header>
      <h2>{t("correct")}</h2>
      {text && <p class="sentence">{text}</p>}
      {corrected && <span class="badge">{t("corrected")}</span>}
      <span class="grow" />
      {corrected && (
        <div class="segments" role="group" aria-label={`${t("compare")} (B)`} title={t("keyCompare") + " (B)"}>
          {(["A", "B"] as const).map((take) => (
            <button aria-pressed={heard === take} onClick={() => void playLine(take)}>
              {t(take === "A" ? "takeA" : "takeB")}
            </button>
          ))}
        </div>
      )}
      {corrected && <Tool icon="reset" label={t("resetLine")} press={resetLine} />}
      <button class="plain" disabled={!text} onClick={() => void playLine()}>
        <Icon name="play" />
        {t("playLine")}
      </button>
    </header>
  );
}

function PhraseCard({ phrase, at, teach }: { phrase: Phrase; at: number; teach: (word: WordDraft) => void }) {
  const [editing, setEditing] = useState(false);
  const surface = phrase.words.map((word) => shown(word.surface)).join("");
  const reading = readingOf(phrase);
  return (
    <div class="phrase" role="group" aria-label={surface || reading}>
      <div class="written">
        <span>{surface || " "}</span>
        <span class="actions" role="toolbar" aria-label={surface || reading} {...useRoving<HTMLSpanElement>("button")}>
          <Tool icon="edit" label={`${t("editReading")}: ${reading}`} press={() => setEditing(!editing)} />
          <Tool icon="book" label={`${t("teach")}: ${surface}`} press={() => teach(draft(phrase))} />
          <Tool icon="reset" label={`${t("resetPhrase")}: ${reading}`} press={() => void resetPhrase(at)} />
        </span>
      </div>
      {editing ? (
        <ReadingBox reading={reading} at={at} close={() => setEditing(false)} />
      ) : (
        <>
          <Pitch phrase={phrase} at={at} name={reading} edit={() => setEditing(true)} />
          <Lengths phrase={phrase} at={at} />
        </>
      )}
    </div>
  );
}

/** The word that begins the phrase, with the accent and, where it is all of the phrase, the reading that it has here. */
function draft(phrase: Phrase): WordDraft {
  const [word, ...others] = phrase.words.filter((w) => !isPause(w.surface));
  const reading = others.length || !word ? (word?.reading ?? readingOf(phrase)) : readingOf(phrase);
  const accent = accentOf(phrase);
  return { surface: word?.surface ?? "", reading, accent: accent <= (morae(reading)?.length ?? 0) ? accent : 0 };
}

async function resetPhrase(at: number): Promise<void> {
  try {
    const read = await automatic();
    correct((phrases) => reset(phrases, read, at), "reset phrase");
  } catch (error) {
    failed(error);
  }
}

function ReadingBox({ reading, at, close }: { reading: string; at: number; close: () => void }) {
  const [text, setText] = useState(reading);
  const [wrong, setWrong] = useState(false);
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => box.current?.select(), []);
  const done = (event: Event) => {
    event.preventDefault();
    let fits = true;
    correct((phrases) => {
      const next = withReading(phrases, at, text);
      fits = next !== null;
      return next;
    }, "reading");
    if (fits) close();
    else setWrong(true);
  };
  return (
    <form class="reading" onSubmit={done}>
      <input
        ref={box} aria-label={t("reading")} value={text} lang="ja"
        maxLength={200} aria-invalid={wrong} onInput={(e) => setText(e.currentTarget.value)}
        onKeyDown={(e) => e.key === "Escape" && close()}
      />
      {wrong && <p class="wrong" role="alert">{t("notKana")}</p>}
      <span class="row">
        <button class="primary small">{t("save")}</button>
        <button type="button" class="plain small" onClick={close}>{t("cancel")}</button>
      </span>
    </form>
  );
}

function JoinButton({ at }: { at: number }) {
  return (
    <button class="join" aria-label={t("joinNext")} title={t("joinNext")} onClick={() => correct((phrases) => join(phrases, at), "join")}>
      <Icon name="link" />
    </button>
  );
}

function Pause({ sentence }: { sentence: string }) {
  const pause = useStore(app, (s) => correctionOf(s.history.now, sentence)?.pause ?? null);
  return (
    <div class="pause">
      <label for="line-pause">{t("pauseAfter")}</label>
      <input
        id="line-pause" type="range" min={0} max={3} step={0.05} value={pause ?? 0.4} class={pause === null ? "auto" : undefined}
        onInput={(e) => setPause(e.currentTarget.valueAsNumber)}
      />
      {pause === null ? (
        <output>{t("automatic")}</output>
      ) : (
        <button class="plain small" onClick={() => setPause(null)}>{`${pause.toFixed(2)} ${t("seconds")} → ${t("automatic")}`}</button>
      )}
    </div>
  );
}
