"""What ships with the program is found in a checkout, a wheel and a frozen app."""

import sys
from pathlib import Path

import pytest

from mlops_desk import resources
from mlops_desk.resources import resource

CHECKOUT = Path(__file__).resolve().parents[1]


def shipped(folder: Path) -> Path:
    file = folder / "samples" / "one.txt"
    file.parent.mkdir(parents=True)
    file.touch()
    return file


def test_in_a_checkout() -> None:
    assert resource() == CHECKOUT / "resources"


def test_in_a_wheel_and_not_in_the_folder_of_another_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "PACKAGE", tmp_path / "site-packages" / "mlops_desk")
    shipped(tmp_path / "site-packages" / "resources")
    with pytest.raises(FileNotFoundError, match="samples/one.txt is missing"):
        resource("samples", "one.txt")
    file = shipped(tmp_path / "site-packages" / "mlops_desk" / "_resources")
    assert resource("samples", "one.txt") == file


def test_in_a_frozen_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "PACKAGE", tmp_path / "app" / "mlops_desk")
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path / "unpacked"), raising=False)
    file = shipped(tmp_path / "unpacked" / "resources")
    assert resource("samples", "one.txt") == file
