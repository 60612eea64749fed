import { useEffect, useRef, useState } from "preact/hooks";

/** A value that views follow. */
export interface Store<T> {
  get(): T;
  set(value: T): void;
  update(change: Partial<T>): void;
  subscribe(listener: () => void): () => void;
}

export function createStore<T extends object>(initial: T): Store<T> {
  let value = initial;
  const listeners = new Set<() => void>();
  const set = (next: T) => {
    if (next === value) return;
    value = next;
    for (const listener of [...listeners]) listener();
  };
  return {
    get: () => value,
    set,
    update: (change) => set({ ...value, ...change }),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** A part of a store: the view is drawn again only when that part changes. */
export function useStore<T extends object, P>(store: Store<T>, part: (value: T) => P): P {
  const latest = useRef(part);
  latest.current = part;
  const now = part(store.get());
  const [, draw] = useState(0);
  const shown = useRef(now);
  shown.current = now;
  useEffect(() => {
    const look = () => {
      if (!Object.is(latest.current(store.get()), shown.current)) draw((n) => n + 1);
    };
    look();
    return store.subscribe(look);
  }, [store]);
  return now;
}
