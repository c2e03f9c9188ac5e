"""What drift detectors make of a chunk: values and verdicts, whose monitor judges them, and why there is no value."""

from pathlib import Path

import pyarrow as pa

from mlops_desk.domain.metric import Verdict
from mlops_desk.metrics.detectors import DETECTORS, WARNING
from mlops_desk.monitoring import streaming
from mlops_desk.store.archive import Store
from tests.aggregates.logs import written
from tests.monitoring.desks import REFERENCE_DAYS, run, write_desk
from tests.monitoring.stream_desks import (
    BY_PATH,
    COLUMNS,
    DAILY,
    INSIDE_T,
    LABELS,
    LOGS,
    MONITOR,
    MONITOR_OF_NUMBERS,
    OF_NUMBERS,
    counts,
    detections,
    regression_day,
    write_days,
)


def test_drift_alerts_a_zone_warns_and_limits_tell_it_again(tmp_path: Path) -> None:
    write_days(tmp_path, range(REFERENCE_DAYS, 11))
    write_desk(tmp_path, LOGS, BY_PATH, COLUMNS + INSIDE_T, DAILY, MONITOR)
    assert run(tmp_path).failure is None
    with Store.open(tmp_path) as store:
        found = [one for one in store.values("m") if one.key.metric in DETECTORS]
    assert {one.split for one in found} == {"analysis"}
    for one in found:
        limits = one.limits
        number = one.measurement.value
        if one.key.group == WARNING:
            assert (limits.upper, limits.warn_upper) == (None, 0.0)
        else:
            assert (limits.upper, limits.warn_upper) == (0.0, None)
        beyond = Verdict.WARNING if one.key.group == WARNING else Verdict.ALERT
        assert number is not None
        assert one.verdict is (beyond if number > 0 else Verdict.OK)
    assert {one.verdict for one in found} == {Verdict.OK, Verdict.WARNING, Verdict.ALERT}
    with Store.open(tmp_path) as store:
        alerting = {(one.key.metric, one.key.group) for one in store.alerts(model="m")}
    assert {("eddm", None), ("ddm", WARNING)} <= alerting
    assert ("eddm", WARNING) not in alerting  # beside a drift its zones say nothing


def test_a_regression_without_labels_in_its_reference_has_no_scale(tmp_path: Path) -> None:
    write_desk(tmp_path, LOGS, BY_PATH, COLUMNS + INSIDE_T, DAILY, MONITOR_OF_NUMBERS, task='task = "regression"\n')
    tables = [pa.table(dict(regression_day(day, 1.0))) for day in range(6)]
    bare = pa.concat_tables(tables[:REFERENCE_DAYS])
    written(tmp_path / "reference" / "all.parquet", bare.set_column(5, "t", pa.nulls(len(bare), pa.float64())))
    for day in range(REFERENCE_DAYS, 6):
        written(tmp_path / "logs" / f"{day:02}.parquet", tables[day])
    assert run(tmp_path).failure is None
    with Store.open(tmp_path) as store:
        reasons = {one.measurement.reason for one in store.values("m") if one.key.metric in OF_NUMBERS}
    assert reasons == {streaming.NO_SCALE}


def test_a_monitor_of_the_family_has_none_of_them(tmp_path: Path) -> None:
    write_days(tmp_path, range(REFERENCE_DAYS, 7))
    write_desk(tmp_path, LOGS, BY_PATH, COLUMNS + INSIDE_T, DAILY, '[[models.monitors]]\nfamily = "concept_drift"\n')
    assert run(tmp_path).failure is None
    assert counts(tmp_path) == {}


def test_a_monitor_that_names_one_judges_it_and_not_one_of_the_family(tmp_path: Path) -> None:
    monitors = (
        '[[models.monitors]]\nfamily = "concept_drift"\n[[models.monitors]]\nmetrics = ["eddm"]\nseverity = "warning"\n'
    )
    patient = 'threshold = { kind = "constant", upper = 0, consecutive = 50 }\n'
    write_days(tmp_path, range(REFERENCE_DAYS, 13))
    write_desk(tmp_path, LOGS, BY_PATH, COLUMNS + INSIDE_T, DAILY, monitors + patient)
    assert run(tmp_path).failure is None
    with Store.open(tmp_path) as store:
        assert store.alerts() == ()
        own = [one for one in store.values("m") if one.key.metric == "eddm" and one.key.group is None]
    assert {one.verdict for one in own} == {Verdict.OK, Verdict.WARNING}


def test_drifts_may_be_limited_by_a_number_and_by_nothing_else(tmp_path: Path) -> None:
    write_days(tmp_path, range(REFERENCE_DAYS, 13))
    parts = (LOGS, BY_PATH, COLUMNS + INSIDE_T, DAILY, '[[models.monitors]]\nmetrics = ["eddm", "accuracy"]\n')
    write_desk(tmp_path, *parts, 'threshold = { kind = "deviation", upper = 3 }\n')
    failure = run(tmp_path).failure
    assert failure is not None
    assert "monitors[1].threshold: eddm alerts by its own rule" in failure
    write_desk(tmp_path, *parts, 'threshold = { kind = "constant", upper = 1, consecutive = 2 }\n')
    assert run(tmp_path).failure is None
    with Store.open(tmp_path) as store:
        own = [one for one in store.values("m") if one.key.metric == "eddm"]
    for one in own:
        number = one.measurement.value or 0
        if one.key.group == WARNING:
            assert (one.verdict is Verdict.WARNING) == (number > 0)
        else:
            assert one.limits.upper == 1
            assert (one.verdict is Verdict.ALERT) == (number > 1)


def test_a_regression_has_no_detector_of_wrong_predictions(tmp_path: Path) -> None:
    write_desk(
        tmp_path,
        LOGS,
        BY_PATH,
        COLUMNS + INSIDE_T,
        DAILY,
        '[[models.monitors]]\nmetrics = ["ddm"]\n',
        task='task = "regression"\n',
    )
    for day in range(6):
        written(
            tmp_path / ("reference" if day < REFERENCE_DAYS else "logs") / f"{day}.parquet",
            dict(regression_day(day, 1.0)),
        )
    failure = run(tmp_path).failure
    assert failure is not None
    assert "ddm can give no value here: it is for models of task binary, multiclass" in failure


def test_days_without_labels_say_so_and_the_stream_goes_on(tmp_path: Path) -> None:
    write_days(tmp_path, range(REFERENCE_DAYS, 12), labels=True)
    (tmp_path / "labels" / "07.parquet").unlink()
    write_desk(tmp_path, LOGS, BY_PATH, LABELS, COLUMNS, DAILY, '[[models.monitors]]\nmetrics = ["adwin"]\n')
    assert run(tmp_path).failure is None
    with Store.open(tmp_path) as store:
        own = [one for one in store.values("m") if one.key.metric == "adwin"]
    assert [one.measurement.reason for one in own] == [None] * 3 + ["no labelled row with a prediction"] + [None] * 4
    assert {one.stream_row - one.row for one in detections(tmp_path) if one.chunk_key.startswith("2024-03-06")} == {480}


def test_a_model_without_predictions_is_untested(tmp_path: Path) -> None:
    columns = '[models.columns]\ntimestamp = "ts"\nid = "id"\nscore = "x"\ntarget = "t"\n'
    write_days(tmp_path, range(REFERENCE_DAYS, 6))
    write_desk(tmp_path, LOGS, BY_PATH, columns, DAILY, '[[models.monitors]]\nmetrics = ["adwin"]\n')
    assert run(tmp_path).failure is None
    with Store.open(tmp_path) as store:
        reasons = {one.measurement.reason for one in store.values("m") if one.key.metric == "adwin"}
    assert reasons == {"no prediction is logged"}
