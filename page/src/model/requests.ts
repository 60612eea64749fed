/** Lines as the server takes them. Pure. */

import type { Line } from "./lines";
import type { Correction, Project, Settings } from "./project";

export interface LineRequest extends Omit<Settings, "pause"> {
  text: string;
  phrases: { moras: { text: string; tone: 0 | 1; seconds: number[] | null }[] }[] | null;
  pause: number | null;
  next: string | null;
  /** Of the voice's weights; the server's if there is none. */
  precision?: string;
}

export function lineRequest(project: Project, lines: Line[], index: number, instead?: Correction | null): LineRequest {
  const line = lines[index]!;
  const correction = instead === undefined ? correctionOf(project, line.text) : instead;
  const { settings } = project;
  const voice = (line.character !== null && project.cast[line.character]) || settings.voice;
  const pause = correction?.pause ?? settings.pause;
  return {
    ...settings,
    voice,
    text: line.paragraph ? `${line.text}\n\n` : line.text,
    phrases: givenPhrases(correction, settings.speed),
    pause,
    next: pause === null ? (lines[index + 1]?.text ?? null) : null,
  };
}

export function correctionOf(project: Project, sentence: string): Correction | null {
  return Object.hasOwn(project.corrections, sentence) ? project.corrections[sentence]! : null;
}

function givenPhrases(correction: Correction | null, speed: number): LineRequest["phrases"] {
  if (!correction?.phrases) return null;
  return correction.phrases.map((phrase) => ({
    moras: phrase.moras.map(({ text, tone, given }) => ({
      text,
      tone,
      seconds: given && given.map((seconds) => Math.min(10, Math.round((seconds / speed) * 10_000) / 10_000)),
    })),
  }));
}

/** A command that makes the same sound; where the server asks for a key, it is taken from the environment. */
export function curlLine(origin: string, requests: LineRequest[], format: string, withKey: boolean): string {
  const body = JSON.stringify({ format, lines: requests.map(compact) });
  const quoted = `'${body.replaceAll("'", "'\\''")}'`;
  const key = withKey ? ' -H "X-API-Key: $SOKUON_API_KEY"' : "";
  return `curl -sS ${origin}/studio/file${key} -H 'Content-Type: application/json' -o sokuon.${format} --data-binary ${quoted}`;
}

/** Without what is null, which says the same. */
function compact(request: LineRequest): Partial<LineRequest> {
  return Object.fromEntries(Object.entries(request).filter(([, value]) => value !== null)) as Partial<LineRequest>;
}
