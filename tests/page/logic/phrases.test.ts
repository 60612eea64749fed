import { accentOf, join, length, readingOf, refreshed, reset, split, tonesOf, withAccent, withLength, withoutLength, withReading } from "../../../page/src/model/phrases";
import type { Phrase } from "../../../page/src/model/phrases";

function phrase(surface: string, kana: string[], tones: number[]): Phrase {
  return {
    words: [{ surface, reading: kana.filter((k) => k !== ",").join("") }],
    moras: kana.map((text, i) => ({ text, tone: tones[i] as 0 | 1, phones: text === "ハ" ? ["h", "a"] : ["i"], seconds: text === "ハ" ? [0.04, 0.06] : [0.1], given: null })),
  };
}

const HASHI = phrase("橋", ["ハ", "シ"], [0, 1]);
const GA = phrase("箸が", ["ハ", "シ", "ガ", ","], [1, 0, 0, 0]);

const tones = (p: Phrase) => p.moras.map((m) => m.tone).join("");

test.each([
  [0, 4, "0111"], [1, 4, "1000"], [2, 4, "0100"], [4, 4, "0111"], [1, 1, "1"], [0, 1, "0"],
])("accent %i of %i morae is %s", (accent, count, expected) => {
  expect(tonesOf(accent, count).join("")).toBe(expected);
});

test("an accent is read from the first fall, pauses aside", () => {
  expect(accentOf(HASHI)).toBe(0);
  expect(accentOf(GA)).toBe(1);
  expect(accentOf(phrase("あ", ["ア"], [1]))).toBe(1);
});

test("moving an accent changes its phrase only, and no pause becomes high", () => {
  const moved = withAccent([HASHI, GA], 1, 0);
  expect(moved[0]).toBe(HASHI);
  expect(tones(moved[1]!)).toBe("0110");
});

test("a phrase that is split and joined again is the one it was, accent included", () => {
  const parts = split([GA], 0, 2);
  expect(parts.map((p) => p.moras.length)).toEqual([2, 2]);
  const joined = join(parts, 0);
  expect(joined).toHaveLength(1);
  expect([readingOf(joined[0]!), tones(joined[0]!), joined[0]!.words]).toEqual(["ハシガ", "1000", GA.words]);
});

test("a split outside of the phrase changes nothing", () => {
  expect(split([GA], 0, 0)).toEqual([GA]);
  expect(split([GA], 0, 4)).toEqual([GA]);
  expect(join([GA], 0)).toEqual([GA]);
});

test("a reading may be typed in hiragana; the pause after the phrase stays; what is no kana is refused", () => {
  const read = withReading([GA], 0, "きょうわ")!;
  expect(read[0]!.moras.map((m) => m.text)).toEqual(["キョ", "ウ", "ワ", ","]);
  expect(withReading([GA], 0, "橋")).toBeNull();
  expect(withReading([GA], 0, "")).toBeNull();
});

test("a length is shared by the phones as before, kept at speed 1, bounded, and given back", () => {
  const longer = withLength([HASHI], 0, 0, 0.2, 2);
  expect(longer[0]!.moras[0]!.seconds).toEqual([0.08, 0.12]);
  expect(longer[0]!.moras[0]!.given).toEqual([0.16, 0.24]);
  expect(length(withLength([HASHI], 0, 1, 99, 1)[0]!.moras[1]!)).toBe(2);
  expect(withoutLength(longer, 0, 0)[0]!.moras[0]!.given).toBeNull();
});

test("fresh lengths go under what was set by hand; another number of morae is not taken", () => {
  const own = withAccent(withLength([HASHI], 0, 0, 0.2, 1), 0, 1);
  const read = [{ ...HASHI, moras: HASHI.moras.map((m) => ({ ...m, seconds: [0.5] })) }];
  const fresh = refreshed(own, read);
  expect(fresh[0]!.moras[0]).toMatchObject({ seconds: [0.5], tone: 1, given: own[0]!.moras[0]!.given });
  expect(refreshed(own, [GA])).toBe(own);
});

test("reset takes the neighbours along where a border was moved", () => {
  const automatic = [HASHI, GA];
  const joined = join(automatic, 0);
  expect(reset(joined, automatic, 0)).toEqual(automatic);
  const accented = withAccent(withAccent(automatic, 0, 1), 1, 2);
  const once = reset(accented, automatic, 1);
  expect([tones(once[0]!), tones(once[1]!)]).toEqual(["10", "1000"]);
  expect(reset(split(accented, 1, 1), automatic, 2)[1]).toEqual(GA);
});
