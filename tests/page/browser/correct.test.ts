/** Seeing and correcting how it is read; what is kept of it. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import type { Page } from "playwright-core";
import { unzipSync } from "fflate";
import { pause, setText, studioTest as test } from "./harness";
import { nextLine, pitch, trailingSilence } from "./sound";

const accent = (page: Page, at = 0) => page.locator("svg[role=slider]").nth(at);
const bar = (page: Page, at: number) => page.locator(".length").nth(at);
const playLine = (page: Page) => page.getByRole("button", { name: "この文を再生" }).click();

async function write(page: Page, text: string): Promise<void> {
  await setText(page, text);
  await page.locator(".sentence", { hasText: text.slice(0, 4) }).waitFor();
  await page.locator(".phrases[aria-busy=false] .phrase").first().waitFor();
}

test("another accent is another pitch", async ({ page }) => {
  await write(page, "雨が降る。");
  await accent(page).focus();
  await page.keyboard.press("Home");
  expect(await accent(page).getAttribute("aria-valuenow")).toBe("1");
  await pause(400);
  const high = await nextLine(page, () => playLine(page));
  await accent(page).focus();
  await page.keyboard.press("End");
  await pause(400);
  const flat = await nextLine(page, () => playLine(page));
  const rise = (sound: typeof high) => {
    const [a, , e] = sound.phones; // a m e
    return pitch(sound, e![1], e![2]) / pitch(sound, a![1], a![2]);
  };
  console.log(`F0 of メ over ア: ${rise(high).toFixed(2)} with accent 1, ${rise(flat).toFixed(2)} flat`);
  expect(rise(flat)).toBeGreaterThan(rise(high) * 1.08);
});

test("the accent is dragged with the pointer", async ({ page }) => {
  await write(page, "雨が降る。");
  const box = (await accent(page).boundingBox())!;
  await page.mouse.move(box.x + 16, box.y + 10);
  await page.mouse.down();
  await page.mouse.move(box.x + 48, box.y + 10, { steps: 4 });
  await page.mouse.up();
  expect(await accent(page).getAttribute("aria-valuenow")).toBe("2");
});

test("a length that is dragged is the length that is spoken", async ({ page }) => {
  await write(page, "雨が降る。");
  const box = (await bar(page, 1).boundingBox())!;
  await page.mouse.move(box.x + box.width / 2, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 2, box.y - 30, { steps: 8 });
  await page.mouse.up();
  const wanted = Number(await bar(page, 1).getAttribute("aria-valuenow")) / 1000;
  expect(wanted).toBeGreaterThan(0.3);
  await pause(400);
  const { phones } = await nextLine(page, () => playLine(page));
  const [, m, e] = phones;
  expect([m![0], e![0]]).toEqual(["m", "e"]);
  expect(Math.abs(e![2] - m![1] - wanted)).toBeLessThan(0.0126); // one frame of the voice
  await bar(page, 1).focus();
  await page.keyboard.press("Delete");
  await expect.poll(async () => Number(await bar(page, 1).getAttribute("aria-valuenow"))).toBeLessThan(300);
});

test("the pause after a sentence is what was asked for, and automatic again", async ({ page }) => {
  await write(page, "雨が降る。風も吹く。");
  await page.locator("textarea.story").press("Control+Home");
  const slider = page.getByRole("slider", { name: "文のあとの間" });
  const automatic = await nextLine(page, () => playLine(page));
  await slider.fill("2");
  const long = await nextLine(page, () => playLine(page));
  const quiet = trailingSilence(long);
  expect(Math.abs(long.gap + quiet - 2)).toBeLessThan(0.05);
  expect(automatic.gap + trailingSilence(automatic)).toBeLessThan(1.5);
  await page.getByRole("button", { name: /→ 自動$/ }).click();
  await page.locator(".badge").waitFor({ state: "detached" });
});

test("phrases are split and joined, undone and redone", async ({ page }) => {
  await write(page, "雨が降る。");
  const count = await page.locator(".phrase").count();
  await page.locator(".split").first().click({ force: true });
  await expect.poll(() => page.locator(".phrase").count()).toBe(count + 1);
  await page.keyboard.press("Control+z");
  await expect.poll(() => page.locator(".phrase").count()).toBe(count);
  await page.keyboard.press("Control+Shift+z");
  await expect.poll(() => page.locator(".phrase").count()).toBe(count + 1);
  await page.locator(".join").first().click();
  await expect.poll(() => page.locator(".phrase").count()).toBe(count);
});

test("a reading is edited, and the phrase is reset", async ({ page }) => {
  await write(page, "雨が降る。");
  await page.getByRole("button", { name: /^読みを直す/ }).first().click();
  const box = page.getByRole("textbox", { name: "読み" });
  await box.fill("漢字");
  await box.press("Enter");
  await page.getByText("読みはかなで書いてください。").waitFor();
  await box.fill("ゆきが");
  await box.press("Enter");
  await page.getByRole("slider", { name: "アクセント: ユキガ" }).waitFor();
  await pause(400);
  const { phones } = await nextLine(page, () => playLine(page));
  expect(phones.map((p) => p[0]).slice(0, 6).join(" ")).toBe("y u k i g a");
  await page.getByRole("button", { name: "この句を自動に戻す: ユキガ" }).click();
  await page.getByRole("slider", { name: "アクセント: アメガ" }).waitFor();
});

test("two takes are compared by one key", async ({ page }) => {
  await write(page, "雨が降る。");
  await accent(page).focus();
  await page.keyboard.press("End");
  await pause(400);
  const first = await nextLine(page, () => page.keyboard.press("b"));
  await page.getByRole("button", { name: "A 自動", pressed: true }).waitFor();
  const second = await nextLine(page, () => page.keyboard.press("b"));
  await page.getByRole("button", { name: "B 修正", pressed: true }).waitFor();
  expect(second.samples).not.toEqual(first.samples);
});

test("a word is taught, with accent and part of speech, and every sentence reads it", async ({ server, page }) => {
  await write(page, "私は速音を使う。速音は速い。");
  await page.getByRole("button", { name: /^単語を覚えさせる/ }).first().click();
  await page.getByRole("textbox", { name: "表記" }).fill("速音");
  await page.getByRole("textbox", { name: "読み" }).fill("そくおん");
  await page.getByRole("radio", { name: "平板" }).check({ force: true });
  await page.getByRole("combobox", { name: "品詞" }).selectOption("普通名詞");
  await page.getByRole("dialog").getByRole("button", { name: "保存" }).click();
  await page.getByText("覚えました").waitFor();
  await page.getByRole("slider", { name: /ソクオン/ }).first().waitFor();
  const { phones } = await nextLine(page, () => playLine(page));
  expect(phones.map((p) => p[0]).join(" ")).toContain("s o k u o N");
  const kept = Object.values((await (await fetch(`${server.url}/user_dict`)).json()) as Record<string, object>);
  expect(kept).toMatchObject([{ pronunciation: "ソクオン", accent_type: 0, part_of_speech: "名詞", part_of_speech_detail_1: "一般" }]);
  await page.locator("textarea.story").press("Control+End"); // the other sentence follows
  await page.locator(".sentence", { hasText: "速音は速い。" }).waitFor();
  await page.getByRole("slider", { name: /^アクセント: ソクオン/ }).waitFor();
  await page.getByRole("button", { name: "辞書", exact: true }).click();
  await page.getByRole("button", { name: "忘れる: 速音" }).click();
  await page.getByText("まだ単語がありません。").waitFor();
});

async function downloaded(page: Page, act: () => Promise<void>): Promise<{ name: string; content: Buffer }> {
  const [download] = await Promise.all([page.waitForEvent("download"), act()]);
  return { name: download.suggestedFilename(), content: readFileSync((await download.path())!) };
}

const button = (page: Page, name: string) => page.getByRole("dialog").getByRole("button", { name, exact: true }).click();
const keep = (page: Page) => page.getByRole("button", { name: "書き出す" }).click();

test("a project comes back from its file as it was, also after the page is opened anew", async ({ server, opened, page }) => {
  await write(page, "雨が降る。");
  await page.getByLabel("題名").fill("雨");
  await accent(page).focus();
  await page.keyboard.press("Home");
  await keep(page);
  const saved = await downloaded(page, () => button(page, "ファイルに保存"));
  expect(saved.name).toBe("雨.sokuon.json");
  await page.getByRole("dialog").getByRole("button", { name: "閉じる" }).click();
  await page.reload();
  await page.locator(".badge").waitFor();
  await page.getByRole("button", { name: "新規" }).click();
  await expect.poll(() => page.locator("textarea.story").inputValue()).toBe("");
  await page.getByText("前の内容は「元に戻す」で戻せます。").waitFor();
  await page.getByRole("button", { name: "元に戻す", exact: true }).click();
  await expect.poll(() => page.locator("textarea.story").inputValue()).toBe("雨が降る。");
  await page.getByRole("button", { name: "やり直す" }).click();
  await expect.poll(() => page.locator("textarea.story").inputValue()).toBe("");
  const file = join(server.folder, "project.json");
  writeFileSync(file, saved.content);
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.getByRole("button", { name: "開く", exact: true }).click()]);
  await chooser.setFiles(file);
  await page.locator(".badge").waitFor();
  expect(await accent(page).getAttribute("aria-valuenow")).toBe("1");
  await keep(page);
  expect((await downloaded(page, () => button(page, "ファイルに保存"))).content.toString()).toBe(saved.content.toString());
});

test("what is no project is refused", async ({ server, page }) => {
  const file = join(server.folder, "wrong.json");
  writeFileSync(file, "{}");
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.getByRole("button", { name: "開く", exact: true }).click()]);
  await chooser.setFiles(file);
  await page.getByText("速音のプロジェクトではありません").waitFor();
});

test("sound files, subtitles and times are valid and of one length", async ({ server, page }) => {
  await write(page, "雨が降る。風も吹く。");
  await keep(page);
  const times = JSON.parse((await downloaded(page, () => button(page, "時刻（JSON）"))).content.toString());
  expect(times.lines.map((l: { text: string }) => l.text)).toEqual(["雨が降る。", "風も吹く。"]);
  const seconds = times.lines.at(-1).end as number;
  for (const format of ["WAV", "FLAC", "MP3", "Opus"]) {
    const { name, content } = await downloaded(page, () => button(page, format));
    const file = join(server.folder, name);
    writeFileSync(file, content);
    const code = "import sys, soundfile; i = soundfile.info(sys.argv[1]); s, r = soundfile.read(sys.argv[1]); print(i.format, len(s) / r, abs(s).max() > 0.05)";
    const { stdout, stderr } = spawnSync(process.env["PYTHON"] ?? "python3", ["-c", code, file], { encoding: "utf8" });
    expect(stderr).toBe("");
    const [kind, length, loud] = stdout.trim().split(" ");
    expect([kind, loud]).toEqual([{ WAV: "WAV", FLAC: "FLAC", MP3: "MP3", Opus: "OGG" }[format], "True"]);
    expect(Math.abs(Number(length) - seconds)).toBeLessThan(0.2);
  }
  await page.getByRole("radio", { name: "一文ずつ（ZIP）" }).check({ force: true });
  const zip = await downloaded(page, () => button(page, "WAV"));
  const files = unzipSync(zip.content);
  expect([zip.name, Object.keys(files)]).toEqual(["sokuon.zip", ["1_雨が降る。.wav", "2_風も吹く。.wav"]]);
  for (const wav of Object.values(files)) expect(Buffer.from(wav.subarray(0, 4)).toString()).toBe("RIFF");
  await page.getByRole("radio", { name: "選んだ文だけ" }).check({ force: true });
  const one = await downloaded(page, () => button(page, "WAV"));
  expect(one.content.equals(Buffer.from(files["1_雨が降る。.wav"]!))).toBe(true);
  expect((await downloaded(page, () => button(page, "SRT"))).content.toString()).not.toContain("風");
  await page.getByRole("radio", { name: "全体" }).check({ force: true });
  const { content } = await downloaded(page, () => button(page, "SRT"));
  expect(content.toString()).toMatch(/^1\n00:00:00,000 --> 00:00:0\d,\d{3}\n雨が降る。\n\n2\n/);
  expect((await downloaded(page, () => button(page, "VTT"))).content.toString()).toMatch(/^WEBVTT\n\n/);
});

test("the command makes the same sound", async ({ page }) => {
  await write(page, "雨が降る。");
  await keep(page);
  const wav = await downloaded(page, () => button(page, "WAV"));
  const command = page.getByRole("textbox", { name: "同じ音を作るコマンド" });
  await expect.poll(() => command.inputValue()).toContain("curl");
  const made = spawnSync("bash", ["-c", (await command.inputValue()).replace("-o sokuon.wav", "-o -")], { maxBuffer: 1e8 });
  expect(made.stdout.subarray(44).equals(wav.content.subarray(44))).toBe(true);
});

test("a sentence is heard at other precisions of the voice's weights", async ({ page }) => {
  await write(page, "雨が降る。");
  const usual = await nextLine(page, () => playLine(page));
  await page.getByRole("button", { name: "この声について" }).click();
  await page.getByRole("radio", { name: "Q8（標準）", checked: true }).waitFor({ state: "attached" });
  const facts = page.locator(".facts"); // of the server: its load, and how fast it speaks
  await expect.poll(() => facts.innerText()).toMatch(/処理中の依頼\s+\d+\s+計算の速さ\s+実時間の \d+\.\d 倍\s+最初の音まで\s+\d+\.\d\d 秒/);
  const choose = (key: string) => page.keyboard.press(key);
  await page.getByRole("radio", { name: "Q8（標準）" }).focus();
  const coarse = await nextLine(page, () => choose("ArrowRight"));
  expect(coarse.samples).not.toEqual(usual.samples);
  await choose("ArrowLeft"); // heard already
  await page.getByRole("radio", { name: "Q8（標準）", checked: true }).waitFor({ state: "attached" });
  const full = await nextLine(page, () => choose("ArrowLeft"));
  await page.getByRole("radio", { name: "FP32", checked: true }).waitFor({ state: "attached" });
  expect(full.samples).not.toEqual(usual.samples);
  expect(full.samples).not.toEqual(coarse.samples);
});

test("a cast speaks a dialogue in voices of its own, without reading the names", async ({ page }) => {
  await write(page, "太郎「雨が降る。」\n花子「風も吹く。」");
  await page.getByRole("button", { name: "配役" }).click();
  await page.getByRole("dialog").getByRole("combobox", { name: /^太郎/ }).selectOption({ label: "Sokuon・Lively" });
  await page.getByRole("dialog").getByRole("button", { name: "閉じる" }).click();
  await page.locator(".sentence", { hasText: /^雨が降る。$/ }).waitFor();
  const { phones } = await nextLine(page, () => playLine(page));
  expect(phones.map((p) => p[0]).slice(0, 3).join("")).toBe("ame");
});

test("a preset is one for other clients of the server, too", async ({ server, page }) => {
  await page.getByText("プリセット", { exact: true }).click();
  const speed = page.getByRole("slider", { name: /話速/ });
  await speed.fill("1.5");
  await page.getByRole("textbox", { name: "名前" }).fill("早口");
  await page.getByRole("button", { name: "今の設定を保存" }).click();
  await page.getByRole("button", { name: "早口", exact: true }).waitFor();
  const shared = await (await fetch(`${server.url}/presets`)).json();
  expect(shared).toMatchObject([{ name: "早口", speedScale: 1.5 }]);
  await speed.fill("1");
  await page.getByRole("button", { name: "早口", exact: true }).click();
  await expect.poll(() => speed.inputValue()).toBe("1.5");
  await page.getByRole("button", { name: "消す: 早口" }).click();
  await page.getByRole("button", { name: "早口", exact: true }).waitFor({ state: "detached" });
});
