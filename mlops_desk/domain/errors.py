"""Errors that a user can cause and mend; anything else that is raised is a defect of the program."""

from __future__ import annotations


class UserError(Exception):
    """A trouble with configuration, environment or data, told in one line that names its place and the way out."""

    exit_code = 2


class WorkspaceBusy(UserError):
    """Another process is writing the workspace and did not finish in time."""

    exit_code = 4


class RunFailed(UserError):
    """A retraining run failed, or its gate said no."""

    exit_code = 3


class NotTrusted(UserError):
    """Something of the workspace wants to start a process or to call out, and this machine does not trust it yet."""


class ExpressionFailure(Exception):
    """SQL of desk.toml that the engine accepts and cannot answer for these rows; the text names its place."""


class Cancelled(Exception):
    """Somebody asked an operation to stop, and it stopped."""
