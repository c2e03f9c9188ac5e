"""What the command line writes: lines, tables and a progress bar, safe for any terminal, pipe and encoding.

Text from the data (column names, categories, paths, log lines) may hold anything: control characters and marks that turn the direction
of writing are shown as escapes, so that no file can speak to the terminal, and what an encoding lacks becomes a question mark. Results go
to stdout, everything else to stderr; the bar is drawn on stderr and only where that is a terminal.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
import unicodedata
from collections.abc import Sequence
from typing import TextIO

from mlops_desk.domain.progress import Progress
from mlops_desk.theme import DIRECTION_MARKS

PROGRAM = "mlops-desk"
REDRAW_SECONDS = 0.1
BAR_CELLS = 24
PIPE_COLUMNS = 1_000_000
LEAST_ROOM = 20
"""Columns that the last column of a table gets however narrow the terminal is."""
_ESCAPED = {
    code: ascii(chr(code))[1:-1]
    for code in (*range(0x20), *range(0x7F, 0xA0), *map(ord, DIRECTION_MARKS))
    if code != 0x0A
} | {0x09: "    "}


def harmless(text: str) -> str:
    """The text with everything that a terminal might obey made visible; line breaks stay."""
    return text.translate(_ESCAPED)


def one_line(text: str) -> str:
    """The text harmless and in one line."""
    return " ".join(harmless(text).split())


def unbroken(text: str) -> str:
    """The text with its line breaks made visible, for data within a line that has a beginning of its own."""
    return text.replace("\r", "\\r").replace("\n", "\\n")


def width(text: str) -> int:
    """How many columns of a terminal a text takes: East Asian wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def cut(text: str, columns: int) -> str:
    """The text, or as much of its beginning as fits into so many columns with an ellipsis."""
    if width(text) <= columns:
        return text
    kept = ""
    for character in text:
        if width(kept + character) >= columns:
            break
        kept += character
    return kept + "…"


def wrapped(text: str, columns: int) -> list[str]:
    """The words of a text in lines of so many columns; a word that is longer has a line of its own."""
    lines: list[str] = []
    for word in text.split():
        if lines and width(lines[-1]) + 1 + width(word) <= columns:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a stream is a terminal that can go back to the start of a line."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


class Terminal:
    """Both output streams of the program; any thread may write."""

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out = sys.stdout if out is None else out
        self._err = sys.stderr if err is None else err
        self._lock = threading.RLock()
        self._bar = ""
        self._drawn_at = 0.0
        self.shows_progress = is_terminal(self._err)

    @property
    def columns(self) -> int:
        """The width of stdout: of the terminal, and of a pipe more than any line has."""
        return shutil.get_terminal_size().columns if is_terminal(self._out) else PIPE_COLUMNS

    def line(self, text: str = "") -> None:
        """Writes a result to stdout."""
        self._write(self._out, harmless(text) + "\n")

    def text(self, text: str) -> None:
        """Writes a piece of output as it comes, without a line break of its own."""
        self._write(self._out, harmless(text))

    def flush(self) -> None:
        """Sends on its way what others have printed to stdout."""
        self._write(self._out, "")

    def note(self, text: str) -> None:
        """Tells something that is no result."""
        self._write(self._err, one_line(text) + "\n")

    def warning(self, text: str) -> None:
        """Tells a trouble that did not stop the work."""
        self._write(self._err, f"{PROGRAM}: warning: {one_line(text)}\n")

    def error(self, text: str) -> None:
        """Tells what stopped the work."""
        self._write(self._err, f"{PROGRAM}: {one_line(text)}\n")

    def document(self, content: object) -> None:
        """Writes JSON to stdout; what is not ASCII stays readable where stdout is UTF-8."""
        plain = (getattr(self._out, "encoding", None) or "ascii").lower().replace("-", "") != "utf8"
        self._write(self._out, json.dumps(content, ensure_ascii=plain, indent=2, allow_nan=False) + "\n")

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
        """Writes rows under a head in aligned columns, those of `right` flush right; the last column goes on below itself."""
        cells = [[one_line(cell) for cell in row] for row in (head, *rows)]
        widths = [max(width(row[place]) for row in cells) for place in range(len(head))]
        before = sum(widths[:-1]) + 2 * (len(head) - 1)
        room = max(self.columns - before, LEAST_ROOM)
        for row in cells:
            gaps = [" " * (size - width(cell)) for cell, size in zip(row, widths, strict=True)]
            padded = [
                gap + cell if i in right else cell + gap for i, (cell, gap) in enumerate(zip(row, gaps, strict=True))
            ]
            first, *more = wrapped(row[-1], room) or [""]
            self.line("  ".join([*padded[:-1], first]).rstrip())
            for piece in more:
                self.line(" " * before + piece)

    def progress(self, progress: Progress) -> None:
        """Draws how far an operation is, at most ten times a second; nothing where stderr is no terminal."""
        if not self.shows_progress:
            return
        with self._lock:
            now = time.monotonic()
            if now - self._drawn_at < REDRAW_SECONDS:
                return
            self._drawn_at = now
            full = round(BAR_CELLS * min(max(progress.share, 0.0), 1.0))
            bar = f"[{'#' * full}{'.' * (BAR_CELLS - full)}] {100 * progress.share:3.0f} %  {one_line(progress.stage)}"
            bar = cut(bar, max(shutil.get_terminal_size().columns - 1, 20))
            self._emit(self._err, "\r" + bar + " " * max(width(self._bar) - width(bar), 0))
            self._bar = bar

    def clear(self) -> None:
        """Takes the bar off the terminal."""
        with self._lock:
            if self._bar:
                self._emit(self._err, "\r" + " " * width(self._bar) + "\r")
                self._bar = ""

    def _write(self, stream: TextIO | None, text: str) -> None:
        with self._lock:
            self.clear()
            self._emit(stream, text)

    @staticmethod
    def _emit(stream: TextIO | None, text: str) -> None:
        """Writes text with what the encoding lacks replaced; a program without a console has no stream at all."""
        if stream is None:
            return
        encoding = getattr(stream, "encoding", None) or "utf-8"
        stream.write(text.encode(encoding, "replace").decode(encoding))
        stream.flush()
