import io
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.cli.terminal import Terminal, cut, harmless, one_line, width, wrapped
from mlops_desk.domain.progress import Progress


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def stream(encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")


def written(text: io.TextIOWrapper) -> bytes:
    text.flush()
    assert isinstance(text.buffer, io.BytesIO)
    return text.buffer.getvalue()


@given(st.text())
def test_no_text_can_steer_the_terminal(text: str) -> None:
    shown = harmless(text)
    kinds = {unicodedata.category(character) for character in shown if character != "\n"}
    assert "Cc" not in kinds
    assert not set(shown) & set("\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2028\u2029")
    assert "\n" not in one_line(text)


def test_an_escape_stays_readable() -> None:
    assert harmless("a\x1b]0;owned\x07b") == "a\\x1b]0;owned\\x07b"


@given(st.text(), st.integers(2, 40))
def test_cut_text_fits(text: str, columns: int) -> None:
    assert width(cut(text, columns)) <= columns
    assert cut(text, columns) == text or cut(text, columns).endswith("…")


def test_chinese_takes_two_columns() -> None:
    assert width("年龄") == 4
    assert width("e\u0301") == 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_any_text_goes_out_in_any_encoding(encoding: str) -> None:
    out = stream(encoding)
    terminal = Terminal(out, stream(encoding))
    terminal.line("■ 年龄 × \udcff")
    terminal.table(("a", "b"), [("■", "×")])
    terminal.document({"column": "年龄"})
    text = written(out).decode(encoding)
    assert json.loads(text[text.index("{") :]) == {"column": "年龄"}


def test_columns_stand_under_their_heads() -> None:
    out = stream("utf-8")
    Terminal(out, out).table(("name", "n", "what"), [("年龄", "5", "x\ny"), ("sex", "1,200", "z")], right=(1,))
    assert written(out).decode().splitlines() == ["name      n  what", "年龄      5  x y", "sex   1,200  z"]


def test_lines_of_a_pipe_are_never_cut() -> None:
    out = stream("utf-8")
    Terminal(out, out).table(("a",), [("x" * 500,)])
    assert b"x" * 500 in written(out)


def test_the_bar_is_drawn_on_a_terminal_only_and_not_too_often() -> None:
    screen, pipe = Screen(), io.StringIO()
    for err in (screen, pipe):
        terminal = Terminal(io.StringIO(), err)
        for step in range(1000):
            terminal.progress(Progress(stage="counting \x1b[2J", share=step / 1000))
    assert pipe.getvalue() == ""
    assert screen.getvalue().count("\r[") in (1, 2)
    assert "\x1b" not in screen.getvalue()


def test_a_line_takes_the_bar_off_first() -> None:
    screen = Screen()
    terminal = Terminal(screen, screen)
    terminal.progress(Progress(stage="counting", share=0.5))
    terminal.error("no such file")
    assert screen.getvalue().split("\r")[-1] == "mlops-desk: no such file\n"


def test_a_dumb_terminal_gets_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert not Terminal(Screen(), Screen()).shows_progress


def test_a_program_without_a_console_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    monkeypatch.setattr("sys.stderr", None)
    terminal = Terminal()
    terminal.line("anything")
    terminal.error("anything")
    assert not terminal.shows_progress


@given(st.text(), st.integers(5, 40))
def test_wrapped_text_keeps_its_words_and_fits(text: str, columns: int) -> None:
    lines = wrapped(text, columns)
    assert " ".join(lines).split() == text.split()
    assert all(width(line) <= columns or " " not in line for line in lines)


def test_the_last_column_goes_on_below_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    screen = Screen()
    Terminal(screen, screen).table(("id", "what"), [("1", "Population stability index of amount"), ("2", "short")])
    assert screen.getvalue().splitlines() == [
        "id  what",
        "1   Population stability index",
        "    of amount",
        "2   short",
    ]
