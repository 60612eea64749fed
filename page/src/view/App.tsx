import { useEffect, useState } from "preact/hooks";
import { app, change, connect, notify, open, playFromHere, playLine, player, redo, saveNow, stop, undo, warmUp } from "../app";
import { setKey } from "../api";
import { setLanguage, t, translated, useLanguage } from "../i18n";
import { emptyProject } from "../model/project";
import { useStore } from "../store";
import { AboutDialog } from "./About";
import { CastDialog } from "./Cast";
import { Correct } from "./Correct";
import { DictionaryDialog, WordDialog } from "./Dictionary";
import type { WordDraft } from "./Dictionary";
import { HelpDialog } from "./Help";
import { Icon } from "./icons";
import { KeepDialog } from "./Keep";
import { useRoving } from "./roving";
import { switchTheme } from "./theme";
import { openProjectFile } from "./files";
import { TextPane } from "./Text";
import { Transport } from "./Transport";
import { VoicePanel } from "./Voice";

export type Opened = "keep" | "cast" | "dictionary" | "about" | "help" | null;

export function App() {
  const lang = useLanguage();
  const [opened, setOpened] = useState<Opened>(null);
  const [word, setWord] = useState<WordDraft | null>(null);
  useEffect(() => {
    document.documentElement.lang = lang;
  }, [lang]);
  useKeys();
  return (
    <div class="studio">
      <Header open={setOpened} />
      <Banner />
      <main class="desk">
        <TextPane />
        <Transport />
        <Correct teach={setWord} />
      </main>
      <VoicePanel open={setOpened} />
      {opened === "keep" && <KeepDialog close={() => setOpened(null)} />}
      {opened === "cast" && <CastDialog close={() => setOpened(null)} />}
      {opened === "dictionary" && <DictionaryDialog close={() => setOpened(null)} teach={setWord} />}
      {opened === "about" && <AboutDialog close={() => setOpened(null)} />}
      {opened === "help" && <HelpDialog close={() => setOpened(null)} />}
      {word && <WordDialog draft={word} close={() => setWord(null)} />}
    </div>
  );
}

function Header({ open: show }: { open: (what: Opened) => void }) {
  const other = useLanguage() === "ja" ? "en" : "ja";
  const title = useStore(app, (s) => s.history.now.title);
  const canUndo = useStore(app, (s) => s.history.past.length > 0);
  const canRedo = useStore(app, (s) => s.history.future.length > 0);
  return (
    <header class="bar">
      <h1 class="brand">
        <span lang="ja">速音</span> <small>Sokuon</small>
      </h1>
      <input
        class="title" aria-label={t("title")} placeholder={t("untitled")} value={title} maxLength={200}
        onInput={(e) => change({ title: e.currentTarget.value }, "title")}
      />
      <div class="tools" role="toolbar" aria-label={t("tools")} {...useRoving<HTMLDivElement>("button")}>
        <Tool icon="undo" label={t("undo")} disabled={!canUndo} press={undo} />
        <Tool icon="redo" label={t("redo")} disabled={!canRedo} press={redo} />
        <span class="rule" />
        <Named icon="plus" label={t("newProject")} press={() => open(emptyProject())} />
        <Named icon="folder" label={t("openProject")} press={openProjectFile} />
        <Named icon="people" label={t("cast")} press={() => show("cast")} />
        <Named icon="book" label={t("dictionary")} press={() => show("dictionary")} />
        <span class="rule" />
        <Tool icon="theme" label={t("theme")} press={switchTheme} />
        <Tool icon="help" label={t("help")} press={() => show("help")} />
        <button class="plain" lang={other} onClick={() => setLanguage(other)}>
          {t("language")}
        </button>
        <button class="primary" aria-label={t("keep")} onClick={() => show("keep")}>
          <Icon name="save" />
          <span>{t("keep")}</span>
        </button>
      </div>
    </header>
  );
}

/** A tool with its name beside it where there is room. */
function Named({ icon, label, press }: { icon: Parameters<typeof Icon>[0]["name"]; label: string; press: () => void }) {
  return (
    <button class="tool named" aria-label={label} title={label} onClick={press}>
      <Icon name={icon} />
      <span>{label}</span>
    </button>
  );
}

export function Tool(props: { icon: Parameters<typeof Icon>[0]["name"]; label: string; disabled?: boolean; press: () => void }) {
  return (
    <button class="tool" aria-label={props.label} title={props.label} disabled={props.disabled} onClick={props.press}>
      <Icon name={props.icon} />
    </button>
  );
}

/** What a person has to know now: no server, a key, an error. */
function Banner() {
  const online = useStore(app, (s) => s.online);
  const needsKey = useStore(app, (s) => s.needsKey);
  const notice = useStore(app, (s) => s.notice);
  const [key, setOwn] = useState("");
  return (
    <div class="banners" role="status" aria-live="polite">
      {!online && <p class="banner error">{t("offline")}</p>}
      {needsKey !== "no" && (
        <form
          class="banner"
          onSubmit={(e) => {
            e.preventDefault();
            setKey(key);
            void connect();
          }}
        >
          <label>
            {t(needsKey === "wrong" ? "wrongKey" : "needsKey")}{" "}
            <input type="password" autocomplete="off" required value={key} onInput={(e) => setOwn(e.currentTarget.value)} />
          </label>
          <button class="primary">{t("useKey")}</button>
        </form>
      )}
      {notice && (
        <p class={`banner ${notice.kind}`}>
          {translated(notice.text)}
          <Tool icon="close" label={t("close")} press={() => notify(null)} />
        </p>
      )}
    </div>
  );
}

const GESTURES = ["keydown", "pointerup"] as const; // those after which a browser lets a page sound

/** Keys that work everywhere; those without Ctrl only outside of fields. */
function useKeys(): void {
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.isComposing || document.querySelector("dialog[open]")) return;
      const inField = (event.target as HTMLElement).matches("input, textarea, select");
      const control = event.ctrlKey || event.metaKey;
      const done = control ? withControl(event, inField) : !inField && alone(event);
      if (done) event.preventDefault();
    };
    const leaving = () => saveNow();
    addEventListener("keydown", pressed);
    addEventListener("pagehide", leaving);
    for (const gesture of GESTURES) addEventListener(gesture, warmUp, { once: true, capture: true });
    return () => {
      removeEventListener("keydown", pressed);
      removeEventListener("pagehide", leaving);
      for (const gesture of GESTURES) removeEventListener(gesture, warmUp, { capture: true });
    };
  }, []);
}

function withControl(event: KeyboardEvent, inField: boolean): boolean {
  if (event.key === "Enter") {
    if (player.isActive) stop();
    else void playFromHere();
    return true;
  }
  if (inField) return false; // the field's own undo
  if (event.key.toLowerCase() === "z") {
    if (event.shiftKey) redo();
    else undo();
    return true;
  }
  if (event.key.toLowerCase() === "y") {
    redo();
    return true;
  }
  return false;
}

function alone(event: KeyboardEvent): boolean {
  if (event.altKey || event.shiftKey) return false;
  if (event.key === "b") {
    void playLine(app.get().heard === "A" ? "B" : "A");
    return true;
  }
  if (event.key === "Escape" && app.get().mode === "listen") {
    stop();
    app.update({ mode: "write" });
    return true;
  }
  return false;
}
