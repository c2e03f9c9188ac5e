"""What somebody looks at: the model, the period and segment, and what is picked out inside them."""

from __future__ import annotations

from msgspec import Struct

from mlops_desk.domain.overview import Period

ALL = Period()


class Selection(Struct, frozen=True, kw_only=True):
    """A choice of what the pages show.

    Attributes
    ----------
    segment : `column=value`, None for all rows.
    column : the column whose distribution is shown, None for the most drifted one.
    chunks : keys of the chunks whose distribution is shown, in time order; empty for the latest one.
    brushed : the period dragged over, for which the numbers of the page are shown; None for all of `period`.
    """

    model: str
    period: Period = ALL
    segment: str | None = None
    column: str | None = None
    chunks: tuple[str, ...] = ()
    brushed: Period | None = None
