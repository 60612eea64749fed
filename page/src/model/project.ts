import type { Phrase } from "./phrases";

/** How it is spoken; the names of /studio/speak. */
export interface Settings {
  voice: string;
  style_weight: number;
  speed: number;
  sdp_ratio: number;
  intonation: number;
  pitch: number;
  noise: number;
  noise_w: number;
  /** Seconds between sentences; null: as the voice pauses. */
  pause: number | null;
  seed: number;
}

/** What was changed by hand in a sentence; it belongs to the sentence as written, wherever that stands. */
export interface Correction {
  phrases: Phrase[] | null;
  pause: number | null;
}

export interface Project {
  title: string;
  text: string;
  settings: Settings;
  corrections: Record<string, Correction>;
  /** Character of a dialogue → voice/speaker/style. */
  cast: Record<string, string>;
}

export const RANGES = {
  speed: [0.5, 2, 0.05],
  style_weight: [0, 5, 0.1],
  intonation: [0, 2, 0.05],
  pitch: [0.5, 2, 0.01],
  sdp_ratio: [0, 1, 0.05],
  noise: [0, 1.5, 0.05],
  noise_w: [0, 1.5, 0.05],
  pause: [0, 3, 0.05],
} as const satisfies Record<string, readonly [number, number, number]>;

export const DEFAULTS: Settings = {
  voice: "",
  style_weight: 1,
  speed: 1,
  sdp_ratio: 0.2,
  intonation: 1,
  pitch: 1,
  noise: 0.6,
  noise_w: 0.8,
  pause: null,
  seed: 0,
};

export function emptyProject(text = ""): Project {
  return { title: "", text, settings: DEFAULTS, corrections: {}, cast: {} };
}

const FORMAT = "sokuon-studio";
const VERSION = 1;

export function toFile(project: Project): string {
  return JSON.stringify({ format: FORMAT, version: VERSION, ...pruned(project) }, null, 1) + "\n";
}

/** A project as it was saved. Throws an Error whose message is a key of the page's texts. */
export function fromFile(content: string): Project {
  const value = parsed(content);
  if (value["format"] !== FORMAT) throw new Error("notAProject");
  if (value["version"] !== VERSION) throw new Error("newerProject");
  const settings = { ...DEFAULTS };
  const given = record(value["settings"]);
  settings.voice = typeof given["voice"] === "string" ? given["voice"] : "";
  for (const [name, [low, high]] of Object.entries(RANGES) as [keyof typeof RANGES, readonly [number, number, number]][]) {
    const number = given[name];
    if (typeof number === "number" && Number.isFinite(number)) settings[name] = Math.min(high, Math.max(low, number));
  }
  const seed = given["seed"];
  if (typeof seed === "number" && Number.isSafeInteger(seed) && seed >= 0) settings.seed = seed;
  return {
    title: String(value["title"] ?? "").slice(0, 200),
    text: String(value["text"] ?? ""),
    settings,
    corrections: Object.fromEntries(
      Object.entries(record(value["corrections"])).flatMap(([key, c]) => {
        const correction = asCorrection(c);
        return correction ? [[key, correction]] : [];
      }),
    ),
    cast: Object.fromEntries(
      Object.entries(record(value["cast"])).filter((e): e is [string, string] => typeof e[1] === "string"),
    ),
  };
}

/** Without the corrections of sentences that are no longer in the text. */
function pruned(project: Project): Project {
  const kept = Object.entries(project.corrections).filter(([sentence]) => project.text.includes(sentence));
  return { ...project, corrections: Object.fromEntries(kept) };
}

function parsed(content: string): Record<string, unknown> {
  try {
    return record(JSON.parse(content));
  } catch {
    throw new Error("notAProject");
  }
}

function record(value: unknown): Record<string, unknown> {
  return value !== null && typeof value === "object" && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function asCorrection(value: unknown): Correction | null {
  const { phrases, pause } = record(value);
  const seconds = typeof pause === "number" && pause >= 0 && pause <= 60 ? pause : null;
  if (phrases === null || phrases === undefined) return seconds === null ? null : { phrases: null, pause: seconds };
  if (!Array.isArray(phrases) || !phrases.every(isPhrase)) return null;
  return { phrases, pause: seconds };
}

function isPhrase(value: unknown): value is Phrase {
  const { words, moras } = record(value);
  const wordsFit = Array.isArray(words) && words.every((w) => typeof record(w)["surface"] === "string" && typeof record(w)["reading"] === "string");
  return wordsFit && Array.isArray(moras) && moras.length > 0 && moras.every(isMora);
}

function isMora(value: unknown): boolean {
  const { text, tone, phones, seconds, given } = record(value);
  const numbers = (list: unknown) => Array.isArray(list) && list.every((n) => typeof n === "number" && n >= 0 && n <= 10);
  return (
    typeof text === "string" && (tone === 0 || tone === 1) && Array.isArray(phones) &&
    phones.every((p) => typeof p === "string") && numbers(seconds) && (given === null || numbers(given))
  );
}
