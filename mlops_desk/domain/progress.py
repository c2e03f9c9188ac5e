"""How a long operation tells how far it is, and how it is asked to stop. Both may be used from any thread."""

from __future__ import annotations

import threading
from collections.abc import Callable

from msgspec import Struct

from mlops_desk.domain.errors import Cancelled


class Progress(Struct, frozen=True, kw_only=True):
    """One report of progress.

    Attributes
    ----------
    stage : what is being done, in words for a person.
    share : how much of the whole operation is done, from 0 to 1.
    """

    stage: str
    share: float


ProgressSink = Callable[[Progress], None]


def no_progress(_: Progress) -> None:
    """Takes a report of progress and tells nobody."""


def never_back(sink: ProgressSink) -> ProgressSink:
    """A sink that passes reports on with shares that only grow, for work that now and then begins anew."""
    furthest = 0.0

    def tell(one: Progress) -> None:
        nonlocal furthest
        furthest = max(furthest, one.share)
        sink(Progress(stage=one.stage, share=furthest))

    return tell


class CancelToken:
    """A wish to stop: set by one thread, looked at by another; callbacks run once, in the thread that cancels."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []

    @property
    def cancelled(self) -> bool:
        """Whether somebody has asked to stop."""
        return self._event.is_set()

    def cancel(self) -> None:
        """Asks to stop, and runs the callbacks that wait for it."""
        with self._lock:
            self._event.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Registers a callback (run at once if already cancelled); returns a function that takes it back."""
        with self._lock:
            if not self._event.is_set():
                self._callbacks.append(callback)
                return lambda: self._forget(callback)
        callback()
        return lambda: None

    def _forget(self, callback: Callable[[], None]) -> None:
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

    def raise_if_cancelled(self) -> None:
        """Raises Cancelled if somebody has asked to stop."""
        if self._event.is_set():
            raise Cancelled
