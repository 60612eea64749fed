import { withoutFrontMatter } from "../../../page/src/view/Markdown";
import { moved } from "../../../page/src/view/roving";
import { titleOf } from "../../../page/src/model/voices";

test.each([
  ["ArrowRight", 0, 1], ["ArrowRight", 2, 0], ["ArrowLeft", 0, 2], ["ArrowDown", 0, 1], ["ArrowUp", 0, 2], ["Home", 2, 0], ["End", 0, 2],
])("%s from %i of three leads to %i", (key, from, to) => expect(moved(key, from, 3, "all")).toBe(to));

test("in a row of sliders up and down are theirs; letters are nobody's", () => {
  expect(moved("ArrowUp", 1, 3, "row")).toBeUndefined();
  expect(moved("ArrowRight", 1, 3, "row")).toBe(2);
  expect(moved("a", 1, 3, "all")).toBeUndefined();
});

test("the YAML that a card begins with is not shown", () => {
  expect(withoutFrontMatter("---\nlicense: mit\n---\n# A\n\n---\nb")).toBe("# A\n\n---\nb");
  expect(withoutFrontMatter("# A\n---\nb\n---\n")).toBe("# A\n---\nb\n---\n");
});

test("names of a choice stand once", () => {
  const style = { name: "t", id: 1 };
  const speaker = { name: "v", uuid: "u", styles: [style] };
  const voice = { key: "v", speakers: [speaker], sample_rate: 1, licence: null, megabytes: 1, loaded: true };
  expect(titleOf({ voice, speaker, style })).toBe("v・t");
});
