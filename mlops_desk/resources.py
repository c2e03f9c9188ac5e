"""Finds the files that ship with the program, wherever it was put: a checkout, a wheel, a frozen app."""

from __future__ import annotations

import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
INTERPRETER = "mlops-desk-python"
"""The name under which a frozen program lends its interpreter."""


def is_frozen() -> bool:
    """Whether this is a program that brings its Python along, in place of a package that a Python runs."""
    return bool(getattr(sys, "frozen", False))


def interpreter() -> str:
    """The path of the Python that has this program's libraries: the one that runs it, and of a frozen program the one beside it."""
    if not is_frozen():
        return sys.executable
    program = Path(sys.executable)
    return str(program.with_name(INTERPRETER + program.suffix))


def resource(*parts: str) -> Path:
    """The path of a file or folder of resources/, such as resource("samples", "desk.toml").

    Raises FileNotFoundError where the installation lacks it.
    """
    for root in _roots():
        path = root.joinpath(*parts)
        if path.exists():
            return path
    raise FileNotFoundError(f"{'/'.join(parts)} is missing from the resources of this installation: install it anew")


def _roots() -> tuple[Path, ...]:
    """Where resources can be, in the order in which they are looked for."""
    checkout = PACKAGE.parent
    # Beside an installed package, a folder of that name would be another project's.
    roots = [checkout / "resources"] if (checkout / "pyproject.toml").is_file() else []
    roots.append(PACKAGE / "_resources")
    frozen = getattr(sys, "_MEIPASS", None)
    if frozen is not None:
        roots.append(Path(frozen) / "resources")
    return tuple(roots)
