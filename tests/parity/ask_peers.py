"""What NannyML and Evidently say of a made log: writes their part of peers.json to standard output.

python tests/parity/ask_peers.py write FOLDER                with this project's packages: the rows, in the order of chunks
python tests/parity/ask_peers.py nannyml|evidently FOLDER    with nannyml 0.13.1 or evidently 0.7.23, pandas and pyarrow

Both are Apache-2.0; nothing of theirs is copied here, only the numbers that they compute on rows made for this project.
"""

import importlib
import json
import math
import os
import sys
import warnings
from pathlib import Path
from typing import Any

SIZE, SMALL = 270, 600
NUMBERS, CATEGORIES = ("wealth", "nearly", "steps", "offset"), ("kind", "flag")
"""Without the columns that one of the two refuses: infinite numbers (NannyML), and chunks without any value (Evidently)."""
ALL = ("tail", *NUMBERS, *CATEGORIES)
TESTS = {
    "numeric": ("psi", "jensenshannon", "kl_div", "hellinger", "wasserstein", "ed", "ks", "cramer_von_mises", "anderson", "es"),
    "categorical": ("psi", "jensenshannon", "kl_div", "hellinger", "chisquare", "z"),
}  # fmt: skip


def write(folder: Path) -> None:
    import pyarrow as pa

    from tests.aggregates.logs import written
    from tests.parity.made import binary_log
    from tests.parity.test_made_logs import cut, taken

    for split, seed, rows in (("reference", 1, 1300), ("analysis", 2, 1000)):
        log = binary_log(seed, rows, later=seed == 2)
        order = [at for chunk in cut(log, "size") for at in chunk]
        columns = {name: pa.array(taken(log.columns[name], order)) for name in (*ALL, "score", "told")}
        written(folder / f"{split}.parquet", {**columns, "truth": pa.array(taken(log.labels, order))})


def frames(folder: Path) -> tuple[Any, Any]:
    pd, pq = importlib.import_module("pandas"), importlib.import_module("pyarrow.parquet")
    found = []
    for split in ("reference", "analysis"):
        table = pd.DataFrame(pq.read_table(folder / f"{split}.parquet").to_pydict())
        for name in CATEGORIES:
            table[name] = (
                table[name]
                .map({True: "true", False: "false"})
                .where(table[name].isin([True, False]), table[name])
                .astype(object)
            )
        found.append(table)
    return found[0], found[1]


def plain(value: Any) -> Any:
    """A number that JSON can hold, None for what is none."""
    if value is None or isinstance(value, bool | str):
        return value
    return float(value) if math.isfinite(float(value)) else None


def nannyml(folder: Path) -> dict[str, Any]:
    os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
    nml = importlib.import_module("nannyml")
    reference, analysis = frames(folder)
    found: dict[str, Any] = {"nannyml": nml.__version__}

    def told(name: str, calculator: Any, ref: Any = reference, log: Any = analysis) -> None:
        result = calculator.fit(ref).calculate(log).filter(period="all").to_df()
        result.columns = ["|".join(str(part) for part in column) for column in result.columns]
        kept = [
            column for column in result if column.endswith(("|value", "|upper_threshold", "|lower_threshold", "|alert"))
        ]
        split = next(column for column in result if column.endswith("period"))
        rows = result[result[split] == "analysis"]
        found[name] = {column: [plain(one) for one in rows[column].tolist()] for column in kept}

    sized = {"chunk_size": SIZE}
    told(
        "univariate",
        nml.UnivariateDriftCalculator(
            column_names=[*NUMBERS, *CATEGORIES],
            treat_as_categorical=list(CATEGORIES),
            treat_as_numerical=list(NUMBERS),
            continuous_methods=["jensen_shannon", "kolmogorov_smirnov", "wasserstein", "hellinger"],
            categorical_methods=["jensen_shannon", "chi2", "hellinger", "l_infinity"],
            **sized,
        ),
    )
    told("missing_rate", nml.MissingValuesCalculator(column_names=[*NUMBERS, *CATEGORIES], **sized))
    told("unseen_rate", nml.UnseenValuesCalculator(column_names=list(CATEGORIES), **sized))
    told("out_of_range_rate", nml.NumericalRangeCalculator(column_names=list(NUMBERS), **sized))
    for name, kind in (("mean", "Avg"), ("std", "Std"), ("sum", "Sum"), ("median", "Median")):
        told(name, getattr(nml, f"SummaryStats{kind}Calculator")(column_names=list(NUMBERS), **sized))
    metrics = ["f1", "precision", "recall", "specificity", "accuracy"]
    told(
        "performance",
        nml.PerformanceCalculator(
            problem_type="classification_binary", y_true="truth", y_pred="told", y_pred_proba="score", metrics=metrics, **sized
        ),
    )  # fmt: skip
    return found


def evidently(folder: Path) -> dict[str, Any]:
    ev = importlib.import_module("evidently")
    presets, statistics = importlib.import_module("evidently.presets"), importlib.import_module("evidently.metrics")
    reference, analysis = frames(folder)
    definition = ev.DataDefinition(numerical_columns=["tail", *NUMBERS], categorical_columns=list(CATEGORIES))
    chunks = [analysis.iloc[at : at + SIZE] for at in range(0, len(analysis), SIZE)]

    def asked(metrics: list[Any], chunk: Any, whole: Any) -> list[dict[str, Any]]:
        sides = [ev.Dataset.from_pandas(side[list(ALL)], data_definition=definition) for side in (chunk, whole)]
        return json.loads(ev.Report(metrics).run(*sides).json())["metrics"]

    found: dict[str, Any] = {"evidently": ev.__version__, "default": {}, "tests": {}}
    for name, whole in (("small", reference.iloc[:SMALL]), ("large", reference)):
        for place, chunk in enumerate(chunks):
            columns = {}
            for one in asked([presets.DataDriftPreset(include_tests=False)], chunk, whole):
                config = one["config"]
                if "column" in config:
                    columns[config["column"]] = [config["method"], plain(one["value"]), config["threshold"]]
                else:
                    columns["share"] = one["value"]["share"]
            found["default"][f"{name}|{place}"] = columns
    for kind, names in (("numeric", NUMBERS), ("categorical", CATEGORIES)):
        for column in names:
            for test in TESTS[kind]:
                try:
                    (one,) = asked([statistics.ValueDrift(column=column, method=test)], chunks[0], reference)
                except Exception as error:  # noqa: BLE001  whatever the tool cannot compute is told as such
                    found["tests"][f"{column}|{test}"] = [None, repr(error)[:80]]
                    continue
                found["tests"][f"{column}|{test}"] = [plain(one["value"]), one["config"].get("threshold")]
    return found


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    what, where = sys.argv[1], Path(sys.argv[2])
    if what == "write":
        write(where)
    else:
        json.dump({"nannyml": nannyml, "evidently": evidently}[what](where), sys.stdout, indent=1, ensure_ascii=False)
