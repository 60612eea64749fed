/** Keys and assistive technology. */

import axe from "axe-core";
import type { Page } from "playwright-core";
import { openPage, pause, press, setText, studioTest as test } from "./harness";

const focused = (page: Page) => page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent ?? "");
const stops = (page: Page, part: string, items: string) => page.locator(`${part} ${items}:not(:disabled)[tabindex="0"]`).count();

test("a row of tools is one stop of the Tab key; arrow keys, Home and End move in it", async ({ page }) => {
  expect(await stops(page, ".tools", "button")).toBe(1);
  await page.getByRole("textbox", { name: "題名" }).focus();
  await page.keyboard.press("Tab");
  expect(await focused(page)).toBe("新規"); // there is nothing to undo
  await page.keyboard.press("ArrowRight");
  expect(await focused(page)).toBe("開く");
  await page.keyboard.press("End");
  expect(await focused(page)).toBe("書き出す");
  await page.keyboard.press("ArrowRight");
  expect(await focused(page)).toBe("新規");
  await page.keyboard.press("End");
  await page.keyboard.press("Tab");
  expect(await page.evaluate(() => document.activeElement?.closest(".tools"))).toBeNull();
  await page.keyboard.press("Shift+Tab");
  expect(await focused(page)).toBe("書き出す");
});

test("the bars of a phrase are one stop: left and right move between them, up and down change a length", async ({ page }) => {
  await setText(page, "雨が降る。");
  await page.locator(".sentence", { hasText: "雨が" }).waitFor();
  await page.getByRole("slider", { name: "アクセント: アメガ" }).waitFor();
  const phrase = page.locator(".phrase").first();
  expect(await phrase.locator(".length[tabindex='0']").count()).toBe(1);
  await page.getByRole("slider", { name: "アクセント: アメガ" }).focus();
  await page.keyboard.press("Tab"); // where the phrase can be split
  await page.keyboard.press("Tab");
  expect(await focused(page)).toBe("長さ: ア");
  await page.keyboard.press("ArrowRight");
  expect(await focused(page)).toBe("長さ: メ");
  const bar = page.locator(".length").nth(1);
  const before = Number(await bar.getAttribute("aria-valuenow"));
  await page.keyboard.press("ArrowUp");
  expect(Number(await bar.getAttribute("aria-valuenow"))).toBe(before + 10);
  expect(await focused(page)).toBe("長さ: メ");
});

test("the map of styles and the dictionary are one stop each", async ({ page, server }) => {
  for (const [surface, pronunciation] of [["速音", "ソクオン"], ["遅音", "チオン"]] as const) {
    const word = new URLSearchParams({ surface, pronunciation, accent_type: "0" });
    expect((await fetch(`${server.url}/user_dict_word?${word}`, { method: "POST" })).status).toBe(200);
  }
  await press(page, "辞書");
  await page.locator(".words li").nth(1).waitFor();
  expect(await stops(page, ".words", "button")).toBe(1);
  await page.getByRole("button", { name: "忘れる: 速音" }).focus();
  await page.keyboard.press("ArrowDown");
  expect(await focused(page)).toBe("忘れる: 遅音");
  await page.keyboard.press("Escape");
  await press(page, "この声について");
  await page.locator(".map").waitFor();
  expect(await stops(page, ".map", "button")).toBe(1);
  await page.getByRole("button", { name: "Neutral", exact: true }).focus();
  await page.keyboard.press("ArrowRight");
  expect(await focused(page)).toBe("Calm");
});

test("a story is written, heard, corrected and kept with the keyboard alone", async ({ page }) => {
  await page.keyboard.press("Tab");
  for (let i = 0; i < 5 && !(await page.evaluate(() => document.activeElement?.matches("textarea.story"))); i++) await page.keyboard.press("Tab");
  await page.keyboard.press("Control+a");
  await page.keyboard.type("雨が降る。");
  await page.keyboard.press("Control+Enter");
  await page.waitForFunction(() => window.heard.peak > 0.02);
  await page.getByRole("slider", { name: "アクセント: アメガ" }).waitFor();
  for (let i = 0; i < 20 && (await focused(page)) !== "アクセント: アメガ"; i++) await page.keyboard.press("Tab");
  await page.keyboard.press("End");
  await page.locator(".badge", { hasText: "修正済み" }).waitFor();
  await page.keyboard.press("Control+z");
  await page.locator(".badge").waitFor({ state: "detached" });
});

async function check(page: Page, where: string): Promise<void> {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => (window as unknown as { axe: typeof axe }).axe.run());
  const serious = violations.filter((v) => v.impact === "serious" || v.impact === "critical");
  expect(serious.map((v) => `${where}: ${v.id}: ${v.nodes.map((n) => n.html.slice(0, 120)).join(" | ")}`)).toEqual([]);
}

test.for([["light", {}], ["phone", { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }]] as const)(
  "axe finds nothing serious, in any window and while it plays: %s",
  async ([where, options], { browser, server }) => {
    const { page, context, errors } = await openPage(browser, server.url, options);
    await page.locator("svg[role=slider]").first().focus();
    await page.keyboard.press("Home");
    await pause(400);
    await check(page, where);
    await press(page, "明暗を切り替える");
    await check(page, `${where}, dark`);
    for (const window of ["この声について", "書き出す", "配役", "辞書", "使い方", "単語を覚えさせる: 旅の"]) {
      await page.getByRole("button", { name: window, exact: true }).click();
      await page.getByRole("dialog").waitFor();
      if (window === "この声について") await page.locator(".map").waitFor();
      await check(page, `${where}, ${window}`);
      await page.keyboard.press("Escape");
      await page.getByRole("dialog").waitFor({ state: "detached" });
    }
    await press(page, "再生");
    await page.locator(".sounding").waitFor();
    await check(page, `${where}, listening`);
    expect(errors).toEqual([]);
    await context.close();
  },
);
