"""From a command line to an exit code: parses, runs the command, and tells in one line what went wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from mlops_desk.cli.arguments import parsed
from mlops_desk.cli.call import Call, WindowOpener
from mlops_desk.cli.interruption import INTERRUPTED
from mlops_desk.cli.terminal import Terminal
from mlops_desk.domain.errors import Cancelled, UserError

DEFECT = 70

COMMANDS = {
    "demo": "beginning",
    "init": "beginning",
    "check": "beginning",
    "run": "evaluation",
    "watch": "evaluation",
    "alerts": "alerts",
    "ack": "alerts",
    "silence": "alerts",
    "explain": "explaining",
    "metrics": "outputs",
    "report": "outputs",
    "retrain": "retraining",
    "runs": "retraining",
    "cancel": "retraining",
    "trust": "governance",
    "audit": "governance",
    "gui": "window",
    "doctor": "doctor",
    "help": "help",
    "self_test": "self_test",
}
"""In which module of this package the function of a command's name lies; `self_test` is asked for as --self-test."""


def main(argv: Sequence[str], open_window: WindowOpener) -> int:
    """Runs one command and returns its exit code."""
    terminal = Terminal()
    try:
        return _answered(argv, terminal, open_window)
    except (Cancelled, KeyboardInterrupt):
        terminal.clear()
        return INTERRUPTED
    except UserError as error:
        terminal.error(str(error))
        return error.exit_code
    except BrokenPipeError:  # whoever read the output has seen enough
        _discard_output()
        return 0
    except Exception as error:  # noqa: BLE001 - the last resort: whatever it is, the user gets one line
        return _failed(terminal, error, argv)


def _answered(argv: Sequence[str], terminal: Terminal, open_window: WindowOpener) -> int:
    try:
        arguments = parsed(argv)
    except SystemExit as ended:  # the parser has written the help, or what is wrong with the arguments
        terminal.flush()
        return ended.code if isinstance(ended.code, int) else 0
    return _function(arguments.command)(Call(arguments=arguments, terminal=terminal, open_window=open_window))


def _function(command: str) -> Callable[[Call], int]:
    function: Callable[[Call], int] = getattr(import_module(f"mlops_desk.cli.{COMMANDS[command]}"), command)
    return function


def _discard_output() -> None:
    """Sends what is still to be written nowhere, so that ending the program does not fail on it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _failed(terminal: Terminal, error: Exception, argv: Sequence[str]) -> int:
    """Tells a failure that nobody foresaw: of the machine in words, of the program with the place of the details."""
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        terminal.error(f"{place}{error.strerror}")
        return UserError.exit_code
    from mlops_desk.cli.defects import recorded

    terminal.error(f"this is a defect of the program ({type(error).__name__}: {error}); {recorded(error, argv)}")
    return DEFECT
