"""Gathers the licences of everything that the frozen program contains into one text.

What is installed from packages says its licence and brings the texts with it; shared libraries of the system are asked of dpkg, whose copyright
files hold theirs. Qt, whose wheels bring no text, is told of here with the way to replace it, as the LGPL demands.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
TEXTS = CHECKOUT / "packaging" / "licences"
RULE = "=" * 100
IS_TEXT = re.compile(r"(?:^|/)(?:licen[cs]e|copying|notice|copyright|authors)[^/]*$|/licen[cs]es/", re.IGNORECASE)
NO_TEXT = re.compile(r"\.(py|pyc|so|json|h)$")

QT = """Qt and PySide6 (PySide6-Essentials, shiboken6)
Copyright The Qt Company Ltd. and other contributors.
Used under the GNU Lesser General Public License, Version 3, whose text follows with that of the GNU General Public License, Version 3,
on which it builds. Qt contains works of others under licences of their own: https://doc.qt.io/qt-6/licenses-used-in-qt.html

How to replace Qt. The libraries are neither changed nor linked into the program: they are the files of the folder {folder}, loaded when
the program starts. Put other builds of the same names there (the same major version and at least the same minor version, made with
the options that PySide6's own wheels are made with), or remove the folders PySide6 and shiboken6 and put those of another PySide6
between 6.9 and 6.12 in their place. Nothing checks or prevents it, and you may take the program apart to find errors in such a change.
Source: https://code.qt.io, and https://download.qt.io/official_releases/QtForPython for that of PySide6.
"""

PYTHON = "Python {version}\nCopyright Python Software Foundation and others. Its licence is the Python Software Foundation License Version 2."


def gathered(site_packages: Path, folder: Path) -> str:
    """Return the whole text for a frozen program in `folder`, made from the distributions in `site_packages`.

    Raises SystemExit, naming them, where a distribution or a shared library comes without a licence.
    """
    installed = {canonical(one.name): one for one in distributions(path=[str(site_packages)])}
    sections = [own(), QT.format(folder="_internal/PySide6") + texts("LGPL-3.0.txt", "GPL-3.0.txt"), python()]
    sections.append(fonts())
    silent = []
    for name in [*closure(requirements(), installed), "pyinstaller"]:
        if name in ("pyside6-essentials", "shiboken6"):
            continue
        section = of_distribution(installed[name])
        silent += [] if section else [name]
        sections.append(section or "")
    if silent:
        raise SystemExit(f"no licence text is installed with {', '.join(silent)}: add it to packaging/licences")
    if sys.platform == "linux":
        sections += of_system(sorted(file for file in (folder / "_internal").glob("lib*.so*") if not file.is_symlink()))
    return f"\n{RULE}\n".join(section.strip() + "\n" for section in sections)


def canonical(name: str) -> str:
    """Return a distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements() -> list[str]:
    """Return what pyproject.toml says that the program needs."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    return list(project["project"]["dependencies"])


def closure(roots: Iterable[str], installed: dict[str, Distribution]) -> list[str]:
    """Return the names of the installed distributions that the roots lead to; one that a marker excludes is not installed."""
    found: set[str] = set()
    queue = [*roots]
    while queue:
        requirement = queue.pop()
        name = canonical(re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0])
        if name in found or name not in installed or "extra ==" in requirement:
            continue
        found.add(name)
        queue += installed[name].requires or []
    return sorted(found)


def own() -> str:
    """Return the licence of the project itself and its notes on what it ships."""
    return "\n\n".join((CHECKOUT / name).read_text(encoding="utf-8").strip() for name in ("NOTICE", "LICENSE"))


def texts(*names: str) -> str:
    """Return texts of packaging/licences."""
    return "\n" + "\n\n".join((TEXTS / name).read_text(encoding="utf-8").strip() for name in names)


def python() -> str:
    """Return Python's own licence, from where this system keeps it."""
    places = [
        Path(f"/usr/share/doc/libpython{sys.version_info[0]}.{sys.version_info[1]}-minimal/copyright"),
        Path(sys.base_prefix, "LICENSE.txt"),
        Path(sys.base_prefix, "lib", f"python{sys.version_info[0]}.{sys.version_info[1]}", "LICENSE.txt"),
    ]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise SystemExit("Python's licence is not to be found: looked at " + ", ".join(map(str, places)))
    return f"{PYTHON.format(version=sys.version.split()[0])}\n\n{found.read_text(encoding='utf-8')}"


def fonts() -> str:
    """Return the licences of the fonts in resources/fonts."""
    found = sorted((CHECKOUT / "resources" / "fonts").glob("*LICEN[CS]E*"))
    parts = [f"Font {file.name.split('-')[0]}\n\n{file.read_text(encoding='utf-8').strip()}" for file in found]
    return f"\n{RULE}\n".join(parts)


def of_distribution(distribution: Distribution) -> str | None:
    """Return what a distribution says of its licence with every text it brings, None where it brings none."""
    metadata = distribution.metadata
    stated = next((metadata[key] for key in ("License-Expression", "License") if key in metadata), "")
    classified = [
        text.rpartition(" :: ")[2] for text in metadata.get_all("Classifier", []) if text.startswith("License ::")
    ]
    licence = stated.strip().splitlines()[0] if stated.strip() else ", ".join(classified)
    found: dict[str, str] = {}
    for file in distribution.files or ():
        if IS_TEXT.search(str(file)) and not NO_TEXT.search(str(file)):
            path = Path(str(file.locate()))
            if path.is_file():
                found.setdefault(path.read_text(encoding="utf-8", errors="replace").strip(), file.name)
    if not found:
        return None
    head = f"{distribution.name} {distribution.version}\nLicence: {licence or 'see below'}"
    return "\n\n".join([head, *(f"[{name}]\n{text}" for text, name in found.items())])


def of_system(libraries: Iterable[Path]) -> list[str]:
    """Return the copyright file of each Debian package that a shared library was taken from, each once."""
    owners: dict[str, list[str]] = {}
    for library in libraries:
        listing = subprocess.run(
            ["dpkg", "-S", f"*/{library.name}"], capture_output=True, text=True, check=False
        ).stdout
        packages = {line.partition(":")[0] for line in listing.splitlines() if line.endswith(f"/{library.name}")}
        if not packages:
            raise SystemExit(f"{library.name} belongs to no package of this system, so its licence is not known")
        owners.setdefault(sorted(packages)[0], []).append(library.name)
    sections = []
    for package, names in sorted(owners.items()):
        text = Path("/usr/share/doc", package, "copyright").read_text(encoding="utf-8", errors="replace")
        sections.append(f"{', '.join(names)}: shared libraries of Debian's package {package}, unchanged\n\n{text}")
    return sections
