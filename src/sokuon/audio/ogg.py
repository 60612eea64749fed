"""Ogg pages on their way to a file: the serial number of the stream set to one of ours.

libsndfile draws it at random, so that no two files of the same sound are equal. Source: RFC 3533, section 6.
"""

from __future__ import annotations

import zlib

_HEADER_BYTES = 27
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class OggPages:
    """Takes bytes as an encoder writes them, gives whole pages with `serial`, a number of 32 bits."""

    def __init__(self, serial: int) -> None:
        self._serial = serial.to_bytes(4, "little")
        self._held = bytearray()

    def push(self, data: bytes) -> bytes:
        """The pages that these bytes complete."""
        self._held += data
        pages = bytearray()
        while size := self._page_bytes():
            pages += self._numbered(bytes(self._held[:size]))
            del self._held[:size]
        return bytes(pages)

    def _page_bytes(self) -> int:
        """Length of the page at the beginning, 0 while it is not whole."""
        held = self._held
        if len(held) < _HEADER_BYTES or len(held) < _HEADER_BYTES + held[26]:
            return 0
        size = _HEADER_BYTES + held[26] + sum(held[_HEADER_BYTES : _HEADER_BYTES + held[26]])
        return size if len(held) >= size else 0

    def _numbered(self, page: bytes) -> bytes:
        page = page[:14] + self._serial + page[18:22] + bytes(4) + page[26:]
        return page[:22] + _checksum(page).to_bytes(4, "little") + page[26:]


def _checksum(data: bytes) -> int:
    """CRC-32 from the highest bit, begun and ended with 0: zlib's of the bits in reverse, which begins with ones."""
    crc = zlib.crc32(data.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{crc:032b}"[::-1], 2)
