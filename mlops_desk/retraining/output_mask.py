"""Replaces the values of secrets in a stream of text, also where a value is cut in two by the end of a piece.

A value is found as it is, as one of its lines, and as JSON, a URL or Base64 would write it. Text that may be the beginning of a value is held back
until the next piece shows whether it is, or until the end.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "***"
_SHORTEST_LINE = 4
"""Shorter lines of a value with several lines, such as a lone bracket, are left as they are."""


class OutputMask:
    """Masks a stream; one object for one stream."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = sorted(
            {form for secret in secrets if secret for form in _forms(secret)}, key=lambda form: (-len(form), form)
        )
        self._forms = forms
        self._pattern = re.compile("|".join(map(re.escape, forms))) if forms else None
        self._firsts = (
            re.compile("[" + "".join(sorted({re.escape(form[0]) for form in forms})) + "]") if forms else None
        )
        self._held = ""

    def fed(self, piece: str) -> str:
        """What can be told of the text after this piece."""
        if self._pattern is None:
            return piece
        text = self._held + piece
        open_from = self._open_from(text)
        told: list[str] = []
        position = 0
        for match in self._pattern.finditer(text):
            if match.start() >= open_from:
                break
            told += (text[position : match.start()], MASK)
            position = match.end()
        end = max(open_from, position)
        told.append(text[position:end])
        self._held = text[end:]
        return "".join(told)

    def rest(self) -> str:
        """What was held back, once the stream has ended."""
        held, self._held = self._held, ""
        return held if self._pattern is None else self._pattern.sub(MASK, held)

    def _open_from(self, text: str) -> int:
        """Where the first part of the text begins that may become a (longer) value with the next piece; its length if none."""
        if self._firsts is None:
            return len(text)
        longest = len(self._forms[0])
        for match in self._firsts.finditer(text, max(0, len(text) - longest + 1)):
            tail = text[match.start() :]
            if any(len(form) > len(tail) and form.startswith(tail) for form in self._forms):
                return match.start()
        return len(text)


def _forms(secret: str) -> set[str]:
    lines = {line.strip() for line in secret.splitlines()}
    values = {secret, secret.strip()} | {line for line in lines if len(line) >= _SHORTEST_LINE}
    written: set[str] = set()
    for value in values - {""}:
        code = value.encode("utf-8", "surrogateescape")
        written |= {
            value,
            code.decode("utf-8", "replace"),
            json.dumps(value)[1:-1],
            json.dumps(value, ensure_ascii=False)[1:-1],
        }
        written |= {quote(code, safe=""), quote(code), quote_plus(code), base64.b64encode(code).decode("ascii")}
    return written
