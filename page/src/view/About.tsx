import { useEffect, useState } from "preact/hooks";
import * as api from "../api";
import { app, failed, playLine, playPrecision, setSettings, takes } from "../app";
import { t } from "../i18n";
import { nameOf, resolve } from "../model/voices";
import { useStore } from "../store";
import { Dialog } from "./Dialog";
import { Markdown } from "./Markdown";
import { useRoving } from "./roving";

/** The voice's card, its styles as a map, and the server that speaks. */
export function AboutDialog({ close }: { close: () => void }) {
  const name = useStore(app, (s) => s.history.now.settings.voice);
  const voices = useStore(app, (s) => s.voices);
  const choice = resolve(voices, name);
  const [about, setAbout] = useState<api.About | null>(null);
  const playing = useStore(app, (s) => s.playing);
  useEffect(() => {
    if (choice) void api.about(choice.voice.key).then(setAbout, failed);
  }, [choice?.voice.key, playing === "waiting"]); // what was waited for may have loaded a precision
  return (
    <Dialog name={t("about")} close={close}>
      <h3>{choice?.voice.key}</h3>
      {about && (
        <>
          <h4>{t("styleMap")}</h4>
          <p class="hint">{t("styleMapHint")}</p>
          <StyleMap about={about} />
          <h4>{t("precision")}</h4>
          <Precisions about={about} />
          <h4>{t("licence")}</h4>
          <p>{about.licence ?? t("noLicence")}</p>
          {about.card && (
            <>
              <h4>{t("card")}</h4>
              <div class="card" tabIndex={0} role="region" aria-label={t("card")}><Markdown text={about.card} /></div>
            </>
          )}
        </>
      )}
      <Server />
    </Dialog>
  );
}

const SIZE = 260;

function StyleMap({ about }: { about: api.About }) {
  const voices = useStore(app, (s) => s.voices);
  const current = useStore(app, (s) => s.history.now.settings.voice);
  const at = (value: number) => SIZE / 2 + value * (SIZE / 2 - 36);
  const hear = (style: string) => {
    const choice = resolve(voices, current);
    const own = choice?.speaker.styles.find((s) => s.name === style);
    if (!choice || !own) return;
    setSettings({ voice: nameOf({ ...choice, style: own }) });
    void playLine();
  };
  return (
    <div class="map" role="group" aria-label={t("styleMap")} {...useRoving<HTMLDivElement>("button")}>
      <svg viewBox={`0 0 ${SIZE} ${SIZE}`} aria-hidden="true">
        <path d={`M${SIZE / 2} 8v${SIZE - 16}M8 ${SIZE / 2}h${SIZE - 16}`} />
      </svg>
      {about.styles.map(({ name, x, y }) => (
        <button
          class="point" aria-pressed={current.endsWith(`/${name}`)} onClick={() => hear(name)}
          style={{ left: `${(100 * at(x)) / SIZE}%`, top: `${(100 * at(-y)) / SIZE}%` }}
        >
          {name}
        </button>
      ))}
    </div>
  );
}

/** The chosen sentence at each precision of the voice's weights: an arrow key, or a click, plays it anew. */
function Precisions({ about }: { about: api.About }) {
  const sentence = useStore(app, (s) => s.lines[s.selected]?.text ?? null);
  const waiting = useStore(app, (s) => s.playing === "waiting");
  const [heard, setHeard] = useState(about.precision);
  const hear = (name: string) => {
    setHeard(name);
    void playPrecision(name === about.precision ? null : name);
  };
  const preparing = waiting && !about.precisions.find((p) => p.name === heard)?.loaded;
  if (about.precisions.length < 2) return <p class="hint">{t("onePrecision").replace("#", about.precision.toUpperCase())}</p>;
  return (
    <>
      <p class="hint">{t("precisionHint")}</p>
      <fieldset class="chips">
        <legend class="hidden">{t("precision")}</legend>
        {about.precisions.map(({ name }) => (
          <label>
            <input type="radio" name="precision" checked={name === heard} onClick={() => hear(name)} />
            <span>{name.toUpperCase() + (name === about.precision ? t("usual") : "")}</span>
          </label>
        ))}
      </fieldset>
      {sentence && <p class="sentence" lang="ja">{sentence}</p>}
      <p class="hint" role="status">{preparing ? t("preparing").replace("#", heard.toUpperCase()) : ""}</p>
    </>
  );
}

function Server() {
  const [health, setHealth] = useState<Awaited<ReturnType<typeof api.health>> | null>(null);
  const [load, setLoad] = useState<number | null>(null);
  const first = useStore(app, (s) => s.firstSoundMs);
  useEffect(() => {
    const look = () => void Promise.all([api.health().then(setHealth), api.underWay().then(setLoad)]).catch(failed);
    look();
    const timer = setInterval(look, 2000);
    return () => clearInterval(timer);
  }, []);
  return (
    <>
      <h4>{t("server")}</h4>
      <dl class="facts">
        <dt>{t("version")}</dt>
        <dd>{health?.version ?? "–"}</dd>
        <dt>{t("loadedVoices")}</dt>
        <dd>{health?.loaded.join(", ") || "–"}</dd>
        <dt>{t("underWay")}</dt>
        <dd>{load ?? "–"}</dd>
        <dt>{t("speedFactor")}</dt>
        <dd>{takes.speed === null ? "–" : t("timesRealTime").replace("#", takes.speed.toFixed(1))}</dd>
        <dt>{t("firstSound")}</dt>
        <dd>{first === null ? "–" : `${(first / 1000).toFixed(2)} ${t("seconds")}`}</dd>
      </dl>
    </>
  );
}
