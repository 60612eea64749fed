/** Writing and hearing. */

import type { Browser, Page } from "playwright-core";
import { heard, openBrowser, openPage, pause, Server, setText } from "./harness";
import type { Opened } from "./harness";

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

const state = (name: string) => page.locator(`.transport[data-state=${name}]`).waitFor();
const press = (name: string) => page.getByRole("button", { name, exact: true }).click();

test("what is typed is heard, gapless, and the sentence and the word that sound are marked", async () => {
  await setText(page, "今日はいい天気ですね。明日も晴れるでしょう。");
  await press("再生");
  await state("playing");
  const first = Number(await page.locator(".transport").getAttribute("data-first-sound-ms"));
  console.log(`first sound after ${Math.round(first)} ms`);
  await page.waitForFunction(() => window.heard.peak > 0.02);
  await page.locator(".sounding", { hasText: "今日は" }).waitFor();
  await page.waitForFunction(() => CSS.highlights.get("spoken-word")?.size === 1);
  const word = () => page.evaluate(() => String([...CSS.highlights.get("spoken-word")!][0]));
  await page.locator(".sounding", { hasText: "明日も" }).waitFor();
  await expect.poll(word).toMatch(/^(明日|も|晴れる)/);
  await state("idle");
  const played = await page.evaluate(() => window.heard.contexts.length);
  expect(played).toBe(1);
});

test("stop in the middle: silence within a moment, and the server has nothing left to do", async () => {
  await setText(page, "とても長い文章を、途中で止めます。".repeat(40));
  await press("再生");
  await page.waitForFunction(() => window.heard.peak > 0.02);
  await press("停止");
  await state("idle");
  await pause(300);
  await page.evaluate(() => (window.heard.peak = 0));
  await pause(300);
  expect(await heard(page)).toBeLessThan(1e-3);
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  expect(metrics).toMatch(/^sokuon_requests_under_way 0(\.0)?$/m);
});

test("pause holds, and goes on from there", async () => {
  await setText(page, "一つ、二つ、三つ、四つ、五つ、六つ、七つ、八つ、九つ、十。");
  await press("再生");
  await page.waitForFunction(() => window.heard.peak > 0.02);
  await press("一時停止");
  await state("paused");
  const time = () => page.evaluate(() => window.heard.contexts[0]!.currentTime);
  const before = await time();
  await pause(300);
  expect(await time()).toBe(before);
  await press("続ける");
  await expect.poll(time).toBeGreaterThan(before);
});

test("a click on a word plays from it", async () => {
  await setText(page, "最初の文です。二番目の文は、ここから始まります。");
  await press("再生");
  await state("playing");
  await press("停止");
  const span = page.locator("[data-line='1']");
  const box = (await span.boundingBox())!;
  await page.mouse.click(box.x + box.width * 0.62, box.y + box.height / 2);
  await page.waitForFunction(() => CSS.highlights.get("spoken-word")?.size === 1);
  expect(await page.evaluate(() => String([...CSS.highlights.get("spoken-word")!][0]))).toMatch(/ここ|から|始/);
});

test("what was just typed is played from its beginning; from the caret's sentence elsewhere", async () => {
  const box = page.locator("textarea.story");
  await box.fill("");
  await box.pressSequentially("一番目です。二番目です。");
  expect(await box.inputValue()).toBe("一番目です。二番目です。"); // every key of fast typing arrives
  await page.keyboard.press("Control+Enter");
  await page.locator(".sounding", { hasText: "一番目" }).waitFor();
  await page.keyboard.press("Escape");
  await box.focus();
  await page.keyboard.press("Control+End");
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("Control+Enter");
  await page.locator(".sounding", { hasText: "二番目" }).waitFor();
});

test("Ctrl+Enter plays and stops from within the text", async () => {
  await page.locator("textarea.story").focus();
  await page.keyboard.press("Control+Enter");
  await state("playing");
  await page.keyboard.press("Control+Enter");
  await state("idle");
});

test("the server is killed and comes back: the page says so and recovers by itself", async () => {
  await server.kill();
  await setText(page, "サーバーがいません。");
  await page.getByText("サーバーにつながりません").waitFor();
  await server.start();
  await page.getByText("サーバーにつながりません").waitFor({ state: "detached", timeout: 20_000 });
  await page.locator(".sentence", { hasText: "サーバーがいません。" }).waitFor();
  await press("再生");
  await page.waitForFunction(() => window.heard.peak > 0.02);
  await page.evaluate(() => (window.heard.peak = 0));
  await page.getByRole("button", { name: "編集に戻る" }).click();
  await setText(page, "話している途中で、サーバーが落ちます。".repeat(60));
  await press("再生");
  await page.waitForFunction(() => window.heard.peak > 0.02);
  await server.kill();
  await page.getByText("サーバーにつながりません").waitFor({ timeout: 30_000 });
  await server.start();
  await page.getByText("サーバーにつながりません").waitFor({ state: "detached", timeout: 20_000 });
  const expected = (message: string) => /Failed to load resource|ERR_/.test(message);
  opened.errors = opened.errors.filter((message) => !expected(message)); // Chromium's own report of the refused request
});

test("20,000 characters are edited without a task over 50 ms", async () => {
  const story = "昔々あるところに、おじいさんとおばあさんが住んでいました。\n".repeat(667).slice(0, 20_000);
  await page.evaluate((text) => navigator.clipboard.writeText(text), story).catch(() => {});
  await page.locator("textarea.story").fill(story);
  await page.locator(".count", { hasText: "20,000" }).waitFor();
  await pause(1500);
  await page.evaluate(() => (window.heard.long = []));
  await page.locator("textarea.story").press("Control+Home");
  await page.keyboard.type("きょうは、よいてんきです。そらがあおい。", { delay: 40 });
  await page.keyboard.type("とてもはやくうつ。");
  expect(await page.locator("textarea.story").inputValue()).toBe(`きょうは、よいてんきです。そらがあおい。とてもはやくうつ。${story}`);
  await pause(1500);
  const long = await page.evaluate(() => window.heard.long);
  console.log(`long tasks while typing: ${JSON.stringify(long.map(Math.round))}`);
  expect(Math.max(0, ...long)).toBeLessThan(50);
  await page.evaluate(() => (window.heard.long = []));
  await press("再生");
  await page.waitForFunction(() => window.heard.peak > 0.02);
  await page.locator(".sounding").waitFor();
  console.log(`first sound after ${await page.locator(".transport").getAttribute("data-first-sound-ms")} ms, long tasks ${await page.evaluate(() => window.heard.long.map(Math.round).join())}`);
});

test("hostile text is text", async () => {
  const hostile = "<script>window.evil = 1</script><img src=x onerror='window.evil=1'> ‮מימין‬ 👩‍👩‍👧‍👦 & &lt; \u0000\u202e終わり。";
  await setText(page, hostile);
  await page.locator(".sentence").first().waitFor();
  await press("再生");
  await page.waitForFunction(() => window.heard.peak > 0.02);
  expect(await page.evaluate(() => "evil" in window)).toBe(false);
  expect(await page.locator(".listening").textContent()).toContain("<script>window.evil = 1</script>");
  expect(await page.locator(".studio script, .studio img").count()).toBe(0);
});

test("a text without anything to say says so", async () => {
  await setText(page, "   \n ");
  await press("再生");
  await page.getByText("読む文がありません。").waitFor();
});

test("an English browser gets English; the choice stays", async () => {
  const english = await openPage(browser, server.url, { locale: "en-GB" });
  await english.page.getByRole("button", { name: "Play", exact: true }).waitFor();
  await english.context.close();
  await page.getByRole("button", { name: "English" }).click();
  await page.getByRole("button", { name: "Play", exact: true }).waitFor();
  await page.reload();
  await page.getByRole("button", { name: "Play", exact: true }).waitFor();
  expect(await page.evaluate(() => document.documentElement.lang)).toBe("en");
});

test("nothing inline is allowed, nothing is fetched from elsewhere", async () => {
  const answer = await fetch(server.url);
  const policy = answer.headers.get("content-security-policy")!;
  expect(policy).toContain("default-src 'self'");
  expect(policy).not.toContain("unsafe");
  const hosts = await page.evaluate(() => performance.getEntriesByType("resource").map((e) => new URL(e.name).host));
  expect(new Set(hosts)).toEqual(new Set([new URL(server.url).host]));
});
