"""On which line of a TOML text a key stands, for messages; tomllib keeps no positions.

Every key, header and list item is recorded under its path, such as ("models", 0, "columns", "timestamp"). The scanner trusts that the
text is valid TOML (tomllib has read it); where it is not, the lines found up to there count.
"""

from __future__ import annotations

import re
import tomllib

KeyPath = tuple[str | int, ...]
"""Keys and 0-based list positions from the root of the file down."""

# Compiled when a place is looked for, not on import: most files have no errors.
_BLANK = r"[ \t]*"
_BLANK_LINES = r"(?:[ \t\r\n]|#[^\n]*)*"
_BARE_KEY = r"[A-Za-z0-9_-]+"
_SCALAR = r"[^,\]}\n#]*"
_STRING = r'''"""(?:[^\\]|\\.)*?"{3,5}|'{3}.*?'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|'''


def locate(text: str, path: KeyPath) -> int:
    """The 1-based line of a key of desk.toml, or of the nearest table around it that the text has; 1 where it has none."""
    lines = key_lines(text)
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 1


def key_lines(text: str) -> dict[KeyPath, int]:
    """The 1-based line of each key, table and list item where it is first written."""
    scanner = _Scanner(text)
    try:
        scanner.scan()
    except (_Unexpected, RecursionError):
        return scanner.lines
    return scanner.lines


class _Unexpected(Exception):
    """The text is not TOML from here on."""


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.lines: dict[KeyPath, int] = {}
        self.line = 1
        self.counted_to = 0
        self.lengths: dict[KeyPath, int] = {}
        """Entries so far of each array of tables."""

    def scan(self) -> None:
        table: KeyPath = ()
        self.take(_BLANK_LINES)
        while self.position < len(self.text):
            if self.text.startswith("[", self.position):
                table = self.header()
            else:
                self.pair(table)
            self.take(_BLANK_LINES)

    def header(self) -> KeyPath:
        closing = "]]" if self.text.startswith("[[", self.position) else "]"
        self.position += len(closing)
        line = self.current_line()
        path: KeyPath = ()
        for part in self.keys():
            path = self.latest(path)
            path = (*path, part)
            self.lines.setdefault(path, line)
        if closing == "]]":
            self.lengths[path] = self.lengths.get(path, 0) + 1
        self.expect(closing)
        path = self.latest(path)
        self.lines.setdefault(path, line)
        return path

    def latest(self, path: KeyPath) -> KeyPath:
        """The path itself, or its latest entry where it is an array of tables."""
        return (*path, self.lengths[path] - 1) if path in self.lengths else path

    def pair(self, table: KeyPath) -> None:
        line = self.current_line()
        path = table
        for part in self.keys():
            path = (*path, part)
            self.lines.setdefault(path, line)
        self.expect("=")
        self.take(_BLANK)
        self.value(path)

    def keys(self) -> list[str]:
        parts = [self.key()]
        while self.text.startswith(".", self.position):
            self.position += 1
            parts.append(self.key())
        return parts

    def key(self) -> str:
        self.take(_BLANK)
        quoted = self.string()
        found = tomllib.loads(f"key = {quoted}")["key"] if quoted else self.take(_BARE_KEY)
        self.take(_BLANK)
        return str(found)

    def value(self, path: KeyPath) -> None:
        opening = self.text[self.position : self.position + 1]
        if opening == "[":
            self.array(path)
        elif opening == "{":
            self.inline_table(path)
        elif not self.string():
            self.take(_SCALAR)

    def array(self, path: KeyPath) -> None:
        self.expect("[")
        self.take(_BLANK_LINES)
        index = 0
        while not self.text.startswith("]", self.position):
            item = (*path, index)
            self.lines.setdefault(item, self.current_line())
            self.value(item)
            self.separator("]")
            index += 1
        self.expect("]")

    def inline_table(self, path: KeyPath) -> None:
        self.expect("{")
        self.take(_BLANK_LINES)
        while not self.text.startswith("}", self.position):
            self.pair(path)
            self.separator("}")
        self.expect("}")

    def separator(self, closing: str) -> None:
        """Passes over a comma; without one, the closing bracket must follow."""
        self.take(_BLANK_LINES)
        if not self.text.startswith(closing, self.position):
            self.expect(",")
            self.take(_BLANK_LINES)

    def string(self) -> str:
        """The string that begins here, with its quotes; empty where none does."""
        return self.take(_STRING)

    def take(self, pattern: str) -> str:
        match = re.compile(pattern, re.DOTALL).match(self.text, self.position)
        if match is None:
            raise _Unexpected
        self.position = match.end()
        return match[0]

    def expect(self, mark: str) -> None:
        if not self.text.startswith(mark, self.position):
            raise _Unexpected
        self.position += len(mark)

    def current_line(self) -> int:
        self.line += self.text.count("\n", self.counted_to, self.position)
        self.counted_to = self.position
        return self.line
