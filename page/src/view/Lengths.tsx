import { correct, project } from "../app";
import { t } from "../i18n";
import { shown } from "../model/kana";
import type { Mora, Phrase } from "../model/phrases";
import { length, withLength, withoutLength } from "../model/phrases";
import { useRoving } from "./roving";

const HEIGHT = 46;
const FULL_S = 0.25; // a bar of full height
const STEP_S = 0.01;

/** A bar for each mora: as high as it is long; dragged, or moved by ↑ and ↓; a double click makes it automatic. */
export function Lengths({ phrase, at }: { phrase: Phrase; at: number }) {
  return (
    <div class="lengths" role="group" aria-label={t("lengths")} {...useRoving<HTMLDivElement>("[role=slider]", "row")}>
      {phrase.moras.map((mora, place) => (
        <Bar mora={mora} at={at} place={place} />
      ))}
    </div>
  );
}

function Bar({ mora, at, place }: { mora: Mora; at: number; place: number }) {
  const seconds = length(mora);
  const tag = `length ${at} ${place}`;
  const set = (to: number) => correct((phrases) => withLength(phrases, at, place, to, project().settings.speed), tag);
  const free = () => correct((phrases) => withoutLength(phrases, at, place), tag);
  const consonant = mora.seconds.length > 1 && seconds > 0 ? mora.seconds[0]! / seconds : 0;
  const high = Math.min(1, seconds / FULL_S) * HEIGHT;
  return (
    <div
      class={mora.given ? "length given" : "length"} role="slider" aria-orientation="vertical"
      aria-label={`${t("lengthOf")}: ${shown(mora.text)}`} aria-valuemin={0} aria-valuemax={2000} aria-valuenow={Math.round(seconds * 1000)}
      aria-valuetext={`${Math.round(seconds * 1000)} ms`} title={`${Math.round(seconds * 1000)} ms`}
      onPointerDown={(e) => grab(e, seconds, set)} onDblClick={free} onKeyDown={(e) => byKey(e, seconds, set, free)}
    >
      <span class="rod" style={{ height: `${high}px` }}>
        {consonant > 0 && <span class="consonant" style={{ height: `${consonant * high}px` }} />}
      </span>
      <span class="ms" aria-hidden="true">{seconds ? Math.round(seconds * 1000) : ""}</span>
    </div>
  );
}

/** Up is longer: a pixel as much as the bar shows. */
function grab(event: PointerEvent & { currentTarget: HTMLElement }, seconds: number, set: (seconds: number) => void): void {
  const bar = event.currentTarget;
  const from = event.clientY;
  bar.setPointerCapture(event.pointerId);
  const moved = (e: PointerEvent) => {
    if (Math.abs(e.clientY - from) > 1) set(seconds + ((from - e.clientY) / HEIGHT) * FULL_S);
  };
  const ended = () => {
    bar.removeEventListener("pointermove", moved);
    bar.removeEventListener("pointerup", ended);
    bar.removeEventListener("pointercancel", ended);
  };
  bar.addEventListener("pointermove", moved);
  bar.addEventListener("pointerup", ended);
  bar.addEventListener("pointercancel", ended);
}

function byKey(event: KeyboardEvent, seconds: number, set: (seconds: number) => void, free: () => void): void {
  const step = event.shiftKey ? 5 * STEP_S : STEP_S;
  if (event.key === "ArrowUp") set(seconds + step);
  else if (event.key === "ArrowDown") set(seconds - step);
  else if (event.key === "Delete" || event.key === "Backspace") free();
  else return;
  event.preventDefault();
}
