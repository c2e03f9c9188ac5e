"""Write the pinned, hashed constraint files from pyproject.toml: `python3 packaging/lock.py [--upgrade]`.

constraints.txt is what a user runs (and the build backend), constraints-test.txt what tests and linters add, and constraints-package.txt
what only making an installer needs. Versions already pinned stay unless --upgrade is given or pyproject.toml no longer allows them. One
set of pins serves Linux, macOS and Windows: a distribution that only some of them need carries a marker, and the hashes are those of
every wheel for CPython 3.11 to 3.14.
Hashes come from the index pages through pip's own classes, so this tool depends on pip's internals (tried with 23.0 to 26.3).
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pip._internal.commands import create_command
from pip._internal.index.collector import parse_links
from pip._internal.models.link import Link
from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import canonicalize_name, parse_wheel_filename

CHECKOUT = Path(__file__).resolve().parents[1]
RUNTIME = CHECKOUT / "packaging" / "constraints.txt"
TEST = CHECKOUT / "packaging" / "constraints-test.txt"
PACKAGE = CHECKOUT / "packaging" / "constraints-package.txt"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
SYSTEMS = {"linux": ("posix", "Linux"), "darwin": ("posix", "Darwin"), "win32": ("nt", "Windows")}
OTHER_PLATFORMS = ("win_amd64", "macosx_12_0_arm64", "any")
PLATFORM = re.compile(r"any|manylinux\w*_(x86_64|aarch64)|macosx_\w+|win_(amd64|arm64)")
HEADER = "# Written by packaging/lock.py from pyproject.toml: change that, not this.\n"


def main() -> None:
    """Resolve all sets of requirements and write a file for each."""
    parser = argparse.ArgumentParser(description="Write the pinned, hashed constraint files from pyproject.toml.")
    parser.add_argument("--upgrade", action="store_true", help="take the newest allowed versions")
    parser.add_argument("--pins", type=Path, help="a list of name==version to prefer, such as the output of pip freeze")
    arguments = parser.parse_args()
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    runtime = project["project"]["dependencies"] + project["build-system"]["requires"]
    test = project["project"]["optional-dependencies"]["test"] + project["dependency-groups"]["lint"]
    package = project["dependency-groups"]["package"]
    files = [arguments.pins] if arguments.pins else [RUNTIME, TEST, PACKAGE]
    pins = {} if arguments.upgrade else pinned_versions(files)

    resolved = resolution([*runtime, *test, *package], pins)
    systems_of_runtime = systems_by_name(runtime, resolved)
    more = {path: systems_by_name([*runtime, *roots], resolved) for path, roots in ((TEST, test), (PACKAGE, package))}
    added = {
        path: {name: found for name, found in systems.items() if systems_of_runtime.get(name) != found}
        for path, systems in more.items()
    }
    every = sorted(systems_of_runtime.keys() | {name for systems in added.values() for name in systems})
    hashes = {name: wheel_hashes(name, resolved[name]["version"]) for name in every}
    for path, systems in ({RUNTIME: systems_of_runtime} | added).items():
        entries = [entry(name, resolved[name]["version"], systems[name], hashes[name]) for name in sorted(systems)]
        path.write_text(HEADER + "".join(entries), encoding="utf-8", newline="\n")
        print(f"{path.relative_to(CHECKOUT)}: {len(entries)} distributions")


def pinned_versions(files: Iterable[Path]) -> dict[str, str]:
    """Return the version each file pins, by canonical name."""
    pin = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)", re.MULTILINE)
    found = [pair for file in files if file.exists() for pair in pin.findall(file.read_text(encoding="utf-8"))]
    return {canonicalize_name(name): version for name, version in found}


def resolution(requirements: list[str], pins: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Return the metadata of the whole closure by name, including what only other systems need.

    pip evaluates markers for the machine it runs on, so what it left out is asked for by name until nothing is missing.
    """
    items = pip_metadata([requirement.split(";")[0] for requirement in requirements], pins)
    elsewhere = ["--no-deps", "--target", "unused", *(f"--platform={name}" for name in OTHER_PLATFORMS)]
    while True:
        metadata = {canonicalize_name(item["name"]): item for item in items}
        missing = {
            f"{requirement.name}{requirement.specifier}"
            for requirement in reachable(requirements, metadata)
            if canonicalize_name(requirement.name) not in metadata
        }
        if not missing:
            return metadata
        items += pip_metadata(sorted(missing), pins, *elsewhere)


def pip_metadata(roots: list[str], pins: dict[str, str], *options: str) -> list[dict[str, Any]]:
    """Return the metadata of what pip would install for these roots, preferring the pins that they allow."""
    allowed = {canonicalize_name(root.name): root.specifier for root in map(Requirement, roots)}
    kept = [f"{name}=={version}" for name, version in pins.items() if name not in allowed or version in allowed[name]]
    with tempfile.TemporaryDirectory() as folder:
        preferences, report = Path(folder, "preferences.txt"), Path(folder, "report.json")
        preferences.write_text("\n".join(kept), encoding="utf-8")
        files = [f"--report={report}", f"--constraint={preferences}"]
        command = "-m pip install -qq --dry-run --ignore-installed --only-binary=:all:".split()
        subprocess.run([sys.executable, *command, *files, *options, *roots], check=True)
        return [item["metadata"] for item in json.loads(report.read_text(encoding="utf-8"))["install"]]


def environments() -> list[dict[str, str]]:
    """Return the marker environment of each system with each Python."""
    return [
        {
            "sys_platform": system,
            "os_name": os_name,
            "platform_system": platform_system,
            "platform_machine": "x86_64",
            "platform_python_implementation": "CPython",
            "implementation_name": "cpython",
            "python_version": python,
            "python_full_version": f"{python}.0",
        }
        for system, (os_name, platform_system) in SYSTEMS.items()
        for python in PYTHONS
    ]


def reachable(
    requirements: Iterable[str], metadata: dict[str, dict[str, Any]], environment: dict[str, str] | None = None
) -> list[Requirement]:
    """Return every requirement that the roots lead to, in one environment or (given none) in any of them."""
    choices = environments() if environment is None else [environment]
    found: dict[tuple[str, frozenset[str]], Requirement] = {}
    for choice in choices:
        seen: set[tuple[str, frozenset[str]]] = set()
        queue = [(Requirement(text), "") for text in requirements]
        while queue:
            requirement, extra = queue.pop()
            if requirement.marker and not requirement.marker.evaluate({**choice, "extra": extra}):
                continue
            name = canonicalize_name(requirement.name)
            key = (name, frozenset(requirement.extras))
            if key in seen:
                continue
            seen.add(key)
            found[key] = requirement
            wanted = [Requirement(text) for text in metadata.get(name, {}).get("requires_dist", ())]
            queue += [(child, one) for child in wanted for one in ("", *requirement.extras)]
    return list(found.values())


def systems_by_name(requirements: list[str], metadata: dict[str, dict[str, Any]]) -> dict[str, frozenset[str]]:
    """Return the systems that need each distribution of the closure."""
    systems: dict[str, set[str]] = {}
    for environment in environments():
        for requirement in reachable(requirements, metadata, environment):
            systems.setdefault(canonicalize_name(requirement.name), set()).add(environment["sys_platform"])
    return {name: frozenset(found) for name, found in systems.items()}


def wheel_hashes(name: str, version: str) -> list[str]:
    """Return the sha256 of each wheel of one version that a supported Python on a supported machine could install."""
    command = create_command("install")
    options, _ = command.parse_args([])
    finder = command._build_package_finder(options, command._build_session(options))
    hashes = set()
    for location in finder.search_scope.get_index_urls_locations(name):
        page = finder._link_collector.fetch_response(Link(location))
        for link in parse_links(page) if page else ():
            if link.filename.endswith(".whl") and link.hash_name == "sha256" and is_supported(link.filename, version):
                hashes.add(link.hash)
    if not hashes:
        raise SystemExit(f"{name} {version} has no wheel that could be installed: choose another version")
    return sorted(hashes)


def is_supported(filename: str, version: str) -> bool:
    """Tell whether a wheel is of that version and installs on one of the supported Pythons and machines."""
    try:
        _, found, _, tags = parse_wheel_filename(filename)
    except ValueError:
        return False
    numbers = {python.replace(".", "") for python in PYTHONS}
    return str(found) == version and any(
        PLATFORM.fullmatch(tag.platform)
        and (
            tag.interpreter == "py3"
            or (tag.abi == "abi3" and tag.interpreter.startswith("cp3"))
            or (tag.interpreter.removeprefix("cp") in numbers and tag.abi == tag.interpreter)
        )
        for tag in tags
    )


def entry(name: str, version: str, systems: frozenset[str], hashes: list[str]) -> str:
    """Return one pinned distribution as pip reads it."""
    condition = " or ".join(f'sys_platform == "{system}"' for system in sorted(systems))
    marker = "" if len(systems) == len(SYSTEMS) else f" ; {condition}"
    return f"{name}=={version}{marker}" + "".join(f" \\\n    --hash=sha256:{value}" for value in hashes) + "\n"


if __name__ == "__main__":
    main()
