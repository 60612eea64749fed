/** A text as lines to speak: sentences with their places, and who says them. Pure. */

export interface Line {
  text: string;
  /** Place in the whole text. */
  start: number;
  end: number;
  /** Who says it, in a dialogue with a cast. */
  character: string | null;
  /** Blank lines follow, which make a longer pause. */
  paragraph: boolean;
}

export interface Segment {
  text: string;
  start: number;
  character: string | null;
}

const SPEECH = /^[ \t　]*([^\s「」『』。、！？!?]{1,20})[ \t　]*[「『]([^」』]*)[」』]/gmu;

/** Names that speak in a text, in order, as in 太郎「おはよう」 at the beginning of a line. */
export function characters(text: string): string[] {
  return [...new Set([...text.matchAll(SPEECH)].map((match) => match[1]!))];
}

/** Cut a text where somebody of the cast speaks: the name and the brackets are not read then. */
export function segments(text: string, cast: Record<string, string>): Segment[] {
  const found: Segment[] = [];
  let place = 0;
  const add = (start: number, end: number, character: string | null) => {
    if (text.slice(start, end).trim()) found.push({ text: text.slice(start, end), start, character });
  };
  for (const match of text.matchAll(SPEECH)) {
    const name = match[1]!;
    if (!Object.hasOwn(cast, name)) continue;
    add(place, match.index, null);
    const end = match.index + match[0].length - 1;
    add(end - match[2]!.length, end, name);
    place = end + 1;
  }
  add(place, text.length, null);
  return found;
}

/** Lines of a text from its segments and the sentences that the server found in each. */
export function toLines(text: string, parts: Segment[], sentences: string[][]): Line[] {
  const lines = found(parts, sentences);
  const between = (i: number) => text.slice(lines[i]!.end, lines[i + 1]?.start ?? 0);
  return lines.map((line, i) => ({ ...line, paragraph: /\n[^\S\n]*\n/.test(between(i)) }));
}

function found(parts: Segment[], sentences: string[][]): Omit<Line, "paragraph">[] {
  return parts.flatMap((part, i) => {
    let place = 0;
    return (sentences[i] ?? []).flatMap((text) => {
      const own = text.trim();
      const begin = own ? find(part.text, own, place) : -1;
      if (begin < 0) return [];
      const length = spanned(part.text, own, begin);
      place = begin + length;
      return [{ text, start: part.start + begin, end: part.start + place, character: part.character }];
    });
  });
}

/** The line at a place in the text: the one it lies in, else the next, else the last. */
export function lineAt(lines: Line[], place: number): number {
  let [low, high] = [0, lines.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (lines[middle]!.end <= place) low = middle + 1;
    else high = middle;
  }
  return Math.min(low, lines.length - 1);
}

/** Where a sentence begins: the server strips the white space between joined pieces, so it may be wider here. */
function find(text: string, sentence: string, from: number): number {
  const exact = text.indexOf(sentence, from);
  if (exact >= 0) return exact;
  for (let begin = from; begin < text.length; begin++) {
    if (text[begin] === sentence[0] && spanned(text, sentence, begin) > 0) return begin;
  }
  return -1;
}

/** Characters of `text` from `begin` that hold the sentence, white space aside; 0: it is not there. */
function spanned(text: string, sentence: string, begin: number): number {
  if (text.startsWith(sentence, begin)) return sentence.length;
  let place = begin;
  for (const char of sentence) {
    if (/\s/.test(char)) continue;
    while (place < text.length && /\s/.test(text[place]!)) place++;
    if (!text.startsWith(char, place)) return 0;
    place += char.length;
  }
  return place - begin;
}
