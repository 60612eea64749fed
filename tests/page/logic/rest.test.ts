import { FrameReader } from "../../../page/src/audio/frames";
import { BANDS, Columns, fft } from "../../../page/src/audio/spectrum";
import { writeSizes } from "../../../page/src/api";
import { changed, newHistory, redone, undone } from "../../../page/src/model/history";
import { morae, toKatakana } from "../../../page/src/model/kana";
import { fromPreset, toPreset } from "../../../page/src/model/presets";
import { DEFAULTS, emptyProject, fromFile, toFile } from "../../../page/src/model/project";
import { curlLine, lineRequest } from "../../../page/src/model/requests";
import { clock, subtitles } from "../../../page/src/model/subtitles";

function frame(head: object, samples: number[]): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(head));
  const data = new Uint8Array(8 + text.length + 2 * samples.length);
  const view = new DataView(data.buffer);
  view.setUint32(0, text.length, true);
  view.setUint32(4, 2 * samples.length, true);
  data.set(text, 8);
  samples.forEach((s, i) => view.setInt16(8 + text.length + 2 * i, s, true));
  return data;
}

describe("frames", () => {
  const bytes = new Uint8Array([...frame({ rate: 24000, words: [["箸", 0, 1]] }, [1, -2, 300]), ...frame({ end: true, gap: 0.5 }, [])]);

  test.each([1, 3, 7, 1000])("come whole from pieces of %i bytes", (size) => {
    const reader = new FrameReader();
    const frames = [];
    for (let i = 0; i < bytes.length; i += size) frames.push(...reader.push(bytes.subarray(i, i + size)));
    expect(frames.map((f) => [...f.samples])).toEqual([[1, -2, 300], []]);
    expect(frames.map((f) => f.head)).toEqual([{ rate: 24000, words: [["箸", 0, 1]] }, { end: true, gap: 0.5 }]);
    expect(reader.isEmpty).toBe(true);
  });

  test("a cut stream leaves something over", () => {
    const reader = new FrameReader();
    expect(reader.push(bytes.subarray(0, bytes.length - 1))).toHaveLength(1);
    expect(reader.isEmpty).toBe(false);
  });
});

describe("history", () => {
  test("undo and redo are exact; the same change soon after is one step; a new change forgets the future", () => {
    let h = newHistory("a");
    h = changed(h, "b", "text", 0);
    h = changed(h, "c", "text", 500);
    h = changed(h, "d", "accent", 600);
    expect(undone(h).now).toBe("c");
    expect(undone(undone(h)).now).toBe("a");
    expect(undone(undone(undone(h))).now).toBe("a");
    expect(redone(redone(undone(undone(h)))).now).toBe("d");
    expect(changed(undone(h), "e", "text", 700).future).toEqual([]);
  });

  test("it is bounded", () => {
    let h = newHistory(0);
    for (let i = 1; i < 1000; i++) h = changed(h, i, String(i), i);
    expect(h.past.length).toBeLessThanOrEqual(200);
  });
});

describe("kana", () => {
  test.each([
    ["きょうわ", ["キョ", "ウ", "ワ"]], ["ティー", ["ティ", "ー"]], ["ッテ", ["ッ", "テ"]], ["ﾊｼ", ["ハ", "シ"]], ["ワ、", ["ワ", "、"]],
  ])("%s", (reading, expected) => expect(morae(reading)).toEqual(expected));

  test.each(["", "橋", "abc", "ャ", "<script>"])("%s is none", (reading) => expect(morae(reading)).toBeNull());

  test("katakana", () => expect(toKatakana("はし ﾊｼ")).toBe("ハシ ハシ"));
});

describe("projects", () => {
  const correction = {
    phrases: [{ words: [{ surface: "箸", reading: "ハシ" }], moras: [{ text: "ハ", tone: 1 as const, phones: ["h", "a"], seconds: [0.1, 0.1], given: [0.2, 0.2] }] }],
    pause: 0.3,
  };
  const project = { ...emptyProject("箸。"), title: "題", corrections: { "箸。": correction }, cast: { 太郎: "a/b/c" }, settings: { ...DEFAULTS, voice: "a/b/c", speed: 1.2, seed: 7 } };

  test("come back as they were saved, without what no longer belongs to the text", () => {
    expect(fromFile(toFile(project))).toEqual(project);
    expect(fromFile(toFile({ ...project, text: "端。" })).corrections).toEqual({});
  });

  test.each([["", "notAProject"], ["[]", "notAProject"], ["{}", "notAProject"], ['{"format":"sokuon-studio","version":2}', "newerProject"]])(
    "%s is refused", (content, reason) => expect(() => fromFile(content)).toThrow(reason),
  );

  test("foreign values are bounded or left out", () => {
    const own = fromFile(JSON.stringify({
      format: "sokuon-studio", version: 1, text: 5, settings: { speed: 1e9, noise: "x", seed: -1, voice: {} },
      corrections: { "あ": { phrases: [{ moras: "x" }] }, "い": { phrases: [{ words: [], moras: [{ text: "イ", tone: 7 }] }] }, "う": { pause: 1 } }, cast: { a: 1 },
    }));
    expect(own.settings).toEqual({ ...DEFAULTS, speed: 2 });
    expect(own.corrections).toEqual({ "う": { phrases: null, pause: 1 } });
    expect(own.cast).toEqual({});
  });

  test("a line asks for its correction at the speed that is set, for its character's voice, and for what comes next", () => {
    const lines = [{ text: "箸。", start: 0, end: 2, character: "太郎", paragraph: false }, { text: "橋。", start: 2, end: 4, character: null, paragraph: false }];
    const first = lineRequest({ ...project, settings: { ...project.settings, speed: 2, voice: "x" } }, lines, 0);
    expect(first.phrases![0]!.moras[0]).toEqual({ text: "ハ", tone: 1, seconds: [0.1, 0.1] });
    expect([first.voice, first.pause, first.next]).toEqual(["a/b/c", 0.3, null]);
    const second = lineRequest(project, lines, 1);
    expect([second.voice, second.pause, second.next, second.phrases]).toEqual(["a/b/c", null, null, null]);
    expect(lineRequest(project, lines, 0, null)).toMatchObject({ phrases: null, next: "橋。" });
  });

  test("the command survives a shell", () => {
    const command = curlLine("http://h", [{ ...lineRequest(project, [{ text: "it's", start: 0, end: 4, character: null, paragraph: false }], 0) }], "wav", false);
    expect(command).toContain(`it'\\''s`);
    expect(command).not.toContain("null");
    expect(command).not.toContain("X-API-Key");
    expect(curlLine("http://h", [], "wav", true)).toContain('-H "X-API-Key: $SOKUON_API_KEY"');
  });
});

describe("presets", () => {
  const voices = [{ key: "v", speakers: [{ name: "s", uuid: "u", styles: [{ name: "t", id: 5 }] }], sample_rate: 24000, licence: null, megabytes: 1, loaded: true }];

  test.each([[0, 0], [1, 0.2], [0.5, 0.1], [5, 1], [2.5, 0.6]])("style strength %d and rhythm %d come back", (style_weight, sdp_ratio) => {
    const settings = { ...DEFAULTS, voice: "v/s/t", style_weight, sdp_ratio, speed: 1.3, pitch: 0.9 };
    const preset = toPreset("名", settings, voices)!;
    expect([preset.style_id, preset.speaker_uuid]).toEqual([5, "u"]);
    expect({ ...settings, ...fromPreset(preset, voices) }).toEqual(settings);
  });

  test("one of another client is bounded, and of an unknown style it keeps the voice", () => {
    const preset = { ...toPreset("n", DEFAULTS, voices)!, style_id: 9, speedScale: 50, intonationScale: 2 };
    expect(fromPreset(preset, voices)).toEqual({ speed: 2, style_weight: 5, sdp_ratio: 0.2, pitch: 1 });
  });
});

describe("subtitles", () => {
  const line = { text: "a --> <b>\n&c", character: null, start: 0, end: 3661.5, words: [], phones: [] };

  test("no text becomes a time or a tag", () => {
    expect(subtitles([line], "srt")).toBe("1\n00:00:00,000 --> 01:01:01,500\na → <b> &c\n");
    expect(subtitles([line], "vtt")).toBe("WEBVTT\n\n00:00:00.000 --> 01:01:01.500\na → &lt;b> &amp;c\n");
  });

  test("rounding carries", () => expect(clock(59.9996, ".")).toBe("00:01:00.000"));
});

describe("what the strip shows", () => {
  test("a tone is one peak of the transform", () => {
    const real = Float32Array.from({ length: 512 }, (_, i) => Math.cos((2 * Math.PI * 20 * i) / 512));
    const imaginary = new Float32Array(512);
    fft(real, imaginary);
    expect(real[20]).toBeCloseTo(256, 2);
    expect(Math.hypot(real[21]!, imaginary[21]!)).toBeLessThan(1e-3);
  });

  test("columns do not depend on how the sound is cut, and a higher tone lies higher", () => {
    const tone = (hz: number) => Int16Array.from({ length: 24_000 }, (_, i) => 20_000 * Math.sin((2 * Math.PI * hz * i) / 24_000));
    const whole = new Columns().push(tone(440), 24_000);
    const cut = new Columns();
    const parts = [tone(440).subarray(0, 1111), tone(440).subarray(1111)].flatMap((part) => cut.push(part, 24_000));
    expect(parts).toEqual(whole);
    expect(whole).toHaveLength(100);
    const loudest = (hz: number) => {
      const { levels } = new Columns().push(tone(hz), 24_000).at(-1)!;
      return levels.indexOf(Math.max(...levels));
    };
    expect(loudest(440)).toBeLessThan(loudest(2000));
    expect(whole.at(-1)!.levels).toHaveLength(BANDS);
  });
});

test("the sizes of a streamed WAV are written once they are known", () => {
  const head = new Uint8Array(44);
  writeSizes(head, 1044);
  const view = new DataView(head.buffer);
  expect([view.getUint32(4, true), view.getUint32(40, true)]).toEqual([1036, 1000]);
});
