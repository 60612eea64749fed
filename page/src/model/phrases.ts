/** Edits of accent phrases. Pure: each gives new phrases. */

import { isPause, morae } from "./kana";

export interface Word {
  surface: string;
  reading: string;
}

export interface Mora {
  text: string;
  /** 1 is high. */
  tone: 0 | 1;
  phones: string[];
  /** Of each phone, as spoken now. */
  seconds: number[];
  /** Of each phone at speed 1, if set by hand. */
  given: number[] | null;
}

export interface Phrase {
  words: Word[];
  moras: Mora[];
}

export const SHORTEST_S = 0.01;
export const LONGEST_S = 2;

/** Morae that sound: the pauses at the end of a phrase have no accent. */
export function sounding(phrase: Phrase): number {
  let count = phrase.moras.length;
  while (count > 0 && isPause(phrase.moras[count - 1]!.text)) count--;
  return count;
}

/** The mora, from 1, after which the pitch falls; 0 where it does not. */
export function accentOf(phrase: Phrase): number {
  const count = sounding(phrase);
  for (let i = 0; i + 1 < count; i++) {
    if (phrase.moras[i]!.tone === 1 && phrase.moras[i + 1]!.tone === 0) return i + 1;
  }
  return count === 1 ? phrase.moras[0]!.tone : 0;
}

/** Tones of `count` morae whose pitch falls after mora `accent`; 0: not at all. */
export function tonesOf(accent: number, count: number): (0 | 1)[] {
  return Array.from({ length: count }, (_, i) => {
    if (accent === 1) return i === 0 ? 1 : 0;
    return i === 0 || (accent > 0 && i >= accent) ? 0 : 1;
  });
}

export function withAccent(phrases: Phrase[], at: number, accent: number): Phrase[] {
  return changed(phrases, at, (phrase) => {
    const count = sounding(phrase);
    const tones = tonesOf(Math.min(Math.max(accent, 0), count), count);
    return { ...phrase, moras: phrase.moras.map((mora, i) => ({ ...mora, tone: i < count ? tones[i]! : 0 })) };
  });
}

/** Cut a phrase before its mora `mora`; both parts keep their tones, the second begins anew. */
export function split(phrases: Phrase[], at: number, mora: number): Phrase[] {
  const phrase = phrases[at];
  if (!phrase || mora < 1 || mora >= phrase.moras.length) return phrases;
  const words = wordsBefore(phrase.words, mora);
  const first = { words: phrase.words.slice(0, words), moras: phrase.moras.slice(0, mora) };
  const second = { words: phrase.words.slice(words), moras: phrase.moras.slice(mora) };
  const parts = [first, second].map((part) => withAccent([part], 0, accentOf(part))[0]!);
  return [...phrases.slice(0, at), ...parts, ...phrases.slice(at + 1)];
}

/** Join a phrase with the one after it; the accent is the first fall of the two. */
export function join(phrases: Phrase[], at: number): Phrase[] {
  const [first, second] = [phrases[at], phrases[at + 1]];
  if (!first || !second) return phrases;
  const [own, other] = [accentOf(first), accentOf(second)];
  const accent = own || (other ? first.moras.length + other : 0);
  const joined = { words: [...first.words, ...second.words], moras: [...first.moras, ...second.moras] };
  return withAccent([...phrases.slice(0, at), joined, ...phrases.slice(at + 2)], at, accent);
}

/** Another reading of a phrase, or null if it is none; the accent stays where it was. */
export function withReading(phrases: Phrase[], at: number, reading: string): Phrase[] | null {
  const pieces = morae(reading);
  if (!pieces || !phrases[at]) return null;
  const accent = accentOf(phrases[at]);
  const read = changed(phrases, at, (phrase) => {
    const tail = phrase.moras.slice(sounding(phrase));
    const own = pieces.some((piece) => !isPause(piece)) && isPause(pieces.at(-1)!) ? [] : tail;
    const moras = pieces.map((text): Mora => ({ text, tone: 0, phones: [], seconds: [], given: null }));
    return { ...phrase, moras: [...moras, ...own] };
  });
  return withAccent(read, at, Math.min(accent, sounding(read[at]!)));
}

/** The kana of a phrase without the pauses after it. */
export function readingOf(phrase: Phrase): string {
  return phrase.moras.slice(0, sounding(phrase)).map((mora) => mora.text).join("");
}

export function length(mora: Mora): number {
  return mora.seconds.reduce((sum, s) => sum + s, 0);
}

/** A mora that lasts `seconds` at this speed; its phones share it as they did. */
export function withLength(phrases: Phrase[], at: number, place: number, seconds: number, speed: number): Phrase[] {
  return changed(phrases, at, (phrase) => ({
    ...phrase,
    moras: phrase.moras.map((mora, i) => {
      if (i !== place || !mora.seconds.length) return mora;
      const wanted = Math.min(Math.max(seconds, SHORTEST_S), LONGEST_S);
      const now = length(mora);
      const own = mora.seconds.map((s) => (now > 0 ? (s * wanted) / now : wanted / mora.seconds.length));
      return { ...mora, seconds: own.map(round), given: own.map((s) => round(s * speed)) };
    }),
  }));
}

export function withoutLength(phrases: Phrase[], at: number, place: number): Phrase[] {
  return changed(phrases, at, (phrase) => ({
    ...phrase,
    moras: phrase.moras.map((mora, i) => (i === place ? { ...mora, given: null } : mora)),
  }));
}

/** A phrase as the voice reads it by itself: with its neighbours where words or borders were moved between them. */
export function reset(phrases: Phrase[], automatic: Phrase[], at: number): Phrase[] {
  const [own, auto] = [spans(phrases), spans(automatic)];
  while (at > 0 && !phrases[at]?.words.length) at--; // the rest of a word that was split
  let [low, high] = own[at] ?? [0, 0];
  for (let before = -1; before !== high - low; ) {
    before = high - low;
    for (const [begin, end] of [...own, ...auto]) {
      if (begin < high && end > low) [low, high] = [Math.min(low, begin), Math.max(high, end)];
    }
  }
  const inside = ([begin, end]: [number, number]) => (begin === end ? begin > low : begin >= low) && end <= high;
  const kept = phrases.map((phrase, i) => ({ phrase, inside: inside(own[i]!) }));
  const first = kept.findIndex((k) => k.inside);
  const last = kept.findLastIndex((k) => k.inside);
  if (first < 0) return phrases;
  return [...phrases.slice(0, first), ...automatic.filter((_, i) => inside(auto[i]!)), ...phrases.slice(last + 1)];
}

/** What the server says of lengths and phones, under the hand-made tones, lengths and words. */
export function refreshed(own: Phrase[], read: Phrase[]): Phrase[] {
  const fresh = read.flatMap((phrase) => phrase.moras);
  if (fresh.length !== own.reduce((sum, phrase) => sum + phrase.moras.length, 0)) return own;
  let place = 0;
  return own.map((phrase) => ({
    ...phrase,
    moras: phrase.moras.map((mora) => {
      const { phones, seconds } = fresh[place++]!;
      return { ...mora, phones, seconds };
    }),
  }));
}

function changed(phrases: Phrase[], at: number, change: (phrase: Phrase) => Phrase): Phrase[] {
  return phrases.map((phrase, i) => (i === at ? change(phrase) : phrase));
}

/** Words that begin before mora `mora` of their phrase. */
function wordsBefore(words: Word[], mora: number): number {
  let place = 0;
  let count = 0;
  for (const word of words) {
    if (place >= mora) break;
    place += morae(word.reading)?.length ?? 1;
    count++;
  }
  return count;
}

/** First and last + 1 word of each phrase. */
function spans(phrases: Phrase[]): [number, number][] {
  let place = 0;
  return phrases.map((phrase) => {
    const begin = place;
    place += phrase.words.length;
    return [begin, place];
  });
}

function round(seconds: number): number {
  return Math.round(seconds * 10_000) / 10_000;
}
