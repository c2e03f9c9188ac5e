"""The entry of a frozen program, which is several in one: command line, window and interpreter, by the name that it is called by.

The interpreter has the program's own libraries and no others. It runs the supervisors of retraining runs, and the commands that ask for
`{python}`. What the bootloader sets in the environment to find its shared libraries is taken back, so that no other program loads them.
"""

from __future__ import annotations

import os
import re
import runpy
import sys
import traceback
from collections.abc import MutableMapping
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

from mlops_desk.resources import INTERPRETER

WINDOW = "mlops-desk-gui"
LIBRARY_PATHS = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
FLAG = re.compile(r"-([bBdEIOPqsSuv]+)|-[XW].+|(-[XW])")
"""Python's own flags: -u is obeyed, the others say what holds anyhow or change nothing here."""
USAGE = f"""usage: {INTERPRETER} [-u] (SCRIPT | -m MODULE | -c CODE) [ARGUMENT ...]
The interpreter that MLOps Desk brings along: Python {sys.version.split()[0]} with the libraries of the program and no others.
"""
LACKING = f"""
This is {INTERPRETER}, the interpreter that MLOps Desk brings along: it has the libraries of the program and no others.
Name your own in [models.retraining], such as command = ["python3", "train.py"], or the path of one.
"""


def main() -> NoReturn:
    """Becomes what the name of the process says."""
    restore_environment(os.environ)
    name = Path(sys.argv[0]).stem
    if name == INTERPRETER:
        sys.exit(run_python(sys.argv[1:]))
    if name == WINDOW:
        from mlops_desk.__main__ import main_gui

        sys.exit(main_gui())
    from mlops_desk.__main__ import command

    command()


def restore_environment(variables: MutableMapping[str, str]) -> None:
    """Gives the variables that the bootloader changed their values of before, and takes away its own."""
    for name in LIBRARY_PATHS:
        before = variables.pop(f"{name}_ORIG", None)
        if before is not None:
            variables[name] = before
        elif name in variables and str(getattr(sys, "_MEIPASS", "")) in variables[name].split(os.pathsep):
            del variables[name]
    for name in [name for name in variables if name.startswith("_PYI_")]:
        del variables[name]


def run_python(arguments: list[str]) -> int:
    """Runs a script, a module or code as `python` does and returns the exit code; what they raise beside SystemExit is told on stderr."""
    sys.executable = str(Path(sys.executable).with_name(Path(sys.argv[0]).name))
    _receive_workers()
    _heed_variables()
    while arguments and (flag := FLAG.fullmatch(arguments[0])):
        if "u" in (flag[1] or ""):
            _unbuffer()
        arguments = arguments[2 if flag[2] else 1 :]
    if arguments in (["-V"], ["--version"]):
        print(f"Python {sys.version.split()[0]}")  # noqa: T201 - as python does
        return 0
    takes = 2 if arguments[:1] in (["-m"], ["-c"]) else 1
    if len(arguments) < takes or (takes == 1 and arguments[0].startswith("-")):
        sys.stderr.write(USAGE)
        return 2
    try:
        _run(arguments, takes)
    except ModuleNotFoundError:
        traceback.print_exc()
        sys.stderr.write(LACKING)
        return 1
    except Exception:  # noqa: BLE001 - whatever the code of others raises, python tells it so
        traceback.print_exc()
        return 1
    return 0


def _receive_workers() -> None:
    """Becomes a worker process of a script where it is started as one, and has those of this script started under this name."""
    import multiprocessing
    import multiprocessing.spawn

    multiprocessing.freeze_support()
    multiprocessing.spawn.set_executable(sys.executable)


def _run(arguments: list[str], takes: int) -> None:
    what, rest = arguments[takes - 1], arguments[takes:]
    if takes == 1:
        path = Path(what)
        if not path.exists():
            sys.exit(f"{INTERPRETER}: there is no file {path}")
        sys.argv = [what, *rest]
        sys.path.insert(0, str(path.resolve().parent))
        runpy.run_path(what, run_name="__main__")
    elif arguments[0] == "-m":
        sys.argv = [what, *rest]
        sys.path.insert(0, str(Path.cwd()))
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        sys.argv = ["-c", *rest]
        sys.path.insert(0, "")
        exec(compile(what, "<string>", "exec"), sys.modules["__main__"].__dict__)  # noqa: S102 - that is what was asked for


def _heed_variables() -> None:
    """Obeys those of Python's variables that commands are started with, since the bootloader passes all of them over."""
    if os.environ.get("PYTHONUNBUFFERED"):
        _unbuffer()
    encoding, _, errors = os.environ.get("PYTHONIOENCODING", "").partition(":")
    for stream in _streams() if encoding else ():
        stream.reconfigure(encoding=encoding, errors=errors or None)
    sys.path[:0] = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        sys.dont_write_bytecode = True


def _unbuffer() -> None:
    for stream in _streams():
        stream.reconfigure(write_through=True)


def _streams() -> tuple[TextIOWrapper, ...]:
    return tuple(stream for stream in (sys.stdout, sys.stderr) if isinstance(stream, TextIOWrapper))
