"""What a right desk.toml says is what the domain holds."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mlops_desk.config.desk_file import parse_desk, read_desk
from mlops_desk.config.retraining import _is_plain_cron
from mlops_desk.config.source import near_words, nearest
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.metric import Convention, Direction, Family
from mlops_desk.domain.model import BusinessMetric, Desk, Expectation, Labels, Logs, Model, Reference
from mlops_desk.domain.monitor import Monitor
from mlops_desk.domain.retraining import (
    Criterion,
    Gate,
    HttpCall,
    RetrainingSpec,
    RunEnvironment,
    TriggerKind,
    TriggerSpec,
)
from mlops_desk.domain.schema import ColumnRoles, Task
from mlops_desk.domain.slicing import ChunkRule, Incomplete
from mlops_desk.domain.threshold import (
    CalibratedThreshold,
    ConstantThreshold,
    DeviationThreshold,
    IntervalThreshold,
    PValueThreshold,
    QuantileThreshold,
    RateThreshold,
    Severity,
    Threshold,
)

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
FILE = HERE / "desk.toml"
MINIMAL = """\
version = 1
[[models]]
id = "m"
[models.logs]
path = "logs"
[models.reference]
path = "reference.parquet"
[models.columns]
timestamp = "t"
id = "id"
[models.chunks]
every = "1d"
"""
COMMAND = '[models.retraining]\ncommand = ["python"]\n'
FULL = Model(
    id="car-loan",
    name="Car loan",
    task=Task.BINARY,
    logs=Logs(paths=("logs/**/*.parquet",), filter="country = 'DE'"),
    reference=Reference(paths=("reference.parquet",)),
    labels=Labels(paths=("labels/*.parquet",), key="id", target="repaid"),
    columns=ColumnRoles(
        timestamp="timestamp",
        id="id",
        prediction="y_pred",
        score="y_pred_proba",
        positive=1,
        target="repaid",
        version="model_version",
        weight="w",
        latency="latency_ms",
        numeric=("car_value",),
        categorical=("salary_range",),
        protected=("sex", "age_band", "sex×age_band"),
        segments=("region",),
        ignore=("comment",),
    ),
    chunks=ChunkRule(every="1d", incomplete=Incomplete.KEEP, timezone="UTC"),
    monitors=(
        Monitor(
            metrics=("jensen_shannon", "kolmogorov_smirnov"),
            threshold=DeviationThreshold(upper=3, warn=DeviationThreshold(upper=2)),
        ),
    ),
    business=(
        BusinessMetric(
            id="profit",
            sql="sum(case when y_pred = 1 and repaid = 1 then 300 when y_pred = 1 then -2000 else 0 end)",
        ),
    ),
    false_alarms_per_month=1,
    value_matrix=((0, -1), (-2, 3)),
    expectations=(Expectation(column="salary_range", allowed=("0 - 20K €",)),),
    retraining=RetrainingSpec(
        command=("python", "train.py", "--run", "{run_folder}"),
        cwd="training",
        timeout_seconds=7200,
        cooldown_seconds=21600,
        max_runs_per_day=4,
        environment=RunEnvironment(passed=("PATH", "HOME"), set=(("STAGE", "prod"),), secrets=("TRAIN_TOKEN",)),
    ),
    triggers=(TriggerSpec(kind=TriggerKind.SCHEDULE, cron="0 2 * * 1"),),
    gate=Gate(
        candidate="{run_folder}/candidate.parquet",
        criteria=(
            Criterion(metric="roc_auc", min=0.70, min_gain=0.0),
            Criterion(metric="equalized_odds_difference", max=0.10),
        ),
        promote_command=("python", "promote.py", "--run", "{run_folder}"),
    ),
)


def model(text: str) -> Model:
    [found] = parse_desk(text, FILE).models
    return found


def test_reads_the_whole_contract() -> None:
    file = HERE / "full.toml"
    assert read_desk(file) == Desk(name="Consumer lending", folder=HERE, file=file, models=(FULL,))


def test_the_contract_is_the_one_of_the_design(shared: Path) -> None:
    design = shared / "DESIGN.md"
    if not design.exists():
        pytest.skip(f"no design at {design}")
    example = design.read_text(encoding="utf-8").split("```toml\n", 1)[1].split("```", 1)[0]
    assert parse_desk(example, FILE).models == (FULL,)


def test_reads_the_sample_workspace() -> None:
    desk = read_desk(CHECKOUT / "resources" / "samples")
    assert [found.id for found in desk.models] == ["census-employment", "flight-delay", "car-loan"]
    assert desk.folder == CHECKOUT / "resources" / "samples"


def test_what_is_left_out_has_its_default() -> None:
    desk = parse_desk(MINIMAL, Path("/w/lending/desk.toml"))
    assert (desk.name, desk.history_days, desk.version) == ("lending", 400, 1)
    assert desk.models == (
        Model(
            id="m",
            name="m",
            task=None,
            logs=Logs(paths=("logs",)),
            reference=Reference(paths=("reference.parquet",)),
            columns=ColumnRoles(timestamp="t", id="id"),
            chunks=ChunkRule(every="1d"),
        ),
    )
    assert parse_desk(MINIMAL + "[store]\nkeep = '2w'", FILE).history_days == 14


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('path = ["a.parquet", "b"]', Reference(paths=("a.parquet", "b"))),
        ("from = 2018-01-01\nto = 2018-02-01", Reference(start=datetime(2018, 1, 1), end=datetime(2018, 2, 1))),
        (
            "from = '2018-01-01'\nto = '2018-01-01T06:00:00+02:00'",
            Reference(start=datetime(2018, 1, 1), end=datetime(2018, 1, 1, 6, tzinfo=timezone(timedelta(hours=2)))),
        ),
        (
            "from = 2018-01-01T00:00:00Z\nto = 2018-01-02 03:00:00",
            Reference(start=datetime(2018, 1, 1, tzinfo=UTC), end=datetime(2018, 1, 2, 3)),
        ),
        ("rolling = '30d'", Reference(rolling="30d")),
        ("previous_chunks = 7", Reference(previous_chunks=7)),
        ("expanding = true", Reference(expanding=True)),
    ],
)
def test_reads_each_reference(text: str, expected: Reference) -> None:
    assert model(MINIMAL.replace('path = "reference.parquet"', text)).reference == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *[
            (f"every = '{every}'", ChunkRule(every=every))
            for every in ("1h", "6h", "1d", "1w", "1mo", "1q", "1y", "15d")
        ],
        ("size = 5000\nincomplete = 'drop'", ChunkRule(size=5000, incomplete=Incomplete.DROP)),
        ("number = 10\nincomplete = 'append'", ChunkRule(number=10, incomplete=Incomplete.APPEND)),
        ("every = '1d'\ntimezone = 'Europe/Berlin'", ChunkRule(every="1d", timezone="Europe/Berlin")),
    ],
)
def test_reads_each_cut_into_chunks(text: str, expected: ChunkRule) -> None:
    assert model(MINIMAL.replace('every = "1d"', text)).chunks == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "{ kind = 'constant', lower = 0.8, upper = 1.2, warn = { lower = 0.9 }, consecutive = 2 }",
            ConstantThreshold(lower=0.8, upper=1.2, warn=ConstantThreshold(lower=0.9), consecutive=2),
        ),
        ("{ kind = 'constant', upper = 2, warn = 1 }", ConstantThreshold(upper=2, warn=ConstantThreshold(upper=1))),
        ("{ kind = 'constant', lower = 2, warn = 3 }", ConstantThreshold(lower=2, warn=ConstantThreshold(lower=3))),
        (
            "{ kind = 'deviation', lower = 3, upper = 4, warn = 2 }",
            DeviationThreshold(lower=3, upper=4, warn=DeviationThreshold(lower=2, upper=2)),
        ),
        (
            "{ kind = 'quantile', lower = 0.01, warn = { lower = 0.05 } }",
            QuantileThreshold(lower=0.01, warn=QuantileThreshold(lower=0.05)),
        ),
        ("{ kind = 'p_value' }", PValueThreshold(max=0.05)),
        ("{ kind = 'p_value', max = 0.01, warn = 0.05 }", PValueThreshold(max=0.01, warn=PValueThreshold(max=0.05))),
        (
            "{ kind = 'p_value', max = 0.01, warn = { max = 0.02 } }",
            PValueThreshold(max=0.01, warn=PValueThreshold(max=0.02)),
        ),
        ("{ kind = 'calibrated' }", CalibratedThreshold()),
        ("{ kind = 'calibrated', warn = 5 }", CalibratedThreshold(warn_factor=5)),
        (
            "{ kind = 'calibrated', warn = { factor = 5 }, consecutive = 3 }",
            CalibratedThreshold(warn_factor=5, consecutive=3),
        ),
        ("{ kind = 'interval', lower = 0.8 }", IntervalThreshold(lower=0.8)),
        ("{ kind = 'rate', sampling_errors = 4, margin = 0 }", RateThreshold(sampling_errors=4, margin=0)),
    ],
)
def test_reads_each_threshold(text: str, expected: Threshold) -> None:
    [monitor] = model(MINIMAL + f"[[models.monitors]]\nfamily = 'fairness'\nthreshold = {text}").monitors
    assert monitor == Monitor(family=Family.FAIRNESS, threshold=expected)
    inline = text.strip("{} ").replace("warn = {", "warn = [").replace(", ", "\n")
    if "[" not in inline:
        [monitor] = model(
            MINIMAL + f"[[models.monitors]]\nfamily = 'fairness'\n[models.monitors.threshold]\n{inline}"
        ).monitors
        assert monitor.threshold == expected


def test_reads_all_of_a_monitor() -> None:
    text = """
[[models.monitors]]
metrics = ["mann_whitney"]
columns = ["age"]
segments = ["*", "region"]
convention = "evidently"
exact = true
exact_rows = 0
min_rows = 10
min_group_rows = 5
severity = "warning"
"""
    [monitor] = model(MINIMAL + text).monitors
    assert monitor == Monitor(
        metrics=("mann_whitney",),
        columns=("age",),
        segments=("*", "region"),
        convention=Convention.EVIDENTLY,
        exact=True,
        exact_rows=0,
        min_rows=10,
        min_group_rows=5,
        severity=Severity.WARNING,
    )


def test_reads_the_columns_of_several_classes() -> None:
    text = MINIMAL.replace('id = "m"', 'id = "m"\ntask = "multiclass"') + (
        "[models.columns.score]\nprime = 'p_prime'\n'up market' = 'p_up'"
    )
    assert model(text).columns.scores == (("prime", "p_prime"), ("up market", "p_up"))


def test_reads_business_expectations_and_the_direction() -> None:
    text = """
[[models.business]]
id = "cost_per_row"
sql = "avg(cost)"
higher_is = "worse"
[[models.expectations]]
column = "a"
type = "integer"
not_null = true
unique = true
allowed = [1, 2.5, "x", true]
min = 0
max = 9
pattern = "^a"
max_missing_rate = 0.1
max_unseen_rate = 0
"""
    found = model(MINIMAL + text)
    assert found.business == (BusinessMetric(id="cost_per_row", sql="avg(cost)", higher_is=Direction.LOWER),)
    assert found.expectations == (
        Expectation(
            column="a",
            type="integer",
            not_null=True,
            unique=True,
            allowed=(1, 2.5, "x", True),
            min=0,
            max=9,
            pattern="^a",
            max_missing_rate=0.1,
            max_unseen_rate=0,
        ),
    )


def test_reads_a_call_that_retrains_elsewhere() -> None:
    text = """
[models.retraining]
environment = { secrets = ["TOKEN"] }
[models.retraining.http]
url = "https://trainer.example/{model}"
headers = { Authorization = "Bearer {TOKEN}" }
body = '{"reason": "{reason}"}'
"""
    spec = model(MINIMAL + text).retraining
    assert spec is not None
    assert spec.command == ()
    assert spec.http == HttpCall(
        url="https://trainer.example/{model}",
        method="POST",
        headers=(("Authorization", "Bearer {TOKEN}"),),
        body='{"reason": "{reason}"}',
    )


def test_reads_triggers_and_promotion() -> None:
    text = """
[[models.triggers]]
kind = "schedule"
cron = "*/15 8-18 * * mon-fri"
timezone = "Europe/Berlin"
armed = true
[[models.triggers]]
kind = "data"
min_new_labels = 100
[[models.triggers]]
kind = "alert"
metric = "roc_auc"
consecutive = 2
[models.gate.promote.mlflow]
name = "m"
alias = "champion"
"""
    found = model(MINIMAL + COMMAND + text)
    assert found.triggers == (
        TriggerSpec(kind=TriggerKind.SCHEDULE, armed=True, cron="*/15 8-18 * * mon-fri", timezone="Europe/Berlin"),
        TriggerSpec(kind=TriggerKind.DATA, min_new_labels=100),
        TriggerSpec(kind=TriggerKind.ALERT, metric="roc_auc", consecutive=2),
    )
    assert found.gate == Gate(promote_mlflow=(("name", "m"), ("alias", "champion")))


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("2h", 7200), ("1.5h", 5400), ("30d", 2592000), ("1w", 604800)]
)
def test_reads_durations(text: str, seconds: float) -> None:
    spec = model(MINIMAL + COMMAND + f"timeout = '{text}'\ncooldown = '{text}'").retraining
    assert spec is not None
    assert (spec.timeout_seconds, spec.cooldown_seconds) == (seconds, seconds)


cron_fields = st.one_of(
    st.just("*"), st.integers(-1, 70).map(str), st.sampled_from(["*/5", "1-5", "L", "?", "a", "07"])
)


@given(st.lists(cron_fields, min_size=4, max_size=6).map(" ".join))
def test_plans_taken_without_croniter_are_taken_by_it(text: str) -> None:
    from croniter import croniter

    if _is_plain_cron(text):
        assert croniter.is_valid(text)
        assert croniter(text, datetime(2023, 1, 1)).get_next(datetime) > datetime(2023, 1, 1)


def test_a_workspace_is_named_by_its_folder_or_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "desk.toml").write_text(MINIMAL, encoding="utf-8")
    desk = read_desk(tmp_path)
    assert (desk.folder, desk.file) == (tmp_path, tmp_path / "desk.toml")
    assert read_desk(tmp_path / "desk.toml") == desk
    monkeypatch.chdir(tmp_path)
    assert read_desk(Path()) == read_desk(Path("desk.toml")) == read_desk(Path("x/../desk.toml")) == desk


def test_files_of_other_editors_are_read(tmp_path: Path) -> None:
    file = tmp_path / "desk.toml"
    file.write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert read_desk(file).models[0].id == "m"
    file.write_bytes(b"version = 1\r\nname = 'K\xf6ln'\r\n")
    with pytest.raises(UserError) as raised:
        read_desk(file)
    assert str(raised.value) == f"{file}:2: this is not UTF-8 text: save the file in UTF-8"


def test_says_where_it_looked(tmp_path: Path) -> None:
    file = tmp_path / "desk.toml"
    with pytest.raises(UserError) as raised:
        read_desk(tmp_path)
    hint = "`mlops-desk init` writes one, or name the folder that holds desk.toml"
    assert str(raised.value) == f"{file} does not exist: {hint}"
    with pytest.raises(UserError, match="desk.toml does not exist"):
        read_desk(tmp_path / "nowhere")
    log = tmp_path / "log.parquet"
    log.touch()
    with pytest.raises(UserError) as raised:
        read_desk(log)
    assert str(raised.value) == f"{log} is not a workspace: name a folder that holds desk.toml, or the desk.toml"
    file.mkdir()
    with pytest.raises(UserError, match="cannot be read: Is a directory" if os.name != "nt" else "cannot be read"):
        read_desk(tmp_path)


def test_older_formats_are_lifted_step_by_step() -> None:
    def rename(content: dict[str, object]) -> dict[str, object]:
        return {"title" if key == "name" else key: value for key, value in content.items()}

    def rename_back(content: dict[str, object]) -> dict[str, object]:
        return {"name" if key == "title" else key: value for key, value in content.items()}

    text = MINIMAL.replace("version = 1", 'version = 1\nname = "n"')
    desk = parse_desk(text, FILE, (rename, rename_back))
    assert (desk.name, desk.version) == ("n", 3)
    assert parse_desk(text.replace("version = 1", "version = 3"), FILE, (rename, rename_back)) == desk
    assert parse_desk(text.replace("1\nname", "2\ntitle"), FILE, (rename, rename_back)) == desk
    assert replace(desk, version=1) == parse_desk(text, FILE)
    with pytest.raises(UserError, match=r":1: version 4 is newer than this program knows \(3\): update MLOps Desk"):
        parse_desk(text.replace("version = 1", "version = 4"), FILE, (rename, rename_back))
    with pytest.raises(UserError, match=r"desk.toml:1: title is not a key here"):
        parse_desk(text, FILE, (rename,))


def test_nearness() -> None:
    assert near_words("Timestmap", ["timestamp", "target", "time"]) == ["timestamp"]
    assert near_words("xyz", ["timestamp"]) == []
    assert (
        nearest("q", [f"k{index}" for index in range(14)])
        == "there are k0, k1, k2, k3, k4, k5, k6, k7, k8, k9, k10, k11 …"
    )
    assert nearest("ago", ["age", "agio"]) == "did you mean agio?"
    assert nearest("b_x", ["a_x", "c_x"]) == "did you mean c_x or a_x?"


def test_reading_loads_nothing_heavy() -> None:
    """Reading belongs to every command, also to a `run` that finds nothing new."""
    look = """
import sys
from pathlib import Path
from mlops_desk.config.desk_file import read_desk
read_desk(Path(sys.argv[1]))
print([name for name in ("tomlkit", "croniter", "difflib", "json", "numpy") if name in sys.modules])
"""
    command = [sys.executable, "-c", look, str(CHECKOUT / "resources" / "samples")]
    assert subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.strip() == "[]"
