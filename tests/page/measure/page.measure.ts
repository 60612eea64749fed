/**
 * How soon there is sound after play is pressed, and how long the page is busy at once while a long text is edited.
 *
 * `npx vitest run --project measure` in page/, on a machine that does nothing else; PYTHON as for tests/page/run.
 * SOKUON_SERVE are options and voices for `sokuon serve` (none: the built-in voice), SOKUON_ROUNDS sentences to press play for.
 */

import type { Page } from "playwright-core";
import { openBrowser, openPage, pause, Server, setText, state } from "../browser/harness";

const OPTIONS = (process.env["SOKUON_SERVE"] ?? "").split(" ").filter(Boolean);
const ROUNDS = Number(process.env["SOKUON_ROUNDS"] ?? 10);
const SUBJECTS = ["旅人", "時計屋", "郵便屋", "先生", "駅長", "船乗り", "庭師", "猫", "子ども", "王様"];

const sentence = (i: number, what: string) =>
  `${SUBJECTS[i % SUBJECTS.length]}は、${what}${i + 1}番目の不思議な街に辿り着きました。通りには古い時計が並んでいます。`;

test("first sound, and tasks while typing", async () => {
  const [server, browser] = await Promise.all([Server.started(...OPTIONS), openBrowser()]);
  try {
    const { page } = await openPage(browser, server.url);
    await watch(page);
    report("typed just now, then play", await rounds(page, "一", 0));
    report("typed, read and shown, then play", await rounds(page, "二", 1500));
    console.log(`tasks over 50 ms while 20,000 characters are edited: ${JSON.stringify(await longTasks(page))}`);
  } finally {
    await browser.close();
    await server.kill();
  }
});

interface First {
  /** What the page says. */
  said: number;
  /** Until a sample of more than 1 % leaves the audio graph, the voice's own silence included. */
  heard: number;
}

async function rounds(page: Page, what: string, wait: number): Promise<First[]> {
  const found: First[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    if (await page.getByRole("button", { name: "編集に戻る" }).isVisible()) await page.getByRole("button", { name: "編集に戻る" }).click();
    await setText(page, sentence(i, what));
    await page.locator("textarea.story").press("Control+Home");
    await pause(wait);
    await page.evaluate(() => (window.firsts = []));
    await page.keyboard.press("Control+Enter");
    await state(page, "playing");
    await page.waitForFunction(() => window.firsts.length > 0);
    const said = Number(await page.locator(".transport").getAttribute("data-first-sound-ms"));
    found.push({ said, heard: await page.evaluate(() => window.firsts[0]! - window.pressed) });
    await page.keyboard.press("Control+Enter");
    await state(page, "idle");
    await pause(200);
  }
  return found;
}

function report(what: string, firsts: First[]): void {
  const line = (values: number[]) => {
    const sorted = values.map(Math.round).sort((a, b) => a - b);
    return `median ${sorted[sorted.length >> 1]} ms, most ${sorted.at(-1)} ms (${sorted.join(" ")})`;
  };
  console.log(`${what}: as the page says ${line(firsts.map((f) => f.said))}\n  as it is heard ${line(firsts.map((f) => f.heard))}`);
}

declare global {
  interface Window {
    /** performance.now() of the last key that plays. */
    pressed: number;
    /** performance.now() of the first loud sample since this was emptied. */
    firsts: number[];
  }
}

/** In the page, before anything was played: when keys are pressed, and when sound reaches the loudspeaker. */
async function watch(page: Page): Promise<void> {
  await page.evaluate(() => {
    window.firsts = [];
    addEventListener("keydown", (event) => event.key === "Enter" && (window.pressed = event.timeStamp), true);
    const connect = AudioNode.prototype.connect;
    const seen = new Set<BaseAudioContext>();
    AudioNode.prototype.connect = function (this: AudioNode, ...to: unknown[]) {
      const context = this.context as AudioContext;
      if (to[0] instanceof AudioDestinationNode && !seen.has(context)) {
        seen.add(context);
        const analyser = context.createAnalyser(); // the latest 256 samples, looked at every 4 ms
        analyser.fftSize = 256;
        connect.call(this, analyser);
        const samples = new Float32Array(256);
        setInterval(() => {
          if (window.firsts.length) return;
          analyser.getFloatTimeDomainData(samples);
          if (samples.some((s) => Math.abs(s) > 0.01)) window.firsts.push(performance.now() + 1000 * (context.outputLatency || 0));
        }, 4);
      }
      return (connect as (...all: unknown[]) => AudioNode).apply(this, to);
    } as typeof connect;
  });
}

async function longTasks(page: Page): Promise<number[]> {
  if (await page.getByRole("button", { name: "編集に戻る" }).isVisible()) await page.getByRole("button", { name: "編集に戻る" }).click();
  const story = "昔々あるところに、おじいさんとおばあさんが住んでいました。\n".repeat(667).slice(0, 20_000);
  await setText(page, story);
  await pause(2000);
  await page.evaluate(() => (window.heard.long = []));
  await page.locator("textarea.story").press("Control+Home");
  await page.keyboard.type("きょうは、よいてんきです。そらがあおい。とてもはやくうつ。", { delay: 60 });
  await page.locator("textarea.story").press("Control+End");
  await page.keyboard.type("おしまいに、ゆっくりうつ。", { delay: 300 }); // slowly enough for the sentences to be found between two keys
  for (let i = 0; i < 20; i++) await page.keyboard.press("Backspace");
  await pause(2000);
  return page.evaluate(() => window.heard.long.map(Math.round));
}
