"""What all tests share: an offscreen Qt platform, hypothesis profiles and the folder of real data."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from mlops_desk.trust import HOME_VARIABLE
from tests.s3 import Bucket, moto_server, use

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("explore", deadline=None, max_examples=1000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of reference data and checks: MLOPS_DESK_SHARED, or `shared` beside the checkout."""
    folder = Path(os.environ.get("MLOPS_DESK_SHARED") or CHECKOUT.parent / "shared")
    if not (folder / "data").is_dir():
        pytest.skip(f"no reference data at {folder}: set MLOPS_DESK_SHARED to the folder that holds data/ and checks/")
    return folder


@pytest.fixture(scope="session")
def tracked() -> list[Path]:
    """Return the files that belong to the project: git's where it is a clone, else all but what tools leave behind."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    try:
        listing = subprocess.run(command, cwd=CHECKOUT, capture_output=True, check=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        listing = [str(path) for path in CHECKOUT.rglob("*") if path.is_file() and not is_left_behind(path)]
    return [CHECKOUT / name for name in listing if name and (CHECKOUT / name).is_file()]


def is_left_behind(path: Path) -> bool:
    """Tell whether a tool, not a person, wrote this file of the checkout."""
    folders = path.relative_to(CHECKOUT).parts[:-1]
    return any(name.startswith((".venv", ".git", ".hypothesis", "__pycache__")) or "_cache" in name for name in folders)


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The address of an S3 server on this machine."""
    with moto_server() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(s3_endpoint: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A prefix of a bucket for one test, which the environment leads to."""
    use(monkeypatch, s3_endpoint, tmp_path / "aws")
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    return Bucket(s3_endpoint, re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-") + f"-{id(request):x}")
