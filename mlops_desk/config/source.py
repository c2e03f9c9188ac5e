"""Where desk.toml says something, and errors that name the place: file, line and dotted key.

A dotted key names a model by its id and counts other lists from 1: `models.car-loan.monitors[2].metrics`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from mlops_desk.config.lines import KeyPath, locate
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.model import Desk

TIE = 0.05
"""Words whose likeness (0 to 1) differs by less are about as near."""
PLACE = re.compile(r"models\.(?P<model>[a-z0-9-]+)(?P<key>(?:\.[A-Za-z0-9_-]+|\[\d+\])+)(?=[: ])")
PART = re.compile(r"\.([A-Za-z0-9_-]+)|\[(\d+)\]")
SHOWN_CANDIDATES = 12
SHOWN_CHARACTERS = 60


class Source:
    """A desk.toml as it was written: what messages need to name a place in it."""

    __slots__ = ("file", "model_names", "text")

    def __init__(self, file: Path, text: str, model_names: Sequence[str | None] = ()) -> None:
        """`model_names` are the ids of the models in order, None where one has no usable id."""
        self.file = file
        self.text = text
        self.model_names = tuple(model_names)

    def error(self, path: KeyPath, message: str) -> UserError:
        """The error that the value at a path has: `message` goes on after the dotted key."""
        name = dotted_key(path, self.model_names)
        sentence = f"{name} {message}" if name else message
        return UserError(f"{self.file}:{locate(self.text, path)}: {sentence}")


def desk_error(desk: Desk, path: KeyPath, message: str) -> UserError:
    """An error of desk.toml that only a floor above can see, such as an unknown metric.

    `path` counts from 0, as in ("models", 0, "monitors", 2, "metrics", 1); `message` goes on after the dotted key.
    """
    try:
        text = desk.file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        text = ""  # gone since it was read: the key is named all the same
    return Source(desk.file, text, [model.id for model in desk.models]).error(path, message)


def with_line(desk: Desk, message: str) -> str:
    """A message that begins with a dotted key of a model, with file and line before it; any other as it is."""
    found = PLACE.match(message.removeprefix(f"{desk.file}: ").removeprefix(f"{desk.file.name}: "))
    numbers = {model.id: number for number, model in enumerate(desk.models)}
    if found is None or found["model"] not in numbers:
        return message
    keys: list[str | int] = [int(n) - 1 if n else word for word, n in PART.findall(found["key"])]
    try:
        text = desk.file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return message
    return f"{desk.file}:{locate(text, ('models', numbers[found['model']], *keys))}: {found.string}"


def dotted_key(path: KeyPath, model_names: Sequence[str | None] = ()) -> str:
    """A path as a person writes it; keys that TOML wants in quotes have them."""
    text = ""
    for position, part in enumerate(path):
        if isinstance(part, str):
            text += ("." if text else "") + (part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else shown(part))
            continue
        name = model_names[part] if path[:position] == ("models",) and part < len(model_names) else None
        text += f"[{part + 1}]" if name is None else f".{name}"
    return text


def nearest(word: str, candidates: Iterable[str], otherwise: str = "there are") -> str:
    """The end of a sentence on an unknown word: `did you mean a or b?`, or, where nothing is near, `there are a, b, c`."""
    known = list(dict.fromkeys(candidates))
    near = near_words(word, known)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"{otherwise} {', '.join(known[:SHOWN_CANDIDATES])}{' …' if len(known) > SHOWN_CANDIDATES else ''}"


def near_words(word: str, candidates: Iterable[str]) -> list[str]:
    """The candidate that resembles a word most, with the next one where that is about as near; case does not matter."""
    from difflib import SequenceMatcher, get_close_matches

    folded = {name.casefold(): name for name in candidates}
    wanted = word.casefold()
    near = get_close_matches(wanted, folded, n=2, cutoff=0.6)
    likeness = [SequenceMatcher(None, name, wanted).ratio() for name in near]
    return [folded[name] for name, like in zip(near, likeness, strict=True) if like > likeness[0] - TIE]


def shown(value: object) -> str:
    """A value of TOML in a message: one line, cut where it is long."""
    import json

    match value:
        case str():
            text = json.dumps(value, ensure_ascii=False)
            return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 2] + '…"'
        case bool():
            return "true" if value else "false"
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return str(value)[:SHOWN_CHARACTERS]
