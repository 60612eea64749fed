/** The main states as pictures in docs/: made anew by `SOKUON_SCREENS=docs tests/page/run`, else compared with what is there. */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { openPage, pause, press, state, studioTest as test } from "./harness";
import type { Opened } from "./harness";

const FOLDER = process.env["SOKUON_SCREENS"];
const DOCS = fileURLToPath(new URL("../../../docs", import.meta.url));
const ANOTHER_LOOK = 0.008; // of the brightness, in the mean: the wave that moves makes 0.003, a hint line and labels beside tools 0.010 to 0.022

/** A picture for docs/, or that docs/ has it. */
async function picture(browser: Browser, page: Page, name: string): Promise<void> {
  const image = await page.screenshot();
  if (FOLDER) {
    mkdirSync(FOLDER, { recursive: true });
    return writeFileSync(join(FOLDER, name), image);
  }
  const difference = await distance(browser, [image, readFileSync(join(DOCS, name))]);
  console.log(`${name} differs from the one in docs/ by ${difference.toFixed(4)}`);
  expect(difference, `docs/${name} shows another page; SOKUON_SCREENS=docs tests/page/run makes it anew`).toBeLessThan(ANOTHER_LOOK);
}

/** Mean difference in brightness of two pictures, seen from afar; 1: of another size. */
async function distance(browser: Browser, images: Buffer[]): Promise<number> {
  const page = await browser.newPage();
  const urls = images.map((image) => `data:image/png;base64,${image.toString("base64")}`);
  const found = await page.evaluate(async (urls) => {
    const views = await Promise.all(urls.map(async (url) => {
      const image = new Image();
      image.src = url;
      await image.decode();
      const [width, height] = [image.width >> 3, image.height >> 3];
      const scene = new OffscreenCanvas(width, height).getContext("2d")!;
      scene.imageSmoothingQuality = "high";
      scene.drawImage(image, 0, 0, width, height);
      return scene.getImageData(0, 0, width, height);
    }));
    const [a, b] = [views[0]!, views[1]!];
    if (a.width !== b.width || a.height !== b.height) return 1;
    let sum = 0;
    for (let i = 0; i < a.data.length; i += 4) sum += Math.abs(a.data[i]! - b.data[i]!);
    return sum / (a.data.length / 4) / 255;
  }, urls);
  await page.close();
  return found;
}

async function listening({ page }: Opened): Promise<void> {
  await press(page, "再生");
  await state(page, "playing");
  await page.waitForFunction(() => window.heard.contexts[0]!.currentTime > 2.7); // by the clock of the sound
}

test("light: a story is heard", async ({ browser, server }) => {
  const opened = await openPage(browser, server.url, { colorScheme: "light", deviceScaleFactor: 1.5 });
  await listening(opened);
  await picture(browser, opened.page, "studio-light.png");
  await opened.context.close();
});

test("dark: an accent is corrected", async ({ browser, server }) => {
  const opened = await openPage(browser, server.url, { colorScheme: "dark", deviceScaleFactor: 1.5 });
  await opened.page.locator(".pitch[role=slider]").first().focus();
  await opened.page.keyboard.press("ArrowLeft");
  await opened.page.locator(".length").nth(2).focus();
  for (let i = 0; i < 8; i++) await opened.page.keyboard.press("ArrowUp");
  await pause(600);
  await picture(browser, opened.page, "studio-dark.png");
  await opened.context.close();
});

test("phone", async ({ browser, server }) => {
  const opened = await openPage(browser, server.url, {
    colorScheme: "light", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true,
  });
  await listening(opened);
  await picture(browser, opened.page, "studio-phone.png");
  await opened.context.close();
});

test("about the voice", async ({ browser, server }) => {
  const opened = await openPage(browser, server.url, { colorScheme: "light", deviceScaleFactor: 1.5 });
  await opened.page.getByRole("button", { name: "この声について" }).click();
  await opened.page.locator(".map").waitFor();
  await pause(300);
  await picture(browser, opened.page, "studio-about.png");
  await opened.context.close();
});
