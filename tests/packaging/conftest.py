"""The modules of packaging/ import each other by their bare names, as they do when bootstrap.py starts them."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Import a module of packaging/ by its name, for one test."""
    monkeypatch.syspath_prepend(str(PACKAGING))
    names = {file.stem for file in PACKAGING.glob("*.py")}
    yield importlib.import_module
    for name in names & sys.modules.keys():
        del sys.modules[name]
