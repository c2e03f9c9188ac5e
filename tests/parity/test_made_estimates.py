"""Estimates before labels arrive, of logs that no published case has: CBPE from the rows, calibrated by scikit-learn's isotonic regression."""

from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.isotonic import IsotonicRegression

from tests.parity.oracle import MIN_ROWS
from tests.parity.tables import monitor, results_of
from tests.parity.test_made_logs import MAKERS, MATRIX, Expected, desk

pytestmark = pytest.mark.slow
Key = tuple[str, str, str | None, str | None]
"""Family, metric, column and group."""
GROUP_RATES = {
    "recall": ("tp", "fn"),
    "specificity": ("tn", "fp"),
    "false_positive_rate": ("fp", "tn"),
    "false_negative_rate": ("fn", "tp"),
    "precision": ("tp", "fp"),
}


def expected_counts(chance: np.ndarray, told: np.ndarray) -> dict[str, float]:
    return {
        "tp": chance[told == 1].sum(),
        "fp": (1 - chance[told == 1]).sum(),
        "fn": chance[told == 0].sum(),
        "tn": (1 - chance[told == 0]).sum(),
    }


def estimates(score: np.ndarray, told: np.ndarray, chance: np.ndarray) -> dict[str, float]:
    """scikit-learn on each row twice: positive with its chance for weight, negative with the rest."""
    truth, scores, said = np.repeat([1, 0], len(score)), np.tile(score, 2), np.tile(told, 2)
    weight = {"sample_weight": np.concatenate([chance, 1 - chance])}
    counts = expected_counts(chance, told)
    clipped = np.clip(scores, np.finfo(float).eps, 1 - np.finfo(float).eps)
    loss = -np.where(truth == 1, np.log(clipped), np.log(1 - clipped))
    return {
        "accuracy": sk.accuracy_score(truth, said, **weight),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, said, **weight),
        "precision": sk.precision_score(truth, said, **weight),
        "recall": sk.recall_score(truth, said, **weight),
        "specificity": sk.recall_score(truth, said, pos_label=0, **weight),
        "f1": sk.f1_score(truth, said, **weight),
        "mcc": sk.matthews_corrcoef(truth, said, **weight),
        "cohen_kappa": sk.cohen_kappa_score(truth, said, **weight),
        "roc_auc": sk.roc_auc_score(truth, scores, **weight),
        "average_precision": sk.average_precision_score(truth, scores, **weight),
        "log_loss": np.average(loss, weights=weight["sample_weight"]),
        "brier": np.average((scores - truth) ** 2, weights=weight["sample_weight"]),
        "true_positive": counts["tp"],
        "false_positive": counts["fp"],
        "false_negative": counts["fn"],
        "true_negative": counts["tn"],
        "label_rate": chance.mean(),
        "business_value": float(
            (np.array([[counts["tn"], counts["fp"]], [counts["fn"], counts["tp"]]]) * np.array(MATRIX)).sum()
        ),
    }


class Candidates:
    """What a chunk's estimates are if scores are calibrated, and if they are taken as they come."""

    def __init__(self, rows: Expected) -> None:
        self.rows = rows
        score, _, truth = self.side("reference", rows.whole, "truth")
        known = np.array([one is not None for one in truth])
        isotonic = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
        self.fit = isotonic.fit(score[known].astype(float), truth[known].astype(float))

    def side(self, split: str, own: list[int], *names: str) -> list[np.ndarray]:
        """The columns, of the rows that have a score and a prediction."""
        columns = [self.rows.column(one, split, own) for one in ("score", "told", *names)]
        kept = [at for at, one in enumerate(zip(*columns[:2], strict=True)) if None not in one]
        return [np.array([column[at] for at in kept], dtype=object) for column in columns]

    def of(self, split: str, own: list[int]) -> dict[str, dict[Key, float | None]]:
        score, told = (one.astype(float) for one in self.side(split, own))
        if len(score) < MIN_ROWS:
            return {}
        found: dict[str, dict[Key, float | None]] = {}
        for kind, chance in (("calibrated", self.fit.predict(score)), ("raw", score)):
            found[kind] = {
                ("estimated_performance", metric, None, None): value
                for metric, value in estimates(score, told, chance).items()
            }
            for attribute in self.rows.logs[split].protected:
                if "×" not in attribute:
                    *_, groups = self.side(split, own, attribute)
                    found[kind] |= group_rates(attribute, groups, told, chance)
        return found


def group_rates(attribute: str, groups: np.ndarray, told: np.ndarray, chance: np.ndarray) -> dict[Key, float | None]:
    found: dict[Key, float | None] = {}
    for group in sorted({one for one in groups if one is not None}):
        held = groups == group
        counts = expected_counts(chance[held], told[held])
        for metric, (hits, rest) in GROUP_RATES.items():
            of = counts[hits] + counts[rest]
            found["estimated_fairness", metric, attribute, str(group)] = (
                counts[hits] / of if held.sum() >= MIN_ROWS and of > 1e-9 else None
            )
    return found


def apart(value: float | None, wanted: float | None) -> bool:
    if value is None or wanted is None:
        return value is not wanted
    return value != pytest.approx(wanted, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "how"), [("binary", "size"), ("binary", "day"), ("loans", "number"), ("census", "size")]
)
def test_estimates_are_those_of_calibrated_or_of_raw_scores(tmp_path: Path, name: str, how: str) -> None:
    logs = {
        split: MAKERS[name](seed, rows, later=seed == 2)
        for split, seed, rows in (("reference", 1, 1300), ("analysis", 2, 1000))
    }
    for split, log in logs.items():
        log.write(tmp_path, split)
    parts = [
        part for part in desk("binary", logs["reference"], how, 200_000) if not part.startswith("[[models.monitors]]")
    ]
    asked = [
        monitor(family="estimated_performance"),
        monitor(family="estimated_fairness"),
        monitor(("estimation_gap", "accuracy")),
    ]
    found = results_of(tmp_path, *parts, *asked, task="binary")
    rows = Expected("binary", logs, how)
    candidates = Candidates(rows)
    off: dict[str, list[object]] = {"calibrated": [], "raw": []}
    for split, chunks in rows.chunks.items():
        for number, own in enumerate(chunks):
            where = {"split": split, "chunk": number}
            wanted = candidates.of(split, own)
            if not wanted:
                assert {row["value"] for row in found.where(family="estimated_performance", **where)} == {None}
            for kind, answers in wanted.items():
                for (family, metric, column, group), answer in answers.items():
                    value = found.one(family=family, metric=metric, column=column, group=group, **where)["value"]
                    if apart(value, answer):
                        off[kind].append((split, number, family, metric, column, group, value, answer))
    assert not off["calibrated"] or not off["raw"], (off["calibrated"][:5], off["raw"][:5])
    assert off["calibrated"] or off["raw"], "the two differ, or nothing is told apart"


def test_the_gap_is_what_came_less_what_was_expected(tmp_path: Path) -> None:
    logs = {
        split: MAKERS["binary"](seed, rows, later=seed == 2)
        for split, seed, rows in (("reference", 1, 1300), ("analysis", 2, 1000))
    }
    for split, log in logs.items():
        log.write(tmp_path, split)
    parts = [
        part for part in desk("binary", logs["reference"], "day", 200_000) if not part.startswith("[[models.monitors]]")
    ]
    found = results_of(tmp_path, *parts, monitor(("estimation_gap", "accuracy")), task="binary")
    gaps = found.where(metric="estimation_gap")
    assert sum(row["value"] is not None for row in gaps) > 5
    for gap in gaps:
        where = {"metric": "accuracy", "split": gap["split"], "chunk": gap["chunk"], "column": None}
        realised, estimated = (
            found.one(family=family, **where)["value"] for family in ("performance", "estimated_performance")
        )
        if realised is None or estimated is None:
            assert gap["value"] is None
        else:
            assert gap["value"] == pytest.approx(realised - estimated, abs=1e-12)
