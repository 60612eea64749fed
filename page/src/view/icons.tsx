/** Line icons, drawn here: 20 × 20, in the colour of the text. */

const PATHS = {
  play: "M6 4.5v11l9-5.5z",
  stop: "M5.5 5.5h9v9h-9z",
  pause: "M7 5v10M13 5v10",
  edit: "M4 16l1-4 8-8 3 3-8 8zM11 6l3 3",
  undo: "M7 5L3.5 8.5 7 12M4 8.5h7a4.5 4.5 0 010 9H8",
  redo: "M13 5l3.5 3.5L13 12M16 8.5H9a4.5 4.5 0 000 9h3",
  dice: "M4 4h12v12H4zM7.5 7.5v.01M12.5 12.5v.01M10 10v.01",
  info: "M10 9v5M10 6v.01M10 2.5a7.5 7.5 0 100 15 7.5 7.5 0 000-15z",
  save: "M10 3v9M6.5 8.5L10 12l3.5-3.5M4 16h12",
  theme: "M10 3a7 7 0 107 7 5.5 5.5 0 01-7-7z",
  close: "M5 5l10 10M15 5L5 15",
  reset: "M5 4v4h4M5.3 8A6 6 0 114 11.5",
  book: "M4 4.5A2.5 2.5 0 016.5 3H16v12H6.5A1.5 1.5 0 005 17M4 4.5V16a1 1 0 001 1h11",
  folder: "M3 5h5l2 2h7v9H3z",
  people: "M7 9.5a3 3 0 100-6 3 3 0 000 6zM2 17c0-3 2.2-5 5-5s5 2 5 5M13 9a2.5 2.5 0 10-1-4.8M14 12c2.4.3 4 2.2 4 5",
  plus: "M10 4v12M4 10h12",
  help: "M10 2.5a7.5 7.5 0 100 15 7.5 7.5 0 000-15zM7.8 8a2.2 2.2 0 114 1.3c-.9.6-1.8 1-1.8 2.2M10 14v.01",
  link: "M8.5 11.5l3-3M7 9.5L5 11.5a2.5 2.5 0 003.5 3.5l2-2M13 10.5l2-2A2.5 2.5 0 0011.5 5l-2 2",
} as const;

export function Icon({ name }: { name: keyof typeof PATHS }) {
  const solid = name === "play" || name === "stop";
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} class={solid ? "solid" : undefined} />
    </svg>
  );
}
