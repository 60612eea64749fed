import { characters, lineAt, segments, toLines } from "../../../page/src/model/lines";

const whole = (text: string) => [{ text, start: 0, character: null }];

test("sentences are found where they stand, white space between them aside", () => {
  const text = "  あ。い。\n\n「う」\n。え";
  const lines = toLines(text, whole(text), [["あ。", "い。", "「う」。", "え"]]);
  expect(lines.map((l) => text.slice(l.start, l.end))).toEqual(["あ。", "い。", "「う」\n。", "え"]);
});

test("equal sentences are found one after the other; one that is not there is left out", () => {
  const lines = toLines("はい。はい。", whole("はい。はい。"), [["はい。", "はい。", "いいえ。"]]);
  expect(lines.map((l) => l.start)).toEqual([0, 3]);
});

test("blank lines after a line make it the end of a paragraph", () => {
  const text = "あ。\nい。\n 　\nう。\n\n";
  expect(toLines(text, whole(text), [["あ。", "い。", "う。"]]).map((l) => l.paragraph)).toEqual([false, true, false]);
});

test("a place belongs to its line, or the next, or the last", () => {
  const lines = toLines("あ。 い。", whole("あ。 い。"), [["あ。", "い。"]]);
  expect([0, 1, 2, 3, 9].map((place) => lineAt(lines, place))).toEqual([0, 0, 1, 1, 1]);
  expect(lineAt([], 0)).toBe(-1);
});

test("who speaks is found at the beginning of a line only", () => {
  expect(characters("太郎「おはよう」\n花子『はい』と言った。\nそこで、次郎「x」")).toEqual(["太郎", "花子"]);
});

test("of the cast, name and brackets are not read; others are text", () => {
  const text = "太郎「おはよう。元気？」\nそう言った。\n花子「はい」";
  const parts = segments(text, { 太郎: "v/s/t" });
  expect(parts.map((p) => [p.character, p.text.trim()])).toEqual([
    ["太郎", "おはよう。元気？"], [null, "そう言った。\n花子「はい」"],
  ]);
  for (const part of parts) expect(text.startsWith(part.text, part.start)).toBe(true);
});

test("names like those of every object are no cast", () => {
  expect(segments("toString「あ」", {})).toHaveLength(1);
});

test("20,000 characters take no time", () => {
  const text = "昔々あるところに、おじいさんとおばあさんがいました。\n".repeat(800);
  const began = performance.now();
  const sentences = text.split("\n").filter(Boolean);
  expect(toLines(text, segments(text, {}), [sentences])).toHaveLength(800);
  expect(performance.now() - began).toBeLessThan(200);
});
