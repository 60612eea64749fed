import { correct } from "../app";
import { t } from "../i18n";
import { shown } from "../model/kana";
import type { Phrase } from "../model/phrases";
import { accentOf, sounding, split, withAccent } from "../model/phrases";
import { useRoving } from "./roving";

export const COLUMN = 32; // pixels of a mora
const HEIGHT = 38;
const [HIGH, LOW] = [9, 29];

/** The pitch line of a phrase, its kana, and where it can be split. */
export function Pitch({ phrase, at, name, edit }: { phrase: Phrase; at: number; name: string; edit: () => void }) {
  return (
    <>
      <Line phrase={phrase} at={at} name={name} />
      <div class="kana" onDblClick={edit} {...useRoving<HTMLDivElement>("button")}>
        {phrase.moras.map((mora, i) => (
          <span class={mora.tone ? "high" : undefined} lang="ja">
            {i > 0 && (
              <button
                class="split" aria-label={`${t("splitHere")}: ${shown(phrase.moras[i - 1]!.text)}・${shown(mora.text)}`} title={t("splitHere")}
                onClick={() => correct((phrases) => split(phrases, at, i), "split")}
              />
            )}
            {shown(mora.text)}
          </span>
        ))}
      </div>
    </>
  );
}

function Line({ phrase, at, name }: { phrase: Phrase; at: number; name: string }) {
  const count = sounding(phrase);
  const accent = accentOf(phrase);
  const set = (next: number) => correct((phrases) => withAccent(phrases, at, next), `accent ${at}`);
  const width = phrase.moras.length * COLUMN;
  if (count === 0) return <svg class="pitch" width={width} height={HEIGHT} aria-hidden="true" />;
  const points = phrase.moras.slice(0, count).map((mora, i): [number, number] => [(i + 0.5) * COLUMN, mora.tone ? HIGH : LOW]);
  const knob = (accent || count) * COLUMN - COLUMN / 2;
  return (
    <svg
      class="pitch" width={width} height={HEIGHT} role="slider" tabindex={0} aria-label={`${t("accentOf")}: ${name}`}
      aria-valuemin={0} aria-valuemax={count} aria-valuenow={accent} aria-valuetext={accent ? shown(phrase.moras[accent - 1]!.text) : t("flat")}
      onPointerDown={(e) => drag(e, count, set)} onPointerMove={(e) => e.currentTarget.hasPointerCapture(e.pointerId) && drag(e, count, set)}
      onKeyDown={(e) => byKey(e, accent, count, set)}
    >
      <polyline points={points.map((p) => p.join()).join(" ")} />
      {points.map(([x, y]) => (
        <circle cx={x} cy={y} r={3.4} />
      ))}
      <path class="knob" d={accent ? `M${knob + COLUMN / 2 - 5} 3h10l-5 7z` : `M${knob + 8} ${HIGH - 5}l7 5-7 5z`} />
    </svg>
  );
}

/** The fall follows the pointer: at the last mora there is none. */
function drag(event: PointerEvent & { currentTarget: SVGSVGElement }, count: number, set: (accent: number) => void): void {
  event.currentTarget.setPointerCapture(event.pointerId);
  const x = event.clientX - event.currentTarget.getBoundingClientRect().left;
  const mora = Math.max(1, Math.min(count, Math.floor(x / COLUMN) + 1));
  set(mora === count && count > 1 ? 0 : mora);
}

/** Left and right move the fall; Home is the first mora, End no fall. */
function byKey(event: KeyboardEvent, accent: number, count: number, set: (accent: number) => void): void {
  const place = accent || count;
  const to = { ArrowLeft: place - 1, ArrowDown: place - 1, ArrowRight: place + 1, ArrowUp: place + 1, Home: 1, End: count }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  const mora = Math.max(1, Math.min(count, to));
  set(mora === count && count > 1 ? 0 : mora);
}
