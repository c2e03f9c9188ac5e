"""Tells by sizes and times of files whether a workspace has something new to evaluate, without reading any of its data.

A file that is being written changes from look to look: a change counts when two looks agree on it, or when its newest file is old enough
that nobody is writing it any more. Listing an object store costs time and money, so what it said holds for a while. What one look cannot find
(a path that is gone) is a state like any other. Watches are for one thread at a time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from mlops_desk import trust
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.model import Desk, Model
from mlops_desk.monitoring.inputs import find_inputs, reads_objects
from mlops_desk.store.archive import Store
from mlops_desk.store.connection import store_path

SETTLED_SECONDS = 2.0
LISTED_EVERY_SECONDS = 30.0
"""How long a look at a model holds that reads objects, unless some were written just before it."""

Look = dict[str, str]
"""What was seen of each model, by its id: the digest of its inputs, or why there is none."""


class ConfigurationWatch:
    """The desk.toml that was last read."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read = _signature(file)

    @property
    def changed(self) -> bool:
        """Whether the file differs from what was read."""
        return _signature(self._file) != self._read

    def latest(self, desk: Desk) -> Desk:
        """What was read, or what the file says now where it changed; raises UserError."""
        from mlops_desk.config.desk_file import read_desk

        signature = _signature(self._file)
        if signature != self._read:
            desk = read_desk(self._file)
            self._read = signature
        return desk


class _Listing(Struct, frozen=True, kw_only=True):
    """What was seen of a model that reads objects. asked : of what model and with what trust. until : how long it holds, monotonic."""

    asked: tuple[Model, bool]
    seen: str
    newest: float
    until: float


class InputWatch:
    """What was last seen of the files of a workspace's models, and what was last evaluated."""

    def __init__(self) -> None:
        self._seen: Look | None = None
        self._evaluated: Look = {}
        self._listed: dict[str, _Listing] = {}

    def changed(self, desk: Desk) -> bool:
        """Whether files that have settled differ from those that were last evaluated, by this process or another."""
        now, newest = self._looked_at(desk)
        settled = now == self._seen or time.time() - newest > SETTLED_SECONDS
        self._seen = now
        return settled and any(now[model] != evaluated for model, evaluated in self._known(desk, now))

    def looked(self, desk: Desk) -> Look:
        """What there is of each model now, for `evaluated`; of objects what was seen last, because the evaluation lists them itself."""
        return self._looked_at(replace(desk, models=tuple(one for one in desk.models if not reads_objects(one))))[0] | {
            model: listing.seen for model, listing in self._listed.items()
        }

    def evaluated(self, look: Look, models: Sequence[str] | None) -> None:
        """Remembers a look that an evaluation of some models (None: of all) was begun with, whatever came of it."""
        self._evaluated |= {model: seen for model, seen in look.items() if models is None or model in models}

    def _looked_at(self, desk: Desk) -> tuple[Look, float]:
        """What there is of each model now, and when the newest file of all was written (seconds since 1970)."""
        look: Look = {}
        latest = 0.0
        for model in desk.models:
            seen, newest = self._listing(desk, model) if reads_objects(model) else seen_of(desk, model)
            look[model.id], latest = seen, max(latest, newest)
        return look, latest

    def _listing(self, desk: Desk, model: Model) -> tuple[str, float]:
        """What there is of a model that reads objects, looked at now and then."""
        from mlops_desk.warehouse.object_listing import YOUNG_SECONDS

        asked = (model, trust.trusted(desk))
        known = self._listed.get(model.id)
        if known is None or known.asked != asked or time.monotonic() >= known.until:
            seen, newest = seen_of(desk, model)
            held = LISTED_EVERY_SECONDS if time.time() - newest > YOUNG_SECONDS else 0.0
            known = _Listing(asked=asked, seen=seen, newest=newest, until=time.monotonic() + held)
            self._listed[model.id] = known
        return known.seen, known.newest

    def _known(self, desk: Desk, now: Look) -> list[tuple[str, str | None]]:
        """What was last evaluated of each model that was seen."""
        missing = [model for model in now if self._evaluated.get(model) != now[model]]
        stored: dict[str, str] = {}
        if missing and store_path(desk.folder).exists():
            with Store.open(desk.folder) as store:
                records = {model: store.last_evaluation(model) for model in missing}
                stored = {model: record.inputs_hash for model, record in records.items() if record is not None}
        return [(model, stored.get(model) if model in missing else now[model]) for model in now]


def _signature(file: Path) -> tuple[int, int] | None:
    """Size and time of a file, None where it is gone."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def seen_of(desk: Desk, model: Model) -> tuple[str, float]:
    """What there is of a model now, and when its newest file was written (seconds since 1970)."""
    try:
        inputs = find_inputs(desk, model)
    except UserError as error:
        return str(error), 0.0
    return inputs.digest, max(file.modified / 1e9 for file in inputs.all)
