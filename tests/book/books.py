"""Books that the tests build."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

CONTAINER = """<?xml version="1.0"?><container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles><rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""

OPF = """<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="i">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>春の本</dc:title><dc:creator>山田花子</dc:creator>
</metadata><manifest>
<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="cover" href="cover.png" media-type="image/png" properties="cover-image"/>
<item id="a" href="text/a.xhtml" media-type="application/xhtml+xml"/>
<item id="b" href="text/b.xhtml" media-type="application/xhtml+xml"/>
</manifest><spine><itemref idref="nav"/><itemref idref="a"/><itemref idref="b"/></spine></package>"""

NAV = """<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"><head><title>目次</title>
</head><body><nav epub:type="toc"><ol><li><a href="text/a.xhtml">一　朝</a></li>
<li><a href="text/b.xhtml#noon">二　昼</a></li><li><a href="text/b.xhtml#night">三　夜</a></li></ol></nav>
</body></html>"""


def page(body: str, head: str = "") -> str:
    """An XHTML document."""
    return f"""<?xml version="1.0" encoding="utf-8"?>{head}<html xmlns="http://www.w3.org/1999/xhtml"
xmlns:epub="http://www.idpf.org/2007/ops"><head><title/><style>p {{ color: red }}</style></head><body>{body}</body>
</html>"""


A = page("""<h2>一　朝</h2><p>　<ruby>吾輩<rp>(</rp><rt>わがはい</rt><rp>)</rp></ruby>は
<ruby>猫<rt>ね</rt><rt>こ</rt></ruby>である<a epub:type="noteref" href="#n">1</a>。</p><p><br/></p>
<p>「はい」<br/>と言った。</p><aside epub:type="footnote" id="n">これは注です。</aside>""")
B = page("""<p>朝の続き。</p>
<section id="noon"><p>二　昼</p><p><ruby>漢<rt>かん</rt>字<rt>じ</rt></ruby>を読む。</p></section>
<hr/><section id="night"><h2>三　夜</h2><p>おやすみ。</p><pre>code()</pre></section>""")


def png(width: int = 2, height: int = 2) -> bytes:
    """A red picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + b"\xff\0\0" * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def epub(path: Path, changes: Mapping[str, str | bytes | None] | None = None) -> Path:
    """A small EPUB 3 of three chapters in two documents; `changes` replaces members, None leaves one out."""
    members: dict[str, str | bytes | None] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": OPF,
        "OEBPS/nav.xhtml": NAV,
        "OEBPS/cover.png": png(),
        "OEBPS/text/a.xhtml": A,
        "OEBPS/text/b.xhtml": B,
    }
    members.update(changes or {})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            if content is not None:
                archive.writestr(name, content)
    return path


RULE = "-" * 55
AOZORA = f"""吾輩は猫である
夏目漱石

{RULE}
【テキスト中に現れる記号について】

《》：ルビ
（例）吾輩《わがはい》

［＃］：入力者注
{RULE}

［＃８字下げ］一［＃「一」は中見出し］

　吾輩《わがはい》は猫である。一番｜獰悪《どうあく》な種族。
　※［＃「てへん＋劣」、第3水準1-84-77］《ねじ》る。※［＃「口＋愛」、第3水準1-15-23］と※［＃「麹」の正字、U+9EB4、10-2］と※［＃「なぞ」］《なぞ》だ。
［＃ここから２字下げ］
「強く［＃「強く」に傍点］言う」
［＃ここで字下げ終わり］
［＃改ページ］
［＃８字下げ］二［＃「二」は中見出し］

　青空文庫［＃「青空文庫」に「あおぞらぶんこ」のルビ］です。
［＃挿絵（fig1.png、横10×縦20）入る］

　別の場面。



底本：「青空」春社
入力：だれか
"""
