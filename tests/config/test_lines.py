"""A place in desk.toml is found on its own line, however it is written."""

import tomllib

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.config.lines import KeyPath, key_lines, locate

TEXT = '''\
# a comment with [brackets] and a key = 1
version = 1
"quoted key" = "a # no comment"

[[models]]           # the first
id = "a"
columns.score = { yes = "p_yes", "very good" = "p # }" }
[models.columns.deep]
x.y = 1

[[models.monitors]]
metrics = [
    "one",   # with a comment, "and quotes"
    # nothing here
    [2, 3], { kind = "x", upper = [
      3] },
]
[[models.monitors]]
text = """
[not.a.header]
also = "no key" \\""" still
"""
after = 1
literal = \'\'\'
id = 'no'\'\'\'
ends_in_quotes = """a\\\\"""""
last = \'it is "so"\'
[[models]]
id = "b"
[[models.monitors]]
metrics = []
date = 2018-01-01 06:00:00
[store]
keep = "400d"
'''
PLACES: list[tuple[KeyPath, int]] = [
    (("version",), 2),
    (("quoted key",), 3),
    (("models",), 5),
    (("models", 0), 5),
    (("models", 0, "id"), 6),
    (("models", 0, "columns"), 7),
    (("models", 0, "columns", "score", "very good"), 7),
    (("models", 0, "columns", "deep"), 8),
    (("models", 0, "columns", "deep", "x", "y"), 9),
    (("models", 0, "monitors", 0), 11),
    (("models", 0, "monitors", 0, "metrics"), 12),
    (("models", 0, "monitors", 0, "metrics", 0), 13),
    (("models", 0, "monitors", 0, "metrics", 1, 1), 15),
    (("models", 0, "monitors", 0, "metrics", 2, "kind"), 15),
    (("models", 0, "monitors", 1), 18),
    (("models", 0, "monitors", 1, "text"), 19),
    (("models", 0, "monitors", 1, "after"), 23),
    (("models", 0, "monitors", 1, "literal"), 24),
    (("models", 0, "monitors", 1, "ends_in_quotes"), 26),
    (("models", 0, "monitors", 1, "last"), 27),
    (("models", 1, "id"), 29),
    (("models", 1, "monitors", 0, "metrics"), 31),
    (("models", 1, "monitors", 0, "date"), 32),
    (("store", "keep"), 34),
]


@pytest.mark.parametrize(("path", "line"), PLACES)
def test_finds_the_line(path: KeyPath, line: int) -> None:
    if isinstance(path[-1], str):
        value = tomllib.loads(TEXT)
        for part in path:
            value = value[part]
    assert locate(TEXT, path) == line
    assert locate(TEXT.replace("\n", "\r\n"), path) == line


def test_an_absent_key_is_where_its_table_is() -> None:
    assert locate(TEXT, ("models", 1, "columns", "id")) == 28
    assert locate(TEXT, ("models", 7)) == 5
    assert locate(TEXT, ("nothing",)) == 1


def test_the_second_model_without_a_monitor_does_not_take_that_of_the_first() -> None:
    text = "[[models]]\n[[models.monitors]]\nid = 1\n[[models]]\n[[models.monitors]]\nid = 2\n"
    assert locate(text, ("models", 1, "monitors", 0, "id")) == 6
    assert locate(text, ("models", 0, "monitors", 0, "id")) == 3


@pytest.mark.parametrize(
    "text", ["a = 1\nb", "a = 1\n]]", "a = 1\nb = [1 2]", 'a = 1\nb = """', "a = 1\n[b", "a = 1\n= 2"]
)
def test_keeps_what_it_found_before_text_that_is_no_toml(text: str) -> None:
    assert locate(text, ("a",)) == 1
    assert locate("\n" + text, ("a",)) == 2


keys = st.text("ab-_1. é\"'#[]=\\\n", max_size=4)
leaves = st.none() | st.text("x\"'\\\n#[]{},=", max_size=8)
contents = st.dictionaries(
    keys,
    st.recursive(
        leaves, lambda below: st.lists(below, max_size=3) | st.dictionaries(keys, below, max_size=3), max_leaves=8
    ),
    max_size=4,
)


@given(contents)
def test_every_value_stands_on_the_line_that_is_found(content: dict[str, object]) -> None:
    marks: dict[KeyPath, str] = {}

    def marked(value: object, path: KeyPath) -> object:
        if isinstance(value, dict):
            return {key: marked(below, (*path, key)) for key, below in value.items()}
        if isinstance(value, list):
            return [marked(below, (*path, index)) for index, below in enumerate(value)]
        marks[path] = f"<{len(marks)}>"
        return f"{marks[path]}{value or ''}"

    text = tomlkit.dumps(marked(content, ()))
    lines = key_lines(text)
    assert {path: text.splitlines()[lines[path] - 1].count(mark) for path, mark in marks.items()} == dict.fromkeys(
        marks, 1
    )
