"""What all tests share: an offscreen Qt platform, hypothesis profiles and the folder of real data."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

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
