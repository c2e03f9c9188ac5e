"""What of a workspace may run or call out on this machine, and whether somebody here has agreed to it.

Agreement is to one content at one place: it ends when a command, its folder, its environment, a promotion, an address or a remote path
in desk.toml changes, and a copy elsewhere has to be agreed to anew (the same command would start another script there). What a script
says inside is not covered: whoever can change the scripts of a trusted workspace decides what it runs.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

from msgspec.structs import asdict

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.model import Desk, Model, ObjectAccess

HOME_VARIABLE = "MLOPS_DESK_HOME"
"""Names a folder to use in place of the user's configuration folder."""


def trusted(desk: Desk) -> bool:
    """Whether this machine agreed to all that the workspace could run or call; true where there is nothing.

    A record that is damaged counts as none. Raises UserError where records cannot be read at all.
    """
    if not any(_runnable(model) for model in desk.models):
        return True
    file = _record_file(desk)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    except OSError as error:
        raise UserError(f"{file} cannot be read, so it is unknown what this machine trusts: {_why(error)}") from None
    except ValueError:
        return False
    return isinstance(content, dict) and content.get("hash") == content_hash(desk)


def trust(desk: Desk) -> None:
    """Records that this machine agrees to what the workspace could run or call now; raises UserError where it cannot be written."""
    import tempfile

    file = _record_file(desk)
    record = {"version": 1, "folder": str(_place(desk)), "hash": content_hash(desk)}
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=file.stem, suffix=".part")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                json.dump(record, stream, indent=1)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).replace(file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UserError(f"{file} cannot be written, so nothing is trusted: {_why(error)}") from None


def untrust(desk: Desk) -> None:
    """Takes back what was agreed to for the workspace; raises UserError where that is not possible."""
    file = _record_file(desk)
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{file} cannot be removed, so the workspace stays trusted: {_why(error)}") from None


def runnable_parts(desk: Desk) -> tuple[str, ...]:
    """What the workspace could run or call, a line each, safe to print: control characters are shown and not obeyed."""
    return tuple(_printable(f"{model.id}: {line}") for model in desk.models for line in _lines(model))


def content_hash(desk: Desk) -> str:
    """SHA-256 of all that the workspace could run or call, as 64 hexadecimal digits."""
    content = {model.id: _runnable(model) for model in desk.models if _runnable(model)}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _runnable(model: Model) -> dict[str, object]:
    """What of a model starts a process or calls an address, ready for JSON; empty where nothing does."""
    content: dict[str, object] = {}
    if model.retraining is not None:
        content["command"] = model.retraining.command
        content["cwd"] = model.retraining.cwd
        content["environment"] = asdict(model.retraining.environment)
        content["http"] = asdict(model.retraining.http) if model.retraining.http else None
    if model.gate is not None and (model.gate.promote_command or model.gate.promote_mlflow):
        content["promote"] = (model.gate.promote_command, model.gate.promote_mlflow)
    if remote := _remote_paths(model):
        content["remote"] = remote
    if any(one != ObjectAccess() for one in _accesses(model)):
        content["access"] = [asdict(one) for one in _accesses(model)]
    return content


def _lines(model: Model) -> list[str]:
    import shlex

    lines = []
    if model.retraining is not None:
        spec = model.retraining
        place = "" if spec.cwd == "." else f" in {spec.cwd}"
        if spec.http is not None:
            lines.append(f"calls {spec.http.method} {spec.http.url}")
            lines += [f"sends the header {name}: {value}" for name, value in spec.http.headers]
            lines += [f"sends {spec.http.body}"] if spec.http.body is not None else []
        else:
            lines.append(f"runs{place}: {shlex.join(spec.command)}")
        lines += [f"sets {name}={value}" for name, value in spec.environment.set]
        if spec.environment.passed and spec.http is None:
            lines.append(f"passes on {', '.join(spec.environment.passed)}")
        if spec.environment.secrets:
            lines.append(f"is given the secrets {', '.join(spec.environment.secrets)}")
    if model.gate is not None:
        if model.gate.promote_command:
            lines.append(f"promotes by: {shlex.join(model.gate.promote_command)}")
        if model.gate.promote_mlflow:
            named = ", ".join(f"{key} {value}" for key, value in model.gate.promote_mlflow)
            lines.append(f"promotes in MLflow: {named}")
    lines += [f"reads {path}" for path in _remote_paths(model)]
    endpoints = dict.fromkeys(one.endpoint for one in _accesses(model) if one.endpoint is not None)
    return lines + [f"asks {endpoint} for objects" for endpoint in endpoints]


def _accesses(model: Model) -> list[ObjectAccess]:
    """How the object stores of logs, reference and labels are reached."""
    parts = (model.logs, model.reference, *((model.labels,) if model.labels else ()))
    return [part.access for part in parts]


def is_remote(path: str) -> bool:
    """Whether reading a path calls another machine: s3:// and its like, and network shares."""
    return re.match(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]*://|[\\/]{2}", path) is not None


def _remote_paths(model: Model) -> list[str]:
    """Paths of a model whose reading calls another machine."""
    candidate = (model.gate.candidate or "",) if model.gate else ()
    labels = model.labels.paths if model.labels else ()
    paths = (*model.logs.paths, *model.reference.paths, *labels, *candidate)
    return [path for path in paths if is_remote(path)]


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _record_file(desk: Desk) -> Path:
    """Where the agreement to a workspace is kept: a file of its own, so that two processes never overwrite each other's."""
    name = hashlib.sha256(str(_place(desk)).encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return _home() / "trusted" / f"{name}.json"


def _place(desk: Desk) -> Path:
    return Path(os.path.normcase(desk.folder.resolve()))


def _home() -> Path:
    if folder := os.environ.get(HOME_VARIABLE):
        return Path(folder)
    import platformdirs

    return platformdirs.user_config_path("mlops-desk", appauthor=False)


def _why(error: OSError) -> str:
    return error.strerror or str(error)
