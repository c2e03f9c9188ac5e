import json
from pathlib import Path

import duckdb
import pytest

from tests.cli.conftest import CommandLine


def test_explain_tells_why_and_shows_rows_and_sql(mlops_desk: CommandLine, workspace: Path) -> None:
    listed = mlops_desk.document("alerts", workspace)
    drift = next(one for one in listed if one["column"] == "amount" and one["metric"] == "jensen_shannon")
    assert mlops_desk("explain", workspace, "--alert", drift["id"]) == 0, mlops_desk.err
    told = mlops_desk.out
    assert told.startswith("■ alert: Jensen–Shannon distance of amount of small\n")
    assert "amount: what moved most" in told
    assert "of the rows in the reference" in told
    assert "features by drift in this chunk" in told
    assert mlops_desk("explain", workspace, "--alert", drift["id"], "--sql") == 0
    rows = duckdb.sql(mlops_desk.out).fetchall()
    assert sum(row[-1] for row in rows) == 200
    shown = mlops_desk.document("explain", workspace, "--alert", drift["id"], "--rows", 3)
    assert len(shown) == 3
    assert {"id", "amount", "y_pred", "label"} <= shown[0].keys()
    assert mlops_desk("explain", workspace, "--alert", drift["id"], "--rows", 2) == 0
    assert len(mlops_desk.out.splitlines()) == 3


def test_a_line_break_in_the_data_begins_no_line(
    mlops_desk: CommandLine, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = mlops_desk.document("alerts", workspace)
    drift = next(one for one in listed if one["column"] == "amount" and one["metric"] == "jensen_shannon")
    moved = (("amount", ("category 'a\nowned: all is well' moved most",)),)
    monkeypatch.setattr("mlops_desk.operations.explaining._moves", lambda *_: moved)
    assert mlops_desk("explain", workspace, "--alert", drift["id"]) == 0
    assert "  category 'a\\nowned: all is well' moved most\n" in mlops_desk.out


def test_explain_for_a_script_splits_accuracy_exactly(mlops_desk: CommandLine, workspace: Path) -> None:
    listed = mlops_desk.document("alerts", workspace)
    about = next(one for one in listed if one["family"] == "performance")
    found = mlops_desk.document("explain", workspace, "--alert", about["id"])
    attribution = found["attribution"]
    change = attribution["chunk_value"] - attribution["reference_value"]
    for column in {one["column"] for one in attribution["shares"]}:
        own = [one["mix"] + one["within"] for one in attribution["shares"] if one["column"] == column]
        assert abs(sum(own) - change) < 1e-12
    assert json.dumps(found)


def test_explain_names_what_there_is_not(mlops_desk: CommandLine, workspace: Path) -> None:
    assert mlops_desk("explain", workspace, "--alert", 999) == 2
    assert "there is no alert 999" in mlops_desk.err
    assert mlops_desk("explain", workspace, "--alert", 1, "--sql", "--rows", 3) == 2
    assert mlops_desk("explain", workspace) == 2
