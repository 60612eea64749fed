import { failed, notify, open } from "../app";
import { fromFile } from "../model/project";

/** Hand a file to the person. */
export function download(name: string, content: Blob | string, type = "text/plain"): void {
  const blob = typeof content === "string" ? new Blob([content], { type }) : content;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

export function openProjectFile(): void {
  const input = document.createElement("input");
  input.type = "file";
  input.accept = ".json,.sokuon";
  input.onchange = () => {
    const chosen = input.files?.[0];
    if (chosen) void chosen.text().then(openProject, failed);
  };
  input.click();
}

function openProject(content: string): void {
  try {
    open(fromFile(content));
  } catch (error) {
    notify({ kind: "error", text: (error as Error).message });
  }
}

/** A name that every file system takes. */
export function fileName(title: string, ending: string): string {
  const plain = title.replace(/[\\/:*?"<>|\u0000-\u001f\u202a-\u202e\u2066-\u2069]/g, "_").trim();
  return `${plain || "sokuon"}.${ending}`;
}
