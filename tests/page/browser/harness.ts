/** The real server with the built-in voice, and Debian's Chromium. */

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core";

export const PYTHON = process.env["PYTHON"] ?? "python3";
const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const QUIET = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

export async function freePort(): Promise<number> {
  return new Promise((found) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => found(port));
    });
  });
}

/** A server process of its own, with a dictionary of its own. */
export class Server {
  private process: ChildProcess | null = null;
  readonly folder = mkdtempSync(join(tmpdir(), "sokuon-page-"));

  private constructor(
    readonly port: number,
    private options: string[],
  ) {
    writeFileSync(join(this.folder, "dictionary.json"), '{"words": []}\n');
  }

  /** A server with further options or voices on its command line. */
  static async started(...options: string[]): Promise<Server> {
    const server = new Server(await freePort(), options);
    await server.start();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const command = [
      "-m", "sokuon", "serve", ...this.options,
      "--port", String(this.port), "--dictionary", join(this.folder, "dictionary.json"), "--log-level", "warning",
    ];
    const environment = { ...process.env, SOKUON_DATA: join(this.folder, "data") };
    const own = (this.process = spawn(PYTHON, command, { env: environment, stdio: ["ignore", "inherit", "inherit"] }));
    for (const end = Date.now() + 60_000; Date.now() < end; await pause(100)) {
      if (own.exitCode !== null) throw new Error(`the server ended with ${own.exitCode}`);
      const answer = await fetch(`${this.url}/health`).catch(() => null);
      if (answer?.ok) return;
    }
    throw new Error("the server did not start");
  }

  /** A figure of /metrics, summed over its labels. */
  async figure(name: string): Promise<number> {
    const page = await (await fetch(`${this.url}/metrics`)).text();
    const lines = [...page.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, "gm"))];
    return lines.reduce((sum, line) => sum + Number(line[1]), 0);
  }

  async kill(): Promise<void> {
    const own = this.process;
    if (!own || own.exitCode !== null || own.signalCode !== null) return;
    const ended = new Promise((done) => own.once("exit", done));
    own.kill("SIGKILL");
    await ended;
  }
}

export const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

export async function openBrowser(): Promise<Browser> {
  if (!existsSync(CHROMIUM)) throw new Error(`${CHROMIUM} is missing; tests/page/run installs it`);
  return chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu", ...QUIET] });
}

/** A page in a fresh profile, once it shows how a sentence is read. Everything the console complains of is in `errors`. */
export async function openPage(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Opened> {
  const opened = await openBarePage(browser, url, options);
  await opened.page.locator(".phrase").first().waitFor();
  return opened;
}

/** The same before the server has answered anything. */
export async function openBarePage(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Opened> {
  const context = await browser.newContext({ locale: "ja-JP", viewport: { width: 1280, height: 860 }, acceptDownloads: true, ...options });
  const page = await context.newPage();
  const errors: string[] = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.addInitScript(listen);
  await page.goto(url);
  await page.getByRole("button", { name: /^(再生|Play)$/ }).waitFor();
  return { page, context, errors };
}

export interface Opened {
  page: Page;
  context: BrowserContext;
  errors: string[];
}

declare global {
  interface Window {
    /** What reached the loudspeaker: the loudest sample so far, and seconds of sound. */
    heard: { peak: number; contexts: AudioContext[]; long: number[] };
  }
}

/** In the page: an analyser of our own before every loudspeaker, and a watch for long tasks. */
function listen(): void {
  window.heard = { peak: 0, contexts: [], long: [] };
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (this: AudioNode, ...to: unknown[]) {
    if (to[0] instanceof AudioDestinationNode) {
      const analyser = this.context.createAnalyser();
      analyser.fftSize = 2048;
      connect.call(this, analyser);
      window.heard.contexts.push(this.context as AudioContext);
      const samples = new Float32Array(2048);
      setInterval(() => {
        analyser.getFloatTimeDomainData(samples);
        for (const sample of samples) window.heard.peak = Math.max(window.heard.peak, Math.abs(sample));
      }, 20);
    }
    return (connect as (...all: unknown[]) => AudioNode).apply(this, to);
  } as typeof connect;
  new PerformanceObserver((list) => window.heard.long.push(...list.getEntries().map((e) => e.duration))).observe({ type: "longtask" });
}

export async function setText(page: Page, text: string): Promise<void> {
  await page.locator("textarea.story").fill(text);
}

export const heard = (page: Page) => page.evaluate(() => window.heard.peak);

export const press = (page: Page, name: string) => page.getByRole("button", { name, exact: true }).click();

/** Waits for a state of the transport. */
export const state = (page: Page, name: "idle" | "waiting" | "playing" | "paused") => page.locator(`.transport[data-state=${name}]`).waitFor();

export interface Studio {
  server: Server;
  browser: Browser;
  opened: Opened;
  page: Page;
}

/** Tests with a server and a browser for the file, and a new page each; what the console complains of fails them. */
export const studioTest = test.extend<Studio>({
  server: [
    async ({}, use) => {
      const server = await Server.started();
      await use(server);
      await server.kill();
    },
    { scope: "file" },
  ],
  browser: [
    async ({}, use) => {
      const browser = await openBrowser();
      await use(browser);
      await browser.close();
    },
    { scope: "file" },
  ],
  opened: async ({ server, browser }, use) => {
    const opened = await openPage(browser, server.url);
    await use(opened);
    expect(opened.errors).toEqual([]);
    await opened.context.close();
  },
  page: async ({ opened }, use) => {
    await use(opened.page);
  },
});
