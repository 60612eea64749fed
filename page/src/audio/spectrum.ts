/** What the strip shows of sound: peaks and a spectrogram, column by column. Pure. */

export const COLUMN_S = 0.01;
export const BANDS = 56;
const SIZE = 512;
const FLOOR_DB = -75;

export interface Column {
  low: number;
  high: number;
  /** Levels from low to high frequency, 0 to 255. */
  levels: Uint8Array;
}

/** Makes columns of sound that comes in pieces of any size. */
export class Columns {
  private ring = new Float32Array(SIZE); // the latest samples
  private place = 0;
  private fresh = 0; // samples since the last column
  private low = 0;
  private high = 0;
  private window = Float32Array.from({ length: SIZE }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / SIZE));
  private edges: number[] = [];
  private rate = 0;

  push(samples: Int16Array, rate: number): Column[] {
    if (rate !== this.rate) this.prepare(rate);
    const step = Math.round(rate * COLUMN_S);
    const columns: Column[] = [];
    for (let i = 0; i < samples.length; i++) {
      const value = samples[i]! / 32768;
      this.ring[this.place] = value;
      this.place = (this.place + 1) % SIZE;
      this.low = Math.min(this.low, value);
      this.high = Math.max(this.high, value);
      if (++this.fresh === step) {
        columns.push({ low: this.low, high: this.high, levels: this.levels() });
        this.fresh = this.low = this.high = 0;
      }
    }
    return columns;
  }

  private prepare(rate: number): void {
    this.rate = rate;
    const top = Math.min(rate / 2, 10_000);
    const mel = (hz: number) => 1127 * Math.log(1 + hz / 700);
    this.edges = Array.from({ length: BANDS + 1 }, (_, i) => {
      const hz = 700 * (Math.exp((mel(60) + ((mel(top) - mel(60)) * i) / BANDS) / 1127) - 1);
      return (hz * SIZE) / rate;
    });
  }

  private levels(): Uint8Array {
    const real = new Float32Array(SIZE);
    const imaginary = new Float32Array(SIZE);
    for (let i = 0; i < SIZE; i++) real[i] = this.ring[(this.place + i) % SIZE]! * this.window[i]!;
    fft(real, imaginary);
    return Uint8Array.from({ length: BANDS }, (_, band) => {
      const first = Math.floor(this.edges[band]!);
      const last = Math.max(first, Math.ceil(this.edges[band + 1]!) - 1);
      let power = 0;
      for (let k = first; k <= last; k++) power = Math.max(power, real[k]! ** 2 + imaginary[k]! ** 2);
      const db = 10 * Math.log10(power / (SIZE / 4) ** 2 + 1e-12);
      return Math.max(0, Math.min(255, (255 * (db - FLOOR_DB)) / -FLOOR_DB));
    });
  }
}

/** In-place FFT; the length is a power of two. */
export function fft(real: Float32Array, imaginary: Float32Array): void {
  const n = real.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [real[i], real[j]] = [real[j]!, real[i]!];
      [imaginary[i], imaginary[j]] = [imaginary[j]!, imaginary[i]!];
    }
  }
  for (let size = 2; size <= n; size <<= 1) {
    const angle = (-2 * Math.PI) / size;
    for (let k = 0; k < size / 2; k++) {
      const [c, s] = [Math.cos(angle * k), Math.sin(angle * k)];
      for (let i = k; i < n; i += size) {
        const j = i + size / 2;
        const re = real[j]! * c - imaginary[j]! * s;
        const im = real[j]! * s + imaginary[j]! * c;
        real[j] = real[i]! - re;
        imaginary[j] = imaginary[i]! - im;
        real[i]! += re;
        imaginary[i]! += im;
      }
    }
  }
}
