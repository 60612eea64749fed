/** The main states as pictures in docs/, made anew by `SOKUON_SCREENS=docs tests/page/run`; else only that they can be. */

import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { openBrowser, openPage, pause, Server } from "./harness";
import type { Opened } from "./harness";

const FOLDER = process.env["SOKUON_SCREENS"] ?? mkdtempSync(join(tmpdir(), "screens-"));
let server: Server;
let browser: Browser;

beforeAll(async () => {
  mkdirSync(FOLDER, { recursive: true });
  [server, browser] = await Promise.all([Server.started(), openBrowser()]);
});
afterAll(async () => {
  await browser?.close();
  await server?.kill();
});

async function listening({ page }: Opened): Promise<void> {
  await page.getByRole("button", { name: "再生", exact: true }).click();
  await page.locator(".transport[data-state=playing]").waitFor();
  await pause(2600);
}

test("light: a story is heard", async () => {
  const opened = await openPage(browser, server.url, { colorScheme: "light", deviceScaleFactor: 1.5 });
  await listening(opened);
  await opened.page.screenshot({ path: join(FOLDER, "studio-light.png") });
  await opened.context.close();
});

test("dark: an accent is corrected", async () => {
  const opened = await openPage(browser, server.url, { colorScheme: "dark", deviceScaleFactor: 1.5 });
  await opened.page.locator(".pitch[role=slider]").first().focus();
  await opened.page.keyboard.press("ArrowLeft");
  await opened.page.locator(".length").nth(2).focus();
  for (let i = 0; i < 8; i++) await opened.page.keyboard.press("ArrowUp");
  await pause(600);
  await opened.page.screenshot({ path: join(FOLDER, "studio-dark.png") });
  await opened.context.close();
});

test("phone", async () => {
  const opened = await openPage(browser, server.url, {
    colorScheme: "light", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true,
  });
  await listening(opened);
  await opened.page.screenshot({ path: join(FOLDER, "studio-phone.png") });
  await opened.context.close();
});

test("about the voice", async () => {
  const opened = await openPage(browser, server.url, { colorScheme: "light", deviceScaleFactor: 1.5 });
  await opened.page.getByRole("button", { name: "この声について" }).click();
  await opened.page.locator(".map").waitFor();
  await opened.page.screenshot({ path: join(FOLDER, "studio-about.png") });
  await opened.context.close();
});
