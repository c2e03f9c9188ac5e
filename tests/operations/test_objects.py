"""What is noticed of objects that change, and how often a store is asked."""

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlops_desk import trust
from mlops_desk.config.desk_file import read_desk
from mlops_desk.operations import input_watch
from mlops_desk.operations.input_watch import InputWatch
from mlops_desk.warehouse import object_listing
from mlops_desk.workspace import Workspace
from tests.operations.small_workspace import DAYS, TOML, add_day, write_files
from tests.s3 import Bucket, Proxy, use


@pytest.fixture(autouse=True)
def old_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_listing, "YOUNG_SECONDS", -1e9)
    monkeypatch.setattr(input_watch, "SETTLED_SECONDS", -1e9)


@pytest.fixture
def local(tmp_path: Path) -> Path:
    folder = tmp_path / "local"
    write_files(folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path, local: Path, bucket: Bucket) -> Path:
    """A trusted workspace with log and labels in a bucket and its reference here."""
    folder = tmp_path / "far"
    folder.mkdir()
    for part in ("logs", "labels"):
        bucket.put_folder(local / part, part)
    (local / "reference.parquet").rename(folder / "reference.parquet")
    text = TOML.replace('"logs/*', f'"{bucket.url}/logs/*').replace('"labels/*', f'"{bucket.url}/labels/*')
    (folder / "desk.toml").write_text(text)
    trust.trust(read_desk(folder))
    return folder


def test_objects_that_arrive_are_noticed_without_fetching(folder: Path, local: Path, bucket: Bucket) -> None:
    workspace = Workspace.open(folder)
    assert workspace.changed_inputs()
    assert not (folder / ".desk").exists(), "a look fetches nothing"
    (outcome,) = workspace.evaluate().models
    assert outcome.failure is None
    workspace = Workspace.open(folder)
    assert not workspace.changed_inputs()
    add_day(local, DAYS)
    bucket.put_folder(local / "logs", "logs")
    assert Workspace.open(folder).changed_inputs()


def test_a_store_is_asked_now_and_then_however_often_one_looks(
    folder: Path, local: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(input_watch, "time", SimpleNamespace(monotonic=lambda: clock[0], time=time.time))
    Workspace.open(folder).evaluate()
    with Proxy(bucket.endpoint) as proxy:
        use(monkeypatch, proxy.endpoint, tmp_path / "aws")
        watch, desk = InputWatch(), read_desk(folder)
        assert not watch.changed(desk)
        asked = len(proxy.requests)
        assert asked > 0
        bucket.remove(f"labels/d{DAYS - 1:02}.parquet")
        clock[0] += input_watch.LISTED_EVERY_SECONDS - 1
        assert not watch.changed(desk)
        assert len(proxy.requests) == asked
        clock[0] += 2
        assert watch.changed(desk)
        assert len(proxy.requests) > asked


def test_trust_is_noticed_at_once(folder: Path) -> None:
    desk = read_desk(folder)
    trust.untrust(desk)
    workspace = Workspace.open(folder)
    assert workspace.changed_inputs()
    (outcome,) = workspace.evaluate().models
    assert outcome.failure is not None
    assert "does not trust" in outcome.failure
    assert not workspace.changed_inputs(), "the same refusal is no news"
    trust.trust(desk)
    assert workspace.changed_inputs()
    (outcome,) = workspace.evaluate().models
    assert outcome.failure is None
