/** Plays lines one after the other without a gap, from the first piece that comes; asks only a little ahead. */

import type { LineRequest } from "../model/requests";
import type { Take, Takes } from "./takes";

export interface Job {
  /** Index of the line. */
  line: number;
  request: LineRequest;
}

export interface Segment {
  line: number;
  take: Take;
  /** AudioContext time at which the line's own time 0 is. */
  zero: number;
  end: number;
}

export interface PlayerEvents {
  /** Sound has been placed at `when` (AudioContext time). */
  heard(samples: Int16Array, rate: number, when: number): void;
  state(state: "waiting" | "playing" | "paused" | "idle"): void;
  failed(error: unknown): void;
}

const AHEAD_S = 15; // so much sound is asked for before it is needed
const LEAD_S = 0.02;
const FADE_S = 0.008;

export class Player {
  context: AudioContext | null = null;
  analyser: AnalyserNode | null = null;
  segments: Segment[] = [];
  /** Milliseconds from the last press of play until its sound left the loudspeaker; null: not yet. */
  firstSoundMs: number | null = null;
  /** Times that sound came later than it was needed. */
  gaps = 0;
  private sources = new Set<AudioBufferSourceNode>();
  private abort: AbortController | null = null;
  private output: GainNode | null = null;
  /** Where the next piece begins, in frames of the context: whole ones, so that pieces meet sample by sample. */
  private next = 0;

  constructor(
    private takes: Takes,
    private events: PlayerEvents,
  ) {}

  get isActive(): boolean {
    return this.abort !== null;
  }

  /** Speak jobs, the first from `from` seconds on. Ends what is playing. `pressed`: performance.now() of the press. */
  async play(jobs: Job[], from: number, rate: number, pressed: number): Promise<void> {
    this.stop();
    const context = this.opened(rate);
    const abort = (this.abort = new AbortController());
    this.segments = [];
    this.gaps = 0;
    this.firstSoundMs = null;
    this.next = 0;
    this.events.state("waiting");
    try {
      await context.resume();
      for (const job of jobs) {
        await this.room(abort.signal);
        await this.line(job, from, abort, pressed);
        from = 0;
      }
      await this.room(abort.signal, 0);
      if (this.abort === abort) this.ended();
    } catch (error) {
      if (abort.signal.aborted) return;
      this.ended();
      this.events.failed(error);
    }
  }

  /** Open the loudspeaker for sound of this rate. */
  warmUp(rate: number): void {
    if (!this.abort) void this.opened(rate).resume();
  }

  stop(): void {
    if (!this.abort) return;
    this.abort.abort();
    this.fadeOut();
    this.ended();
  }

  async pause(): Promise<void> {
    await this.context?.suspend();
    this.events.state("paused");
  }

  async resume(): Promise<void> {
    await this.context?.resume();
    this.events.state("playing");
  }

  /** What sounds now, with the time in its line. */
  now(): { segment: Segment; seconds: number } | null {
    if (!this.context || !this.abort) return null;
    const time = this.time();
    const segment = this.segments.find((s) => time < s.end) ?? null;
    return segment && { segment, seconds: Math.max(0, time - segment.zero) };
  }

  /** AudioContext time of what leaves the loudspeaker. */
  time(): number {
    if (!this.context) return 0;
    return this.context.currentTime - (this.context.outputLatency || 0);
  }

  private get nextTime(): number {
    return this.next / (this.context?.sampleRate ?? 1);
  }

  private opened(rate: number): AudioContext {
    if (this.context && this.context.sampleRate === rate) return this.context;
    void this.context?.close();
    // at the voice's rate: pieces meet sample by sample, and what resamples is the system's own resampler
    this.context = new AudioContext({ sampleRate: rate, latencyHint: "interactive" });
    this.analyser = this.context.createAnalyser();
    this.analyser.connect(this.context.destination);
    this.output = null;
    return this.context;
  }

  private async line(job: Job, from: number, abort: AbortController, pressed: number): Promise<void> {
    let segment: Segment | null = null;
    let passed = 0; // samples of the line that came
    const take = await this.takes.get(job.request, abort.signal, (take, chunk) => {
      if (abort.signal.aborted) return;
      const skip = Math.max(0, Math.round(from * take.rate) - passed);
      if (skip < chunk.length) {
        const when = this.place(chunk.subarray(skip), take.rate, pressed);
        segment ??= this.began(job.line, take, when - (passed + skip) / take.rate);
        segment.end = this.nextTime;
      }
      passed += chunk.length;
    });
    this.next += Math.round(take.gap * this.context!.sampleRate);
    const own = segment as Segment | null;
    if (own) own.end = this.nextTime;
  }

  private began(line: number, take: Take, zero: number): Segment {
    const segment = { line, take, zero, end: 0 };
    this.segments.push(segment);
    return segment;
  }

  /** Schedule samples after those before; when it begins. */
  private place(chunk: Int16Array, rate: number, pressed: number): number {
    const context = this.context!;
    const soonest = Math.ceil((context.currentTime + LEAD_S) * context.sampleRate);
    if (this.next < soonest) {
      if (this.firstSoundMs !== null) this.gaps++;
      this.next = soonest;
    }
    const when = this.nextTime;
    const buffer = context.createBuffer(1, chunk.length, rate);
    const samples = buffer.getChannelData(0);
    for (let i = 0; i < chunk.length; i++) samples[i] = chunk[i]! / 32768;
    const source = context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.sink());
    source.start(when);
    source.onended = () => this.sources.delete(source);
    this.sources.add(source);
    if (this.firstSoundMs === null) {
      this.firstSoundMs = performance.now() - pressed + 1000 * (when - this.time());
      this.events.state("playing");
    }
    this.events.heard(chunk, rate, when);
    this.next += Math.round((chunk.length * context.sampleRate) / rate);
    return when;
  }

  private sink(): GainNode {
    if (!this.output) {
      this.output = this.context!.createGain();
      this.output.connect(this.analyser!);
    }
    return this.output;
  }

  /** A short fade: a wave that is cut off clicks. */
  private fadeOut(): void {
    const { context, output } = this;
    if (!context || !output) return;
    const end = context.currentTime + FADE_S;
    output.gain.setValueAtTime(output.gain.value, context.currentTime);
    output.gain.linearRampToValueAtTime(0, end);
    for (const source of this.sources) source.stop(end);
    this.sources.clear();
    this.output = null;
    if (context.state === "suspended") void context.resume();
  }

  private ended(): void {
    this.abort = null;
    this.events.state("idle");
  }

  /** Wait until no more than `ahead` seconds are left to play. */
  private async room(signal: AbortSignal, ahead = AHEAD_S): Promise<void> {
    while (this.nextTime - this.time() > ahead) {
      if (signal.aborted) throw new DOMException("stopped", "AbortError");
      await new Promise((done) => setTimeout(done, 50));
    }
    signal.throwIfAborted();
  }
}
