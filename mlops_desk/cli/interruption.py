"""Ctrl-C for long work: the work runs on a thread of its own and is asked to stop, while the main thread stays free to hear the keyboard.

A signal handler that cancelled by itself could find the main thread inside a lock that cancelling needs. A second Ctrl-C ends the program
at once, which loses nothing stored: the archive's transactions are whole or not there.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TypeVar

from mlops_desk.cli.terminal import Terminal
from mlops_desk.domain.errors import Cancelled
from mlops_desk.domain.progress import CancelToken

INTERRUPTED = 130
_WAKE_SECONDS = 0.2

Result = TypeVar("Result")


def interruptible(terminal: Terminal, work: Callable[[CancelToken], Result]) -> Result:
    """The result of some work that stops when the user presses Ctrl-C (it then raises Cancelled)."""
    token = CancelToken()
    results: list[Result] = []
    failures: list[BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            results.append(work(token))
        except BaseException as error:  # noqa: BLE001 - raised again on the main thread
            failures.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=run, name="work", daemon=True)
    begun = False
    while True:
        try:
            if not begun:  # in here, because the work may be heard of, and Ctrl-C pressed, before start() returns
                begun = True
                thread.start()
            while not done.wait(_WAKE_SECONDS):  # in short waits, because on Windows a long one does not hear Ctrl-C
                pass
            break
        except KeyboardInterrupt:
            if token.cancelled:
                terminal.clear()
                os._exit(INTERRUPTED)
            if terminal.shows_progress:
                terminal.note("stopping … (Ctrl-C again ends it at once)")
            token.cancel()
            if thread.ident is None:  # it has not begun, and if it still does it finds that it is cancelled
                raise Cancelled from None
    thread.join()  # it only unwinds any more; alive at the program's end it would keep the engine's objects from being freed
    terminal.clear()
    if failures:
        raise failures.pop()
    return results[0]
