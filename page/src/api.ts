import type { Frame } from "./audio/frames";
import { FrameReader } from "./audio/frames";
import type { Phrase } from "./model/phrases";
import type { Preset } from "./model/presets";
import type { LineRequest } from "./model/requests";

export interface VoiceEntry {
  key: string;
  speakers: { name: string; uuid: string; styles: { name: string; id: number }[] }[];
  sample_rate: number;
  licence: string | null;
  megabytes: number;
  loaded: boolean;
}

export interface About {
  key: string;
  card: string | null;
  licence: string | null;
  sample_rate: number;
  megabytes: number;
  speakers: string[];
  styles: { name: string; x: number; y: number }[];
  /** Of the weights the server speaks with, and all that it can speak with, the finest first. */
  precision: string;
  precisions: { name: string; loaded: boolean }[];
}

export interface DictionaryWord {
  surface: string;
  pronunciation: string;
  accent_type: number;
  priority: number;
}

/** The server could not be reached. */
export class Unreachable extends Error {}

/** The server refused: its own sentence. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

const KEY = "sokuon-key";

export function setKey(key: string): void {
  localStorage.setItem(KEY, key);
}

export function hasKey(): boolean {
  return Boolean(localStorage.getItem(KEY));
}

async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  const key = localStorage.getItem(KEY);
  if (key) headers.set("X-API-Key", key);
  let answer: Response;
  try {
    answer = await fetch(path, { ...init, headers });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Unreachable();
  }
  if (!answer.ok) throw new Refused(answer.status, await reason(answer));
  return answer;
}

async function reason(answer: Response): Promise<string> {
  try {
    const { detail } = (await answer.json()) as { detail: unknown };
    if (typeof detail === "string") return detail;
    return (detail as { loc: unknown[]; msg: string }[]).map((d) => `${d.loc.slice(1).join(".")}: ${d.msg}`).join("; ");
  } catch {
    return `${answer.status} ${answer.statusText}`;
  }
}

function post(path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  const headers = { "Content-Type": "application/json" };
  return ask(path, { method: "POST", body: JSON.stringify(body), headers, signal: signal ?? null });
}

export async function voices(): Promise<{ voices: VoiceEntry[]; pitch: boolean }> {
  return (await ask("studio/voices")).json();
}

export async function about(voice: string): Promise<About> {
  return (await ask(`studio/about?voice=${encodeURIComponent(voice)}`)).json();
}

export async function sentences(texts: string[], signal?: AbortSignal): Promise<string[][]> {
  const answer = (await (await post("studio/sentences", { texts }, signal)).json()) as { sentences: string[][] };
  return answer.sentences;
}

export async function read(line: LineRequest, signal?: AbortSignal): Promise<Phrase[]> {
  const answer = (await (await post("studio/read", line, signal)).json()) as { phrases: Phrase[] };
  return answer.phrases.map((phrase) => ({ ...phrase, moras: phrase.moras.map((mora) => ({ ...mora, given: null })) }));
}

/** The frames of a line as they come. */
export async function* speak(line: LineRequest, signal: AbortSignal): AsyncGenerator<Frame> {
  const answer = await post("studio/speak", line, signal);
  const reader = answer.body!.getReader();
  const frames = new FrameReader();
  for (;;) {
    let part;
    try {
      part = await reader.read();
    } catch (error) {
      if (signal.aborted) throw error;
      throw new Unreachable();
    }
    if (part.done) break;
    yield* frames.push(part.value);
  }
}

/** A file as it is made; `progress` hears of the bytes so far. */
export async function file(
  lines: LineRequest[],
  format: string,
  progress: (bytes: number) => void,
  signal: AbortSignal,
): Promise<Blob> {
  const answer = await post("studio/file", { lines, format }, signal);
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  const reader = answer.body!.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    progress((bytes += value.length));
  }
  if (format === "wav" && parts[0]) writeSizes(parts[0], bytes);
  return new Blob(parts, { type: answer.headers.get("content-type") ?? "" });
}

/** A WAV that was streamed does not know its length: now it does. */
export function writeSizes(head: Uint8Array<ArrayBuffer>, bytes: number): void {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  view.setUint32(4, bytes - 8, true);
  view.setUint32(40, bytes - 44, true);
}

export async function words(): Promise<Record<string, DictionaryWord>> {
  return (await ask("user_dict")).json();
}

export async function teach(word: { surface: string; pronunciation: string; accent_type: number; word_type: string; priority: number }): Promise<void> {
  const query = new URLSearchParams(Object.entries(word).map(([k, v]) => [k, String(v)]));
  await ask(`user_dict_word?${query}`, { method: "POST" });
}

export async function forget(id: string): Promise<void> {
  await ask(`user_dict_word/${encodeURIComponent(id)}`, { method: "DELETE" });
}

export async function presets(): Promise<Preset[]> {
  return (await ask("presets")).json();
}

export async function addPreset(preset: Preset): Promise<void> {
  await post("add_preset", preset);
}

export async function deletePreset(id: number): Promise<void> {
  await ask(`delete_preset?id=${id}`, { method: "POST" });
}

/** Requests that the server is working on. */
export async function underWay(): Promise<number> {
  const page = await (await ask("metrics")).text();
  return Number(/^sokuon_requests_under_way (\S+)$/m.exec(page)?.[1] ?? 0);
}

export async function health(): Promise<{ version: string; loaded: string[]; [key: string]: unknown }> {
  return (await ask("health")).json();
}
