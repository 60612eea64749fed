/** Seeing and correcting how it is read; what is kept of it. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import type { Browser, Download, Page } from "playwright-core";
import axe from "axe-core";
import { openBrowser, openPage, pause, Server, setText } from "./harness";
import type { Opened } from "./harness";
import { nextLine, pitch } from "./sound";

let server: Server;
let browser: Browser;
let opened: Opened;
let page: Page;

beforeAll(async () => {
  [server, browser] = await Promise.all([Server.started(), openBrowser()]);
});
afterAll(async () => {
  await browser?.close();
  await server?.kill();
});
beforeEach(async () => {
  opened = await openPage(browser, server.url);
  ({ page } = opened);
});
afterEach(async () => {
  expect(opened.errors).toEqual([]);
  await opened.context.close();
});

const accent = (at = 0) => page.locator("svg[role=slider]").nth(at);
const bar = (at: number) => page.locator(".length").nth(at);
const playLine = () => page.getByRole("button", { name: "この文を再生" }).click();

async function write(text: string): Promise<void> {
  await setText(page, text);
  await page.locator(".sentence", { hasText: text.slice(0, 4) }).waitFor();
  await page.locator(".phrases[aria-busy=false] .phrase").first().waitFor();
}

test("another accent is another pitch", async () => {
  await write("雨が降る。");
  await accent().focus();
  await page.keyboard.press("Home");
  expect(await accent().getAttribute("aria-valuenow")).toBe("1");
  await pause(400);
  const high = await nextLine(page, playLine);
  await accent().focus();
  await page.keyboard.press("End");
  await pause(400);
  const flat = await nextLine(page, playLine);
  const rise = (sound: typeof high) => {
    const [a, , e] = sound.phones; // a m e
    return pitch(sound, e![1], e![2]) / pitch(sound, a![1], a![2]);
  };
  console.log(`F0 of メ over ア: ${rise(high).toFixed(2)} with accent 1, ${rise(flat).toFixed(2)} flat`);
  expect(rise(flat)).toBeGreaterThan(rise(high) * 1.08);
});

test("the accent is dragged with the pointer", async () => {
  await write("雨が降る。");
  const box = (await accent().boundingBox())!;
  await page.mouse.move(box.x + 16, box.y + 10);
  await page.mouse.down();
  await page.mouse.move(box.x + 48, box.y + 10, { steps: 4 });
  await page.mouse.up();
  expect(await accent().getAttribute("aria-valuenow")).toBe("2");
});

test("a length that is dragged is the length that is spoken", async () => {
  await write("雨が降る。");
  const box = (await bar(1).boundingBox())!;
  await page.mouse.move(box.x + box.width / 2, box.y + 40);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 2, box.y - 30, { steps: 8 });
  await page.mouse.up();
  const wanted = Number(await bar(1).getAttribute("aria-valuenow")) / 1000;
  expect(wanted).toBeGreaterThan(0.3);
  await pause(400);
  const { phones } = await nextLine(page, playLine);
  const [, m, e] = phones;
  expect([m![0], e![0]]).toEqual(["m", "e"]);
  expect(Math.abs(e![2] - m![1] - wanted)).toBeLessThan(0.0126); // one frame of the voice
  await bar(1).focus();
  await page.keyboard.press("Delete");
  await expect.poll(async () => Number(await bar(1).getAttribute("aria-valuenow"))).toBeLessThan(300);
});

test("phrases are split and joined, undone and redone", async () => {
  await write("雨が降る。");
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

test("a reading is edited, and the phrase is reset", async () => {
  await write("雨が降る。");
  await page.getByRole("button", { name: /^読みを直す/ }).first().click();
  const box = page.getByRole("textbox", { name: "読み" });
  await box.fill("漢字");
  await box.press("Enter");
  await page.getByText("読みはかなで書いてください。").waitFor();
  await box.fill("ゆきが");
  await box.press("Enter");
  await page.getByRole("slider", { name: "アクセント: ユキガ" }).waitFor();
  await pause(400);
  const { phones } = await nextLine(page, playLine);
  expect(phones.map((p) => p[0]).slice(0, 6).join(" ")).toBe("y u k i g a");
  await page.getByRole("button", { name: "この句を自動に戻す: ユキガ" }).click();
  await page.getByRole("slider", { name: "アクセント: アメガ" }).waitFor();
});

test("two takes are compared by one key", async () => {
  await write("雨が降る。");
  await accent().focus();
  await page.keyboard.press("End");
  await pause(400);
  const first = await nextLine(page, () => page.keyboard.press("b"));
  await page.getByRole("button", { name: "A 自動", pressed: true }).waitFor();
  const second = await nextLine(page, () => page.keyboard.press("b"));
  await page.getByRole("button", { name: "B 修正", pressed: true }).waitFor();
  expect(second.samples).not.toEqual(first.samples);
});

test("a word is taught, and every sentence reads it", async () => {
  await write("私は速音を使う。速音は速い。");
  await page.getByRole("button", { name: /^単語を覚えさせる/ }).first().click();
  await page.getByRole("textbox", { name: "表記" }).fill("速音");
  await page.getByRole("textbox", { name: "読み" }).fill("そくおん");
  await page.getByRole("radio", { name: "平板" }).check({ force: true });
  await page.getByRole("dialog").getByRole("button", { name: "保存" }).click();
  await page.getByText("覚えました").waitFor();
  await page.getByRole("slider", { name: /ソクオン/ }).first().waitFor();
  const { phones } = await nextLine(page, playLine);
  expect(phones.map((p) => p[0]).join(" ")).toContain("s o k u o N");
  await page.getByRole("button", { name: "辞書", exact: true }).click();
  await page.getByRole("button", { name: "忘れる: 速音" }).click();
  await page.getByText("まだ単語がありません。").waitFor();
});

async function downloaded(act: () => Promise<void>): Promise<{ name: string; content: Buffer }> {
  const [download] = await Promise.all([page.waitForEvent("download"), act()]) as [Download, void];
  return { name: download.suggestedFilename(), content: readFileSync((await download.path())!) };
}

const button = (name: string) => page.getByRole("dialog").getByRole("button", { name, exact: true }).click();
const keep = () => page.getByRole("button", { name: "書き出す" }).click();

test("a project comes back from its file as it was, also after the page is opened anew", async () => {
  await write("雨が降る。");
  await page.getByLabel("題名").fill("雨");
  await accent().focus();
  await page.keyboard.press("Home");
  await keep();
  const saved = await downloaded(() => button("ファイルに保存"));
  expect(saved.name).toBe("雨.sokuon.json");
  await page.getByRole("dialog").getByRole("button", { name: "閉じる" }).click();
  await page.reload();
  await page.locator(".badge").waitFor();
  await page.getByRole("button", { name: "新規" }).click();
  await expect.poll(() => page.locator("textarea.story").inputValue()).toBe("");
  const file = join(server.folder, "project.json");
  writeFileSync(file, saved.content);
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.getByRole("button", { name: "ファイルを開く" }).click()]);
  await chooser.setFiles(file);
  await page.locator(".badge").waitFor();
  expect(await accent().getAttribute("aria-valuenow")).toBe("1");
  await keep();
  expect((await downloaded(() => button("ファイルに保存"))).content.toString()).toBe(saved.content.toString());
});

test("what is no project is refused", async () => {
  const file = join(server.folder, "wrong.json");
  writeFileSync(file, "{}");
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.getByRole("button", { name: "ファイルを開く" }).click()]);
  await chooser.setFiles(file);
  await page.getByText("速音のプロジェクトではありません").waitFor();
});

test("sound files, subtitles and times are valid and of one length", async () => {
  await write("雨が降る。風も吹く。");
  await keep();
  const times = JSON.parse((await downloaded(() => button("時刻（JSON）"))).content.toString());
  expect(times.lines.map((l: { text: string }) => l.text)).toEqual(["雨が降る。", "風も吹く。"]);
  const seconds = times.lines.at(-1).end as number;
  for (const format of ["WAV", "FLAC", "MP3", "Opus"]) {
    const { name, content } = await downloaded(() => button(format));
    const file = join(server.folder, name);
    writeFileSync(file, content);
    const code = "import sys, soundfile; i = soundfile.info(sys.argv[1]); s, r = soundfile.read(sys.argv[1]); print(i.format, len(s) / r, abs(s).max() > 0.05)";
    const { stdout, stderr } = spawnSync(process.env["PYTHON"] ?? "python3", ["-c", code, file], { encoding: "utf8" });
    expect(stderr).toBe("");
    const [kind, length, loud] = stdout.trim().split(" ");
    expect([kind, loud]).toEqual([{ WAV: "WAV", FLAC: "FLAC", MP3: "MP3", Opus: "OGG" }[format], "True"]);
    expect(Math.abs(Number(length) - seconds)).toBeLessThan(0.2);
  }
  const { content } = await downloaded(() => button("SRT"));
  expect(content.toString()).toMatch(/^1\n00:00:00,000 --> 00:00:0\d,\d{3}\n雨が降る。\n\n2\n/);
  expect((await downloaded(() => button("VTT"))).content.toString()).toMatch(/^WEBVTT\n\n/);
});

test("the command makes the same sound", async () => {
  await write("雨が降る。");
  await keep();
  const wav = await downloaded(() => button("WAV"));
  const command = page.getByRole("textbox", { name: "同じ音を作るコマンド" });
  await expect.poll(() => command.inputValue()).toContain("curl");
  const made = spawnSync("bash", ["-c", (await command.inputValue()).replace("-o sokuon.wav", "-o -")], { maxBuffer: 1e8 });
  expect(made.stdout.subarray(44).equals(wav.content.subarray(44))).toBe(true);
});

test("a cast speaks a dialogue in voices of its own, without reading the names", async () => {
  await write("太郎「雨が降る。」\n花子「風も吹く。」");
  await page.getByRole("button", { name: "配役" }).click();
  await page.getByRole("dialog").getByRole("combobox", { name: /^太郎/ }).selectOption({ label: "Sokuon/Sokuon/Lively" });
  await page.getByRole("dialog").getByRole("button", { name: "閉じる" }).click();
  await page.locator(".sentence", { hasText: /^雨が降る。$/ }).waitFor();
  const { phones } = await nextLine(page, playLine);
  expect(phones.map((p) => p[0]).slice(0, 3).join("")).toBe("ame");
});

test("a preset is one for other clients of the server, too", async () => {
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

test("axe finds nothing serious, light and dark, in windows and while it plays", async () => {
  const check = async (where: string) => {
    if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe.source);
    const { violations } = await page.evaluate(() => (window as unknown as { axe: typeof axe }).axe.run());
    const serious = violations.filter((v) => v.impact === "serious" || v.impact === "critical");
    expect(serious.map((v) => `${where}: ${v.id}: ${v.nodes.map((n) => n.html.slice(0, 120)).join(" | ")}`)).toEqual([]);
  };
  await accent().focus();
  await page.keyboard.press("Home");
  await pause(400);
  await check("light");
  await page.getByRole("button", { name: "明暗を切り替える" }).click();
  await check("dark");
  await page.getByRole("button", { name: "この声について" }).click();
  await page.locator(".map").waitFor();
  await check("about");
  await page.keyboard.press("Escape");
  await keep();
  await check("keep");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "再生", exact: true }).click();
  await page.locator(".sounding").waitFor();
  await check("listening");
});
