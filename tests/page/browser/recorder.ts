/** Records what goes to the loudspeaker, every sample of it, in the audio thread. */

import type { Browser, Page } from "playwright-core";
import { openPage } from "./harness";
import type { Opened } from "./harness";

interface Recording {
  rate: number;
  /** From the frame of the first block on; blocks that never came would be seen as a jump of their frames. */
  blocks: { frame: number; samples: Float32Array }[];
}

declare global {
  interface Window {
    recording: Recording;
  }
}

const TAP = `registerProcessor("tap", class extends AudioWorkletProcessor {
  process([input]) {
    this.port.postMessage({ frame: currentFrame, samples: input[0] ? input[0].slice() : new Float32Array(128) });
    return true;
  }
});`;

/** A page whose sound is recorded; it waits for the recorder, so that nothing is missed. The recorder's code is inline. */
export async function openRecorded(browser: Browser, url: string): Promise<Opened> {
  const opened = await openPage(browser, url, { bypassCSP: true });
  await record(opened.page);
  return opened;
}

async function record(page: Page): Promise<void> {
  await page.evaluate((code) => {
    const script = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    window.recording = { rate: 0, blocks: [] };
    const taps = new Map<BaseAudioContext, Promise<AudioWorkletNode>>();
    const connect = AudioNode.prototype.connect;
    const tapOf = async (context: BaseAudioContext) => {
      await context.audioWorklet.addModule(script);
      const tap = new AudioWorkletNode(context, "tap");
      window.recording.rate = context.sampleRate;
      tap.port.onmessage = (event) => window.recording.blocks.push(event.data as Recording["blocks"][number]);
      connect.call(tap, context.destination);
      return tap;
    };
    AudioNode.prototype.connect = function (this: AudioNode, ...to: unknown[]) {
      if (to[0] instanceof AudioDestinationNode) {
        const { context } = this;
        if (!taps.has(context)) taps.set(context, tapOf(context));
        void taps.get(context)!.then((tap) => connect.call(this, tap));
      }
      return (connect as (...all: unknown[]) => AudioNode).apply(this, to);
    } as typeof connect;
    const resume = AudioContext.prototype.resume;
    AudioContext.prototype.resume = async function (this: AudioContext) {
      await taps.get(this);
      return resume.call(this);
    };
  }, TAP);
}

/** What was recorded since the last call, by frames from the first sound on: 16-bit samples, NaN where a block is missing. */
export async function played(page: Page): Promise<{ rate: number; samples: Float32Array }> {
  const { rate, frames, blocks } = await page.evaluate(() => {
    const { rate, blocks } = window.recording;
    window.recording.blocks = [];
    return { rate, frames: blocks.map((b) => b.frame), blocks: blocks.map((b) => [...b.samples].map((s) => Math.round(s * 32768))) };
  });
  const sounding = blocks.map((block) => block.some((s) => s !== 0));
  const [first, last] = [sounding.indexOf(true), sounding.lastIndexOf(true)];
  const at = inOrder(frames);
  const samples = new Float32Array(at[last]! - at[first]! + 128).fill(NaN);
  for (let i = first; i <= last; i++) samples.set(blocks[i]!, at[i]! - at[first]!);
  return { rate, samples };
}

/** Frames at which blocks begin: once in a minute or so Chromium tells a worklet the frame of the block before once more. */
function inOrder(told: number[]): number[] {
  let end = 0; // of the block before
  return told.map((frame) => (end = Math.max(frame, end) + 128) - 128);
}

/**
 * Share of `sent` that was recorded, each of it the same sample at the same distance from the others.
 *
 * Under load the audio thread leaves blocks of the recording out, but never moves what it plays.
 */
export function shareThatIsTheSame(sent: Int16Array, { samples }: { samples: Float32Array }): number {
  const same = (shift: number) => samples.every((s, i) => Number.isNaN(s) || s === (sent[i + shift] ?? 0));
  const known = samples.reduce((count, s) => count + (Number.isNaN(s) ? 0 : 1), 0);
  for (let shift = -128; shift < sent.length; shift++) if (same(shift)) return known / sent.length;
  return 0;
}
