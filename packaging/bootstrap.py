"""Set MLOps Desk up in a checkout and run it: `python3 packaging/bootstrap.py setup|demo|test|lint|package`.

Needs nothing but Python 3.11 and pip, works from any folder and may be repeated: a stamp in .venv remembers what is installed.
Written so that older Pythons can read it as far as the sentence that tells them they are too old.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
VENV = CHECKOUT / ".venv"
STAMP = VENV / "bootstrap.json"
RUNTIME = CHECKOUT / "packaging" / "constraints.txt"
TEST = CHECKOUT / "packaging" / "constraints-test.txt"
OLDEST_PYTHON = (3, 11)
OLDEST_PIP = (22, 3)  # the first that can install into another environment (--python)

# What PySide6's wheels load from the system, as Debian and Ubuntu name it; `a|b` is satisfied by either, and a is installed.
QT_LIBRARIES = """libglib2.0-0 libegl1 libgl1 libx11-6 libdbus-1-3 libfontconfig1 libfreetype6 libxkbcommon0""".split()
WINDOW_LIBRARIES = """libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0
    libxcb-shape0 libxcb-xkb1 libxkbcommon-x11-0""".split()
TEST_TOOLS = """xvfb xauth fonts-wqy-microhei|fonts-noto-cjk|fonts-wqy-zenhei|fonts-droid-fallback
    desktop-file-utils appstream nsis""".split()

USAGE = """usage: python3 packaging/bootstrap.py COMMAND

  demo [ARGUMENT ...]            set up, then run `mlops-desk demo` on the shipped real data
  test [--fast] [ARGUMENT ...]   set up with test tools, then run pytest; --fast leaves out slow tests and benchmarks
  lint                           set up with test tools, then run ruff, mypy and lint-imports
  setup [--test]                 only set up, with --test the test tools too
  package [--wheel]              make wheel, sdist and this system's installer in dist/, and test them; --wheel: only the first two
"""


class SetupError(Exception):
    """Something that the user has to put right; the message says what and how."""


def main(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    complaint = python_complaint(sys.version_info[:3], sys.executable)
    if complaint:
        print(complaint, file=sys.stderr)
        return 2
    command, rest = (arguments[0], arguments[1:]) if arguments else ("", [])
    options = {"setup": "--test", "package": "--wheel"}
    takes_arguments = command in ("demo", "test") or (command in options and rest in ([], [options[command]]))
    if not takes_arguments and (command != "lint" or rest):
        asked = command in ("-h", "--help")
        print(USAGE, end="", file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    if command == "package":
        return replace_process([packaging_python(), str(CHECKOUT / "packaging" / "package.py"), *rest])
    try:
        set_up(with_tests=command in ("test", "lint") or "--test" in rest)
    except SetupError as error:
        print(f"Set-up stopped: {error}", file=sys.stderr)
        return 2
    if command == "demo":
        return replace_process([str(script("mlops-desk")), "demo", *rest])
    if command == "test":
        fast = ["-m", "not slow and not benchmark"] if "--fast" in rest else []
        os.chdir(CHECKOUT)
        return replace_process([str(script("python")), "-m", "pytest", *fast, *(a for a in rest if a != "--fast")])
    return lint() if command == "lint" else 0


# --- What the machine brings -------------------------------------------------------------------------------------------


def python_complaint(version: tuple[int, ...], executable: str) -> str | None:
    """Return the sentence for a Python that is too old, or None."""
    if version >= OLDEST_PYTHON:
        return None
    needed, found = (".".join(str(part) for part in numbers) for numbers in (OLDEST_PYTHON, version))
    return (
        f"MLOps Desk needs Python {needed} or newer, and {executable} is {found}. "
        f"Install a newer one and start again with it: python{needed} packaging/bootstrap.py"
    )


def packaging_python() -> str:
    """Return the Python that packages are made with: the system's own where it is new enough, so that no path of another is frozen."""
    system = "/usr/bin/python3"
    if is_debian():
        code, answer = run([system, "-c", "import sys, venv; print(*sys.version_info[:2])"])
        if code == 0 and tuple(map(int, answer.split())) >= OLDEST_PYTHON:
            return system
    return sys.executable


def is_debian() -> bool:
    """Tell whether dpkg keeps this system's packages: Debian, Ubuntu and their kin."""
    return sys.platform == "linux" and shutil.which("dpkg-query") is not None


def wanted_packages(with_tests: bool) -> list[str]:
    """Return the system packages that the desktop, or its tests, need here."""
    has_display = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    window = WINDOW_LIBRARIES if with_tests or has_display else []
    return [*QT_LIBRARIES, *window, *(TEST_TOOLS if with_tests else [])]


def missing_packages(wanted: list[str], listing: str) -> list[str]:
    """Return the wanted packages that are not installed, given dpkg's `name TAB status TAB provides` lines."""
    installed = set()
    for line in listing.splitlines():
        name, status, provides = [*line.split("\t"), "", ""][:3]
        if status == "installed":
            installed.add(name)
            installed.update(re.findall(r"(?:^|, )([^ ,]+)", provides))  # libglib2.0-0t64 provides libglib2.0-0
    alternatives = [package.split("|") for package in wanted]
    return [names[0] for names in alternatives if installed.isdisjoint(names)]


def installed_packages() -> str:
    """Return dpkg's list of packages, a line each: name, status and what it provides."""
    query = ["dpkg-query", "-W", "-f", "${Package}\\t${db:Status-Status}\\t${Provides}\\n"]
    return output_of(query, "dpkg cannot list what is installed")


def install_system_packages(with_tests: bool) -> None:
    """Install what Qt misses on Debian, or say how; only tests cannot do without."""
    if not is_debian():
        return
    missing = missing_packages(wanted_packages(with_tests), installed_packages())
    if not missing:
        return
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *missing]
    by_hand = f"apt-get update && {' '.join(install)}"
    trouble = ""
    if os.geteuid() != 0:
        trouble = f"Qt misses {len(missing)} system packages. Install them with: sudo sh -c '{by_hand}'"
    else:
        step(f"Installing {len(missing)} system packages: {' '.join(missing)}")
        run(["apt-get", "update"])  # a mirror that does not answer matters only if the next command fails
        try:
            output_of(install, "apt-get could not install Qt's system packages")
        except SetupError as error:
            trouble = f"{error}\nTry it by hand: {by_hand}"
    if trouble and with_tests:
        raise SetupError(trouble)
    if trouble:
        print(f"{trouble}\nGoing on without: all but the window works.", file=sys.stderr)


def install_packages(wanted: list[str], purpose: str) -> None:
    """Install system packages that a purpose needs, or raise SetupError with the command that does."""
    missing = missing_packages(wanted, installed_packages())
    if not missing:
        return
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *missing]
    if os.geteuid() != 0:
        raise SetupError(f"{purpose} needs more system packages. Install them with: sudo {' '.join(install)}")
    step(f"Installing {len(missing)} system packages: {' '.join(missing)}")
    run(["apt-get", "update"])
    output_of(install, f"apt-get could not install what {purpose} needs")


# --- What goes into .venv ----------------------------------------------------------------------------------------------


def script(name: str) -> Path:
    """Return the path of a program in .venv."""
    return VENV / "Scripts" / f"{name}.exe" if os.name == "nt" else VENV / "bin" / name


def fingerprint(with_tests: bool) -> dict[str, str]:
    """Return what an installation depends on: this checkout and its Python, and the contents of the files that pin it."""
    files = [CHECKOUT / "pyproject.toml", RUNTIME, *([TEST] if with_tests else [])]
    contents = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    return {"place": f"{CHECKOUT} {script('python').resolve()}", "test" if with_tests else "runtime": contents}


def read_stamp() -> dict[str, str]:
    """Return what the last complete installation left, empty if there is none."""
    try:
        return dict(json.loads(STAMP.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def set_up(with_tests: bool) -> None:
    """Bring system packages, .venv and the project in it up to date."""
    install_system_packages(with_tests)
    stamp = read_stamp()
    if fingerprint(with_tests).items() <= stamp.items():
        return
    started = time.monotonic()
    pip = pip_command(make_environment(stamp))
    pinned = ["-r", str(RUNTIME), *(["-r", str(TEST)] if with_tests else [])]
    step(f"Installing pinned packages{' and test tools' if with_tests else ''} into .venv: minutes the first time")
    output_of([*pip, "install", "--require-hashes", *pinned], "the pinned packages could not be installed")
    step("Installing MLOps Desk into .venv, editable")
    project = ["--no-deps", "--no-build-isolation", "--editable", str(CHECKOUT)]
    output_of([*pip, "install", *project], "the project could not be installed")
    # As pip does with packages, so that no start has to compile: PYTHONDONTWRITEBYTECODE would have every one do it.
    output_of(
        [str(script("python")), "-m", "compileall", "-q", str(CHECKOUT / "mlops_desk")], "the project does not compile"
    )
    complete = {**fingerprint(with_tests), **fingerprint(with_tests=False)}
    STAMP.write_text(json.dumps(complete, indent=1), encoding="utf-8")
    step(f"Set up in {time.monotonic() - started:.0f} s")


def make_environment(stamp: dict[str, str]) -> Path:
    """Make .venv where there is none that works for this checkout, and return its Python."""
    python = script("python")
    moved = bool(stamp) and stamp.get("place") != fingerprint(with_tests=False)["place"]
    if python.exists() and not moved:
        return python
    if importlib.util.find_spec("venv") is None:
        raise SetupError("this Python has no venv module. " + remedy("python3-venv", "Install a complete Python"))
    step(f"Making .venv with Python {sys.version.split()[0]}")
    # Without pip, because Debian's own Python has no ensurepip to put it there.
    output_of([sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)], ".venv could not be made")
    return python


def pip_command(python: Path) -> list[str]:
    """Return the command that installs into .venv: this Python's pip, or one put into .venv by ensurepip."""
    options = ["--disable-pip-version-check", "--no-input", "--quiet"]
    _, answer = run([sys.executable, "-m", "pip", "--version"])
    found = re.match(r"pip (\d+)\.(\d+)", answer)
    if found and (int(found[1]), int(found[2])) >= OLDEST_PIP:
        return [sys.executable, "-m", "pip", "--python", str(python), *options]
    if importlib.util.find_spec("ensurepip") is not None:
        output_of([str(python), "-m", "ensurepip"], "ensurepip could not put pip into .venv")
        return [str(python), "-m", "pip", *options]
    missing = f"pip {found[1]}.{found[2]} is too old" if found else "this Python has no pip"
    raise SetupError(f"{missing}. " + remedy("python3-pip", f"Get pip {OLDEST_PIP[0]}.{OLDEST_PIP[1]} or newer"))


def remedy(package: str, otherwise: str) -> str:
    """Return how to get a part of Python that is missing."""
    return f"Install it with: sudo apt-get install {package}" if is_debian() else f"{otherwise} and start again."


# --- Running things ----------------------------------------------------------------------------------------------------


def step(text: str) -> None:
    """Say what comes next."""
    print(f"· {text}", flush=True)


def run(command: list[str], folder: Path | None = None, variables: dict[str, str] | None = None) -> tuple[int, str]:
    """Return a command's exit code and what it printed; nothing is asked of the user."""
    fixed = {"DEBIAN_FRONTEND": "noninteractive", "PIP_ROOT_USER_ACTION": "ignore", "PIP_USER": "0"}
    environment = {**(os.environ if variables is None else variables), **fixed}
    quiet, kept, joined = subprocess.DEVNULL, subprocess.PIPE, subprocess.STDOUT
    done = subprocess.run(command, cwd=folder, env=environment, stdin=quiet, stdout=kept, stderr=joined, check=False)
    return done.returncode, done.stdout.decode("utf-8", "replace")


def output_of(
    command: list[str], failure: str, folder: Path | None = None, variables: dict[str, str] | None = None
) -> str:
    """Return what a command printed; SetupError with its last lines if it cannot start or fails."""
    try:
        code, printed = run(command, folder, variables)
    except OSError as error:
        raise SetupError(f"{failure}: {error}") from error
    if code:
        tail = "\n".join("    " + line for line in printed.rstrip().splitlines()[-12:])
        raise SetupError(f"{failure} (exit code {code} from `{' '.join(command)}`).\n{tail}")
    return printed


def replace_process(command: list[str]) -> int:
    """Become another program, so that signals and the terminal are its own; where that is impossible, wait for it."""
    sys.stdout.flush()
    if os.name == "nt":
        return subprocess.run(command, check=False).returncode
    os.execv(command[0], command)
    raise AssertionError("execv does not return")


def lint() -> int:
    """Run every check even if one fails, and return 1 if any did."""
    os.chdir(CHECKOUT)
    python = str(script("python"))
    imports = "import sys; sys.argv[0] = 'lint-imports'; from importlinter.cli import lint_imports_command as c; c()"
    checks = {
        "ruff check": [python, "-m", "ruff", "check", "."],
        "ruff format": [python, "-m", "ruff", "format", "--check", "."],
        "mypy": [python, "-m", "mypy", "--strict", "mlops_desk", "packaging"],
        "lint-imports": [python, "-c", imports],
    }
    failed = 0
    for name, command in checks.items():
        started = time.monotonic()
        code, printed = run(command)
        if code:
            failed += 1
            print(printed, end="", flush=True)
        step(f"{name}: {'failed' if code else 'clean'} in {time.monotonic() - started:.1f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
