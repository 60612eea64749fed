"""From the events that compare.py collected to tables and plots.

python bench/report.py RESULTS.json        writes the Markdown and the plots again
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from shared import middle, table

Round = dict[str, Any]
Rows = dict[str, dict[str, Any]]


def write_report(results: dict[str, Any], stem: Path) -> None:
    """`stem`.json, `stem`.md and, where matplotlib is installed, `stem`-speed.png and `stem`-memory.png."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_suffix(".json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    plots = draw(results, stem)
    text = "\n\n".join([*sections(results), *(f"![{p.stem}]({p.name})" for p in plots)])
    stem.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    print(text)


def sections(results: dict[str, Any]) -> Iterator[str]:
    """The report's parts, in Markdown."""
    speaking = {key: row for key, row in results["rows"].items() if not key.startswith("bert-")}
    berts = {key: row for key, row in results["rows"].items() if key.startswith("bert-")}
    yield "# Sokuon and its peers on the same weights, texts and machine"
    yield "\n".join(f"- {name}: {value}" for name, value in results["machine"].items())
    yield versions(results["rows"])
    yield results["models"] + (
        " Medians over rounds and repeats, in parentheses the "
        "lowest and the highest round; a row without them took part in the first round only. Rows took turns, each in "
        "a process of its own."
    )
    if speaking:
        yield from speaking_sections(speaking)
    if results.get("cold_start"):
        seconds = results["cold_start"]
        yield f"`sokuon say` (Q8), process start to WAV written, short text: {middle(seconds, ' s')}."
    if results.get("further_voices"):
        added = ", ".join(f"{mb:.0f} MB" for mb in results["further_voices"])
        yield f"Each further voice in one engine (Q8), loaded and having spoken, adds: {added}."
    if berts:
        yield "## BERT alone"
        yield bert_table(berts)
    if results.get("quality"):
        from quality import as_table

        found = results["quality"]
        yield f"## What quantisation changes ({found['sentences']} sentences, voice “{found['voice']}”)"
        yield as_table(found)
    if results["left_out"]:
        yield "Left out: " + "; ".join(f"{key} ({reason})" for key, reason in results["left_out"].items()) + "."


def speaking_sections(rows: Rows) -> Iterator[str]:
    yield "## Speed: seconds of sound per second of computing"
    yield speed_table(rows)
    yield "## Where the time goes: BERT / synthesizer, seconds"
    yield stage_table(rows)
    yield (
        "PyTorch runs all 24 layers of the BERT and its head, as Style-Bert-VITS2 does; the others stop after 22. "
        "HayaKoe's times contain the second pass over texts of several sentences by which it predicts pauses."
    )
    yield "Stages of Sokuon, seconds"
    yield own_stages_table(rows)
    yield "## Streaming: seconds until the first piece of the longest text"
    yield beginning_table(rows)
    if "hayakoe" in rows:
        yield "## Sokuon against HayaKoe"
        yield against_table(rows)
    yield "## One voice: memory after speaking all texts, and time to load"
    yield memory_table(rows)


def versions(rows: Rows) -> str:
    found: dict[str, set[str]] = {}
    for row in rows.values():
        for taken in row["rounds"]:
            for name, version in event(taken, "loaded")["versions"].items():
                found.setdefault(name, set()).add(version)
    return "- versions: " + ", ".join(f"{name} {'/'.join(sorted(v))}" for name, v in sorted(found.items()))


def event(taken: Round, name: str) -> dict[str, Any]:
    """The one event of that name in a round."""
    found: dict[str, Any] = next(e for e in taken["events"] if e["event"] == name)
    return found


def spoken(taken: Round, text: str) -> list[dict[str, Any]]:
    return [e for e in taken["events"] if e["event"] == "spoken" and e["text"] == text]


def texts_of(rows: Rows) -> list[str]:
    """Names of the texts, in their order."""
    taken = next(iter(rows.values()))["rounds"][0]
    return list(dict.fromkeys(e["text"] for e in taken["events"] if e["event"] == "spoken"))


def per_round(row: dict[str, Any], value: Callable[[Round], float]) -> list[float]:
    return [value(taken) for taken in row["rounds"]]


def speeds(row: dict[str, Any], text: str) -> list[float]:
    """Speed factor of each round: median over its repeats."""
    return per_round(row, lambda r: median(e["audio_s"] / e["seconds"] for e in spoken(r, text)))


def speed_table(rows: Rows) -> str:
    texts = texts_of(rows)
    heads = ["", *(f"{text} ({sound_s(rows, text):.1f} s)" for text in texts)]
    body = [[row["title"], *(middle(speeds(row, text), "x") for text in texts)] for row in rows.values()]
    return table(heads, body)


def sound_s(rows: Rows, text: str) -> float:
    return median(e["audio_s"] for row in rows.values() for r in row["rounds"] for e in spoken(r, text))


def stage(row: dict[str, Any], text: str, name: str) -> float:
    return median(e["stages"][name] for taken in row["rounds"] for e in staged(taken, text))


def staged(taken: Round, text: str) -> list[dict[str, Any]]:
    """Where the row tells its stages: Sokuon only for the first time of a text, as it is profiled apart."""
    told = [e for e in spoken(taken, text) if e["stages"]]
    return told or [e for e in taken["events"] if e["event"] == "first" and e["text"] == text]


def stage_table(rows: Rows) -> str:
    texts = texts_of(rows)
    body = []
    for row in rows.values():
        cells = ((stage(row, text, "bert"), stage(row, text, "synthesizer")) for text in texts)
        body.append([row["title"], *(f"{b:.3f} / {s:.3f} ({100 * b / (b + s):.0f} %)" for b, s in cells)])
    return table(["", *texts], body)


def own_stages_table(rows: Rows) -> str:
    names = ("front_end", "bert", "pauses", "encoder", "flow", "decoder")
    body = []
    for row in rows.values():
        for text in texts_of(rows):
            if "flow" in staged(row["rounds"][0], text)[0]["stages"]:
                body.append([f"{row['title']}, {text}", *(f"{stage(row, text, name):.3f}" for name in names)])
    return table(["", *names], body)


def beginning_table(rows: Rows) -> str:
    body = []
    for row in rows.values():
        if any(e["event"] == "begun" for e in row["rounds"][0]["events"]):
            text = event(row["rounds"][0], "begun")["text"]
            waits = per_round(row, lambda r: median(e["seconds"] for e in r["events"] if e["event"] == "begun"))
            whole = per_round(row, lambda r, t=text: median(e["seconds"] for e in spoken(r, t)))
            body.append([row["title"], middle(waits, " s"), middle(whole, " s")])
    return table(["", "first piece", "whole text"], body)


def against_table(rows: Rows) -> str:
    """Ratios of medians over the rounds that both took part in: how many times faster, and memory in percent."""
    texts = texts_of(rows)
    body = []
    for key, row in rows.items():
        if key.startswith("sokuon"):
            peer = rows["hayakoe"] | {"rounds": rows["hayakoe"]["rounds"][: len(row["rounds"])]}
            faster = (median(speeds(row, text)) / median(speeds(peer, text)) for text in texts)
            body.append([row["title"], *(f"{ratio:.2f}x" for ratio in faster), f"{100 * _memory(row, peer):.0f} %"])
    return table(["", *texts, "memory"], body)


def _memory(row: dict[str, Any], peer: dict[str, Any]) -> float:
    ours, theirs = (per_round(r, lambda taken: event(taken, "done")["memory"]["rss"]) for r in (row, peer))
    return median(ours) / median(theirs)


def memory_table(rows: Rows) -> str:
    heads = ("", "resident", "of it anonymous", "peak", "start to loaded", "start to first sound (short)")
    body = []
    for row in rows.values():
        done = [event(taken, "done")["memory"] for taken in row["rounds"]]
        kinds = (middle([m[kind] for m in done], " MB", 0) for kind in ("rss", "anonymous", "peak"))
        loaded = middle(per_round(row, lambda r: event(r, "loaded")["at_s"]), " s", 1)
        first = middle(per_round(row, lambda r: event(r, "first")["at_s"]), " s", 1)
        body.append([row["title"], *kinds, loaded, first])
    return table(heads, body)


def bert_table(rows: Rows) -> str:
    texts = texts_of(rows)
    heads = ["", *(f"{text} characters" for text in texts), "adds to memory", "peak", "load"]
    body = []
    for row in rows.values():
        times = (median(e["seconds"] for r in row["rounds"] for e in spoken(r, text)) for text in texts)
        added = per_round(row, lambda r: event(r, "done")["memory"]["rss"] - event(r, "loaded")["empty"]["rss"])
        peak = per_round(row, lambda r: event(r, "done")["memory"]["peak"])
        loaded = per_round(row, lambda r: event(r, "loaded")["at_s"])
        last = (middle(added, " MB", 0), middle(peak, " MB", 0), middle(loaded, " s", 1))
        body.append([row["title"], *(f"{1000 * s:.0f} ms" for s in times), *last])
    return table(heads, body)


def draw(results: dict[str, Any], stem: Path) -> list[Path]:
    """Bar charts; nothing where matplotlib is missing."""
    rows = {key: row for key, row in results["rows"].items() if not key.startswith("bert-")}
    try:
        import matplotlib
    except ImportError:
        return []
    if not rows:
        return []
    matplotlib.use("Agg")
    return [draw_speed(rows, stem), draw_memory(rows, stem)]


def draw_speed(rows: Rows, stem: Path) -> Path:
    import matplotlib.pyplot as plt

    texts = texts_of(rows)
    figure, axes = plt.subplots(figsize=(10, 0.45 * len(rows) * len(texts) / 2 + 1.5), layout="constrained")
    height = 0.8 / len(texts)
    for index, text in enumerate(texts):
        places = [-row - index * height for row in range(len(rows))]
        axes.barh(places, [median(speeds(row, text)) for row in rows.values()], height, label=text)
    axes.set_yticks([-n - 0.4 + height / 2 for n in range(len(rows))], [row["title"] for row in rows.values()])
    axes.set_xlabel("seconds of sound per second of computing")
    axes.legend()
    return _saved(figure, stem.with_name(stem.name + "-speed.png"))


def draw_memory(rows: Rows, stem: Path) -> Path:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(10, 0.4 * len(rows) + 1.5), layout="constrained")
    resident = [median(per_round(row, lambda r: event(r, "done")["memory"]["rss"])) for row in rows.values()]
    places = [-n for n in range(len(rows))]
    axes.bar_label(axes.barh(places, resident), fmt="%.0f MB", padding=3)
    axes.set_yticks(places, [row["title"] for row in rows.values()])
    axes.set_xlabel("resident memory after speaking, MB")
    return _saved(figure, stem.with_name(stem.name + "-memory.png"))


def _saved(figure: Any, path: Path) -> Path:
    figure.savefig(path, dpi=110)
    return path


if __name__ == "__main__":
    source = Path(sys.argv[1])
    write_report(json.loads(source.read_text(encoding="utf-8")), source.with_suffix(""))
