"""Objects at the command line: from `init` over `check` and `run` to the rows behind an alert."""

import json
import os
import sys
from pathlib import Path

import duckdb
import pytest

from mlops_desk.warehouse import object_listing
from tests.cli.conftest import CommandLine
from tests.cli.test_read_only import as_reader, close
from tests.operations.small_workspace import write_files
from tests.s3 import Bucket, Proxy, use


@pytest.fixture(autouse=True)
def old_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_listing, "YOUNG_SECONDS", -1e9)


@pytest.fixture
def filled(tmp_path: Path, bucket: Bucket) -> Bucket:
    write_files(tmp_path / "local")
    bucket.put_folder(tmp_path / "local", "")
    return bucket


@pytest.fixture
def begun(filled: Bucket, tmp_path: Path, mlops_desk: CommandLine) -> Path:
    """A workspace that `init` wrote for the objects."""
    folder = tmp_path / "small"
    url = filled.url
    paths = ("--logs", f"{url}/logs/", "--reference", f"{url}/reference.parquet", "--labels", f"{url}/labels/*.parquet")
    assert mlops_desk("init", folder, *paths) == 0, mlops_desk.err
    assert "trusted to read what you named" in mlops_desk.out
    return folder


def test_from_init_to_the_rows_behind_an_alert(begun: Path, filled: Bucket, mlops_desk: CommandLine) -> None:
    looked = mlops_desk.document("check", begun)
    assert looked["models"][0]["failure"] is None
    assert [(one["part"], one["files"]) for one in looked["models"][0]["files"]] == [
        ("log", 5), ("reference", 1), ("labels", 5),
    ]  # fmt: skip
    assert mlops_desk("run", begun) == 0, mlops_desk.err
    assert mlops_desk("run", begun) == 0
    assert "nothing new" in mlops_desk.out
    alert = next(one for one in mlops_desk.document("alerts", begun) if one["column"] == "amount")
    assert mlops_desk("explain", begun, "--alert", alert["id"]) == 0, mlops_desk.err
    rows = mlops_desk.document("explain", begun, "--alert", alert["id"], "--rows", 3)
    assert {"id", "amount", "label"} <= rows[0].keys()
    assert mlops_desk("explain", begun, "--alert", alert["id"], "--sql") == 0
    assert f".parquet is a copy of {filled.url}/logs/d" in mlops_desk.out
    counted = duckdb.sql(mlops_desk.out).fetchall()
    assert sum(row[-1] for row in counted) > 0


def test_what_init_cannot_read_is_told_by_its_option(mlops_desk: CommandLine, tmp_path: Path, filled: Bucket) -> None:
    for path, words in (
        (f"{filled.url}/nothing/", "--logs: there is no object or folder s3://"),
        (f"{filled.url}/nothing/*.parquet", "--logs: no Parquet file is found under s3://"),
        ("s3://no-such-bucket/x", "--logs: there is no bucket no-such-bucket"),
        ("hdfs://b/x", "--logs begins with hdfs://"),
        ("s3://AKID:hush@b/x", "--logs names a user before the bucket"),
    ):
        assert mlops_desk("init", tmp_path / "new", "--logs", path) == 2
        assert words in mlops_desk.err
        assert "hush" not in mlops_desk.err
        assert not (tmp_path / "new" / "desk.toml").exists()


def test_a_workspace_from_elsewhere_asks_for_trust_before_it_calls(
    begun: Path, filled: Bucket, mlops_desk: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert mlops_desk("trust", begun, "--revoke") == 0
    with Proxy(filled.endpoint) as proxy:
        use(monkeypatch, proxy.endpoint, tmp_path / "aws")
        for command in (("run", begun), ("check", begun), ("watch", begun, "--once")):
            assert mlops_desk(*command) == 2, command
            assert f"mlops-desk trust {begun}" in mlops_desk.err
        for command in (("alerts", begun), ("report", begun, "-o", tmp_path / "r.html"), ("trust", begun)):
            mlops_desk(*command)
        assert proxy.connections == 0
        assert mlops_desk("trust", begun, "--yes") == 0
        assert f"reads {filled.url}/logs/" in mlops_desk.out
        assert mlops_desk("run", begun) == 0, mlops_desk.err
        assert proxy.connections > 0


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs the rights of root to give them up")
def test_who_may_only_read_a_workspace_explains_from_copies_aside(begun: Path, mlops_desk: CommandLine) -> None:
    assert mlops_desk("run", begun) == 0
    alert = next(one for one in mlops_desk.document("alerts", begun) if one["column"] == "amount")
    for file in (begun / ".desk" / "cache" / "objects").rglob("*.parquet"):
        file.unlink()
    close(begun)
    found = as_reader("explain", begun, "--alert", alert["id"], "--rows", 3, "--json")
    assert (found.returncode, found.stderr) == (0, "")
    assert len(json.loads(found.stdout)) == 3
    assert not list((begun / ".desk" / "cache" / "objects").rglob("*.parquet"))
