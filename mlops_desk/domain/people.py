"""Who is at work."""

from __future__ import annotations

import getpass


def current_user() -> str:
    """The name under which what somebody does is written down."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user id without a name, as in some containers
        return "unnamed user"
