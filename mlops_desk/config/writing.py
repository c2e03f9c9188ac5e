"""Writes a new, readable desk.toml whose comments say why each column has its role and kind.

What is written reads back as the same models. Only what differs from the defaults is written. A file that exists is never touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

from mlops_desk.config import sections
from mlops_desk.config.desk_file import FILE_NAME, HISTORY_DAYS, parse_desk
from mlops_desk.config.object_access import inherited, schemes_of
from mlops_desk.config.values import SECONDS
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.model import Expectation, Logs, Model, ObjectAccess, Reference
from mlops_desk.domain.monitor import Monitor
from mlops_desk.domain.retraining import Gate, HttpCall, RetrainingSpec, RunEnvironment, TriggerSpec
from mlops_desk.domain.schema import Column, ColumnRoles
from mlops_desk.domain.slicing import ChunkRule
from mlops_desk.domain.threshold import (
    CalibratedThreshold,
    ConstantThreshold,
    DeviationThreshold,
    IntervalThreshold,
    PValueThreshold,
    QuantileThreshold,
    RateThreshold,
    Threshold,
)

LARGEST_SHORT_NUMBER = 1e15
"""Whole floats below it are written without a fraction."""
_HIGHER_IS = {direction: word for word, direction in sections.HIGHER_IS.items()}


class ModelDraft(Struct, frozen=True, kw_only=True):
    """A model to be written, and its columns as they were understood, whose reasons become comments."""

    model: Model
    columns: tuple[Column, ...] = ()


def write_desk(folder: Path, name: str, drafts: Sequence[ModelDraft]) -> Path:
    """Writes the desk.toml of a folder, which is made where it is missing, and returns its absolute path.

    Raises UserError where there is one already, where it cannot be written, or where it could not be read back.
    """
    file = folder.absolute() / FILE_NAME
    text = desk_text(name, drafts)
    parse_desk(text, file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{file.parent} cannot be made a folder: {error.strerror or error}") from None
    try:
        stream = file.open("x", encoding="utf-8", newline="\n")
    except FileExistsError:
        raise UserError(f"{file} exists already and is left as it is: edit it, or choose another folder") from None
    except OSError as error:
        raise UserError(f"{file} cannot be written: {error.strerror or error}") from None
    try:
        with stream:
            stream.write(text)
    except OSError as error:
        file.unlink(missing_ok=True)  # half of it would only be in the way
        raise UserError(f"{file} cannot be written: {error.strerror or error}") from None
    return file


def desk_text(name: str, drafts: Iterable[ModelDraft], *, history_days: int = HISTORY_DAYS) -> str:
    """The text of a desk.toml."""
    lines = [
        "# What MLOps Desk watches; `mlops-desk check` says how it is understood. Paths are relative to this file."
    ]
    lines += _pairs(version=1, name=name)
    if history_days != HISTORY_DAYS:
        lines += ["", "[store]", *_pairs(keep=f"{history_days}d")]
    for draft in drafts:
        lines += ["", *_model(draft)]
    return "\n".join(lines) + "\n"


def _model(draft: ModelDraft) -> Iterator[str]:
    """The lines of one model."""
    model = draft.model
    yield "[[models]]"
    yield from _pairs(id=model.id, name=model.name, task=model.task)
    reached = _changed(model.logs.access, ObjectAccess())
    yield from _section("logs", path=_paths(model.logs.paths), **reached, filter=model.logs.filter)
    yield from _section("reference", **_reference(model.reference, model.logs))
    if model.labels is not None:
        labels = model.labels
        reached = _reached(labels.access, labels.paths, model.logs)
        yield from _section("labels", path=_paths(labels.paths), **reached, key=labels.key, target=labels.target)
    yield from _columns(model.columns, draft.columns)
    yield from _section("chunks", **_chunks(model.chunks))
    if not model.monitors:
        yield from (
            "",
            "# Without [[models.monitors]] the recommended metrics are watched, with their default thresholds.",
        )
    for monitor in model.monitors:
        yield from _entry("monitors", **_monitor(monitor))
    for business in model.business:
        higher_is = _HIGHER_IS[business.higher_is]
        yield from _entry("business", id=business.id, sql=business.sql, higher_is=higher_is)
    if model.value_matrix:
        matrix = [[_short(number) for number in row] for row in model.value_matrix]
        yield from _section("business_value", matrix=matrix)
    for expectation in model.expectations:
        yield from _entry("expectations", **_changed(expectation, Expectation(column="")))
    yield from _section("alerting", false_alarms_per_month=_short(model.false_alarms_per_month))
    yield from _workshop(model)


def _workshop(model: Model) -> Iterator[str]:
    """The lines on retraining a model."""
    if model.retraining is None:
        yield from (
            "",
            "# A button that retrains the model appears once there is a command:",
            "# [models.retraining]",
            '# command = ["{python}", "train.py", "--run", "{run_folder}"]',
        )
    else:
        yield from _section("retraining", **_retraining(model.retraining))
    for trigger in model.triggers:
        yield from _entry("triggers", **_trigger(trigger))
    if model.gate is not None:
        yield from _section("gate", **_gate(model.gate))


def _reached(access: ObjectAccess, paths: Sequence[str], logs: Logs) -> dict[str, object]:
    """What must be said of how the stores of paths are reached; nothing of files."""
    return _changed(access, inherited(logs, paths)) if schemes_of(paths) else {}


def _reference(reference: Reference, logs: Logs) -> dict[str, object]:
    reached = _reached(reference.access, reference.paths, logs)
    return {
        "path": _paths(reference.paths) if reference.paths else None,
        **reached,
        "from": reference.start,
        "to": reference.end,
        "rolling": reference.rolling,
        "previous_chunks": reference.previous_chunks,
        "expanding": reference.expanding or None,
    }


def _columns(roles: ColumnRoles, columns: Sequence[Column]) -> Iterator[str]:
    """The roles of columns, each with the reason it was given one; columns that have none are told of in a comment."""
    reasons = {column.name: column.reason for column in columns}
    yield from ("", "[models.columns]")
    for role in sections.SINGLE_ROLES:
        name = getattr(roles, role)
        if name is not None:
            yield f"{role} = {_toml(name)}{_comment(reasons.get(name))}"
    if roles.scores:
        yield from _pairs(score=dict(roles.scores))
    yield from _pairs(timestamp_format=roles.timestamp_format)
    yield from _pairs(positive=roles.positive, decision_threshold=_short(roles.decision_threshold))
    for role in sections.LIST_ROLES:
        names = getattr(roles, role)
        if any(name in reasons for name in names):
            yield f"{role} = ["
            yield from (f"    {_toml(name)},{_comment(reasons.get(name))}" for name in names)
            yield "]"
        elif names:
            yield from _pairs(**{role: names})
    named = {getattr(roles, role) for role in sections.SINGLE_ROLES} | {column for _, column in roles.scores}
    named.update(name for role in sections.LIST_ROLES for name in getattr(roles, role))
    others = [column for column in columns if column.name not in named | set(roles.protected_columns)]
    if others:
        yield "# The other columns as they were understood; numeric, categorical and ignore overrule it:"
    for column in others:
        yield f"#   {_one_line(column.name)}: {column.kind or 'left out'} ({_one_line(column.reason)})"


def _chunks(rule: ChunkRule) -> dict[str, object]:
    changed = _changed(rule, ChunkRule())
    changed["timezone"] = rule.timezone  # of weight for every number, so it is told even where it is the default
    return changed


def _monitor(monitor: Monitor) -> dict[str, object]:
    changed = _changed(monitor, Monitor())
    if monitor.threshold is not None:
        changed["threshold"] = _threshold(monitor.threshold)
    return changed


def _threshold(threshold: Threshold) -> dict[str, object]:
    match threshold:
        case ConstantThreshold():
            content = {"kind": "constant", **_sides(threshold)}
        case DeviationThreshold():
            content = {"kind": "deviation", **_sides(threshold)}
        case QuantileThreshold():
            content = {"kind": "quantile", **_sides(threshold)}
        case PValueThreshold():
            warn = None if threshold.warn is None else {"max": _short(threshold.warn.max)}
            content = {"kind": "p_value", "max": _short(threshold.max), "warn": warn}
        case CalibratedThreshold():
            content = {"kind": "calibrated", "warn": {"factor": _short(threshold.warn_factor)}}
        case IntervalThreshold():
            content = {"kind": "interval", "lower": _short(threshold.lower), "upper": _short(threshold.upper)}
        case RateThreshold():
            margin, errors = _short(threshold.margin), _short(threshold.sampling_errors)
            content = {"kind": "rate", "sampling_errors": errors, "margin": margin}
    if threshold.consecutive != 1:
        content["consecutive"] = threshold.consecutive
    return content


def _sides(threshold: ConstantThreshold | DeviationThreshold | QuantileThreshold) -> dict[str, object]:
    content: dict[str, object] = {"lower": _short(threshold.lower), "upper": _short(threshold.upper)}
    if threshold.warn is not None:
        content["warn"] = _sides(threshold.warn)
    return content


def _retraining(spec: RetrainingSpec) -> dict[str, object]:
    environment = spec.environment
    standard = RunEnvironment()
    told: dict[str, object] = {
        "pass": environment.passed if environment.passed != standard.passed else None,
        "set": dict(environment.set) or None,
        "secrets": environment.secrets or None,
    }
    return {
        "command": spec.command or None,
        "http": _http(spec.http) if spec.http else None,
        "cwd": spec.cwd if spec.cwd != "." else None,
        "timeout": _duration(spec.timeout_seconds) if spec.timeout_seconds is not None else None,
        "cooldown": _duration(spec.cooldown_seconds) if spec.cooldown_seconds else None,
        "max_runs_per_day": spec.max_runs_per_day,
        "environment": told if environment != standard else None,
    }


def _http(call: HttpCall) -> dict[str, object]:
    return {"url": call.url, "method": call.method, "headers": dict(call.headers) or None, "body": call.body}


def _trigger(trigger: TriggerSpec) -> dict[str, object]:
    changed = _changed(trigger, TriggerSpec(kind=trigger.kind))
    return {"kind": trigger.kind, **changed, "armed": trigger.armed}


def _gate(gate: Gate) -> dict[str, object]:
    promote = {"command": gate.promote_command or None, "mlflow": dict(gate.promote_mlflow) or None}
    criteria = [
        {
            "metric": criterion.metric,
            "min": _short(criterion.min),
            "max": _short(criterion.max),
            "min_gain": _short(criterion.min_gain),
        }
        for criterion in gate.criteria
    ]
    return {
        "candidate": gate.candidate,
        "criteria": criteria or None,
        "promote": promote if any(promote.values()) else None,
    }


def _changed(
    noun: Expectation | ChunkRule | Monitor | TriggerSpec | ObjectAccess, standard: object
) -> dict[str, object]:
    """The fields of a noun that differ from another's, numbers in their short form."""
    return {
        name: _short(value) if isinstance(value, float) else value
        for name, value in asdict(noun).items()
        if value != getattr(standard, name)
    }


def _paths(paths: tuple[str, ...]) -> str | tuple[str, ...]:
    return paths[0] if len(paths) == 1 else paths


def _short(number: float | None) -> float | int | None:
    """A number without a fraction that is zero."""
    return int(number) if number is not None and number.is_integer() and abs(number) < LARGEST_SHORT_NUMBER else number


def _duration(seconds: float) -> str:
    """Seconds in the largest unit that they are a whole number of, else in seconds to the last digit."""
    for unit in reversed(SECONDS):
        if seconds and seconds % SECONDS[unit] == 0:
            return f"{int(seconds) // SECONDS[unit]}{unit}"
    return f"{Decimal(repr(seconds)):f}s"


def _section(header: str, **content: object) -> Iterator[str]:
    """A blank line, the header of a table below the model, and its keys."""
    yield from ("", f"[models.{header}]", *_pairs(**content))


def _entry(header: str, **content: object) -> Iterator[str]:
    """A blank line, the header of an entry of a list below the model, and its keys."""
    yield from ("", f"[[models.{header}]]", *_pairs(**content))


def _pairs(**content: object) -> Iterator[str]:
    """A line for each key that has a value."""
    return (f"{_key(key)} = {_toml(value)}" for key, value in content.items() if value is not None)


def _key(key: str) -> str:
    from tomlkit.items import SingleKey

    return SingleKey(key).as_string()


def _toml(value: object) -> str:
    """A value as TOML writes it on one line."""
    from tomlkit import item

    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(each) for each in value)}]"
    if isinstance(value, dict):
        inner = ", ".join(f"{_key(key)} = {_toml(each)}" for key, each in value.items() if each is not None)
        return f"{{ {inner} }}" if inner else "{}"
    return item(str(value) if isinstance(value, str) else value).as_string()


def _comment(text: str | None) -> str:
    return f"  # {_one_line(text)}" if text else ""


def _one_line(text: str) -> str:
    """The text without what would end a comment."""
    return "".join(char if char.isprintable() else " " for char in text)
