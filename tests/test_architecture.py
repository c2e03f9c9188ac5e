"""The house stands as it is drawn: import contracts, a light facade, modules of readable length."""

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
LINT_IMPORTS = "import sys; sys.argv[0] = 'lint-imports'; from importlinter.cli import lint_imports_command as c; c()"
HEAVY = (
    "PySide6",
    "pyqtgraph",
    "scipy.stats",
    "scipy.special",
    "matplotlib",
    "pandas",
    "_duckdb",
    "duckdb",
    "pyarrow",
    "sklearn",
)
CONTRACTS = ("floors", "qt", "duckdb", "laboratory", "facade", "records", "acyclic")


def lint_imports(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", LINT_IMPORTS, "--no-cache", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_rooms_keep_the_import_contracts() -> None:
    done = lint_imports(CHECKOUT)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def crooked_house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small package with this project's contracts and one violation of each."""
    folder = tmp_path_factory.mktemp("crooked")
    (folder / "pyproject.toml").write_bytes((CHECKOUT / "pyproject.toml").read_bytes())
    modules = {
        "frozen": "",
        "__main__": "",
        "cli": "",
        "workspace": "",
        "theme": "",
        "resources": "import mlops_desk.theme",
        "trust": "import dataclasses",
        "misplaced": "",
        "domain/__init__": "",
        "domain/metric": "import mlops_desk.domain.threshold",
        "domain/threshold": "import mlops_desk.domain.metric",
        "config/__init__": "",
        "warehouse/__init__": "",
        "warehouse/connection": "import duckdb",
        "aggregates/__init__": "",
        "aggregates/scan": "from mlops_desk.warehouse import connection",
        "metrics/__init__": "",
        "metrics/catalogue": "from mlops_desk.aggregates import scan",
        "store/__init__": "import duckdb",
        "monitoring/__init__": "",
        "retraining/__init__": "",
        "reporting/__init__": "",
        "reporting/charts": "import pyqtgraph",
        "integrations/__init__": "",
        "operations/__init__": "",
        "gui/__init__": "from mlops_desk import metrics",
        "gui/window": "import PySide6.QtCore\nfrom mlops_desk.reporting import charts",
    }
    for name, source in {"__init__": "", **modules}.items():
        file = folder / "mlops_desk" / f"{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(source, encoding="utf-8")
    return folder


@pytest.mark.parametrize("contract", CONTRACTS)
def test_each_contract_notices_its_violation(crooked_house: Path, contract: str) -> None:
    done = lint_imports(crooked_house, "--contract", contract)
    assert done.returncode == 1
    assert "BROKEN" in done.stdout, done.stdout


@pytest.mark.skipif(not (CHECKOUT / "mlops_desk" / "workspace.py").exists(), reason="there is no facade yet")
def test_facade_loads_nothing_heavy() -> None:
    look = f"import mlops_desk.workspace, sys; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", look], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_modules_stay_under_500_lines(tracked: list[Path]) -> None:
    sources = [path for path in tracked if path.suffix == ".py" and path.is_relative_to(CHECKOUT / "mlops_desk")]
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in sources}
    assert lengths, "no source was found"
    assert {name: lines for name, lines in lengths.items() if lines >= 500} == {}
