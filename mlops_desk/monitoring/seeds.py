"""Seeds of everything that is drawn at random: from what is measured and where, so that they are the same at every run."""

from __future__ import annotations

import hashlib


def seed_of(model: str, metric: str, column: str | None, chunk_start: str) -> int:
    """The seed of a metric of a column (or of none) in the chunk that starts then, below 2**32."""
    told = "\x1f".join([model, metric, column or "", chunk_start])
    return int.from_bytes(hashlib.blake2b(told.encode(), digest_size=4).digest(), "big")
