"""A categorical column of more categories than are told apart: the rest are one bin, which is no category's and is told of."""

from pathlib import Path

import pytest

from mlops_desk.aggregates.plan import OTHER
from mlops_desk.domain.overview import NoteLevel
from mlops_desk.domain.slicing import Split
from mlops_desk.store.archive import Store
from tests.monitoring.test_bad_input import rewritten, run, workspace

ROWS = 40


@pytest.mark.parametrize("real", ["other", OTHER])
def test_the_bin_of_rare_categories_is_not_a_category_and_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real: str
) -> None:
    monkeypatch.setattr("mlops_desk.aggregates.planning.KEPT_CATEGORIES", 3)
    columns = '[models.columns]\ntimestamp = "ts"\nid = "id"\nprediction = "y_pred"\nscore = "score"\ntarget = "repaid"\ncategorical = ["kind"]\n'
    workspace(tmp_path, '[[models.monitors]]\nmetrics = ["psi"]\n', columns=columns)
    for day in range(7):
        rare = [f"r{day}{number}" for number in range(4)]
        rewritten(tmp_path / "logs", day, kind=[*["a"] * 12, *["b"] * 12, *[real] * 12, *rare])
    outcome = run(tmp_path)
    with Store.open(tmp_path) as store:
        found = store.distribution("m", "kind", Split.ANALYSIS)
    assert found is not None
    counts = dict(zip(found.categories or (), found.counts, strict=False))
    days = 3
    assert counts["a"] == 12 * days
    expected = (12 * days, 4 * days) if real == "other" else (16 * days,)
    assert tuple(counts[name] for name in dict.fromkeys((real, OTHER))) == expected
    note = next(one for one in outcome.notes if one.code == "categories_pooled")
    assert note.level is NoteLevel.NOTICE
    assert note.place == "kind"
    assert "the rest are one bin" in note.text
