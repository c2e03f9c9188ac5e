"""A desk.toml that is written reads back as the same models, tells the reasons, and replaces nothing."""

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import IO, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mlops_desk.config.desk_file import parse_desk, read_desk
from mlops_desk.config.writing import ModelDraft, desk_text, write_desk
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.metric import Convention, Direction, Family
from mlops_desk.domain.model import (
    EXPECTED_TYPES,
    BusinessMetric,
    Expectation,
    Labels,
    Logs,
    Model,
    ObjectAccess,
    Reference,
)
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
from mlops_desk.domain.schema import Column, ColumnRoles, Kind, Role, Task
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
)

FILE = Path(__file__).resolve().with_name("desk.toml")

anything = st.text(st.characters(codec="utf-8", exclude_characters="\0{}"), max_size=6)
texts = (st.sampled_from(["a", 'q"', "b\\", "é'", "x\ny", "#=[]", "\x7f", "sex", "t t"]) | anything).filter(str.strip)
names = texts.filter(lambda name: "×" not in name)
ids = st.from_regex(r"[a-z0-9-]{1,6}", fullmatch=True)
metric_ids = st.from_regex(r"[a-z0-9_-]{1,6}", fullmatch=True)
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-5, 5).map(float)
levels = st.floats(0, 1)
counts = st.integers(1, 10**9)
scalars = texts | numbers | st.integers(-(10**12), 10**12) | st.booleans()
timezones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"])
periods = st.sampled_from(["1h", "6h", "1d", "30d", "1w", "1mo", "1q", "1y"])
seconds = st.floats(1e-6, 1e9) | st.integers(1, 10**7).map(float)
objects = st.sampled_from(["s3://b/logs", "s3://b/a*/**", "S3://b/ü", "gs://b/x"])
paths = st.lists(texts.filter(lambda text: "://" not in text) | objects, min_size=1, max_size=3, unique=True).map(tuple)
accesses = st.builds(
    ObjectAccess,
    region=st.none() | st.just("eu-west-1"),
    endpoint=st.none() | st.just("http://localhost:9000"),
    anonymous=st.booleans(),
)


Reached = TypeVar("Reached", Logs, Reference, Labels)


def reached(section: Reached, access: ObjectAccess, logs: Logs) -> Reached:
    """A section that says how its objects are reached, where it has any; what it does not say holds as in the logs."""
    schemes, known = ({path[:2].lower() for path in one.paths if "://" in path} for one in (section, logs))
    if not schemes:
        return section
    before = logs.access if schemes <= known else ObjectAccess()
    region = access.region if "s3" in schemes else None
    whole = replace(access, region=region or before.region, endpoint=access.endpoint or before.endpoint)
    return replace(section, access=whole)


def some(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | strategy


@st.composite
def sides(draw: st.DrawFn, values: st.SearchStrategy[float], outward: bool = False) -> tuple[dict, dict | None]:
    """The limits of an alert, and those of a warning that comes before it or none."""
    low, warn_low, warn_high, high = sorted(draw(st.tuples(values, values, values, values)))
    if outward:
        low, warn_low = warn_low, low
    alert, warn = {"lower": low, "upper": high}, {"lower": warn_low, "upper": warn_high}
    for limits in (alert, warn):
        if absent := draw(st.sampled_from([None, "lower", "upper"])):
            limits[absent] = None
    return alert, draw(st.sampled_from([warn, None]))


@st.composite
def thresholds(draw: st.DrawFn) -> object:
    consecutive = draw(st.integers(1, 5))
    kind = draw(
        st.sampled_from(
            [
                ConstantThreshold,
                DeviationThreshold,
                QuantileThreshold,
                PValueThreshold,
                CalibratedThreshold,
                IntervalThreshold,
                RateThreshold,
            ]
        )
    )
    if kind is PValueThreshold:
        least, most = sorted(draw(st.tuples(levels, levels)))
        return kind(max=least, warn=draw(st.sampled_from([None, kind(max=most)])), consecutive=consecutive)
    if kind is CalibratedThreshold:
        return kind(warn_factor=draw(st.floats(1, 1e6)), consecutive=consecutive)
    if kind is RateThreshold:
        return kind(sampling_errors=draw(st.floats(0, 9)), margin=draw(levels), consecutive=consecutive)
    values = {QuantileThreshold: levels, DeviationThreshold: st.floats(0, 99)}.get(kind, numbers)
    alert, warn = draw(sides(values, outward=kind is DeviationThreshold))
    if kind is IntervalThreshold:
        return kind(**alert, consecutive=consecutive)
    return kind(**alert, warn=kind(**warn) if warn else None, consecutive=consecutive)


@st.composite
def monitors(draw: st.DrawFn) -> Monitor:
    metrics = tuple(draw(st.lists(metric_ids, max_size=3, unique=True)))
    return Monitor(
        metrics=metrics,
        family=draw(st.sampled_from(Family) if not metrics else some(st.sampled_from(Family))),
        columns=draw(st.just(("*",)) | paths),
        segments=draw(st.just(("*",)) | paths),
        convention=draw(st.sampled_from(Convention)),
        exact=draw(st.booleans()),
        exact_rows=draw(st.integers(0, 10**7)),
        min_rows=draw(counts),
        min_group_rows=draw(counts),
        threshold=draw(some(thresholds())),
        severity=draw(st.sampled_from(Severity)),
    )


@st.composite
def roles(draw: st.DrawFn, task: Task | None, timed: bool, labelled: bool) -> ColumnRoles:
    pool = iter(draw(st.lists(names, min_size=24, max_size=24, unique=True)))
    protected = [next(pool), next(pool)]
    binary = task is Task.BINARY
    score = next(pool) if binary and draw(st.booleans()) else None
    lists = {
        key: tuple(next(pool) for _ in range(draw(st.integers(0, 2))))
        for key in ("numeric", "categorical", "segments", "ignore")
    }
    return ColumnRoles(
        timestamp=next(pool) if timed else None,
        id=next(pool) if labelled else None,
        prediction=next(pool) if task else None,
        score=score,
        scores=tuple((name, next(pool)) for name in draw(st.lists(anything, min_size=2, max_size=3, unique=True)))
        if task is Task.MULTICLASS
        else (),
        positive=draw(some(scalars)) if binary else None,
        decision_threshold=draw(some(numbers)) if score else None,
        target=draw(some(st.just(next(pool)))),
        version=draw(some(st.just(next(pool)))),
        latency=draw(some(st.just(next(pool)))),
        protected=draw(st.sampled_from([(), ("×".join(part.strip() for part in protected),), tuple(protected)])),
        **lists,
    )


@st.composite
def references(draw: st.DrawFn, timed: bool, every: str | None, logs: Logs) -> Reference:
    """`every` is the length of the chunks where they are of time."""
    of_time = [*(["between"] if timed else []), *(["rolling"] if every else [])]
    kind = draw(st.sampled_from(["paths", "previous", "expanding", *of_time]))

    match kind:
        case "paths":
            return reached(Reference(paths=draw(paths)), draw(accesses), logs)
        case "previous":
            return Reference(previous_chunks=draw(counts))
        case "expanding":
            return Reference(expanding=True)
        case "rolling":
            return Reference(rolling=draw(st.sampled_from([every, "2y", "400d"])))
    zones = st.none() | st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
    start = draw(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=zones))
    return Reference(start=start, end=start + draw(st.timedeltas(timedelta(days=1), timedelta(days=999))))


@st.composite
def expectations(draw: st.DrawFn) -> Expectation:
    least, most = sorted(draw(st.tuples(numbers, numbers)))
    return Expectation(
        column=draw(texts),
        type=draw(some(st.sampled_from(EXPECTED_TYPES))),
        not_null=draw(st.booleans()),
        unique=True,
        allowed=tuple(draw(st.lists(scalars, max_size=3))),
        min=draw(st.sampled_from([None, least])),
        max=draw(st.sampled_from([None, most])),
        pattern=draw(some(texts)),
        max_missing_rate=draw(some(levels)),
        max_unseen_rate=draw(some(levels)),
    )


@st.composite
def retrainings(draw: st.DrawFn) -> RetrainingSpec:
    variables = names.filter(lambda name: "=" not in name)
    taken = draw(st.lists(variables, max_size=4, unique=True))
    environment = RunEnvironment(
        passed=draw(st.just(RunEnvironment().passed) | st.just(()) | st.just(tuple(taken))),
        set=tuple((name, draw(anything)) for name in taken[:2]),
        secrets=tuple(taken[2:]),
    )
    argv = (draw(texts), *draw(st.lists(anything | st.sampled_from(["{run_folder}/x", '{"a": 1}']), max_size=3)))
    call = HttpCall(
        url="https://a.example/{model}",
        method=draw(st.sampled_from(["GET", "POST"])),
        headers=tuple(draw(st.dictionaries(anything, anything, max_size=2)).items()),
        body=draw(some(texts)),
    )
    http = draw(st.sampled_from([None, call]))
    return RetrainingSpec(
        command=() if http else argv,
        http=http,
        cwd=draw(texts),
        timeout_seconds=draw(some(seconds)),
        cooldown_seconds=draw(st.just(0.0) | seconds),
        max_runs_per_day=draw(some(counts)),
        environment=environment,
    )


@st.composite
def triggers(draw: st.DrawFn) -> TriggerSpec:
    armed = draw(st.booleans())
    match draw(st.sampled_from(TriggerKind)):
        case TriggerKind.SCHEDULE:
            zone = draw(some(timezones))
            return TriggerSpec(kind=TriggerKind.SCHEDULE, armed=armed, cron="0 2 * * 1", timezone=zone)
        case TriggerKind.DATA:
            labels = draw(some(counts))
            return TriggerSpec(kind=TriggerKind.DATA, armed=armed, min_new_rows=draw(counts), min_new_labels=labels)
    metric, consecutive = draw(some(metric_ids)), draw(st.integers(1, 9))
    return TriggerSpec(kind=TriggerKind.ALERT, armed=armed, metric=metric, consecutive=consecutive)


@st.composite
def gates(draw: st.DrawFn) -> Gate:
    criteria = [
        Criterion(metric=draw(metric_ids), min=draw(some(numbers)), min_gain=draw(numbers))
        for _ in range(draw(st.integers(0, 2)))
    ]
    return Gate(
        candidate="{run_folder}/candidate.parquet" if criteria else None,
        criteria=tuple(criteria),
        promote_command=draw(st.just(()) | paths),
        promote_mlflow=draw(st.sampled_from([(), (("alias", "champion"), ("name", "m"))])),
    )


@st.composite
def models(draw: st.DrawFn) -> Model:
    task = draw(some(st.sampled_from(Task)))
    timed, labelled = draw(st.booleans()), draw(st.booleans())
    retraining = draw(some(retrainings()))
    logs = reached(Logs(paths=draw(paths), filter=draw(some(texts))), draw(accesses), Logs(paths=()))
    cut = draw(st.sampled_from(["size", "number", *(["every"] if timed else [])]))
    size = 2 if task is Task.BINARY else 3
    row = st.tuples(*[numbers] * size)
    length = draw(periods if cut == "every" else counts)
    return Model(
        id=draw(ids),
        name=draw(texts),
        task=task,
        logs=logs,
        reference=draw(references(timed, length if cut == "every" else None, logs)),
        columns=draw(roles(task, timed, labelled)),
        chunks=ChunkRule(
            **{cut: length},
            incomplete=draw(st.sampled_from(Incomplete)),
            timezone=draw(timezones),
        ),
        labels=reached(Labels(paths=draw(paths), key=draw(texts), target=draw(texts)), draw(accesses), logs)
        if labelled
        else None,
        monitors=tuple(draw(st.lists(monitors(), max_size=2))),
        business=tuple(
            BusinessMetric(id=name, sql=draw(texts), higher_is=draw(st.sampled_from(Direction)))
            for name in draw(st.lists(metric_ids, max_size=2, unique=True))
        ),
        value_matrix=draw(st.just(()) | st.tuples(*[row] * size)) if task not in (None, Task.REGRESSION) else (),
        expectations=tuple(draw(st.lists(expectations(), max_size=2))),
        false_alarms_per_month=draw(st.floats(1e-9, 1e9)),
        retraining=retraining,
        triggers=tuple(draw(st.lists(triggers(), max_size=2))) if retraining else (),
        gate=draw(some(gates())),
    )


columns = st.builds(
    Column,
    name=texts,
    type=st.just("VARCHAR"),
    role=st.sampled_from(Role),
    kind=some(st.sampled_from(Kind)),
    reason=anything,
)


@settings(
    max_examples=60,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking takes minutes
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    st.lists(models(), min_size=1, max_size=2, unique_by=lambda model: model.id), texts, st.integers(1, 9999), st.data()
)
def test_what_is_written_reads_back(found: list[Model], name: str, days: int, data: st.DataObject) -> None:
    drafts = []
    for model in found:
        own = [*model.columns.numeric, *model.columns.protected, model.columns.timestamp or "t"]
        known = [Column(name=each, type="T", role=Role.FEATURE, kind=None, reason="a\nreason") for each in own]
        drafts.append(ModelDraft(model=model, columns=(*known, *data.draw(st.lists(columns, max_size=2)))))
    desk = parse_desk(desk_text(name, drafts, history_days=days), FILE)
    assert desk.models == tuple(found)
    assert (desk.name, desk.history_days) == (name, days)
    kinds = [(type(one), one) for model in found for expectation in model.expectations for one in expectation.allowed]
    again = [
        (type(one), one) for model in desk.models for expectation in model.expectations for one in expectation.allowed
    ]
    assert kinds == again


PLAIN = Model(
    id="car-loan",
    name="Car loan",
    task=Task.BINARY,
    logs=Logs(paths=("logs/*.parquet",)),
    reference=Reference(start=datetime(2018, 1, 1), end=datetime(2018, 2, 1)),
    columns=ColumnRoles(timestamp="timestamp", score="p", numeric=("car_value", "age")),
    chunks=ChunkRule(every="1d"),
)
DRAFT = ModelDraft(
    model=PLAIN,
    columns=(
        Column(name="timestamp", type="TIMESTAMP", role=Role.TIMESTAMP, kind=None, reason="the only column of times"),
        Column(name="car_value", type="BIGINT", role=Role.FEATURE, kind=Kind.NUMERIC, reason="512 distinct values"),
        Column(name="colour", type="VARCHAR", role=Role.FEATURE, kind=Kind.CATEGORICAL, reason="9 distinct values"),
        Column(name="note", type="VARCHAR", role=Role.IGNORED, kind=None, reason="free\ntext"),
    ),
)
WRITTEN = """\
# What MLOps Desk watches; `mlops-desk check` says how it is understood. Paths are relative to this file.
version = 1
name = "Lending"

[[models]]
id = "car-loan"
name = "Car loan"
task = "binary"

[models.logs]
path = "logs/*.parquet"

[models.reference]
from = 2018-01-01T00:00:00
to = 2018-02-01T00:00:00

[models.columns]
timestamp = "timestamp"  # the only column of times
score = "p"
numeric = [
    "car_value",  # 512 distinct values
    "age",
]
# The other columns as they were understood; numeric, categorical and ignore overrule it:
#   colour: categorical (9 distinct values)
#   note: left out (free text)

[models.chunks]
every = "1d"
timezone = "UTC"

# Without [[models.monitors]] the recommended metrics are watched, with their default thresholds.

[models.alerting]
false_alarms_per_month = 1

# A button that retrains the model appears once there is a command:
# [models.retraining]
# command = ["{python}", "train.py", "--run", "{run_folder}"]
"""


def test_writes_what_a_person_can_read(tmp_path: Path) -> None:
    file = write_desk(tmp_path / "new" / "workspace", "Lending", [DRAFT])
    assert file == tmp_path / "new" / "workspace" / "desk.toml"
    assert file.read_bytes() == WRITTEN.encode()
    assert read_desk(file).models == (PLAIN,)
    uncommented = WRITTEN.replace("# [models.retraining]\n# ", "[models.retraining]\n")
    assert parse_desk(uncommented, FILE).models[0].retraining == RetrainingSpec(
        command=("{python}", "train.py", "--run", "{run_folder}")
    )


def test_overwrites_nothing(tmp_path: Path) -> None:
    file = tmp_path / "desk.toml"
    file.write_text("mine", encoding="utf-8")
    with pytest.raises(UserError) as raised:
        write_desk(tmp_path, "Lending", [DRAFT])
    assert str(raised.value) == f"{file} exists already and is left as it is: edit it, or choose another folder"
    assert file.read_text(encoding="utf-8") == "mine"


def test_says_why_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError) as raised:
        write_desk(tmp_path / "file", "Lending", [DRAFT])
    assert str(raised.value) == f"{tmp_path / 'file'} cannot be made a folder: File exists"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_says_that_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open

    def to_a_full_disk(file: Path, *_: object, **__: object) -> IO[str]:
        opened(file, "x").close()
        return opened(Path("/dev/full"), "w", encoding="utf-8")

    monkeypatch.setattr(Path, "open", to_a_full_disk)
    with pytest.raises(UserError) as raised:
        write_desk(tmp_path, "Lending", [DRAFT])
    assert str(raised.value) == f"{tmp_path / 'desk.toml'} cannot be written: No space left on device"
    assert list(tmp_path.iterdir()) == []


def test_writes_nothing_that_could_not_be_read(tmp_path: Path) -> None:
    twice = [DRAFT, DRAFT]
    with pytest.raises(UserError, match="models\\[2\\].id is car-loan a second time"):
        write_desk(tmp_path, "Lending", twice)
    assert list(tmp_path.iterdir()) == []


def test_a_public_log_beside_private_labels_reads_back() -> None:
    public = ObjectAccess(anonymous=True)
    model = replace(
        PLAIN,
        logs=Logs(paths=("s3://b/logs",), access=public),
        columns=replace(PLAIN.columns, id="id"),
        labels=Labels(paths=("s3://c/labels",), key="id", target="y"),
    )
    assert parse_desk(desk_text("d", [ModelDraft(model=model)]), FILE).models == (model,)
