"""bootstrap.py: what it demands, what it finds missing, and that it sets up once and only once."""

import ast
import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
SOURCE = CHECKOUT / "packaging" / "bootstrap.py"
BASE_PYTHON = Path(sys.base_prefix, "python.exe") if os.name == "nt" else Path(sys.base_prefix, "bin", "python3")
debian_like = pytest.mark.skipif(sys.platform != "linux", reason="dpkg is asked on Linux only")

# A build backend of one file, so that an editable installation needs no index.
BACKEND = """
import zipfile

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    name = "toy-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{wheel_directory}/{name}", "w") as wheel:
        wheel.writestr("toy.py", "installed = True")
        wheel.writestr("toy-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: toy\\nVersion: 1.0\\n")
        wheel.writestr("toy-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("toy-1.0.dist-info/RECORD", "")
    return name

build_wheel = build_editable
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "toy"
version = "1.0"
"""


@pytest.fixture
def bootstrap() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap_under_test", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A checkout with this bootstrap.py, nothing pinned and a project that builds without an index."""
    folder = tmp_path / "toy checkout"
    (folder / "packaging").mkdir(parents=True)
    (folder / "packaging" / "bootstrap.py").write_bytes(SOURCE.read_bytes())
    for name in ("constraints.txt", "constraints-test.txt"):
        (folder / "packaging" / name).write_text("# nothing\n", encoding="utf-8")
    (folder / "backend.py").write_text(BACKEND, encoding="utf-8")
    (folder / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    return folder


def set_up(checkout: Path, *arguments: str, prelude: str = "pass") -> subprocess.CompletedProcess[str]:
    """Run a checkout's bootstrap.py as a user would, from another folder and without an index or a display."""
    program = str(checkout / "packaging" / "bootstrap.py")
    launch = f"import runpy, sys; {prelude}; sys.argv = {[program, *arguments]!r}; runpy.run_path({program!r}, run_name='__main__')"
    environment = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return subprocess.run(
        [str(BASE_PYTHON), "-c", launch],
        cwd=checkout.parent,
        env={**environment, "PIP_NO_INDEX": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def packages_found(bin_folder: Path, listing: str) -> Path:
    """Put a dpkg-query that prints the listing, and an apt-get that notes its arguments, into a folder."""
    bin_folder.mkdir()
    log = bin_folder / "apt.log"
    (bin_folder / "listing").write_text(listing, encoding="utf-8")
    scripts = {"dpkg-query": f"cat '{bin_folder}/listing'", "apt-get": f'echo "$@" >> "{log}"'}
    for name, body in scripts.items():
        script = bin_folder / name
        script.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        script.chmod(0o755)
    return log


# --- Python -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 9, 18), (3, 10, 13)])
def test_old_python_is_told_what_is_needed(bootstrap: ModuleType, version: tuple[int, ...]) -> None:
    complaint = bootstrap.python_complaint(version, "python3")
    assert "needs Python 3.11 or newer" in complaint
    assert ".".join(map(str, version)) in complaint


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 11, 2), (3, 14, 1)])
def test_supported_python_is_accepted(bootstrap: ModuleType, version: tuple[int, ...]) -> None:
    assert bootstrap.python_complaint(version, "python3") is None


def test_old_python_stops_before_anything_is_made(toy: Path) -> None:
    done = set_up(toy, "setup", prelude="sys.version_info = (3, 8, 1, 'final', 0)")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "3.8.1" in done.stderr
    assert not (toy / ".venv").exists()


def test_old_pythons_can_read_the_file_far_enough_to_complain() -> None:
    ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 7))


def test_only_the_standard_library_is_imported() -> None:
    nodes = list(ast.walk(ast.parse(SOURCE.read_text(encoding="utf-8"))))
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names


@pytest.mark.parametrize("arguments", [[], ["frobnicate"], ["setup", "--tset"], ["lint", "x"], ["package", "--whel"]])
def test_unknown_usage_is_refused_with_the_usage(
    bootstrap: ModuleType, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert bootstrap.main(arguments) == 2
    assert capsys.readouterr().err == bootstrap.USAGE


# --- System packages ----------------------------------------------------------------------------------------------------


def test_missing_packages_reads_states_virtual_names_and_alternatives(bootstrap: ModuleType) -> None:
    listing = (
        "libegl1\tinstalled\t\n"
        "libgl1\tconfig-files\t\n"
        "libglib2.0-0t64\tinstalled\tlibgio2 (= 2.80), libglib2.0-0 (= 2.80.0-6), libgobject\n"
        "fonts-noto-cjk\tinstalled\t\n"
        "xvfb\tnot-installed\t\n"
    )
    wanted = ["libglib2.0-0", "libegl1", "libgl1", "xvfb", "fonts-wqy-microhei|fonts-noto-cjk", "xauth|sxauth"]
    assert bootstrap.missing_packages(wanted, listing) == ["libgl1", "xvfb", "xauth"]


def test_window_libraries_are_wanted_for_tests_or_a_display(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert "libxcb-cursor0" not in bootstrap.wanted_packages(with_tests=False)
    assert {"libegl1", "libxcb-cursor0", "xvfb"} <= set(bootstrap.wanted_packages(with_tests=True))
    monkeypatch.setenv("DISPLAY", ":0")
    assert "libxcb-cursor0" in bootstrap.wanted_packages(with_tests=False)
    assert "xvfb" not in bootstrap.wanted_packages(with_tests=False)


@debian_like
def test_root_gets_the_missing_packages_installed(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    present = [name.split("|")[0] for name in bootstrap.wanted_packages(with_tests=True)]
    listing = "".join(f"{name}\tinstalled\t\n" for name in present if name not in ("xvfb", "libegl1"))
    log = packages_found(tmp_path / "bin", listing)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    bootstrap.install_system_packages(with_tests=True)
    install = "install --yes --no-install-recommends libegl1 xvfb"
    assert log.read_text(encoding="utf-8").splitlines() == ["update", install]


@debian_like
def test_others_are_told_the_command(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = packages_found(tmp_path / "bin", "bash\tinstalled\t\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(bootstrap.SetupError, match="sudo sh -c 'apt-get update && apt-get install .*xvfb"):
        bootstrap.install_system_packages(with_tests=True)
    bootstrap.install_system_packages(with_tests=False)
    assert "Going on without" in capsys.readouterr().err
    assert not log.exists()


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_other_systems_skip_what_is_debians(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(bootstrap, "output_of", lambda *_: pytest.fail("nothing is to be run"))
    bootstrap.install_system_packages(with_tests=True)
    assert "apt-get" not in bootstrap.remedy("python3-pip", "Get pip")


@debian_like
def test_packages_are_made_with_the_systems_python_where_it_is_new_enough(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "is_debian", lambda: True)
    monkeypatch.setattr(bootstrap, "run", lambda _: (0, "3 11\n"))
    assert bootstrap.packaging_python() == "/usr/bin/python3"
    for answer in ((0, "3 9\n"), (1, "No module named 'venv'")):
        monkeypatch.setattr(bootstrap, "run", lambda _, answer=answer: answer)
        assert bootstrap.packaging_python() == sys.executable


@debian_like
def test_what_packaging_needs_is_installed_or_named(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = packages_found(tmp_path / "bin", "zstd\tinstalled\t\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(bootstrap.SetupError, match="making it needs .* sudo apt-get install .* lintian$"):
        bootstrap.install_packages(["zstd", "lintian"], "making it")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    bootstrap.install_packages(["zstd", "lintian"], "making it")
    install = "install --yes --no-install-recommends lintian"
    assert log.read_text(encoding="utf-8").splitlines() == ["update", install]


# --- Setting up ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_set_up_without_ensurepip_happens_once_and_follows_changes(toy: Path) -> None:
    first = set_up(toy, "setup", prelude="sys.modules['ensurepip'] = None")
    assert first.returncode == 0, first.stderr
    assert "Making .venv" in first.stdout
    program = toy / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    assert subprocess.run([str(program), "-c", "import toy; assert toy.installed"], check=False).returncode == 0
    assert not list((toy / ".venv").rglob("site-packages/pip")), "pip is not to be put into .venv"

    started = time.monotonic()
    second = set_up(toy, "setup")
    assert (second.returncode, second.stdout) == (0, "")
    assert time.monotonic() - started < 2

    (toy / "packaging" / "constraints.txt").write_text("# changed\n", encoding="utf-8")
    third = set_up(toy, "setup")
    assert third.returncode == 0, third.stderr
    assert "Making .venv" not in third.stdout
    assert "Installing pinned packages" in third.stdout

    moved = toy.rename(toy.with_name("moved checkout"))
    fourth = set_up(moved, "setup")
    assert fourth.returncode == 0, fourth.stderr
    assert "Making .venv" in fourth.stdout
    assert str(moved) in json.loads((moved / ".venv" / "bootstrap.json").read_text(encoding="utf-8"))["place"]


def test_failing_installation_shows_the_last_lines_and_leaves_no_stamp(toy: Path) -> None:
    pinned = f"no-such-distribution==1.0 --hash=sha256:{'0' * 64}\n"
    (toy / "packaging" / "constraints.txt").write_text(pinned, encoding="utf-8")
    done = set_up(toy, "setup")
    assert done.returncode == 2
    assert done.stderr.startswith("Set-up stopped: the pinned packages could not be installed (exit code 1")
    assert "no-such-distribution" in done.stderr.splitlines()[-1]
    assert not (toy / ".venv" / "bootstrap.json").exists()


def test_python_without_pip_is_told_what_to_install(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "run", lambda _: (1, "No module named pip"))
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    monkeypatch.setattr(bootstrap, "is_debian", lambda: True)
    with pytest.raises(bootstrap.SetupError, match="has no pip. Install it with: sudo apt-get install python3-pip"):
        bootstrap.pip_command(tmp_path)
    monkeypatch.setattr(bootstrap, "run", lambda _: (0, "pip 20.3.4 from somewhere"))
    with pytest.raises(bootstrap.SetupError, match="pip 20.3 is too old"):
        bootstrap.pip_command(tmp_path)


def test_python_without_venv_is_told_what_to_install(toy: Path) -> None:
    done = set_up(toy, "setup", prelude="sys.modules['venv'] = None")
    assert done.returncode == 2
    assert "no venv module" in done.stderr
