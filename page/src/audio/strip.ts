/** The sound that has been placed, in columns, for the strip that scrolls with it. */

import { BANDS, COLUMN_S, Columns } from "./spectrum";
import type { Column } from "./spectrum";

const MOST_COLUMNS = 6000; // a minute
const QUIETEST = 0.1;

class Strip {
  private analyser = new Columns();
  private columns: (Column | undefined)[] = [];
  /** The loudest sample, by which the wave is scaled. */
  peak = QUIETEST;
  private first = 0; // AudioContext time of column 0, in columns

  clear(): void {
    this.analyser = new Columns();
    this.columns = [];
    this.first = 0;
    this.peak = QUIETEST;
  }

  add(samples: Int16Array, rate: number, when: number): void {
    const place = Math.round(when / COLUMN_S);
    if (!this.columns.length) this.first = place;
    const missing = place - this.first - this.columns.length;
    if (missing > 1) this.columns.length += missing; // a pause
    const columns = this.analyser.push(samples, rate);
    for (const { low, high } of columns) this.peak = Math.max(this.peak, high, -low);
    this.columns.push(...columns);
    const extra = this.columns.length - MOST_COLUMNS;
    if (extra > 0) {
      this.columns.splice(0, extra);
      this.first += extra;
    }
  }

  /** The column at an AudioContext time; undefined where nothing sounds. */
  at(time: number): Column | undefined {
    return this.columns[Math.floor(time / COLUMN_S) - this.first];
  }
}

export const strip = new Strip();
export { BANDS, COLUMN_S };
