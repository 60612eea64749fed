"""HayaKoe 1.3.1 over lines as its users loop over them: texts as JSON on standard input, figures on standard output.

python hayakoe_lines.py MODELS
"""

from __future__ import annotations

import json
import sys
import time


def main() -> None:
    from hayakoe import TTS

    source = f"{sys.argv[1]}/hayakoe"
    speaker = TTS(device="cpu", bert_source=source).load("bench", source=source).prepare().speakers["bench"]
    texts = json.load(sys.stdin)
    speaker.generate("あ。今日は、晴れ。")
    seconds, begin = 0.0, time.perf_counter()
    for text in texts:
        result = speaker.generate(text)
        seconds += len(result.data) / result.sr
    elapsed = time.perf_counter() - begin
    print(json.dumps({"lines": len(texts), "sound_s": seconds, "elapsed_s": elapsed}))


if __name__ == "__main__":
    main()
