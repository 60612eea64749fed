/** Servers that are not as usual: one that asks for a key, one with many voices. */

import { mkdirSync, mkdtempSync, readdirSync, symlinkSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import axe from "axe-core";
import { openBarePage, openPage, PYTHON, Server, studioTest as test } from "./harness";
import { nextLine } from "./sound";

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
  const server = await Server.started(manyVoices(9), "--bert", join(builtin(), "bert-q8"));
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

function builtin(): string {
  const code = "from sokuon.voices.builtin import BUILTIN; print(BUILTIN)";
  return spawnSync(PYTHON, ["-c", code], { encoding: "utf8" }).stdout.trim();
}

/** The built-in voice under several names. */
function manyVoices(count: number): string {
  const folder = mkdtempSync(join(tmpdir(), "voices-"));
  const voice = join(builtin(), "voice");
  for (let i = 1; i <= count; i++) {
    const own = join(folder, `voice-${i}`);
    mkdirSync(own);
    for (const name of readdirSync(voice)) symlinkSync(join(voice, name), join(own, name));
  }
  return folder;
}
