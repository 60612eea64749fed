import { useEffect, useRef } from "preact/hooks";

/** One stop of the Tab key for many controls: arrow keys, Home and End move between those that `items` selects. */
export function useRoving<E extends HTMLElement>(items: string, keys: "all" | "row" = "all") {
  const ref = useRef<E>(null);
  const last = useRef<HTMLElement | null>(null);
  const found = () => [...(ref.current?.querySelectorAll<HTMLElement>(items) ?? [])].filter((item) => !item.matches(":disabled"));
  const settle = () => {
    const all = found();
    const own = all.find((item) => item === last.current) ?? all[0];
    for (const item of all) item.tabIndex = item === own ? 0 : -1;
  };
  useEffect(settle);
  return {
    ref,
    onFocusCapture: (event: FocusEvent) => {
      const item = (event.target as HTMLElement).closest<HTMLElement>(items);
      if (!item) return;
      last.current = item;
      settle();
    },
    onKeyDown: (event: KeyboardEvent) => {
      const all = found();
      const place = all.indexOf((event.target as HTMLElement).closest<HTMLElement>(items)!);
      const next = place < 0 || event.defaultPrevented ? undefined : moved(event.key, place, all.length, keys);
      if (next === undefined) return;
      event.preventDefault();
      all[next]?.focus();
    },
  };
}

/** Where a key leads from the item at `place` of `count`; undefined: nowhere. Pure. */
export function moved(key: string, place: number, count: number, keys: "all" | "row"): number | undefined {
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  const step = { ArrowLeft: -1, ArrowRight: 1, ...(keys === "all" ? { ArrowUp: -1, ArrowDown: 1 } : {}) }[key];
  return step === undefined ? undefined : (place + step + count) % count;
}
