"""What a run's command is started with: its arguments, its program as an absolute path, and an environment of allowed names only."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from mlops_desk.domain.retraining import PLACEHOLDERS, RunEnvironment
from mlops_desk.resources import interpreter

KEYRING_SERVICE = "mlops-desk"
_DEFAULTS = {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
"""So that what a Python command prints arrives at once, and in the encoding of the log; `pass` and `set` win."""
_PLACEHOLDER = re.compile(r"\{(" + "|".join(PLACEHOLDERS) + r")\}")
_BATCH_SUFFIXES = (".bat", ".cmd")
_UNSAFE_IN_BATCH = frozenset('"&|<>^%!\r\n')


class LaunchError(Exception):
    """Why a command cannot be started, as one sentence."""


def filled(command: Iterable[str], values: Mapping[str, str]) -> tuple[str, ...]:
    """The arguments with each placeholder of `values` replaced, once: braces in a value, and other braces, stay as they are."""
    return tuple(_PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), argument) for argument in command)


def placeholder_values(*, workspace: Path, model: str, run_id: int, run_folder: Path, reason: str) -> dict[str, str]:
    """What the placeholders of a command stand for; the reason becomes one line without control characters."""
    return {
        "python": interpreter(),
        "workspace": str(workspace),
        "model": model,
        "run_id": str(run_id),
        "run_folder": str(run_folder),
        "reason": one_line(reason),
    }


def one_line(text: str) -> str:
    """The text with each stretch of blanks and control characters made one blank."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def environment(allowed: RunEnvironment, source: Mapping[str, str], secrets: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a command; names of `passed` that `source` does not have are left out."""
    passed = {name: source[name] for name in allowed.passed if name in source}
    return _DEFAULTS | passed | dict(allowed.set) | dict(secrets)


def secret_values(names: Iterable[str], source: Mapping[str, str]) -> dict[str, str]:
    """The value of each secret, from the environment or else from the keyring; raises LaunchError where one has neither."""
    return {name: source[name] if name in source else _from_keyring(name) for name in names}


def program(name: str, *, cwd: Path, search_path: str | None) -> str:
    """The program as an absolute path: relative to `cwd` where it has a slash, else looked up on the command's own PATH."""
    if Path(name).name == name and not name.startswith("~"):
        found = shutil.which(name, path=search_path)
        if found is None:
            if shutil.which(name, mode=os.F_OK, path=search_path):
                raise LaunchError(f"{name!r} is on the PATH of the run but may not be executed")
            raise LaunchError(f"command not found: {name!r} is not on the PATH of the run")
        return str(Path(found).absolute())
    path = cwd / name
    if not path.exists():
        raise LaunchError(f"command not found: there is no file {path}")
    if path.is_dir():
        raise LaunchError(f"{path} is a folder, not a program")
    if not os.access(path, os.X_OK):
        raise LaunchError(f"{path} may not be executed: mark it as executable, or name its interpreter before it")
    return str(path)


def check_batch_arguments(arguments: tuple[str, ...]) -> None:
    """Windows gives the arguments of a batch file to a shell: raises LaunchError where one could be read as a command."""
    if Path(arguments[0]).suffix.lower() in _BATCH_SUFFIXES:
        for argument in arguments[1:]:
            if _UNSAFE_IN_BATCH & set(argument):
                raise LaunchError(
                    f"a batch file cannot be given the argument {argument!r} safely: name the program that it calls"
                )


def _from_keyring(name: str) -> str:
    import keyring
    from keyring.errors import KeyringError

    try:
        value = keyring.get_password(KEYRING_SERVICE, name)
        trouble = "the keyring has none"
    except KeyringError as error:
        value = None
        trouble = f"the keyring does not answer ({one_line(str(error)) or type(error).__name__})"
    if value is None:
        raise LaunchError(
            f"secret {name} is not set in the environment and {trouble}: set it, or store it with `keyring set {KEYRING_SERVICE} {name}`"
        )
    return value
