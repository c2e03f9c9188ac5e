"""How domain values are written in SQLite: instants as ISO text in UTC, verdicts as small integers, JSON in one canonical form.

The text of instants sorts as the instants do, because every one carries the offset +00:00 (and '+' sorts before the '.' of a fraction).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from mlops_desk.domain.metric import Verdict

VERDICTS = (Verdict.OK, Verdict.WARNING, Verdict.ALERT, Verdict.UNTESTED)
"""A stored verdict is its place in this tuple."""

VERDICT_CODES = {verdict: code for code, verdict in enumerate(VERDICTS)}


def instant_text(instant: datetime) -> str:
    """ISO text in UTC of an aware instant; raises ValueError for a naive one."""
    if instant.tzinfo is None:
        raise ValueError(f"an instant carries its time zone, and {instant.isoformat()} does not")
    return instant.astimezone(UTC).isoformat()


def optional_text(instant: datetime | None) -> str | None:
    """ISO text in UTC of an aware instant, None of None."""
    return None if instant is None else instant_text(instant)


def instant_of(text: str) -> datetime:
    """The aware instant of a text that `instant_text` wrote."""
    return datetime.fromisoformat(text)


def optional_instant(text: str | None) -> datetime | None:
    """The aware instant of a text, None of None."""
    return None if text is None else datetime.fromisoformat(text)


def canonical_json(content: object) -> str:
    """JSON with sorted keys, no spaces and no NaN, so that equal contents are equal texts."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
