"""Fixed texts in the language that is spoken (`theme.speaking`): English stands in the code, Chinese in resources/texts/zh.toml beside it.

What comes from data or the archive (names of columns, reasons, notes, outcomes of runs) is never translated.
"""

from __future__ import annotations

from functools import lru_cache

from mlops_desk import theme
from mlops_desk.resources import resource


def say(english: str, /, **values: object) -> str:
    """A text in the spoken language, with values put in place of its `{names}`."""
    text = english if theme.spoken() == "en" else table(theme.spoken()).get(english, english)
    return text.format(**values) if values else text


def plural(count: int, noun: str) -> str:
    """`1 alert`, `4 alerts`; `4 个告警`."""
    if theme.spoken() == "en":
        return f"{theme.count(count)} {noun}" if count == 1 else f"{theme.count(count)} {noun}s"
    return f"{theme.count(count)} {say(f'{noun}s')}"


def apart(text: str) -> str:
    """A text to be put behind Chinese, which a space keeps apart from Latin letters; as it is in English."""
    return f" {text}" if theme.spoken() == "zh" and text[:1].isascii() else text


@lru_cache
def table(language: str) -> dict[str, str]:
    """The translations of a language other than English, by the English text."""
    import tomllib

    texts: dict[str, str] = tomllib.loads(resource("texts", f"{language}.toml").read_text(encoding="utf-8"))
    return texts
