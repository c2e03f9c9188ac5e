"""What a process that evaluates and ends does not need: idle threads of linear algebra, and frequent looks for cycles among what it keeps."""

from __future__ import annotations

import gc
import os

OBJECTS_BETWEEN_COLLECTIONS = 100_000


def spare_processor_time() -> None:
    """Sets both for this process; must come before numpy is imported, whose threads spin from the start and wait for large matrices."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
