"""More chunks than anybody could look at are refused before they are made."""

from pathlib import Path

import pytest

from mlops_desk.domain.progress import Progress
from tests.monitoring.desks import BY_PATH, write_day
from tests.monitoring.test_bad_input import refusal, run, workspace


@pytest.mark.parametrize("reference", ["period", "files"])
@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("size = 1", "chunks.size: {rows} rows would be {rows} chunks, more than 50: write size = {least} or more"),
        ("number = 1_000_000_000", "chunks.number: {rows} rows would be {rows} chunks, more than 50: write number = 50 or fewer"),
    ],
)  # fmt: skip
def test_too_many_chunks_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str, said: str, reference: str
) -> None:
    monkeypatch.setattr("mlops_desk.monitoring.preparation.CHUNKS_AT_MOST", 50)
    parts = [BY_PATH] if reference == "files" else []
    workspace(tmp_path, f"[models.chunks]\n{rule}\n", *parts)
    if parts:
        write_day(tmp_path / "reference", 0, inside=True)
    rows, least = (280, 6) if parts else (160, 4)
    assert said.format(rows=rows, least=least) in refusal(tmp_path)


def test_no_more_chunks_than_there_may_be_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops_desk.monitoring.preparation.CHUNKS_AT_MOST", 50)
    assert run(workspace(tmp_path, "[models.chunks]\nsize = 4\n")).failure is None


def test_measuring_tells_how_far_it_is_between_series(tmp_path: Path) -> None:
    told: list[Progress] = []
    run(workspace(tmp_path), progress=told.append)
    shares = [one.share for one in told if "measuring" in one.stage]
    assert len(shares) > 10
    assert shares == sorted(shares)
