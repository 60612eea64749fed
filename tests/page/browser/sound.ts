/** What the page was sent, and measures of it. */

import type { Page, Response } from "playwright-core";
import { FrameReader } from "../../../page/src/audio/frames";

export interface Spoken {
  rate: number;
  samples: Float64Array;
  /** Lengths of the pieces that came. */
  pieces: number[];
  /** Seconds of silence that are to follow. */
  gap: number;
  /** Of each phone with the blank after it: name, begin, end, in seconds. */
  phones: [string, number, number][];
}

/** The line that is spoken next. */
export async function nextLine(page: Page, act: () => Promise<void>): Promise<Spoken> {
  const answer = page.waitForResponse((r) => r.url().endsWith("/studio/speak"));
  await act();
  return spoken(await answer);
}

export async function spoken(answer: Response): Promise<Spoken> {
  expect(answer.status()).toBe(200);
  const reader = new FrameReader();
  const frames = reader.push(new Uint8Array(await answer.body()));
  expect(reader.isEmpty).toBe(true);
  expect(frames.at(-1)?.head.end).toBe(true);
  const samples = Float64Array.from(frames.flatMap((f) => [...f.samples]), (s) => s / 32768);
  return {
    rate: frames[0]!.head.rate!, samples, pieces: frames.map((f) => f.samples.length).filter(Boolean), gap: frames.at(-1)!.head.gap!,
    phones: withBlanks(frames.flatMap((f) => f.head.phones ?? [])),
  };
}

function withBlanks(slots: [string, number, number][]): [string, number, number][] {
  const phones: [string, number, number][] = [];
  for (const [name, begin, end] of slots) {
    const last = phones.at(-1);
    if (name === "_" && last) last[2] = end;
    else if (name !== "_") phones.push([name, begin, end]);
  }
  return phones;
}

/** Fundamental frequency in Hz in the middle of a span, by the largest peak of the normalised autocorrelation. */
export function pitch({ samples, rate }: Spoken, begin: number, end: number): number {
  const size = Math.round(0.05 * rate);
  const start = Math.max(0, Math.round(((begin + end) / 2) * rate) - size / 2);
  let [best, lag] = [0, 0];
  for (let d = Math.round(rate / 400); d <= Math.round(rate / 70); d++) {
    let [both, own, other] = [0, 1e-9, 1e-9];
    for (let i = start; i < start + size && i + d < samples.length; i++) {
      both += samples[i]! * samples[i + d]!;
      own += samples[i]! ** 2;
      other += samples[i + d]! ** 2;
    }
    const likeness = both / Math.sqrt(own * other);
    if (likeness > best * 1.02) [best, lag] = [likeness, d];
  }
  return rate / lag;
}

/** Seconds at the end that stay below 2 % of the peak, as the server counts silence. */
export function trailingSilence({ samples, rate }: Spoken): number {
  const bound = 0.02 * samples.reduce((peak, s) => Math.max(peak, Math.abs(s)), 0);
  return (samples.length - 1 - samples.findLastIndex((s) => Math.abs(s) > bound)) / rate;
}
