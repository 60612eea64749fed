import { zipSync } from "fflate";
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
const SCOPES = ["wholeStory", "eachSentence", "thisSentence"] as const;
type Scope = (typeof SCOPES)[number];

/** Everything that can be taken home. */
export function KeepDialog({ close }: { close: () => void }) {
  const [scope, setScope] = useState<Scope>("wholeStory");
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
  const told = (done: number, of: number) => setStatus(`${t("working")}… ${done} / ${of}`);
  const sound = (format: string) =>
    work(async (signal) => {
      const lines = await requests(scope);
      if (scope === "eachSentence") return download(fileName(project().title, "zip"), await zipped(lines, format, told, signal));
      const blob = await api.file(lines, format, (bytes) => setStatus(`${t("working")}… ${kilobytes(bytes)}`), signal);
      download(fileName(project().title, format), blob);
    });
  const times = (kind: "srt" | "vtt" | "json") =>
    work(async (signal) => {
      const only = scope === "thisSentence" ? app.get().selected : null;
      const lines = await timedLines((done, of) => told(done, of), signal, only);
      const content = kind === "json" ? timings(lines) : subtitles(lines, kind);
      download(fileName(project().title, kind), content, kind === "json" ? "application/json" : "text/plain");
    });
  return (
    <Dialog name={t("keep")} close={close}>
      <fieldset class="chips">
        <legend class="hidden">{t("whatToKeep")}</legend>
        {SCOPES.map((own) => (
          <label>
            <input type="radio" name="scope" checked={own === scope} onChange={() => setScope(own)} />
            <span>{t(own)}</span>
          </label>
        ))}
      </fieldset>
      <h3>{t("sound")}</h3>
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
      <Curl scope={scope} />
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

/** Sentences that stand alone have no pause to the next one. */
async function requests(scope: Scope): Promise<LineRequest[]> {
  const lines = await cut();
  const all = lines.map((_, i) => lineRequest(project(), lines, i));
  if (scope === "wholeStory") return all;
  const alone = all.map((request) => ({ ...request, next: null }));
  return scope === "eachSentence" ? alone : alone.slice(app.get().selected, app.get().selected + 1);
}

/** A file for each line, numbered, named as it begins, in one ZIP. */
async function zipped(lines: LineRequest[], format: string, told: (done: number, of: number) => void, signal: AbortSignal): Promise<Blob> {
  const files: Record<string, Uint8Array> = {};
  const digits = String(lines.length).length;
  for (const [i, line] of lines.entries()) {
    told(i, lines.length);
    const blob = await api.file([line], format, () => {}, signal);
    const name = fileName(`${String(i + 1).padStart(digits, "0")}_${[...line.text.trim()].slice(0, 20).join("")}`, format);
    files[name] = new Uint8Array(await blob.arrayBuffer());
  }
  return new Blob([zipSync(files, { level: 0 })], { type: "application/zip" });
}

function Curl({ scope }: { scope: Scope }) {
  const [command, setCommand] = useState("");
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    void requests(scope).then((own) => setCommand(curlLine(location.origin, own, "wav", api.hasKey())), failed);
  }, [scope]);
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
