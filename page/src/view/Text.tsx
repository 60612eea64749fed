import { useEffect, useRef } from "preact/hooks";
import { app, caretAt, play, player, project, select, setText, stop } from "../app";
import { t, useLanguage } from "../i18n";
import type { Line } from "../model/lines";
import { useStore } from "../store";
import { Icon } from "./icons";

export function TextPane() {
  useLanguage();
  const mode = useStore(app, (s) => s.mode);
  return (
    <section class="pane" aria-label={t("text")}>
      {mode === "write" ? <Write /> : <Listen />}
    </section>
  );
}

/** The text box. It keeps its own text: a box that is written back to on every key stutters with a long story. */
function Write() {
  const box = useRef<HTMLTextAreaElement>(null);
  const text = useStore(app, (s) => s.history.now.text);
  useEffect(() => {
    const now = project().text; // not `text`: by now more may have been typed, which the box and the project both have
    if (box.current && box.current.value !== now) box.current.value = now;
  }, [text]);
  useEffect(() => {
    const line = app.get().lines[app.get().selected];
    if (line && box.current && document.activeElement === document.body) box.current.setSelectionRange(line.start, line.start);
  }, []);
  const moved = () => box.current && caretAt(box.current.selectionStart);
  return (
    <>
      <textarea
        ref={box} class="story" aria-label={t("text")} placeholder={t("textHint")} spellcheck={false} autocomplete="off"
        onInput={(e) => setText(e.currentTarget.value)} onClick={moved} onKeyUp={moved}
      />
      <Count />
    </>
  );
}

function Count() {
  const length = useStore(app, (s) => s.history.now.text.length);
  return <p class="count">{`${length.toLocaleString()} ${t("characters")}`}</p>;
}

/** The text while it is heard: the sentence and the word that sound are marked; a click plays from a word. */
function Listen() {
  const lines = useStore(app, (s) => s.lines);
  const text = useStore(app, (s) => s.linesOf);
  const selected = useStore(app, (s) => s.selected);
  const playing = useStore(app, (s) => s.playingLine);
  const pane = useRef<HTMLDivElement>(null);
  useFollowing(pane, lines);
  useEffect(() => mark(pane.current, "selected", selected), [selected, lines]);
  useEffect(() => mark(pane.current, "sounding", playing), [playing, lines]);
  const pressed = (event: MouseEvent) => {
    const place = placeAt(event);
    if (!place) return;
    select(place.line);
    void play(place.line, place.character);
  };
  return (
    <>
      <div
        ref={pane} class="story listening" role="textbox" aria-readonly="true" aria-multiline="true" tabIndex={0}
        aria-label={t("listening")} onClick={pressed} onKeyDown={moveByKeys}
      >
        {spans(text, lines)}
      </div>
      <button class="plain corner" onClick={back}>
        <Icon name="edit" />
        {t("edit")}
      </button>
    </>
  );
}

function back(): void {
  stop();
  app.update({ mode: "write" });
}

function moveByKeys(event: KeyboardEvent): void {
  const { selected, lines } = app.get();
  const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
  if (step) select(Math.max(0, Math.min(lines.length - 1, selected + step)));
  else if (event.key === "Enter" || event.key === " ") void play(selected);
  else return;
  event.preventDefault();
}

/** Sentences as spans, what stands between them as it is. */
function spans(text: string, lines: Line[]) {
  let place = 0;
  const parts = lines.flatMap((line, i) => {
    const before = text.slice(place, line.start);
    place = line.end;
    return [before, <span data-line={i}>{text.slice(line.start, line.end)}</span>];
  });
  return [...parts, text.slice(place)];
}

function mark(pane: HTMLElement | null, name: string, index: number | null): void {
  pane?.querySelector(`.${name}`)?.classList.remove(name);
  if (index !== null) pane?.querySelector(`[data-line="${index}"]`)?.classList.add(name);
}

function placeAt(event: MouseEvent): { line: number; character: number } | null {
  const span = (event.target as HTMLElement).closest<HTMLElement>("[data-line]");
  if (!span) return null;
  const found = document.caretPositionFromPoint?.(event.clientX, event.clientY);
  const range = found ? null : document.caretRangeFromPoint?.(event.clientX, event.clientY);
  const node = found?.offsetNode ?? range?.startContainer;
  const offset = found?.offset ?? range?.startOffset ?? 0;
  return { line: Number(span.dataset["line"]), character: node && span.contains(node) ? Math.max(0, offset - 1) : 0 };
}

const WORD = "spoken-word";

/** Marks the word that sounds, frame by frame, without drawing anything anew. */
function useFollowing(pane: { current: HTMLElement | null }, lines: Line[]): void {
  useEffect(() => {
    let frame = 0;
    let [lastLine, lastWord] = [-1, -1];
    const follow = () => {
      frame = requestAnimationFrame(follow);
      const now = player.now();
      const line = now?.segment.line ?? -1;
      const words = now?.segment.take.words ?? [];
      const word = now ? words.findLastIndex(([, begin]) => begin <= now.seconds) : -1;
      if (line === lastLine && word === lastWord) return;
      const span = pane.current?.querySelector<HTMLElement>(`[data-line="${line}"]`);
      if (line !== lastLine) {
        app.update({ playingLine: line < 0 ? null : line });
        if (span) reveal(span);
      }
      [lastLine, lastWord] = [line, word];
      highlight(span?.firstChild ?? null, words, word);
    };
    follow();
    return () => {
      cancelAnimationFrame(frame);
      highlight(null, [], -1);
    };
  }, [lines]);
}

function highlight(node: Node | null, words: [string, number, number][], word: number): void {
  if (!("highlights" in CSS)) return; // older browsers mark the sentence only
  CSS.highlights.delete(WORD);
  if (!node || word < 0) return;
  const begin = words.slice(0, word).reduce((sum, [text]) => sum + text.length, 0);
  const length = node.textContent?.length ?? 0;
  const range = new Range();
  range.setStart(node, Math.min(begin, length));
  range.setEnd(node, Math.min(begin + words[word]![0].length, length));
  CSS.highlights.set(WORD, new Highlight(range));
}

function reveal(span: HTMLElement): void {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  span.scrollIntoView({ block: "nearest", behavior: still ? "auto" : "smooth" });
}

