"""What is wrong with a desk.toml is told in one line: file, line, key and the way out."""

from pathlib import Path

import pytest

from mlops_desk.config.desk_file import parse_desk
from mlops_desk.config.source import desk_error
from mlops_desk.domain.errors import UserError
from tests.config.wrong_details import CLASSES, MONITORS, OBJECTS, OTHERS, WORKSHOP
from tests.config.wrong_sections import COLUMNS, FORMAT, MINIMAL, MODELS, ROWS

FILE = Path(__file__).resolve().with_name("desk.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"), FORMAT + MODELS + ROWS + COLUMNS + CLASSES + MONITORS + OTHERS + WORKSHOP + OBJECTS
)
def test_names_file_line_key_and_the_way_out(old: str, new: str, message: str) -> None:
    parse_desk(MINIMAL, FILE)
    text = MINIMAL.replace(old, new, 1) if old else MINIMAL + new
    with pytest.raises(UserError) as raised:
        parse_desk(text, FILE)
    assert str(raised.value) == f"{FILE}:{message}"


def test_a_message_is_one_line_whatever_the_file_holds() -> None:
    with pytest.raises(UserError) as raised:
        parse_desk(MINIMAL.replace('"binary"', '"a\\nb\\u001b[31m' + "x" * 200 + '"'), FILE)
    assert str(raised.value) == (
        f'{FILE}:4: models.car-loan.task cannot be "a\\nb\\u001b[31m{"x" * 43}…"; it can be binary, multiclass, regression'
    )
    with pytest.raises(UserError) as raised:
        parse_desk(MINIMAL + '"a\\nb" = 1', FILE)
    assert str(raised.value).startswith(f'{FILE}:15: models.car-loan.chunks."a\\nb" is not a key here; the keys are')


def test_floors_above_name_the_place_too(tmp_path: Path) -> None:
    file = tmp_path / "desk.toml"
    text = MINIMAL + "[[models.monitors]]\nmetrics = [\n  'psi',\n  'ps']\n"
    file.write_text(text, encoding="utf-8")
    desk = parse_desk(text, file)
    path = ("models", 0, "monitors", 0, "metrics", 1)
    assert str(desk_error(desk, path, "is unknown")) == f"{file}:18: models.car-loan.monitors[1].metrics[2] is unknown"
    file.unlink()
    assert str(desk_error(desk, path, "is unknown")) == f"{file}:1: models.car-loan.monitors[1].metrics[2] is unknown"
