/** The real server with the built-in voice, and Debian's Chromium. */

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core";

const PYTHON = process.env["PYTHON"] ?? "python3";
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

  private constructor(readonly port: number) {
    writeFileSync(join(this.folder, "dictionary.json"), '{"words": []}\n');
  }

  static async started(): Promise<Server> {
    const server = new Server(await freePort());
    await server.start();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const command = ["-m", "sokuon", "serve", "--port", String(this.port), "--dictionary", join(this.folder, "dictionary.json"), "--log-level", "warning"];
    const environment = { ...process.env, SOKUON_DATA: join(this.folder, "data") };
    const own = (this.process = spawn(PYTHON, command, { env: environment, stdio: ["ignore", "inherit", "inherit"] }));
    for (const end = Date.now() + 60_000; Date.now() < end; await pause(100)) {
      if (own.exitCode !== null) throw new Error(`the server ended with ${own.exitCode}`);
      const answer = await fetch(`${this.url}/health`).catch(() => null);
      if (answer?.ok) return;
    }
    throw new Error("the server did not start");
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

/** A page in a fresh profile. Everything the console complains of is kept in `errors`. */
export async function openPage(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Opened> {
  const context = await browser.newContext({ locale: "ja-JP", viewport: { width: 1280, height: 860 }, acceptDownloads: true, ...options });
  const page = await context.newPage();
  const errors: string[] = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.addInitScript(listen);
  await page.goto(url);
  await page.getByRole("button", { name: /^(再生|Play)$/ }).waitFor();
  await page.locator(".phrase").first().waitFor();
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
