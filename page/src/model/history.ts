/** Undo and redo over whole values. Pure. */

export interface History<T> {
  past: T[];
  now: T;
  future: T[];
  /** What the last change was, and when: the same one soon after is part of it. */
  last: { tag: string; at: number } | null;
}

const MOST = 200;
const TOGETHER_MS = 1000;

export function newHistory<T>(now: T): History<T> {
  return { past: [], now, future: [], last: null };
}

export function changed<T>(history: History<T>, next: T, tag: string, at: number): History<T> {
  if (next === history.now) return history;
  const { last } = history;
  const joined = last !== null && last.tag === tag && at - last.at < TOGETHER_MS;
  const past = joined ? history.past : [...history.past.slice(1 - MOST), history.now];
  return { past, now: next, future: [], last: { tag, at } };
}

export function undone<T>(history: History<T>): History<T> {
  const before = history.past.at(-1);
  if (before === undefined) return history;
  return { past: history.past.slice(0, -1), now: before, future: [history.now, ...history.future], last: null };
}

export function redone<T>(history: History<T>): History<T> {
  const [after, ...future] = history.future;
  if (after === undefined) return history;
  return { past: [...history.past, history.now], now: after, future, last: null };
}
