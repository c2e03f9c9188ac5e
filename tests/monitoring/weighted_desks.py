"""Small workspaces of one reference and one chunk, whose rows have weights, and what an evaluation says of the chunk."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.aggregates.logs import written
from tests.monitoring.desks import kept, run, write_desk

Key = tuple[str, str, str | None, str | None, str | None]
"""Family, metric, column, group, class."""
ROLES = {
    "binary": 'prediction = "said"\nscore = "score"\ntarget = "true"\nprotected = ["sex"]\n',
    "multiclass": 'prediction = "said"\nscore = { a = "pa", b = "pb", c = "pc" }\ntarget = "true"\nprotected = ["sex"]\n',
    "regression": 'prediction = "said"\ntarget = "true"\nprotected = ["sex"]\n',
}
PERIODS = '[models.reference]\npath = "reference"\n[models.logs]\npath = "logs"\n[models.chunks]\nnumber = 1\n'


def rows_of(task: str, seed: int, rows: int, *, drift: float = 0.0) -> dict[str, np.ndarray]:
    """Columns of a log whose labels, scores and weights go together, as they do where classes were sampled unevenly."""
    rng = np.random.default_rng((seed, 11))
    x = rng.normal(drift, 1, rows)
    columns: dict[str, np.ndarray] = {
        "x": np.round(x, 1),
        "kind": rng.choice(["k", "l", "m"], rows),
        "sex": rng.choice(["f", "m"], rows),
    }
    if task == "binary":
        score = np.round(1 / (1 + np.exp(-1.5 * x)), 2)
        columns |= {"score": score, "said": (score > 0.5).astype(np.int64)}
        columns["true"] = (rng.random(rows) < 0.1 + 0.7 * score).astype(np.int64)
    elif task == "multiclass":
        shares = np.round(rng.dirichlet([1, 2, 1], rows) + 1e-3, 3)
        shares /= shares.sum(axis=1, keepdims=True)
        names = np.array(["a", "b", "c"])
        columns |= {f"p{name}": shares[:, at] for at, name in enumerate("abc")}
        columns["said"] = names[shares.argmax(axis=1)]
        columns["true"] = names[[rng.choice(3, p=one) for one in shares]]
    else:
        columns["true"] = np.round(3 + 2 * x + rng.normal(0, 1, rows), 1)
        columns["said"] = np.round(3 + 1.8 * x, 1)
    heavy = columns["true"] == (1 if task == "binary" else "a") if task != "regression" else columns["true"] > 4
    columns["w"] = np.round(rng.exponential(1, rows) * np.where(heavy, 3, 1), 2)
    return columns


def evaluated(
    folder: Path,
    task: str,
    reference: Mapping[str, Any],
    log: Mapping[str, Any],
    *monitors: str,
    weighted: bool = True,
) -> dict[Key, Mapping[str, Any]]:
    """The values of the chunk, by key."""
    roles = f"[models.columns]\n{ROLES[task]}" + ('weight = "w"\n' if weighted else 'ignore = ["w"]\n')
    write_desk(folder, PERIODS, roles, *monitors, task=f'task = "{task}"\n')
    written(folder / "reference" / "r.parquet", reference)
    written(folder / "logs" / "l.parquet", log)
    outcome = run(folder)
    assert outcome.failure is None, outcome.failure
    return {
        (str(row["family"]), str(row["metric"]), row["column"], row["group"], row["class"]): row
        for row in kept(folder).values.values()
        if row["split"] == "analysis"
    }  # type: ignore[misc]


def monitor(family: str, *, exact: bool = True, more: str = "") -> str:
    """A monitor of a whole family, counted by value or by cell."""
    return f'[[models.monitors]]\nfamily = "{family}"\nmin_rows = 10\nmin_group_rows = 10\n{"" if exact else "exact_rows = 0"}\n{more}\n'
