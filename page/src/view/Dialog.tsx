import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../i18n";
import { Tool } from "./App";

/** A modal window of the browser's own: it keeps the focus, and Escape closes it. */
export function Dialog({ name, close, children }: { name: string; close: () => void; children: ComponentChildren }) {
  const window = useRef<HTMLDialogElement>(null);
  useEffect(() => window.current?.showModal(), []);
  return (
    <dialog ref={window} aria-label={name} onClose={close} onClick={(e) => e.target === window.current && window.current?.close()}>
      <div class="sheet">
        <header>
          <h2>{name}</h2>
          <Tool icon="close" label={t("close")} press={() => window.current?.close()} />
        </header>
        {children}
      </div>
    </dialog>
  );
}
