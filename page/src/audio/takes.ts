/** Spoken lines: asked for once, kept while there is room. */

import * as api from "../api";
import type { LineRequest } from "../model/requests";

/** A line as it was or is being spoken. */
export interface Take {
  key: string;
  rate: number;
  chunks: Int16Array[];
  /** Samples so far. */
  samples: number;
  words: [string, number, number][];
  phones: [string, number, number][];
  /** Seconds of silence after it; known when it is done. */
  gap: number;
  done: boolean;
  error: unknown;
}

const MOST_SAMPLES = 20 * 60 * 24_000; // about twenty minutes, 58 MB

export class Takes {
  /** Seconds of sound in a second, of the last line that was asked for: computing and sending. */
  speed: number | null = null;
  private kept = new Map<string, Take>();

  find(request: LineRequest): Take | undefined {
    return this.kept.get(JSON.stringify(request));
  }

  /** A take that is there or will be; `grown` is called for each piece of it that comes. */
  async get(request: LineRequest, signal: AbortSignal, grown: (take: Take, chunk: Int16Array) => void): Promise<Take> {
    const key = JSON.stringify(request);
    const found = this.kept.get(key);
    if (found) {
      this.kept.delete(key);
      this.kept.set(key, found); // the latest used
      for (const chunk of found.chunks) grown(found, chunk);
      return found;
    }
    const take: Take = {
      key, rate: 0, chunks: [], samples: 0, words: [], phones: [], gap: 0, done: false, error: null,
    };
    const began = performance.now();
    for await (const { head, samples } of api.speak(request, signal)) {
      if (head.end) {
        take.gap = head.gap ?? 0;
        take.done = true;
        this.speed = (1000 * seconds(take)) / (performance.now() - began);
        break;
      }
      take.rate = head.rate ?? take.rate;
      take.words.push(...(head.words ?? []));
      take.phones.push(...(head.phones ?? []));
      take.chunks.push(samples);
      take.samples += samples.length;
      grown(take, samples);
    }
    if (!take.done) throw new api.Unreachable();
    this.keep(take);
    return take;
  }

  /** Forget all: the words they were read with have changed. */
  clear(): void {
    this.kept.clear();
  }

  private keep(take: Take): void {
    this.kept.set(take.key, take);
    let samples = 0;
    for (const kept of this.kept.values()) samples += kept.samples;
    for (const [key, kept] of this.kept) {
      if (samples <= MOST_SAMPLES || key === take.key) break;
      this.kept.delete(key);
      samples -= kept.samples;
    }
  }
}

export function seconds(take: Take): number {
  return take.rate ? take.samples / take.rate : 0;
}
