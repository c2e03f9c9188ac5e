"""The output of a run's command as it grows: pieces of text from a byte on."""

from __future__ import annotations

import codecs
import os
from pathlib import Path

_PIECE_BYTES = 1 << 20


def output_since(file: Path, since_byte: int) -> tuple[str, int]:
    """The text of the log from a byte on, at most 1 MiB of it, and the byte to go on from.

    A negative `since_byte` counts from the end. A character that the end of the piece cuts in two comes whole with the next one.
    """
    try:
        stream = file.open("rb")
    except FileNotFoundError:
        return "", max(since_byte, 0)
    with stream:
        size = stream.seek(0, os.SEEK_END)
        position = stream.seek(max(size + since_byte, 0) if since_byte < 0 else min(since_byte, size))
        block = stream.read(_PIECE_BYTES)
    if since_byte < 0:
        skipped = len(block) - len(block.lstrip(bytes(range(0x80, 0xC0))))
        position += skipped
        block = block[skipped:]
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(block)
    return text, position + len(block) - len(decoder.getstate()[0])
