"""Train a candidate for one model of this workspace on its logged features and on the labels that have arrived.

    python train.py --run FOLDER --model ID

Reads ../desk.toml and the Parquet files it names, keeps the last part of time as a hold-out, and writes into FOLDER:
model.joblib, metrics.json and candidate.parquet (the candidate's predictions for the hold-out, under the log's own
column names). Prints `progress STAGE/STAGES loss L auc A` after each stage, both measured on the hold-out. Exit code 1
with one line on stderr if it cannot train; SIGTERM ends it at once, without a candidate. It needs pyarrow and
scikit-learn, and nothing of MLOps Desk: put your own command in its place.

All logged columns without a role are features, protected attributes too unless --without-protected is given. Only
[models.columns], [models.logs] path, [models.reference] path and [models.labels] of desk.toml are read.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pyarrow as pa
    from sklearn.ensemble import HistGradientBoostingClassifier

HOME = Path(__file__).resolve().parents[1]
"""The workspace that this script lies in."""

MAX_CATEGORIES = 254
"""Of one feature, the most frequent first: the learner's limit. The others count as missing."""

TEXT_TYPES = ("string", "large_string", "string_view", "dictionary<values=string, indices=int32, ordered=0>")
"""Column types that are categories, beside booleans and what desk.toml calls categorical."""

MIN_ROWS = 200
"""Labelled rows below which nothing is trained."""


class TrainingError(Exception):
    """Why no candidate can be trained, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Labelled rows in time order: everything that was logged, and whether the label is the positive class."""

    table: pa.Table
    positive: np.ndarray[Any, Any]

    def part(self, start: int, stop: int) -> Rows:
        """Return the rows from `start` up to `stop`."""
        return Rows(table=self.table.slice(start, stop - start), positive=self.positive[start:stop])


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """The columns to learn from; `categories` holds the known values of each categorical one."""

    names: tuple[str, ...]
    categories: dict[str, list[str]]

    def matrix(self, table: pa.Table) -> np.ndarray[Any, Any]:
        """Return rows × features as floats: numbers as they are, categories by position, NaN where missing or unknown."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        columns = []
        for name in self.names:
            column = table[name]
            if name in self.categories:
                known = pa.array(self.categories[name], pa.string())
                column = pc.index_in(column.cast(pa.string()), value_set=known)
            columns.append(np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False)))
        return np.column_stack(columns)


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)


def stop_at_once(*_: object) -> None:
    """End the process on SIGTERM: files are put in place by renaming, so nothing half-written is left."""
    say("stopped: no candidate was written")
    os._exit(128 + signal.SIGTERM)


def model_entry(workspace: Path, model: str) -> dict[str, Any]:
    """Return the model's table of desk.toml."""
    file = workspace / "desk.toml"
    try:
        desk = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TrainingError(f"there is no desk.toml in {workspace}; name its folder with --workspace") from None
    except tomllib.TOMLDecodeError as error:
        raise TrainingError(f"desk.toml cannot be read: {error}") from None
    entries = {entry.get("id"): entry for entry in desk.get("models", [])}
    if model not in entries:
        raise TrainingError(f"desk.toml has no model {model!r}; it has {', '.join(map(str, entries)) or 'none'}")
    entry: dict[str, Any] = entries[model]
    if entry.get("task") != "binary":
        raise TrainingError(f"this script trains binary classifiers, and the task of {model} is {entry.get('task')!r}")
    if "filter" in entry["logs"]:
        raise TrainingError(f"this script does not speak SQL: it cannot apply the filter in [models.logs] of {model}")
    if not entry.get("columns", {}).get("id"):
        raise TrainingError(f"[models.columns] of {model} names no id: the candidate's rows could not be found again")
    return entry


def parquet_files(workspace: Path, paths: str | list[str]) -> list[Path]:
    """Return the files that a path, a glob, a folder or a list of them stands for, in order of name."""
    found: set[Path] = set()
    for path in [paths] if isinstance(paths, str) else paths:
        target = workspace / path
        if target.is_file():
            found.add(target)
        elif target.is_dir():
            found.update(target.rglob("*.parquet"))
        else:
            found.update(Path(target.anchor).glob(str(target.relative_to(target.anchor))))
    return sorted(found)


def read(workspace: Path, paths: str | list[str], what: str) -> pa.Table:
    """Return the rows of all files one after the other; a column that a file lacks is NULL there."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = parquet_files(workspace, paths)
    if not files:
        raise TrainingError(f"no Parquet files of the {what} at {paths}")
    tables = []
    for file in files:
        try:
            tables.append(pq.read_table(file, partitioning=None))
        except (OSError, pa.ArrowInvalid) as error:
            reason = str(error).splitlines()[0]
            raise TrainingError(f"{file.relative_to(workspace)} cannot be read as Parquet: {reason}") from None
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowTypeError as error:
        raise TrainingError(f"the files of the {what} disagree about a column's type: {error}") from None


def is_positive(column: pa.ChunkedArray, positive: str | float) -> pa.ChunkedArray:
    """Return which labels are the positive class, NULL where there is no label."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(positive, str):
        return pc.equal(column.cast(pa.string()), positive)
    try:
        numbers = column.cast(pa.float64()) if not pa.types.is_boolean(column.type) else column.cast(pa.int8())
    except pa.ArrowInvalid:
        raise TrainingError(f"the labels are {column.type} and the positive class is {positive}") from None
    if pa.types.is_floating(numbers.type):
        numbers = pc.if_else(pc.is_nan(numbers), None, numbers)
    return pc.equal(numbers, float(positive))


def label_by_id(workspace: Path, labels: dict[str, Any], positive: str | float) -> pa.Table:
    """Return (key, positive) with one row an id: equal duplicates are one, conflicting ones are none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = read(workspace, labels["path"], "labels")
    missing = [name for name in (labels["key"], labels["target"]) if name not in table.column_names]
    if missing:
        raise TrainingError(f"the labels have no column {missing[0]!r}; they have {', '.join(table.column_names)}")
    answers = pa.table({"key": table[labels["key"]], "positive": is_positive(table[labels["target"]], positive)})
    grouped = answers.drop_null().group_by("key").aggregate([("positive", "min"), ("positive", "max")])
    agreed = grouped.filter(pc.equal(grouped["positive_min"], grouped["positive_max"]))
    return pa.table({"key": agreed["key"], "positive": agreed["positive_min"]})


def keys_like(keys: pa.ChunkedArray, ids: pa.ChunkedArray) -> pa.Array:
    """Return the labels' keys in the type of the log's ids."""
    import pyarrow as pa

    try:
        return keys.cast(ids.type).combine_chunks()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise TrainingError(f"the labels' keys are {keys.type} and the log's ids {ids.type}: they never meet") from None


def labelled_rows(workspace: Path, entry: dict[str, Any]) -> Rows:
    """Return every logged row whose label is known, reference included, in time order."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = entry["columns"]
    positive = columns.get("positive", 1)
    target = columns.get("target") or entry.get("labels", {}).get("target")
    sources = [read(workspace, entry["logs"]["path"], "prediction log")]
    if "path" in entry.get("reference", {}):
        sources.insert(0, read(workspace, entry["reference"]["path"], "reference"))
    labels = label_by_id(workspace, entry["labels"], positive) if "labels" in entry else None
    parts = []
    for source in sources:
        table = source
        if columns["id"] not in table.column_names:
            raise TrainingError(f"there is no column {columns['id']!r}; there are {', '.join(table.column_names)}")
        answer: Any = pa.chunked_array([pa.nulls(len(table), pa.bool_())])
        if target in table.column_names:
            answer = is_positive(table[target], positive)
            table = table.drop_columns([target])
        if labels is not None:
            place = pc.index_in(table[columns["id"]], value_set=keys_like(labels["key"], table[columns["id"]]))
            answer = pc.coalesce(labels["positive"].combine_chunks().take(place), answer)
        parts.append(table.append_column("\x00positive", answer).filter(pc.is_valid(answer)))
    rows = pa.concat_tables(parts, promote_options="permissive")
    if columns.get("timestamp"):
        order = pc.sort_indices(rows, sort_keys=[(columns["timestamp"], "ascending")])
        rows = rows.take(order)
    outcome = rows["\x00positive"].to_numpy(zero_copy_only=False).astype(bool)
    if len(outcome) < MIN_ROWS:
        raise TrainingError(f"only {len(outcome)} rows have a label so far; it takes {MIN_ROWS} to train")
    return Rows(table=rows.drop_columns(["\x00positive"]), positive=outcome)


def features_of(table: pa.Table, columns: dict[str, Any], *, protected: bool) -> Features:
    """Return what to learn from: all columns but those with a role, the ignored and, unless wanted, the protected ones.

    Dates, times and nested columns are left out too.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    roles = {value for value in columns.values() if isinstance(value, str)}
    left_out = roles | set(columns.get("ignore", []))
    if not protected:
        left_out |= {name for attribute in columns.get("protected", []) for name in attribute.split("×")}
    names, categories = [], {}
    for name in (name for name in table.column_names if name not in left_out):
        kind = table.schema.field(name).type
        number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        if name in columns.get("categorical", []) or pa.types.is_boolean(kind) or str(kind) in TEXT_TYPES:
            counts = pc.value_counts(table[name].cast(pa.string()).drop_null())
            ranked = sorted(counts.to_pylist(), key=lambda pair: (-pair["counts"], pair["values"]))
            categories[name] = [pair["values"] for pair in ranked[:MAX_CATEGORIES]]
        elif not number:
            continue
        names.append(name)
    if not names:
        raise TrainingError("the log holds no features: every column has a role or is left out")
    return Features(names=tuple(names), categories=categories)


def split_by_time(rows: Rows, holdout: float) -> tuple[Rows, Rows]:
    """Return the earlier rows and the last `holdout` share of them."""
    count = len(rows.positive)
    cut = count - max(1, round(count * holdout))
    before, after = rows.part(0, cut), rows.part(cut, count)
    for name, part in (("training rows", before), ("hold-out", after)):
        if part.positive.all() or not part.positive.any():
            raise TrainingError(f"the {name} hold one class only: there is nothing to tell apart")
    return before, after


def fit(
    features: Features, before: Rows, after: Rows, *, stages: int, trees: int
) -> tuple[HistGradientBoostingClassifier, np.ndarray[Any, Any], list[dict[str, float]]]:
    """Return the fitted model, its scores of the hold-out and what each stage reached there."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import log_loss, roc_auc_score

    inputs, unseen = features.matrix(before.table), features.matrix(after.table)
    model = HistGradientBoostingClassifier(
        learning_rate=0.08,
        max_leaf_nodes=31,
        early_stopping=False,
        warm_start=True,
        random_state=0,
        categorical_features=[name in features.categories for name in features.names],
    )
    history = []
    for stage in range(1, stages + 1):
        model.set_params(max_iter=stage * trees)
        model.fit(inputs, before.positive)
        scores = model.predict_proba(unseen)[:, 1]
        loss, auc = float(log_loss(after.positive, scores)), float(roc_auc_score(after.positive, scores))
        history.append({"stage": stage, "log_loss": loss, "roc_auc": auc})
        say(f"progress {stage}/{stages} loss {loss:.4f} auc {auc:.4f}")
    return model, scores, history


def champion_threshold(table: pa.Table, columns: dict[str, Any]) -> float:
    """Return the score from which the log predicts the positive class: as configured, as seen in the log, else 0.5."""
    import pyarrow.compute as pc

    if "decision_threshold" in columns:
        return float(columns["decision_threshold"])
    if "prediction" not in columns or "score" not in columns:
        return 0.5
    chosen = is_positive(table[columns["prediction"]], columns.get("positive", 1))
    highest = pc.max(table[columns["score"]].filter(pc.invert(chosen))).as_py()
    lowest = pc.min(table[columns["score"]].filter(chosen)).as_py()
    return (highest + lowest) / 2 if highest is not None and lowest is not None and highest < lowest else 0.5


def candidate_table(after: Rows, columns: dict[str, Any], scores: np.ndarray[Any, Any], threshold: float) -> pa.Table:
    """Return id, prediction and score of the hold-out as the log would have held them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = after.table
    result = {columns["id"]: table[columns["id"]]}
    if columns.get("prediction"):
        logged = table[columns["prediction"]]
        chosen = is_positive(logged, columns.get("positive", 1))
        classes = [pc.unique(logged.filter(which)) for which in (pc.invert(chosen), chosen)]
        if any(len(values) != 1 for values in classes):
            raise TrainingError(f"the column {columns['prediction']!r} does not hold two classes in the hold-out")
        result[columns["prediction"]] = pa.concat_arrays(classes).take(pa.array((scores >= threshold).astype("int8")))
    if columns.get("score"):
        result[columns["score"]] = pa.array(scores).cast(table[columns["score"]].type)
    return pa.table(result)


def report(after: Rows, columns: dict[str, Any], history: list[dict[str, float]]) -> dict[str, Any]:
    """Return the candidate's figures on the hold-out, and the champion's on the same rows where it logged a score."""
    import numpy as np
    from sklearn.metrics import log_loss, roc_auc_score

    figures: dict[str, Any] = {name: history[-1][name] for name in ("roc_auc", "log_loss")}
    if columns.get("score"):
        scores = np.asarray(after.table[columns["score"]].to_numpy(zero_copy_only=False), dtype=float)
        if np.isfinite(scores).all():
            figures["champion_roc_auc"] = float(roc_auc_score(after.positive, scores))
            if scores.min() >= 0 and scores.max() <= 1:
                figures["champion_log_loss"] = float(log_loss(after.positive, scores))
    return figures


def train(options: argparse.Namespace) -> None:
    """Train the candidate and write what it is into the run's folder; candidate.parquet comes last."""
    started = time.monotonic()
    workspace = options.workspace.resolve()
    entry = model_entry(workspace, options.model)
    columns = entry["columns"]
    say(f"reading the log and the labels of {options.model}")
    rows = labelled_rows(workspace, entry)
    before, after = split_by_time(rows, options.holdout)
    features = features_of(before.table, columns, protected=not options.without_protected)
    say(f"{len(before.positive):,} rows to learn from, the last {len(after.positive):,} held out")
    say(f"{len(features.names)} features: {', '.join(features.names)}")
    model, scores, history = fit(features, before, after, stages=options.stages, trees=options.trees)
    threshold = champion_threshold(rows.table, columns)
    candidate = candidate_table(after, columns, scores, threshold)
    figures = report(after, columns, history)
    details = {
        "model": options.model,
        **figures,
        "rows_trained": len(before.positive),
        "rows_held_out": len(after.positive),
        "decision_threshold": threshold,
        "features": list(features.names),
        "stages": history,
        "seconds": round(time.monotonic() - started, 2),
    }
    save(options.run, model, features, details, candidate)
    against = f", champion {figures['champion_roc_auc']:.4f}" if "champion_roc_auc" in figures else ""
    say(f"candidate written: auc {figures['roc_auc']:.4f}{against} on the same {len(after.positive):,} rows")


def save(
    folder: Path,
    model: HistGradientBoostingClassifier,
    features: Features,
    details: dict[str, Any],
    candidate: pa.Table,
) -> None:
    """Write the three files, each under another name first and then renamed."""
    import joblib
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    fitted = {"model": model, "features": list(features.names), "categories": features.categories}
    writers: dict[str, Callable[[Path], object]] = {
        "model.joblib": lambda path: joblib.dump(fitted, path, compress=3),
        "metrics.json": lambda path: path.write_text(json.dumps(details, indent=2, ensure_ascii=False) + "\n", "utf-8"),
        "candidate.parquet": lambda path: pq.write_table(candidate, path, compression="zstd"),
    }
    for name, write in writers.items():
        unfinished = folder / f".{name}.unfinished"
        write(unfinished)
        unfinished.replace(folder / name)


def share(text: str) -> float:
    """Return the hold-out's share of the rows."""
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def at_least_one(text: str) -> int:
    """Return a count that is not zero."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return value


def main(arguments: list[str] | None = None) -> int:
    """Return the exit code."""
    signal.signal(signal.SIGTERM, stop_at_once)
    parser = argparse.ArgumentParser(description="Train a candidate for one model of this workspace.")
    parser.add_argument("--run", type=Path, required=True, help="folder to write into")
    parser.add_argument("--model", required=True, help="id of the model in desk.toml")
    parser.add_argument("--workspace", type=Path, default=HOME, help="folder of desk.toml (default the one above)")
    parser.add_argument("--stages", type=at_least_one, default=12, help="progress lines (default 12)")
    parser.add_argument("--trees", type=at_least_one, default=10, help="trees of each stage (default 10)")
    parser.add_argument("--holdout", type=share, default=0.15, help="share of the rows kept for judging (default 0.15)")
    parser.add_argument("--without-protected", action="store_true", help="learn nothing from protected attributes")
    try:
        train(parser.parse_args(arguments))
    except (TrainingError, OSError) as error:
        print(f"train.py: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    # One thread is as quick on logs of this size, and leaves the other processors to whoever is watching.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
