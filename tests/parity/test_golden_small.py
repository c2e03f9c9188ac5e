"""One made-up set under every convention: the whole program's values, limits and alerts are those of NannyML, Evidently and fairlearn."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.aggregates.logs import written
from tests.parity.tables import Results, monitor, results_of

NUMBERS, CATEGORIES = ("age", "income", "x3"), ("segment", "grp")
FILES = '[models.logs]\npath = "analysis.parquet"\n[models.reference]\npath = "reference.parquet"\n'
BINARY = (
    '[models.columns]\ntimestamp = "ts"\nprediction = "pred"\nscore = "proba"\ntarget = "y"\nprotected = ["grp"]\n'
    'ignore = ["price", "price_pred"]\nnumeric = ["age", "income", "x3"]\ncategorical = ["segment", "grp"]\n'
)
PRICES = (
    '[models.columns]\ntimestamp = "ts"\nprediction = "price_pred"\ntarget = "price"\nignore = ["proba", "pred", "y"]\n'
    'numeric = ["age", "income", "x3"]\ncategorical = ["segment", "grp"]\n'
)
SIZED, WHOLE = "[models.chunks]\nsize = 1000\n", "[models.chunks]\nnumber = 1\n"
OF_TESTS = {"chi2": "chi_squared"}
EVIDENTLY = {
    "jensenshannon": "jensen_shannon", "kl_div": "kl_divergence", "ed": "energy", "ks": "kolmogorov_smirnov_p", "es": "epps_singleton_p",
    "chisquare": "chi_squared_p", "anderson": "anderson_darling_p", "cramer_von_mises": "cramer_von_mises_p",
    "psi": "psi", "hellinger": "hellinger", "wasserstein": "wasserstein",
}  # fmt: skip
NOT_COPIED = ("mannw", "t_test")
"""One-sided, and of a pooled variance, in Evidently."""


@pytest.fixture(scope="module")
def golden(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, folder = shared / "data" / "golden_small", tmp_path_factory.mktemp("golden")
    for path in source.iterdir():
        shutil.copy(path, folder)
    return folder


def told(folder: Path, name: str) -> dict:
    return json.loads((folder / f"golden_{name}.json").read_text(encoding="utf-8"))


def same(found: float | None, expected: float | None, rel: float = 1e-6) -> bool:
    if expected is None or (isinstance(expected, float) and math.isnan(expected)):
        return found is None
    return found is not None and math.isclose(found, expected, rel_tol=rel, abs_tol=1e-12)


@pytest.fixture(scope="module")
def nannyml(golden: Path) -> Results:
    metrics = {
        NUMBERS: ("jensen_shannon", "kolmogorov_smirnov", "wasserstein", "hellinger"),
        CATEGORIES: ("jensen_shannon", "chi_squared", "hellinger", "l_infinity"),
    }
    drift = [monitor(names, columns=list(columns), convention="nannyml") for columns, names in metrics.items()]
    names = ("roc_auc", "average_precision", "f1", "precision", "recall", "specificity", "accuracy")
    accuracy = [
        monitor(names, family=family, convention="nannyml") for family in ("performance", "estimated_performance")
    ]
    return results_of(golden, FILES, BINARY, SIZED, *drift, *accuracy, task="binary")


def test_drift_its_limits_and_alerts_are_nannymls(golden: Path, nannyml: Results) -> None:
    checked = 0
    for name, course in told(golden, "nannyml")["univariate"].items():
        column, method, field = name.split("|")
        rows = nannyml.where(metric=OF_TESTS.get(method, method), column=column, split="analysis", convention="nannyml")
        assert [row["chunk"] for row in rows] == [0, 1, 2, 3]
        if field == "alert":
            assert [row["verdict"] == "alert" for row in rows] == course, name
        elif field == "value" or method != "chi2":
            place = {"value": "value", "upper_threshold": "upper", "lower_threshold": "lower"}[field]
            assert all(same(row[place], one) for row, one in zip(rows, course, strict=True)), name
        checked += len(course)
    assert checked == 4 * 80


@pytest.mark.parametrize(("kind", "family"), [("realized", "performance"), ("cbpe", "estimated_performance")])
def test_accuracy_its_limits_and_alerts_are_nannymls(golden: Path, nannyml: Results, kind: str, family: str) -> None:
    fields = {"value": "value", "upper_threshold": "upper", "lower_threshold": "lower", "alert": "verdict"}
    checked = 0
    for name, course in told(golden, "nannyml")[kind].items():
        metric, field = name.split("|")
        if field not in fields:
            continue
        rows = nannyml.where(metric=metric, family=family, split="analysis")
        if field == "alert":
            assert [row["verdict"] == "alert" for row in rows] == course, name
        else:
            assert all(same(row[fields[field]], one) for row, one in zip(rows, course, strict=True)), name
        checked += len(course)
    assert checked == 4 * 28


def test_estimated_errors_are_near_those_of_nannymls_learner(golden: Path) -> None:
    found = results_of(
        golden, FILES, PRICES, SIZED, monitor(("mae", "rmse"), family="estimated_performance", convention="nannyml"), task="regression"
    )  # fmt: skip
    expected = told(golden, "nannyml")["dle"]
    for metric in ("mae", "rmse"):
        rows = found.where(metric=metric, split="analysis")
        for row, value, upper, lower in zip(
            rows,
            *(expected[f"{metric}|{name}"] for name in ("value", "upper_threshold", "lower_threshold")),
            strict=True,
        ):
            assert same(row["value"], value, rel=0.05)
            assert same(row["upper"], upper)
            assert same(row["lower"], lower)


def test_drift_is_evidentlys(golden: Path) -> None:
    expected = told(golden, "evidently")
    metrics = sorted(
        {EVIDENTLY[name] for column in (*NUMBERS, *CATEGORIES) for name in expected[column] if name not in NOT_COPIED}
    )
    found = results_of(
        golden, FILES, BINARY, WHOLE, monitor(metrics, columns=[*NUMBERS, *CATEGORIES], convention="evidently"), task="binary"
    )  # fmt: skip
    checked = 0
    for column in (*NUMBERS, *CATEGORIES):
        for name, value in expected[column].items():
            if name in NOT_COPIED:
                continue
            row = found.one(metric=EVIDENTLY[name], column=column, split="analysis")
            assert same(row["value"], value), (column, name, row["value"], value)
            level = 0.1 if name in ("anderson", "cramer_von_mises") else 0.05
            drifted = value < level if row["metric"].endswith("_p") else value >= 0.1
            assert row["verdict"] == ("alert" if drifted else "ok"), (column, name)
            checked += 1
    assert checked == 3 * 10 + 2 * 5


def test_groups_are_fairlearns(golden: Path) -> None:
    expected = told(golden, "fairlearn")
    found = results_of(golden, FILES, BINARY, WHOLE, monitor(family="fairness", convention="fairlearn"), task="binary")
    compared = [name for name in expected if found.where(metric=name)]
    assert len(compared) == 7
    for name in compared:
        row = found.one(metric=name, column="grp", split="analysis")
        assert same(row["value"], expected[name], rel=1e-9), name
    by_group = {"sel": "prediction_rate", "tpr": "recall", "fpr": "false_positive_rate", "fnr": "false_negative_rate"}
    for name, metric in (by_group | {"tnr": "specificity", "prec": "precision"}).items():
        for group, value in expected["by_group"][name].items():
            assert same(found.one(metric=metric, group=group, split="analysis")["value"], value, rel=1e-9), (
                name,
                group,
            )


FACTS = {"tpr": ("equal_opportunity", "recall"), "fpr": ("false_positive_rate",) * 2, "sel": ("demographic_parity", "prediction_rate")}  # fmt: skip


def test_fairlearns_documented_numbers(shared: Path, tmp_path: Path) -> None:
    """18 people in three groups, and the same by two attributes at once."""
    facts = json.loads((shared / "data" / "facts_fairness.json").read_text(encoding="utf-8"))["facts"]
    given = next(one["input"] for one in facts if "sensitive_2" in one["input"])
    assert all(one["input"][name] == given[name] for one in facts for name in ("y_true", "y_pred", "sensitive"))
    second = [str(one) for one in given["sensitive_2"]]
    columns = {"y": given["y_true"], "pred": given["y_pred"], "first": given["sensitive"], "second": second}
    for split in ("reference", "analysis"):
        written(tmp_path / f"{split}.parquet", columns)
    roles = '[models.columns]\nprediction = "pred"\ntarget = "y"\nprotected = ["first", "first×second"]\n'
    asked = {"convention": "fairlearn", "min_rows": 1, "min_group_rows": 1}
    rates = monitor(("recall", "specificity", "prediction_rate", "rows"), min_rows=1)
    found = results_of(tmp_path, FILES, roles, WHOLE, monitor(family="fairness", **asked), rates, task="binary")
    checked = 0
    for fact in facts:
        parts, expected = fact["id"].removeprefix("fl_").split("_"), fact["expected"]
        where: dict[str, object] = {
            "split": "analysis",
            "column": "first",
            "family": "fairness",
            "convention": "fairlearn",
        }
        if parts[-1] == "count":
            rows = found.one(split="analysis", metric="rows")["value"]
            value = rows if parts[0] == "overall" else np.sum(np.array(given["sensitive"]) == parts[0])
        elif parts[0] == "overall":
            metric = {"tpr": "recall", "fpr": "specificity", "sel": "prediction_rate"}[parts[1]]
            value = found.one(split="analysis", family="performance", metric=metric)["value"]
            value = 1 - value if parts[1] == "fpr" else value
        elif parts[0] in ("diff", "ratio"):
            how = {"diff": "difference", "ratio": "ratio"}[parts[0]]
            suffix = "_to_overall" if parts[1] == "overall" else ""
            value = found.one(metric=f"{FACTS[parts[-1]][0]}_{how}{suffix}", **where)["value"]
        elif parts[0] == "recall":
            where |= {"column": "first×second", "group": f"{parts[1][0]}×{parts[1][1]}"}
            value = found.one(metric="recall", **where)["value"]
        elif parts[0] in ("a", "b", "c"):
            value = found.one(metric=FACTS[parts[1]][1], group=parts[0], **where)["value"]
        else:
            value = found.one(metric=fact["id"].removeprefix("fl_"), **where)["value"]
        assert value == pytest.approx(expected, abs=fact["tolerance"]), fact["id"]
        checked += 1
    assert checked == 38
