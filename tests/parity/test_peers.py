"""A made log against what NannyML and Evidently themselves computed on its rows: values, limits, alerts, and Evidently's choice of tests."""

import json
import math
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.aggregates.logs import written
from tests.parity import ask_peers
from tests.parity.tables import Results, monitor, results_of
from tests.parity.test_evidently_default import OURS
from tests.parity.test_golden_small import EVIDENTLY, OF_TESTS

PEERS = json.loads(Path(__file__).with_name("peers.json").read_text(encoding="utf-8"))
FILES = '[models.logs]\npath = "analysis.parquet"\n[models.reference]\npath = "reference.parquet"\n[models.chunks]\nsize = 270\n'
KINDS = f"numeric = {['tail', *ask_peers.NUMBERS]}\ncategorical = {list(ask_peers.CATEGORIES)}\n".replace("'", '"')
ROLES = '[models.columns]\nprediction = "told"\nscore = "score"\ntarget = "truth"\n' + KINDS
FEATURES = f'[models.columns]\nignore = ["told", "score", "truth"]\n{KINDS}'
STATISTICS = ("mean", "std", "sum", "median")
"""NannyML's summary statistics alert on the limit itself too; this program strictly beyond it."""
FIELDS = {"value": "value", "upper_threshold": "upper", "lower_threshold": "lower"}


def rows_in(folder: Path, reference_rows: int | None = None) -> Path:
    """The rows that the two tools were given."""
    ask_peers.write(folder)
    if reference_rows is not None:
        path = folder / "reference.parquet"
        written(path, pq.read_table(path).slice(0, reference_rows))
    return folder


@pytest.fixture(scope="module")
def nannyml(tmp_path_factory: pytest.TempPathFactory) -> Results:
    numbers, categories = list(ask_peers.NUMBERS), list(ask_peers.CATEGORIES)
    tool = {"convention": "nannyml"}
    return results_of(
        rows_in(tmp_path_factory.mktemp("nannyml")),
        FILES,
        ROLES,
        monitor(("jensen_shannon", "kolmogorov_smirnov", "wasserstein", "hellinger", "mean", "std", "sum", "median"), columns=numbers, **tool),
        monitor(("jensen_shannon", "chi_squared", "hellinger", "l_infinity"), columns=categories, **tool),
        monitor(("missing_rate", "unseen_rate", "out_of_range_rate"), columns=[*numbers, *categories], **tool),
        monitor(("f1", "precision", "recall", "specificity", "accuracy"), family="performance", **tool),
        task="binary",
    )  # fmt: skip


@pytest.mark.parametrize("kind", [name for name in PEERS["nannyml"] if name != "nannyml"])
def test_values_limits_and_alerts_are_nannymls(nannyml: Results, kind: str) -> None:
    checked = 0
    for name, course in PEERS["nannyml"][kind].items():
        *names, field = name.split("|")
        if kind == "performance":
            named: dict[str, object] = {"metric": names[0], "family": "performance"}
        elif kind == "univariate":
            named = {"column": names[0], "metric": OF_TESTS.get(names[1], names[1])}
        else:
            named = {"column": names[0], "metric": kind}
        rows = nannyml.where(split="analysis", **named)
        assert [row["chunk"] for row in rows] == list(range(len(course)))
        if field == "alert":
            beside = [row["verdict"] == "alert" or row["value"] in (row["lower"], row["upper"]) for row in rows]
            alerts = beside if kind in STATISTICS else [row["verdict"] == "alert" for row in rows]
            assert alerts == course, name
        elif field == "value" or named["metric"] != "chi_squared":
            for row, one in zip(rows, course, strict=True):
                found = row[FIELDS[field]]
                same = (
                    found is None
                    if one is None
                    else found is not None and math.isclose(found, one, rel_tol=1e-6, abs_tol=1e-12)
                )
                assert same or on_the_end(found, one, kind), (name, row["chunk"], found, one)
        checked += 1
    assert checked >= 8


def on_the_end(found: float | None, one: float | None, kind: str) -> bool:
    """Whether a limit of a rate or statistic is left out by one and put on the end of the range by the other, which judges alike."""
    return kind not in ("univariate", "performance") and {found, one} <= {None, 0.0, 1.0}


@pytest.mark.parametrize(("name", "rows"), [("large", None), ("small", ask_peers.SMALL)])
def test_every_chunk_has_the_tests_that_evidently_takes(tmp_path: Path, name: str, rows: int | None) -> None:
    found = results_of(
        rows_in(tmp_path, rows), FILES, FEATURES, monitor(["default"], convention="evidently"), task=None
    )
    told = {place: columns for place, columns in PEERS["evidently"]["default"].items() if place.startswith(name)}
    assert len(told) == 4
    for place, columns in told.items():
        chunk = int(place.split("|")[1])
        share = found.one(metric="drifted_share", chunk=chunk, split="analysis")
        assert share["value"] == pytest.approx(columns["share"])
        for column, (method, value, threshold) in ((key, told) for key, told in columns.items() if key != "share"):
            row = found.one(column=column, chunk=chunk, split="analysis")
            assert row["metric"] == OURS[method], (place, column)
            assert row["value"] == pytest.approx(value, rel=1e-6, abs=1e-12), (place, column)
            assert row["lower" if row["metric"].endswith("_p") else "upper"] == threshold


def test_every_test_of_evidently(tmp_path: Path) -> None:
    columns = [*ask_peers.NUMBERS, *ask_peers.CATEGORIES]
    metrics = sorted({*EVIDENTLY.values(), "z_test_p"})
    found = results_of(
        rows_in(tmp_path), FILES, FEATURES, monitor(metrics, columns=columns, convention="evidently"), task=None
    )
    checked = 0
    for place, (value, threshold) in PEERS["evidently"]["tests"].items():
        column, test = place.split("|")
        if (column, test) == ("kind", "z"):
            continue  # of several values: Evidently sets the first against the rest, which is no test of the column
        row = found.one(metric=EVIDENTLY.get(test, "z_test_p"), column=column, chunk=0, split="analysis")
        if value is None:
            assert row["value"] is None, place
            continue
        within = 1e-5 if place == "offset|hellinger" else 1e-6  # widths of bins around 1e9 have 7 digits in Evidently
        assert row["value"] == pytest.approx(value, rel=within, abs=1e-12), place
        assert row["lower" if row["metric"].endswith("_p") else "upper"] == threshold, place
        checked += 1
    assert checked == 50
