"""The output of a run's command as it grows: pieces of text from a byte on, and how far the work is by its own words."""

from __future__ import annotations

import codecs
import os
import re
from pathlib import Path

_PIECE_BYTES = 1 << 20
_PROGRESS_CHARACTERS = 1 << 16
_COUNTED = r"\W{0,3}(\d+)\s*(?:/|of)\s*(\d+)(?!\d)"
_COARSE = re.compile(rf"\b(?:progress|epoch|round|fold|trial|stage){_COUNTED}", re.IGNORECASE)
_FINE = re.compile(rf"\b(?:step|batch|iteration|iter){_COUNTED}", re.IGNORECASE)
_PERCENT = re.compile(
    r"(?:^\W*|\bprogress\W{0,3})(\d{1,3})(?:\.\d+)?\s?%\W*(?:done|complete|completed)?\W*$|(?<![\d.])(\d{1,3})%\|",
    re.IGNORECASE,
)


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


def progress_of(text: str) -> tuple[int, int] | None:
    """How much of how much is done by the latest line that tells it, None where none does.

    Understood are `progress 3/12`, `Epoch 3 / 12`, `[fold 3 of 5]`, `batch 40/100`, `42%` on a line of its own and `42%|` of a bar.
    Epochs and the like go before batches and percentages, which start anew in each of them.
    """
    fine: tuple[int, int] | None = None
    for line in reversed(text[-_PROGRESS_CHARACTERS:].splitlines()):
        coarse = _counted(_COARSE.search(line))
        if coarse is not None:
            return coarse
        fine = fine or _counted(_FINE.search(line)) or _percentage(_PERCENT.search(line))
    return fine


def _counted(match: re.Match[str] | None) -> tuple[int, int] | None:
    if match is None:
        return None
    done, total = int(match[1]), int(match[2])
    return (done, total) if 0 < total >= done else None


def _percentage(match: re.Match[str] | None) -> tuple[int, int] | None:
    if match is None:
        return None
    done = int(match[1] or match[2])
    return (done, 100) if done <= 100 else None
