/** What the page knows, and everything a person can do with it. Views only call these. */

import * as api from "./api";
import { Player } from "./audio/player";
import type { Job } from "./audio/player";
import { Takes, seconds } from "./audio/takes";
import { strip } from "./audio/strip";
import * as history from "./model/history";
import type { Line } from "./model/lines";
import { lineAt, segments, toLines } from "./model/lines";
import type { Phrase } from "./model/phrases";
import { refreshed } from "./model/phrases";
import type { Correction, Project, Settings } from "./model/project";
import { emptyProject, fromFile, toFile } from "./model/project";
import { correctionOf, lineRequest } from "./model/requests";
import type { LineRequest } from "./model/requests";
import { resolve } from "./model/voices";
import { SAMPLE } from "./i18n";
import { createStore } from "./store";

export interface Notice {
  kind: "error" | "info";
  /** A key of the page's texts, or the server's own sentence. */
  text: string;
}

export interface AppState {
  history: history.History<Project>;
  /** Lines of `linesOf`, which may lag behind the text while it is typed. */
  lines: Line[];
  linesOf: string;
  selected: number;
  /** The selected line as it is read; null while unknown. */
  phrases: Phrase[] | null;
  mode: "write" | "listen";
  playing: "idle" | "waiting" | "playing" | "paused";
  playingLine: number | null;
  firstSoundMs: number | null;
  /** Which take of the selected line was heard last: as the voice reads it, or as corrected. */
  heard: "A" | "B";
  voices: api.VoiceEntry[];
  canPitch: boolean;
  online: boolean;
  /** The server asks for a key: none was given yet, or the one given was wrong. */
  needsKey: "no" | "missing" | "wrong";
  notice: Notice | null;
}

const SAVED = "sokuon-project";
const CUT_MS = 200;
const READ_MS = 120;
const SAVE_MS = 800;
const RETRY_MS = 1000;
const NOTICE_MS = 8000;

export const app = createStore<AppState>({
  history: history.newHistory(saved()),
  lines: [], linesOf: "", selected: -1, phrases: null,
  mode: "write", playing: "idle", playingLine: null, firstSoundMs: null, heard: "B",
  voices: [], canPitch: false, online: true, needsKey: "no", notice: null,
});

export const takes = new Takes();
export const player = new Player(takes, {
  heard: (samples, rate, when) => strip.add(samples, rate, when),
  state: (playing) => {
    app.update({ playing, firstSoundMs: player.firstSoundMs, ...(playing === "idle" ? { playingLine: null } : {}) });
    if (playing !== "waiting") readAgain();
  },
  failed,
});

export const project = (): Project => app.get().history.now;
export const selectedLine = (): Line | null => app.get().lines[app.get().selected] ?? null;

// ---- changes of the project

export function change(next: Partial<Project>, tag: string): void {
  const now = { ...project(), ...next };
  app.update({ history: history.changed(app.get().history, now, tag, Date.now()) });
  saveSoon();
}

export function setText(text: string): void {
  if (text === project().text) return;
  change({ text }, "text");
  cutSoon();
}

export function setSettings(settings: Partial<Settings>): void {
  change({ settings: { ...project().settings, ...settings } }, Object.keys(settings).join());
  readSoon();
}

export function setCast(name: string, voice: string | null): void {
  const cast = Object.fromEntries(Object.entries(project().cast).filter(([own]) => own !== name));
  change({ cast: voice === null ? cast : { ...cast, [name]: voice } }, `cast ${name}`);
  cutSoon(0);
}

export function undo(): void {
  moved(history.undone(app.get().history));
}

export function redo(): void {
  moved(history.redone(app.get().history));
}

/** Another project instead of this one, which undo brings back. */
export function open(next: Project): void {
  stop();
  strip.clear();
  change(next, "open");
  notify({ kind: "info", text: "opened" });
  app.update({ mode: "write", selected: 0, phrases: null });
  cutSoon(0);
}

function moved(next: history.History<Project>): void {
  app.update({ history: next, phrases: null });
  saveSoon();
  cutSoon(0);
}

// ---- corrections of the selected line

export function correct(edit: (phrases: Phrase[]) => Phrase[] | null, tag: string): void {
  const line = selectedLine();
  const { phrases } = app.get();
  const edited = line && phrases && edit(phrases);
  if (!edited || edited === phrases) return;
  setCorrection(line.text, { phrases: edited, pause: correctionOf(project(), line.text)?.pause ?? null }, tag);
  app.update({ phrases: edited });
  readSoon();
}

export function setPause(pause: number | null): void {
  const line = selectedLine();
  if (!line) return;
  const phrases = correctionOf(project(), line.text)?.phrases ?? null;
  setCorrection(line.text, phrases || pause !== null ? { phrases, pause } : null, "pause");
}

export function resetLine(): void {
  const line = selectedLine();
  if (!line) return;
  setCorrection(line.text, null, "reset");
  readSoon(0);
}

/** The selected line as the voice reads it by itself. */
export async function automatic(): Promise<Phrase[]> {
  return api.read(lineRequest(project(), app.get().lines, app.get().selected, null));
}

function setCorrection(sentence: string, correction: Correction | null, tag: string): void {
  const others = Object.entries(project().corrections).filter(([own]) => own !== sentence);
  const corrections = Object.fromEntries(correction ? [...others, [sentence, correction]] : others);
  change({ corrections }, `${tag} ${sentence}`);
}

// ---- lines and readings from the server

let cutTimer = 0;
let readTimer = 0;
let cutting: AbortController | null = null;
let reading: AbortController | null = null;
/** The sentence whose phrases are shown. */
let readText: string | null = null;

export function cutSoon(ms = CUT_MS): void {
  clearTimeout(cutTimer);
  cutTimer = window.setTimeout(() => void cut().catch(failed), ms);
}

/** Lines of the text as it is now. */
export async function cut(): Promise<Line[]> {
  clearTimeout(cutTimer);
  cutting?.abort();
  const own = (cutting = new AbortController());
  const { text, cast } = project();
  const parts = segments(text, cast);
  const found = parts.length ? await api.sentences(parts.map((part) => part.text), own.signal) : [];
  const lines = toLines(text, parts, found);
  if (own.signal.aborted) return app.get().lines;
  reached();
  const index = lineAt(lines, caret ?? selectedLine()?.start ?? 0);
  const phrases = lines[index]?.text === readText ? app.get().phrases : null; // another sentence may stand there now
  app.update({ lines, linesOf: text, selected: index, phrases });
  select(index);
  return lines;
}

let caret: number | null = null;

/** The caret of the text box: its line is the one to be corrected. */
export function caretAt(place: number): void {
  caret = place;
  const { lines, linesOf } = app.get();
  if (linesOf === project().text) select(lineAt(lines, place));
}

export function select(index: number): void {
  const { selected, phrases } = app.get();
  const same = index === selected && phrases !== null;
  if (index !== selected) app.update({ selected: index, phrases: null, heard: "B" });
  if (!same) readSoon(index === selected ? READ_MS : 0);
}

export function readSoon(ms = READ_MS): void {
  clearTimeout(readTimer);
  if (reads === "later") reads = "wanted";
  if (reads !== "now") return;
  readTimer = window.setTimeout(() => void readSelected().catch(failed), ms);
}

/** From a press of play until there is sound, nothing is read: the machine has that one thing to do. */
let reads: "now" | "later" | "wanted" = "now";

function readLater(): void {
  clearTimeout(readTimer);
  reads = "later";
}

function readAgain(): void {
  const wanted = reads === "wanted";
  reads = "now";
  if (wanted) readSoon(0);
}

async function readSelected(): Promise<void> {
  reading?.abort();
  const own = (reading = new AbortController());
  const line = selectedLine();
  if (!line) return app.update({ phrases: null });
  const correction = correctionOf(project(), line.text);
  const read = await api.read(lineRequest(project(), app.get().lines, app.get().selected), own.signal);
  if (own.signal.aborted || selectedLine()?.text !== line.text) return;
  reached();
  readText = line.text;
  app.update({ phrases: correction?.phrases ? refreshed(correction.phrases, read) : read });
}

// ---- sound

/** Play from a line, or from the word at a character of it. */
export async function play(index: number, character = 0): Promise<void> {
  const pressed = performance.now();
  readLater();
  try {
    const lines = app.get().linesOf === project().text ? app.get().lines : await cut();
    const from = lines[index];
    if (!from) {
      readAgain();
      return notify({ kind: "info", text: "nothingToSay" });
    }
    app.update({ mode: "listen", notice: null });
    const jobs = lines.slice(index).map((_, i) => job(index + i, lineRequest(project(), lines, index + i)));
    await start(jobs, character, pressed);
  } catch (error) {
    readAgain();
    failed(error);
  }
}

/** Play from the selected line; all of it where the caret stands at the end, as after typing. */
export async function playFromHere(): Promise<void> {
  const { mode, selected } = app.get();
  const atEnd = mode === "write" && caret !== null && caret >= project().text.trimEnd().length;
  if (atEnd) caret = 0;
  if (atEnd && app.get().linesOf === project().text) select(0);
  await play(atEnd ? 0 : Math.max(0, selected));
}

/** Play only the selected line: as corrected (B), or as the voice reads it by itself (A). */
export async function playLine(which: "A" | "B" = "B"): Promise<void> {
  const { lines, selected } = app.get();
  if (!lines[selected]) return;
  app.update({ heard: which, notice: null });
  const request = which === "A" ? lineRequest(project(), lines, selected, null) : lineRequest(project(), lines, selected);
  await playAlone(request);
}

/** Play only the selected line, at a precision of the voice's weights; null: the one the server speaks at. */
export async function playPrecision(precision: string | null): Promise<void> {
  const { lines, selected } = app.get();
  if (!lines[selected]) return;
  app.update({ notice: null });
  await playAlone({ ...lineRequest(project(), lines, selected), ...(precision ? { precision } : {}) });
}

const playAlone = (request: LineRequest) => start([job(app.get().selected, request)], 0, performance.now());

export function stop(): void {
  player.stop();
}

const job = (line: number, request: LineRequest): Job => ({ line, request });

/** Make ready to sound: opening a loudspeaker takes a tenth of a second. Browsers allow it once a key or button was pressed. */
export function warmUp(): void {
  const voice = resolve(app.get().voices, project().settings.voice);
  if (voice) player.warmUp(voice.voice.sample_rate);
}

async function start(jobs: Job[], character: number, pressed: number): Promise<void> {
  strip.clear();
  const voice = resolve(app.get().voices, jobs[0]!.request.voice);
  const rate = voice?.voice.sample_rate ?? 24_000;
  const from = character > 0 ? await timeOf(jobs[0]!, character) : 0;
  await player.play(jobs, from, rate, pressed);
}

/** Seconds at which a character of a line is spoken: the line is asked for first, if it has not been heard. */
async function timeOf(job: Job, character: number): Promise<number> {
  const take = await takes.get(job.request, new AbortController().signal, () => {});
  let place = 0;
  for (const [text, begin] of take.words) {
    place += text.length;
    if (character < place) return begin;
  }
  return 0;
}

/** Every line, or `only` one, with its times, speaking what has not been heard; `progress` hears how many are done. */
export async function timedLines(progress: (done: number, of: number) => void, signal: AbortSignal, only: number | null = null) {
  const lines = await cut();
  const timed = [];
  let zero = 0;
  const wanted = [...lines.entries()].filter(([i]) => only === null || i === only);
  for (const [i, line] of wanted) {
    const take = await takes.get(lineRequest(project(), lines, i), signal, () => {});
    const shift = (list: [string, number, number][]) =>
      list.map(([name, begin, end]): [string, number, number] => [name, milli(zero + begin), milli(zero + end)]);
    timed.push({
      text: line.text, character: line.character, start: milli(zero), end: milli(zero + seconds(take)),
      words: shift(take.words), phones: shift(take.phones),
    });
    zero += seconds(take) + take.gap;
    progress(timed.length, wanted.length);
  }
  return timed;
}

const milli = (value: number) => Math.round(value * 1000) / 1000;

// ---- the server, there or not

let noticeTimer = 0;

/** What is no error goes by itself. */
export function notify(notice: Notice | null): void {
  clearTimeout(noticeTimer);
  app.update({ notice });
  if (notice?.kind === "info") noticeTimer = window.setTimeout(() => app.update({ notice: null }), NOTICE_MS);
}

export function failed(error: unknown): void {
  if (error instanceof DOMException && error.name === "AbortError") return;
  if (error instanceof api.Unreachable) return lost();
  if (error instanceof api.Refused) {
    if (error.status === 401) return app.update({ needsKey: api.hasKey() ? "wrong" : "missing" });
    return notify({ kind: "error", text: error.status === 503 ? "busy" : error.message });
  }
  console.warn(error);
  notify({ kind: "error", text: String(error instanceof Error ? error.message : error) });
}

let retryTimer = 0;

function lost(): void {
  app.update({ online: false });
  clearTimeout(retryTimer);
  retryTimer = window.setTimeout(() => void connect(), RETRY_MS);
}

function reached(): void {
  if (!app.get().online) app.update({ online: true });
}

/** Ask what there is; again and again while nobody answers. */
export async function connect(): Promise<void> {
  try {
    const { voices, pitch } = await api.voices();
    app.update({ voices, canPitch: pitch, online: true, needsKey: "no" });
    const choice = resolve(voices, project().settings.voice);
    const known = choice && `${choice.voice.key}/${choice.speaker.name}/${choice.style.name}`;
    if (known && known !== project().settings.voice) {
      const { history: now } = app.get();
      app.update({ history: { ...now, now: { ...now.now, settings: { ...now.now.settings, voice: known } } } });
    }
    cutSoon(0);
  } catch (error) {
    failed(error);
  }
}

// ---- kept in this browser

let saveTimer = 0;

function saveSoon(): void {
  clearTimeout(saveTimer);
  saveTimer = window.setTimeout(saveNow, SAVE_MS);
}

export function saveNow(): void {
  clearTimeout(saveTimer);
  try {
    localStorage.setItem(SAVED, toFile(project()));
  } catch {
    notify({ kind: "error", text: "browserFull" });
  }
}

function saved(): Project {
  const content = localStorage.getItem(SAVED);
  try {
    if (content) return fromFile(content);
  } catch {
    // another version's: begin anew
  }
  return emptyProject(SAMPLE);
}
