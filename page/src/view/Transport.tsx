import { useEffect, useRef } from "preact/hooks";
import { app, playFromHere, player, stop } from "../app";
import { BANDS, COLUMN_S, strip } from "../audio/strip";
import { t, useLanguage } from "../i18n";
import { useStore } from "../store";
import { Icon } from "./icons";

export function Transport() {
  useLanguage();
  const playing = useStore(app, (s) => s.playing);
  const first = useStore(app, (s) => s.firstSoundMs);
  const idle = playing === "idle";
  return (
    <section class="transport" aria-label={t("play")} data-state={playing} data-first-sound-ms={first ?? undefined} data-late={player.gaps}>
      <button
        class="round" aria-label={idle ? t("play") : t("stop")} title={`${idle ? t("play") : t("stop")} (Ctrl+Enter)`}
        onClick={() => (idle ? void playFromHere() : stop())}
      >
        <Icon name={idle ? "play" : "stop"} />
      </button>
      <button
        class="tool" disabled={idle || playing === "waiting"} aria-label={playing === "paused" ? t("resume") : t("pause")}
        title={playing === "paused" ? t("resume") : t("pause")}
        onClick={() => void (playing === "paused" ? player.resume() : player.pause())}
      >
        <Icon name={playing === "paused" ? "play" : "pause"} />
      </button>
      <Strip />
      <p class="first" title={t("firstSound")}>
        {first === null ? "" : `${t("firstSound")} ${(first / 1000).toFixed(2)} ${t("seconds")}`}
      </p>
    </section>
  );
}

const PAST_S = 2.4; // left of the line that is now

/** Waveform and spectrogram of what sounds now, what has sounded left of it, what is computed already right of it. */
function Strip() {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const scene = canvas.current?.getContext("2d");
    if (!scene) return;
    let frame = 0;
    let drawn = "";
    const draw = () => {
      frame = requestAnimationFrame(draw);
      const { clientWidth: width, clientHeight: height } = scene.canvas;
      const state = `${width} ${height} ${player.isActive ? player.time() : "still"} ${colour("--accent")}`;
      if (state === drawn || !width) return;
      drawn = state;
      drawStrip(scene, width, height);
    };
    draw();
    return () => cancelAnimationFrame(frame);
  }, []);
  return <canvas ref={canvas} class="strip" role="img" aria-label={t("waveform")} />;
}

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

const PER_COLUMN = 1.6; // pixels

function drawStrip(scene: CanvasRenderingContext2D, width: number, height: number): void {
  const ratio = devicePixelRatio || 1;
  if (scene.canvas.width !== Math.round(width * ratio)) scene.canvas.width = Math.round(width * ratio);
  if (scene.canvas.height !== Math.round(height * ratio)) scene.canvas.height = Math.round(height * ratio);
  scene.setTransform(ratio, 0, 0, ratio, 0, 0);
  scene.clearRect(0, 0, width, height);
  const shown = Math.ceil(width / PER_COLUMN);
  const line = Math.min((PAST_S / COLUMN_S) * PER_COLUMN, width * 0.35);
  const first = player.time() - (line / PER_COLUMN) * COLUMN_S;
  const columns = Array.from({ length: shown }, (_, i) => strip.at(first + i * COLUMN_S));
  const ink = colour("--wave");
  drawWave(scene, columns, line, height * 0.3, ink);
  scene.drawImage(spectrogram(columns, ink), 0, height * 0.46, shown * PER_COLUMN, height * 0.54);
  if (!player.isActive) return;
  scene.fillStyle = colour("--accent");
  scene.fillRect(line, 0, 1.5, height);
}

function drawWave(scene: CanvasRenderingContext2D, columns: Shown[], line: number, middle: number, ink: string): void {
  scene.fillStyle = ink;
  for (const [i, column] of columns.entries()) {
    if (!column) continue;
    scene.globalAlpha = i * PER_COLUMN < line ? 1 : 0.45;
    const scale = (middle * 0.7) / strip.peak;
    scene.fillRect(i * PER_COLUMN, middle * 0.78 - column.high * scale, 1.1, Math.max(1, (column.high - column.low) * scale));
  }
  scene.globalAlpha = 1;
}

type Shown = ReturnType<typeof strip.at>;

/** One pixel for a column and a band; the browser stretches it. */
function spectrogram(columns: Shown[], ink: string): OffscreenCanvas {
  const canvas = new OffscreenCanvas(columns.length, BANDS);
  const scene = canvas.getContext("2d")!;
  scene.fillStyle = ink;
  scene.fillRect(0, 0, 1, 1);
  const [r, g, b] = scene.getImageData(0, 0, 1, 1).data;
  const image = scene.createImageData(columns.length, BANDS);
  for (const [x, column] of columns.entries()) {
    if (!column) continue;
    for (let band = 0; band < BANDS; band++) {
      const level = Math.max(0, (column.levels[band]! - 40) / 215);
      image.data.set([r!, g!, b!, 255 * level ** 1.6], 4 * ((BANDS - 1 - band) * columns.length + x));
    }
  }
  scene.putImageData(image, 0, 0);
  return canvas;
}
