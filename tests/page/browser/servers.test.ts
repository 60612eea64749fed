/** Servers that are not as usual: one that asks for a key, one with many voices. */

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import axe from "axe-core";
import { openBarePage, openPage, press, PYTHON, Server, setText, state, studioTest as test } from "./harness";
import { openRecorded, played, shareThatIsTheSame } from "./recorder";
import { joined, nextLine, spoken } from "./sound";
import type { Spoken } from "./sound";

test("a server that asks for a key: the page asks the person, says so if it is wrong, and keeps the right one", async ({ browser }) => {
  const server = await Server.started("--api-key", "4-secret");
  const { page, context, errors } = await openBarePage(browser, server.url);
  const prompt = page.getByLabel("このサーバーを使うには API キーが必要です。");
  await prompt.waitFor();
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => (window as unknown as { axe: typeof axe }).axe.run());
  expect(violations.filter((v) => v.impact === "serious" || v.impact === "critical")).toEqual([]);
  expect(await prompt.getAttribute("type")).toBe("password");
  await prompt.fill("wrong");
  await prompt.press("Enter");
  const again = page.getByLabel("API キーが違います。もう一度入力してください。");
  await again.waitFor();
  await again.fill("4-secret");
  await page.getByRole("button", { name: "使う", exact: true }).click();
  await again.waitFor({ state: "detached" });
  await page.locator(".phrase").first().waitFor();
  await nextLine(page, () => page.getByRole("button", { name: "この文を再生" }).click());
  await page.waitForFunction(() => window.heard.peak > 0.02);
  await page.getByRole("button", { name: "書き出す" }).click();
  const command = page.getByRole("textbox", { name: "同じ音を作るコマンド" });
  await expect.poll(() => command.inputValue()).toContain("curl");
  expect(await command.inputValue()).not.toContain("4-secret");
  const made = spawnSync("bash", ["-c", (await command.inputValue()).replace("-o sokuon.wav", "-o -")], { maxBuffer: 1e8, env: { ...process.env, SOKUON_API_KEY: "4-secret" } });
  expect(made.stdout.subarray(0, 4).toString()).toBe("RIFF");
  await page.reload();
  await page.locator(".phrase").first().waitFor();
  expect(errors.filter((message) => !message.includes("401"))).toEqual([]); // Chromium's own report of what was refused
  await context.close();
  await server.kill();
});

test("among many voices one is found by typing, and its licence is shown", async ({ browser }) => {
  const server = await Server.started(voices(new Array<number>(9).fill(24_000)), "--bert", join(builtin(), "bert-q8"));
  const { page, context, errors } = await openPage(browser, server.url);
  const list = page.getByRole("listbox", { name: "声", exact: true });
  expect(await list.getByRole("option").count()).toBe(9);
  await page.getByRole("searchbox", { name: "声を探す" }).fill("kuon-7");
  await expect.poll(() => list.getByRole("option").allTextContents()).toEqual(["Sokuon", "Sokuon-7"]);
  await list.selectOption("Sokuon-7");
  await page.locator(".picker", { hasText: "ライセンス: Apache-2.0" }).waitFor();
  const request = page.waitForRequest((r) => r.url().endsWith("/studio/speak"));
  await page.getByRole("button", { name: "この文を再生" }).click();
  expect((await request).postDataJSON()).toMatchObject({ voice: "Sokuon-7/Sokuon/Neutral" });
  await page.waitForFunction(() => window.heard.peak > 0.02);
  await page.getByRole("button", { name: "この声について" }).click();
  await page.getByText("この声は Q8 の重みだけで使われています。").waitFor(); // its BERT was converted before
  expect(errors).toEqual([]);
  await context.close();
  await server.kill();
});

test("a cast of voices of two rates is heard sample by sample at the higher one", async ({ browser }) => {
  const server = await Server.started(voices([24_000, 32_000]), "--bert", join(builtin(), "bert-q8"));
  const { page, context, errors } = await openRecorded(browser, server.url);
  const answers: Promise<Spoken>[] = [];
  page.on("response", (answer) => answer.url().endsWith("/studio/speak") && answers.push(spoken(answer)));
  await setText(page, "雨が降る。\n太郎「風も吹く。」");
  await press(page, "配役");
  await page.getByRole("combobox", { name: /^太郎/ }).selectOption({ label: "Sokuon-2・Sokuon・Neutral" });
  await page.keyboard.press("Escape");
  for (const again of [false, true]) { // from the server, where a piece may come late on a busy machine, then as kept
    await press(page, "再生");
    await state(page, "playing");
    await state(page, "idle");
    const heard = await played(page);
    const lines = await Promise.all(answers);
    expect([heard.rate, ...lines.map((line) => line.rate)]).toEqual([32_000, 32_000, 32_000]);
    if (again) expect(shareThatIsTheSame(joined(lines), heard)).toBeGreaterThan(0.5);
  }
  expect(errors).toEqual([]);
  await context.close();
  await server.kill();
});

function builtin(): string {
  const code = "from sokuon.voices.builtin import BUILTIN; print(BUILTIN)";
  return spawnSync(PYTHON, ["-c", code], { encoding: "utf8" }).stdout.trim();
}

/** The built-in voice under several names, each at a rate that it says it has. */
function voices(rates: number[]): string {
  const folder = mkdtempSync(join(tmpdir(), "voices-"));
  const voice = join(builtin(), "voice");
  for (const [i, rate] of rates.entries()) {
    const own = join(folder, `voice-${i}`);
    mkdirSync(own);
    for (const name of readdirSync(voice)) {
      if (name !== "voice.json") symlinkSync(join(voice, name), join(own, name));
    }
    const manifest = readFileSync(join(voice, "voice.json"), "utf8");
    writeFileSync(join(own, "voice.json"), manifest.replace(/"sample_rate": \d+/, `"sample_rate": ${rate}`));
  }
  return folder;
}
