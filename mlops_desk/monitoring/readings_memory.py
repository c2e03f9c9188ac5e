"""Readings that go by the rows of a slice alone, kept for all the references that the slice is part of."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence

from mlops_desk.aggregates.slices import OutcomeTables
from mlops_desk.metrics.readings import Reading


class ReadingsMemory:
    """Keeps readings by what they are of and by the outcomes themselves, which it holds so that no other takes their identity."""

    def __init__(self) -> None:
        self._known: dict[tuple[Hashable, int], tuple[OutcomeTables, Sequence[Reading]]] = {}

    def of(
        self, what: Hashable, outcomes: OutcomeTables, readings: Callable[[], Iterable[Reading]]
    ) -> Sequence[Reading]:
        """The readings of some outcomes, made where they are not known; `what` names everything else that they depend on."""
        name = (what, id(outcomes))
        if name not in self._known:
            self._known[name] = (outcomes, tuple(readings()))
        return self._known[name][1]


class NoMemory(ReadingsMemory):
    """Keeps nothing, for slices that are measured once."""

    def of(
        self, what: Hashable, outcomes: OutcomeTables, readings: Callable[[], Iterable[Reading]]
    ) -> Sequence[Reading]:
        """The readings, made anew."""
        return tuple(readings())


NO_MEMORY = NoMemory()
