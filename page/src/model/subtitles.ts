/** Times of spoken lines as subtitles and as JSON. Pure. */

export interface Timed {
  text: string;
  character: string | null;
  start: number;
  end: number;
  words: [string, number, number][];
  phones: [string, number, number][];
}

export function subtitles(lines: Timed[], kind: "srt" | "vtt"): string {
  const mark = kind === "srt" ? "," : ".";
  const cues = lines.map((line) => `${clock(line.start, mark)} --> ${clock(line.end, mark)}\n${cueText(line, kind)}\n`);
  if (kind === "vtt") return `WEBVTT\n\n${cues.join("\n")}`;
  return cues.map((cue, i) => `${i + 1}\n${cue}`).join("\n");
}

export function timings(lines: Timed[]): string {
  return JSON.stringify({ lines }, null, 1) + "\n";
}

export function clock(seconds: number, mark: string): string {
  const whole = Math.round(seconds * 1000);
  const pad = (n: number, width: number) => String(Math.floor(n)).padStart(width, "0");
  return `${pad(whole / 3_600_000, 2)}:${pad((whole / 60_000) % 60, 2)}:${pad((whole / 1000) % 60, 2)}${mark}${pad(whole % 1000, 3)}`;
}

/** One line, no arrow that would read as a time, no tag or entity in WebVTT. */
function cueText(line: Timed, kind: "srt" | "vtt"): string {
  const own = (line.character ? `${line.character}: ` : "") + line.text;
  const plain = own.split(/\s+/).filter(Boolean).join(" ").replaceAll("-->", "→");
  return kind === "vtt" ? plain.replaceAll("&", "&amp;").replaceAll("<", "&lt;") : plain;
}
