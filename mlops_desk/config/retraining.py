"""What may be started because of a model: the retraining command or call, its triggers, and the gate its candidate must pass."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mlops_desk.config import values
from mlops_desk.config.lines import KeyPath
from mlops_desk.config.source import nearest, shown
from mlops_desk.config.table import Table
from mlops_desk.domain.retraining import (
    PLACEHOLDERS,
    Criterion,
    Gate,
    HttpCall,
    RetrainingSpec,
    RunEnvironment,
    TriggerKind,
    TriggerSpec,
)

RETRAINING_KEYS = ("command", "http", "cwd", "timeout", "cooldown", "max_runs_per_day", "environment")
HTTP_KEYS = ("url", "method", "headers", "body")
HTTP_METHODS = ("POST", "PUT", "GET")
ENVIRONMENT_KEYS = ("pass", "set", "secrets")
TRIGGER_KEYS = {
    TriggerKind.SCHEDULE: ("cron", "timezone"),
    TriggerKind.DATA: ("min_new_rows", "min_new_labels"),
    TriggerKind.ALERT: ("metric", "consecutive"),
}
"""What each kind of trigger may have beside `kind` and `armed`."""
GATE_KEYS = ("candidate", "criteria", "promote")
CRITERION_KEYS = ("metric", "min", "max", "min_gain")
PROMOTE_KEYS = ("command", "mlflow")
MLFLOW_KEYS = ("name", "alias")

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_CRON_FIELDS = ((0, 59), (0, 23), (1, 28), (1, 12), (0, 6))
"""Least and greatest plain number of each field; days that some months lack are left to croniter."""
_EXAMPLE = 'command = ["{python}", "train.py", "--run", "{run_folder}"]'


def retraining(model: Table) -> RetrainingSpec | None:
    """How the model is trained anew, where it can be."""
    table = model.table("retraining", RETRAINING_KEYS)
    if table is None:
        return None
    chosen = table.exactly_one(("command", "http"), _EXAMPLE)
    environment = _environment(table)
    cwd = table.text("cwd", ".")
    _check_placeholders(table, ("cwd",), cwd, ())
    timeout = values.seconds(table, "timeout", None)
    if timeout == 0:
        raise table.error("timeout", "must be longer than nothing; leave it out for no timeout")
    return RetrainingSpec(
        command=_argv(table) if chosen == "command" else (),
        http=_http(table, environment) if chosen == "http" else None,
        cwd=cwd,
        timeout_seconds=timeout,
        cooldown_seconds=values.seconds(table, "cooldown", 0.0),
        max_runs_per_day=table.whole("max_runs_per_day", None, least=1),
        environment=environment,
    )


def _argv(table: Table) -> tuple[str, ...]:
    """The command as a list of arguments, never a shell string."""
    value = table.values["command"]
    if isinstance(value, str):
        raise table.error("command", f"must be a list of arguments, no shell line: write command = [{_as_list(value)}]")
    if not isinstance(value, list):
        raise table.wrong("command", 'a list of arguments such as ["{python}", "train.py"]', value)
    if not value:
        raise table.error("command", f"is an empty list; write for example {_EXAMPLE}")
    for index, argument in enumerate(value):
        place = ("command", index)
        if not isinstance(argument, str):
            raise table.wrong(place, "text in quotes", argument)
        if "\0" in argument:
            raise table.error(place, "holds a NUL character")
        _check_placeholders(table, place, argument, PLACEHOLDERS)
    if not value[0].strip():
        raise table.error(("command", 0), "is empty: the first argument is the program")
    return tuple(value)


def _as_list(line: str) -> str:
    """The arguments of a shell line as they are written in TOML."""
    import shlex

    try:
        arguments = shlex.split(line)
    except ValueError:  # a quote without its partner
        arguments = line.split()
    return ", ".join(shown(argument) for argument in arguments)


def _check_placeholders(table: Table, place: KeyPath, text: str, known: Sequence[str]) -> None:
    """Raises UserError for a name in braces that nothing would be put in for."""
    for name in _PLACEHOLDER.findall(text):
        if name not in known:
            hint = nearest(name, known, "the placeholders are") if known else "there are none here"
            raise table.error(place, f"has an unknown placeholder {{{name}}}; {hint}")


def _http(retraining: Table, environment: RunEnvironment) -> HttpCall:
    table = retraining.required_table("http", HTTP_KEYS, "")
    known = (*PLACEHOLDERS, *environment.secrets)
    url = table.required_text("url", 'url = "https://trainer.example/runs"')
    if not re.match(r"https?://[^/\s]", url):
        raise table.wrong("url", "an address that begins with https:// or http://", url)
    body = table.text("body", None)
    headers = _pairs(table, "headers")
    method = table.word("method", table.values.get("method", HTTP_METHODS[0]), HTTP_METHODS)
    for place, text in [
        (("url",), url),
        (("body",), body or ""),
        *[(("headers", name), value) for name, value in headers],
    ]:
        _check_placeholders(table, place, text, known)
    return HttpCall(url=url, method=method, headers=headers, body=body)


def _pairs(table: Table, key: str) -> tuple[tuple[str, str], ...]:
    """A table of texts below a table."""
    below = table.table(key, ())
    if below is None:
        return ()
    for name, value in below.values.items():
        if not isinstance(value, str):
            raise below.wrong(name, "text in quotes", value)
        if "\0" in value:
            raise below.error(name, "holds a NUL character")
    return tuple((name, str(value)) for name, value in below.values.items())


def _environment(retraining: Table) -> RunEnvironment:
    table = retraining.table("environment", ENVIRONMENT_KEYS)
    if table is None:
        return RunEnvironment()
    found = RunEnvironment(
        passed=table.texts("pass", RunEnvironment().passed), set=_pairs(table, "set"), secrets=table.texts("secrets")
    )
    given = dict(found.set)
    named: list[tuple[KeyPath, str]] = [(("pass", index), name) for index, name in enumerate(found.passed)]
    named += [(("set", name), name) for name in given]
    named += [(("secrets", index), name) for index, name in enumerate(found.secrets)]
    for place, name in named:
        if not name or "=" in name or "\0" in name:
            raise table.error(place, f"cannot name a variable: {shown(name)}")
    for index, name in enumerate(found.secrets):
        if name in given:
            raise table.error(
                ("secrets", index), f"names {name}, which set gives a value: a secret is never written here"
            )
    return found


def triggers(model: Table, spec: RetrainingSpec | None) -> tuple[TriggerSpec, ...]:
    """When a run is asked for without a person."""
    every_key = ("kind", "armed", *[key for keys in TRIGGER_KEYS.values() for key in keys])
    tables = model.tables("triggers", every_key)
    if tables and spec is None:
        raise model.error("triggers", "have nothing to start: add [models.retraining] with a command")
    return tuple(_trigger(table) for table in tables)


def _trigger(table: Table) -> TriggerSpec:
    table.require("kind", 'kind = "schedule"')
    kind = table.choice("kind", TriggerKind, TriggerKind.SCHEDULE)
    keys = TRIGGER_KEYS[kind]
    for key in table.values:
        if key not in (*keys, "kind", "armed"):
            raise table.error(key, f"is not a key of a trigger of kind {kind}; the keys are {', '.join(keys)}")
    if kind is TriggerKind.DATA and not any(key in table for key in keys):
        raise table.error(None, f"needs {keys[0]} or {keys[1]}; write for example {keys[0]} = 10000")
    return TriggerSpec(
        kind=kind,
        armed=table.flag("armed", False),
        cron=_cron(table) if kind is TriggerKind.SCHEDULE else None,
        timezone=values.timezone(table, "timezone", None),
        min_new_rows=table.whole("min_new_rows", None, least=1),
        min_new_labels=table.whole("min_new_labels", None, least=1),
        metric=values.metric_id(table, "metric", "") if "metric" in table else None,
        consecutive=table.whole("consecutive", 1, least=1),
    )


def _cron(table: Table) -> str:
    text = table.required_text("cron", 'cron = "0 2 * * 1"')
    if _is_plain_cron(text):
        return text
    from croniter import CroniterError, croniter

    try:
        if len(text.split()) != len(_CRON_FIELDS):
            raise ValueError("it needs five fields: minute, hour, day, month, weekday")
        croniter.expand(text)
    except (CroniterError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise table.error("cron", f'is no time plan such as "0 2 * * 1": {shown(text)} ({reason})') from None
    return text


def _is_plain_cron(text: str) -> bool:
    """Whether each field is `*` or a number it can have: spares the import of croniter for the plans that most people write."""
    fields = text.split()
    return len(fields) == len(_CRON_FIELDS) and all(
        field == "*" or (field.isascii() and field.isdigit() and len(field) < 3 and least <= int(field) <= most)
        for field, (least, most) in zip(fields, _CRON_FIELDS, strict=True)
    )


def gate(model: Table) -> Gate | None:
    """What a candidate must reach, and what promotes it."""
    table = model.table("gate", GATE_KEYS)
    if table is None:
        return None
    criteria = tuple(_criterion(entry) for entry in table.tables("criteria", CRITERION_KEYS))
    if criteria:
        table.require("candidate", 'candidate = "{run_folder}/candidate.parquet"')
    candidate = table.text("candidate", None)
    _check_placeholders(table, ("candidate",), candidate or "", PLACEHOLDERS)
    promote = table.table("promote", PROMOTE_KEYS)
    if promote is None:
        return Gate(candidate=candidate, criteria=criteria)
    if not promote.values:
        raise promote.error(None, "needs a command, mlflow or both")
    return Gate(
        candidate=candidate,
        criteria=criteria,
        promote_command=_argv(promote) if "command" in promote else (),
        promote_mlflow=_mlflow(promote),
    )


def _mlflow(promote: Table) -> tuple[tuple[str, str], ...]:
    table = promote.table("mlflow", MLFLOW_KEYS)
    if table is None:
        return ()
    table.require("name", 'name = "car-loan"')
    return tuple((key, table.text(key, "")) for key in table.values)


def _criterion(table: Table) -> Criterion:
    found = Criterion(
        metric=values.metric_id(table, "metric", 'metric = "roc_auc"'),
        min=table.number("min", None),
        max=table.number("max", None),
        min_gain=table.number("min_gain", None),
    )
    if found.min is None and found.max is None and found.min_gain is None:
        raise table.error(None, f"asks nothing of {found.metric}: add min, max or min_gain")
    if found.min is not None and found.max is not None and found.min > found.max:
        raise table.error("min", f"must be at most max ({found.max:g}), not {found.min:g}")
    return found
