import { useEffect, useRef, useState } from "preact/hooks";
import * as api from "../api";
import { app, cut, failed, project, saveNow, timedLines } from "../app";
import { t } from "../i18n";
import { toFile } from "../model/project";
import { curlLine, lineRequest } from "../model/requests";
import type { LineRequest } from "../model/requests";
import { subtitles, timings } from "../model/subtitles";
import { Dialog } from "./Dialog";
import { download, fileName } from "./files";

const FORMATS = ["wav", "flac", "mp3", "opus"] as const;

/** Everything that can be taken home. */
export function KeepDialog({ close }: { close: () => void }) {
  const [whole, setWhole] = useState(true);
  const [status, setStatus] = useState<string | null>(null);
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);
  const work = (task: (signal: AbortSignal) => Promise<void>) => async () => {
    running.current?.abort();
    const { signal } = (running.current = new AbortController());
    setStatus(`${t("working")}…`);
    await task(signal).catch(failed);
    if (!signal.aborted) setStatus(null);
  };
  const sound = (format: string) =>
    work(async (signal) => {
      const blob = await api.file(await requests(whole), format, (bytes) => setStatus(`${t("working")}… ${kilobytes(bytes)}`), signal);
      download(fileName(project().title, format), blob);
    });
  const times = (kind: "srt" | "vtt" | "json") =>
    work(async (signal) => {
      const lines = await timedLines((done) => setStatus(`${t("working")}… ${done} / ${app.get().lines.length}`), signal);
      const content = kind === "json" ? timings(lines) : subtitles(lines, kind);
      download(fileName(project().title, kind), content, kind === "json" ? "application/json" : "text/plain");
    });
  return (
    <Dialog name={t("keep")} close={close}>
      <h3>{t("sound")}</h3>
      <div class="segments" role="group" aria-label={t("sound")}>
        <button aria-pressed={whole} onClick={() => setWhole(true)}>{t("wholeStory")}</button>
        <button aria-pressed={!whole} onClick={() => setWhole(false)}>{t("thisSentence")}</button>
      </div>
      <div class="row">
        {FORMATS.map((format) => (
          <button class="plain boxed" onClick={() => void sound(format)()}>{format === "opus" ? "Opus" : format.toUpperCase()}</button>
        ))}
      </div>
      <h3>{t("subtitlesAndTimes")}</h3>
      <div class="row">
        <button class="plain boxed" onClick={() => void times("srt")()}>SRT</button>
        <button class="plain boxed" onClick={() => void times("vtt")()}>VTT</button>
        <button class="plain boxed" onClick={() => void times("json")()}>{t("timings")}</button>
      </div>
      <h3>{t("project")}</h3>
      <div class="row">
        <button class="plain boxed" onClick={saveProject}>{t("saveProject")}</button>
      </div>
      <h3>{t("curl")}</h3>
      <Curl whole={whole} />
      {status !== null && (
        <p class="status" role="status">
          {status}{" "}
          <button class="plain small" onClick={() => (running.current?.abort(), setStatus(null))}>{t("cancel")}</button>
        </p>
      )}
    </Dialog>
  );
}

function saveProject(): void {
  saveNow();
  download(fileName(project().title, "sokuon.json"), toFile(project()), "application/json");
}

async function requests(whole: boolean): Promise<LineRequest[]> {
  const lines = await cut();
  const all = lines.map((_, i) => lineRequest(project(), lines, i));
  return whole ? all : all.slice(app.get().selected, app.get().selected + 1);
}

function Curl({ whole }: { whole: boolean }) {
  const [command, setCommand] = useState("");
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    void requests(whole).then((own) => setCommand(curlLine(location.origin, own, "wav")), failed);
  }, [whole]);
  const copy = () => navigator.clipboard.writeText(command).then(() => setCopied(true), failed);
  return (
    <div class="curl">
      <textarea readOnly rows={3} aria-label={t("curl")} value={command} onFocus={(e) => e.currentTarget.select()} />
      <button class="plain small" onClick={() => void copy()}>{copied ? t("copied") : t("copy")}</button>
    </div>
  );
}

function kilobytes(bytes: number): string {
  return `${Math.round(bytes / 1000).toLocaleString()} kB`;
}
