"""What becomes of each metric where rows have weights: it honours them, it is of the rows as they are, or it refuses and says why.

A metric that honours weights is a function of the weighted distribution: rows of weight 2 count as two rows would. One that is of the rows
as they are counts them (a request is one request, however much it weighs) or takes the greatest of them. One that refuses has no value
while `columns.weight` names a column: it has a null distribution of counts, or is learned from rows drawn without regard to weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from mlops_desk.domain.metric import Convention, Definition, Family


class Weighting(StrEnum):
    """What a metric does with the weights of rows."""

    HONOURED = "honoured"
    ROWS = "rows as they are"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class WeightRule:
    """What one metric does with weights; `reason` says why it does not honour them, and `way_out` what to do where it refuses."""

    weighting: Weighting
    reason: str = ""
    way_out: str = ""

    @property
    def refusal(self) -> str | None:
        """Why there is no value while rows have weights, None where there is one."""
        return (
            f"it does not take weights: {self.reason}; {self.way_out}" if self.weighting is Weighting.REFUSED else None
        )


COUNTS = "its null distribution is of counts of rows, which weights are not"
LEARNED = "it is learned from rows that are drawn without regard to weights"
PAIRS = "it compares rows drawn without regard to weights"
ERRORS = "it watches errors row by row, each once"
OF_TOOLS = "{name}'s own definition knows no weights"
UNWEIGH = "remove columns.weight to have it of the rows as they are"
BY_DISTANCE = f"watch kolmogorov_smirnov, wasserstein, jensen_shannon or psi instead, or {UNWEIGH}"
BY_SHARES = f"watch jensen_shannon, psi or total_variation instead, or {UNWEIGH}"
BY_EFFECT = f"watch concept_effect or estimation_gap instead, or {UNWEIGH}"
IN_DESK = f'write convention = "desk", or {UNWEIGH}'

HONOURED: Mapping[Family, frozenset[str]] = {}
"""By family (the drift families as data_drift) the metrics that honour weights."""
REFUSED: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(
        (
            "kolmogorov_smirnov_p", "cramer_von_mises", "cramer_von_mises_p", "anderson_darling", "anderson_darling_p", "mann_whitney",
            "mann_whitney_p", "t_test", "t_test_p", "epps_singleton", "epps_singleton_p",
        ),
        (COUNTS, BY_DISTANCE),
    ),
    **dict.fromkeys(
        (
            "chi_squared", "chi_squared_p", "cramers_v", "g_test", "g_test_p", "z_test", "z_test_p", "fisher_exact", "fisher_exact_p",
        ),
        (COUNTS, BY_SHARES),
    ),
    **dict.fromkeys(("mmd", "mmd_p"), (PAIRS, BY_DISTANCE)),
    **dict.fromkeys(("pca_reconstruction", "domain_classifier_auc"), (LEARNED, UNWEIGH)),
    **dict.fromkeys(("label_shift_given_score", "label_shift_given_score_p", "label_odds_ratio"), (COUNTS, BY_EFFECT)),
    **dict.fromkeys(("ddm", "eddm", "hddm_a", "hddm_w", "page_hinkley", "adwin", "kswin"), (ERRORS, BY_EFFECT)),
}  # fmt: skip
"""Metrics that refuse weights in every family, why, and what to do."""
OF_ROWS: Mapping[Family, str] = {
    Family.DATA_QUALITY: "it tells of rows as they were logged",
    Family.SYSTEM: "a request is one request, whatever its row weighs",
    Family.ADVERSARIAL: "a request is one request, whatever its row weighs",
    Family.BUSINESS: "it is what its SQL says: weigh the rows there",
}
"""Families that are of the rows as they are, and why."""
EXTREMES = "the least or greatest of the rows does not depend on what they weigh"
OF_ROWS_TOO: Mapping[str, str] = {
    **dict.fromkeys(("min", "max", "max_error"), EXTREMES),
    "drifted_share": "it is a share of columns",
}
"""Single metrics that are of the rows as they are."""
DRIFT = (Family.DATA_DRIFT, Family.PREDICTION_DRIFT, Family.LABEL_DRIFT)
UNKNOWN = "it is not made for them"


def weight_rule(definition: Definition, convention: Convention = Convention.DESK) -> WeightRule:
    """What a metric under a convention does with weights; one that no table here names refuses them."""
    name, family = definition.id, definition.family
    if family in OF_ROWS:
        return WeightRule(Weighting.ROWS, OF_ROWS[family])
    if name in OF_ROWS_TOO:
        return WeightRule(Weighting.ROWS, OF_ROWS_TOO[name])
    if name in REFUSED:
        return WeightRule(Weighting.REFUSED, *REFUSED[name])
    own = convention in (Convention.NANNYML, Convention.EVIDENTLY) and convention in definition.conventions
    if own:
        tool = {Convention.NANNYML: "NannyML", Convention.EVIDENTLY: "Evidently"}[convention]
        return WeightRule(Weighting.REFUSED, OF_TOOLS.format(name=tool), IN_DESK)
    if name in HONOURED.get(Family.DATA_DRIFT if family in DRIFT else family, ()):
        return WeightRule(Weighting.HONOURED)
    return WeightRule(Weighting.REFUSED, UNKNOWN, UNWEIGH)
