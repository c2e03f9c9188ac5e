"""What is shipped: complete and hashed pins, a wheel with everything in it, and no address of anybody's machine."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).resolve().parents[2]
RUNTIME = CHECKOUT / "packaging" / "constraints.txt"
TEST = CHECKOUT / "packaging" / "constraints-test.txt"
PACKAGE = CHECKOUT / "packaging" / "constraints-package.txt"
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
RUNTIME_ROOTS = PROJECT["project"]["dependencies"] + PROJECT["build-system"]["requires"]
PACKAGE_ROOTS = PROJECT["dependency-groups"]["package"]
TEST_ROOTS = PROJECT["project"]["optional-dependencies"]["test"] + PROJECT["dependency-groups"]["lint"]


def pins(*files: Path) -> dict[str, Requirement]:
    """Return the pinned requirements by name; a line that is neither a pin nor a hash fails."""
    found: dict[str, Requirement] = {}
    for file in files:
        text = file.read_text(encoding="utf-8").replace("\\\n", " ")
        for line in text.splitlines():
            if line.startswith("#"):
                continue
            entry = re.fullmatch(r"([^\s;]+==[^\s;]+(?: ; [^\\]+?)?)((?: +--hash=sha256:[0-9a-f]{64})+)", line)
            assert entry, f"{file.name}: neither pinned nor hashed: {line[:80]}"
            pin = Requirement(entry[1])
            assert pin.name == canonicalize_name(pin.name)
            earlier = found.setdefault(pin.name, pin)
            assert earlier.specifier == pin.specifier, f"{pin.name} has two versions"
    return found


@pytest.mark.parametrize(
    ("files", "roots"),
    [((RUNTIME,), RUNTIME_ROOTS), ((RUNTIME, TEST), TEST_ROOTS), ((RUNTIME, PACKAGE), PACKAGE_ROOTS)],
)
def test_everything_named_in_pyproject_is_pinned_within_its_range(files: tuple[Path, ...], roots: list[str]) -> None:
    pinned = pins(*files)
    for root in map(Requirement, roots):
        version = str(pinned[canonicalize_name(root.name)].specifier).removeprefix("==")
        assert version in root.specifier, f"{root} is pinned to {version}"


@pytest.mark.parametrize(("files", "roots"), [((RUNTIME,), RUNTIME_ROOTS), ((RUNTIME, TEST), TEST_ROOTS)])
def test_pins_are_closed_under_what_they_require(files: tuple[Path, ...], roots: list[str]) -> None:
    pinned = pins(*files)
    queue, seen = [Requirement(root) for root in roots], set()
    while queue:
        requirement = queue.pop()
        if (str(requirement)) in seen:
            continue
        seen.add(str(requirement))
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        pin = pinned.get(canonicalize_name(requirement.name))
        assert pin, f"{requirement.name} is required and not pinned"
        assert pin.marker is None or pin.marker.evaluate(), (
            f"{requirement.name} is required here and its marker says no"
        )
        for text in importlib.metadata.requires(pin.name) or ():
            child = Requirement(text)
            if child.marker and any(child.marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras)):
                child.marker = None
            queue.append(child)
    assert len(seen) > len(roots)


def test_tests_and_linters_are_no_runtime_pins() -> None:
    others = {"pytest", "moto", "ruff", "mypy", "hypothesis", "pyspark", "pyinstaller", "setuptools"}
    assert not others & pins(RUNTIME).keys()
    assert "pyinstaller" not in pins(TEST)


def test_no_file_holds_an_address_of_somebodys_machine(tracked: list[Path]) -> None:
    # Written in pieces, so that this file does not hold them either.
    folders = "|".join(("wo" + "rk", "ro" + "ot", "ho" + "me/[a-z]", "op" + "t/py", "Use" + "rs/[a-z]"))
    indexes = "|".join(
        ("index" + "-url", "extra" + "-index", "find" + "-links", "pypi.org/" + "simple", "trusted" + "-host")
    )
    machine = re.compile(rf"(?:^|[\s\"'=(:,`])/(?:{folders})(?![a-z])|{indexes}".encode(), re.MULTILINE)
    found = {
        f"{path.relative_to(CHECKOUT)}: {match[0].decode().strip()}"
        for path in tracked
        if b"\0" not in (content := path.read_bytes())[:8192]
        for match in [machine.search(content)]
        if match
    }
    assert found == set()


def test_wheel_holds_the_package_its_resources_and_its_licences(tracked: list[Path], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        scripts = next(archive.read(name).decode() for name in names if name.endswith("entry_points.txt"))
    owned = [path.relative_to(CHECKOUT) for path in tracked]
    package = {path.as_posix() for path in owned if path.parts[0] == "mlops_desk"}
    needed = [path for path in owned if path.parts[0] == "resources" and path.parts[1] != "screenshots"]
    resources = {f"mlops_desk/_resources/{'/'.join(path.parts[1:])}" for path in needed}
    assert package | resources <= names
    assert not [name for name in names if "screenshots" in name]  # for the README alone
    assert {Path(name).name for name in names if "/licenses/" in name} == {"LICENSE", "NOTICE"}
    assert not {name.split("/")[0] for name in names if ".dist-info" not in name} - {"mlops_desk"}
    assert "mlops-desk = mlops_desk.__main__:command\n" in scripts
    assert "mlops-desk-gui = mlops_desk.__main__:main_gui\n" in scripts + "\n"
