/** Readings as people type them. */

const MORA = /[ァ-ヴ][ァィゥェォャュョヮ]?|ー|[、。！？…・,.!?'\-]/gu;
const SMALL = "ァィゥェォャュョヮ";

/** Hiragana → katakana; the rest stays. */
export function toKatakana(text: string): string {
  return text.normalize("NFKC").replace(/[\u3041-\u3096]/g, (c) => String.fromCharCode(c.charCodeAt(0) + 0x60));
}

/** Morae of a reading, or null if something in it is no kana. */
export function morae(reading: string): string[] | null {
  const kana = toKatakana(reading).replace(/\s/g, "");
  const found = kana.match(MORA) ?? [];
  if (!kana || found.join("") !== kana) return null;
  const pieces: string[] = [];
  for (const mora of found) {
    if (mora.length > 1 && mora[0] === "ッ") return null;
    if (SMALL.includes(mora)) return null;
    pieces.push(mora);
  }
  return pieces;
}

const PUNCTUATION = new Set([..."、。！？…・,.!?'-"]);

/** A pause, not a sound. */
export function isPause(mora: string): boolean {
  return PUNCTUATION.has(mora);
}

const SHOWN: Record<string, string> = { ",": "、", ".": "。", "!": "！", "?": "？", "-": "‐", "'": "’" };

/** How a mora is shown. */
export function shown(mora: string): string {
  return SHOWN[mora] ?? mora;
}
