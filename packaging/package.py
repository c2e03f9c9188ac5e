"""Makes what is handed out, in dist/: `python3 packaging/bootstrap.py package [--wheel]`.

Wheel and sdist, installed anew and tested; then the frozen program, tested, and of it what this system installs: a .deb and a .tar.zst on Linux, an
installer on Windows, an app and a .dmg on macOS. Every step that finds something wrong stops with one line.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

import bootstrap
import debian
import icons
import licences
from bootstrap import CHECKOUT, SetupError, output_of, step
from frozen_parts import STRIPPED

BUILD, DIST = CHECKOUT / "build", CHECKOUT / "dist"
PINS = (CHECKOUT / "packaging" / "constraints.txt", CHECKOUT / "packaging" / "constraints-package.txt")
NAME = "mlops-desk"
PROGRAMS = (NAME, "mlops-desk-gui", "mlops-desk-python")
MOST_INSTALLED = 560_000_000
MOST_PACKAGE = 165_000_000
LEAST_PATH = 8
"""Characters of a path that is looked for: the home of root, being shorter, is in files that others built."""
TOOLS = "binutils dpkg zstd desktop-file-utils appstream lintian".split()
UNKNOWN = ["malformed-deb-archive"]
"""Tags that cannot be overridden in the package: Debian 12's lintian does not know zstd yet, which its dpkg reads."""
BUILD_ONLY = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONPATH", "PYTHONHOME", "DISPLAY", "WAYLAND_DISPLAY")
"""Variables of this machine that must not decide what is built or how it is tested."""


def main(arguments: list[str]) -> int:
    """Make everything, or with --wheel only wheel and sdist."""
    started = time.monotonic()
    try:
        python = build_environment()
        make_wheel(python)
        if "--wheel" not in arguments:
            make_program(python)
    except SetupError as error:
        print(f"Packaging stopped: {error}", file=sys.stderr)
        return 2
    step(f"Done in {time.monotonic() - started:.0f} s")
    return 0


# --- The Python that builds ---------------------------------------------------------------------------------------------


def program_of(environment: Path, name: str) -> Path:
    """Return the path of a program in a virtual environment."""
    return environment / "Scripts" / f"{name}.exe" if os.name == "nt" else environment / "bin" / name


def clean_environment() -> dict[str, str]:
    """Return the variables that programs are built and tested with: the same on every machine, and the same bytes every time."""
    variables = {name: value for name, value in os.environ.items() if name not in BUILD_ONLY}
    return variables | {"PYTHONHASHSEED": "0", "SOURCE_DATE_EPOCH": str(moment()), "QT_QPA_PLATFORM": "offscreen"}


def build_environment() -> Path:
    """Return the Python of build/venv, which has the pinned packages and PyInstaller."""
    folder = BUILD / "venv"
    python, stamp = program_of(folder, "python"), folder / "pins"
    contents = hashlib.sha256(sys.version.encode() + b"".join(file.read_bytes() for file in PINS)).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == contents:
        return python
    step(f"Making {folder.relative_to(CHECKOUT)} with Python {sys.version.split()[0]}")
    install_into(folder, [word for file in PINS for word in ("-r", str(file))])
    stamp.write_text(contents, encoding="utf-8")
    return python


def install_into(folder: Path, pinned: list[str]) -> None:
    """Make a virtual environment anew and install pinned, hashed packages into it."""
    venv.create(folder, clear=True, with_pip=False)
    pip = bootstrap.pip_command(program_of(folder, "python"))
    output_of([*pip, "install", "--require-hashes", *pinned], "the pinned packages could not be installed")


def version() -> str:
    """Return the version of the program."""
    text = (CHECKOUT / "mlops_desk" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if found is None:
        raise SetupError("mlops_desk/__init__.py states no __version__")
    return found[1]


def moment() -> int:
    """Return when the last commit was made, in seconds since 1970: the time that all files of a package get."""
    if stated := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(stated)
    code, printed = bootstrap.run(["git", "-C", str(CHECKOUT), "log", "-1", "--format=%ct"])
    return int(printed) if code == 0 else int((CHECKOUT / "pyproject.toml").stat().st_mtime)


# --- Wheel and sdist ----------------------------------------------------------------------------------------------------


def make_wheel(python: Path) -> None:
    """Build wheel and sdist, and test the wheel that is built of the sdist in an environment of its own."""
    DIST.mkdir(exist_ok=True)
    for old in [*DIST.glob("*.whl"), *DIST.glob("*.tar.gz")]:
        old.unlink()
    output_of(
        [str(python), "-m", "hatchling", "build", "-d", str(DIST)], "wheel and sdist could not be built", CHECKOUT
    )
    (wheel,), (sdist,) = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
    unpacked = BUILD / "sdist"
    shutil.rmtree(unpacked, ignore_errors=True)
    shutil.unpack_archive(sdist, unpacked)  # made here just now
    (source,) = unpacked.iterdir()
    output_of(
        [str(python), "-m", "hatchling", "build", "-t", "wheel", "-d", str(unpacked)],
        "the sdist does not build",
        source,
    )
    (again,) = unpacked.glob("*.whl")
    if again.read_bytes() != wheel.read_bytes():
        raise SetupError(
            "the sdist builds another wheel than the checkout: tool.hatch.build in pyproject.toml leaves a file out"
        )
    step(f"{wheel.name} and {sdist.name}: {megabytes(wheel)} and {megabytes(sdist)}")
    fresh = BUILD / "fresh"
    install_into(fresh, ["-r", str(PINS[0])])
    pip = bootstrap.pip_command(program_of(fresh, "python"))
    output_of([*pip, "install", "--no-deps", "--no-index", str(again)], "the wheel could not be installed")
    test_program([str(program_of(fresh, NAME))], "the wheel")
    shutil.rmtree(fresh)


def test_program(command: list[str], what: str) -> None:
    """Run the self-test of an installation away from the checkout, and show it; the first window has to show in time."""
    tested = subprocess.run(
        [*command, "--self-test"], cwd=BUILD, env=clean_environment(), capture_output=True, text=True, check=False
    )
    print("".join(f"    {line}\n" for line in tested.stdout.splitlines()), end="")
    if tested.returncode or " ok " not in tested.stdout.replace("\nok ", "\n ok "):
        raise SetupError(f"the self-test of {what} failed (exit code {tested.returncode}). {tested.stderr.strip()}")
    step(f"{what[0].upper() + what[1:]} passed its self-test")


# --- The frozen program -------------------------------------------------------------------------------------------------


def make_program(python: Path) -> None:
    """Freeze the program, test it and make of it what this system installs."""
    if sys.platform == "linux":
        bootstrap.install_packages(TOOLS, "making the package")
    started = time.monotonic()
    icons.write_icons(BUILD / "icons")
    spec = CHECKOUT / "packaging" / "mlops-desk.spec"
    command = [str(python), "-m", "PyInstaller", "--noconfirm", "--clean", "--log-level=WARN"]
    folders = ["--workpath", str(BUILD / "freeze"), "--distpath", str(BUILD / "frozen")]
    output_of(
        [*command, *folders, str(spec)], "PyInstaller could not freeze the program", CHECKOUT, clean_environment()
    )
    folder = BUILD / "frozen" / NAME
    finish(folder, python)
    size = sum(path.lstat().st_size for path in folder.rglob("*"))
    step(f"Frozen in {time.monotonic() - started:.0f} s: {size / 1e6:.0f} MB")
    check_paths(folder, [str(CHECKOUT), str(Path.home())])
    test_program([str(folder / (f"{NAME}.exe" if os.name == "nt" else NAME))], "the frozen program")
    if sys.platform == "linux":
        make_linux(folder, python, size)
    elif sys.platform == "win32":
        make_windows()
    else:
        make_macos()


def finish(folder: Path, python: Path) -> None:
    """Add to the frozen folder what PyInstaller does not: links, licences; and take symbols away that no one needs."""
    if os.name != "nt":
        (program,) = [name for name in PROGRAMS if (folder / name).is_file() and not (folder / name).is_symlink()]
        for link in PROGRAMS:
            if link != program:
                (folder / link).unlink(missing_ok=True)
                (folder / link).symlink_to(program)
    inside = folder / "_internal"
    if sys.platform == "linux":
        for file in sorted(inside.rglob("*.so*")):
            name = file.relative_to(inside).as_posix()
            if not file.is_symlink() and any(fnmatchcase(name, pattern) for pattern in STRIPPED):
                output_of(["strip", "--strip-unneeded", str(file)], f"{name} could not be stripped")
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site_packages = output_of([str(python), "-c", code], "build/venv does not answer").strip()
    text = licences.gathered(Path(site_packages), folder)
    (folder / "THIRD-PARTY-LICENCES.txt").write_text(text, encoding="utf-8", newline="\n")
    for name in ("LICENSE", "NOTICE"):
        shutil.copyfile(CHECKOUT / name, folder / name)


def check_paths(folder: Path, machine: Iterable[str]) -> None:
    """Raise SetupError where a file holds a path of the machine that built it."""
    paths = [path.encode() for path in machine if len(path) >= LEAST_PATH]
    found = sorted(
        f"{file.relative_to(folder)}"
        for file in folder.rglob("*")
        if file.is_file() and not file.is_symlink() and any(path in file.read_bytes() for path in paths)
    )
    if found:
        raise SetupError(f"{len(found)} files hold a path of this machine: {', '.join(found[:5])}")


def make_linux(folder: Path, python: Path, size: int) -> None:
    """Make the .deb and the portable archive, and have the validators look at them."""
    if size > MOST_INSTALLED:
        raise SetupError(f"the frozen program has {size / 1e6:.0f} MB, more than {MOST_INSTALLED / 1e6:.0f}")
    manual = BUILD / "manual"
    shutil.rmtree(manual, ignore_errors=True)
    variables = {**clean_environment(), "PYTHONPATH": str(CHECKOUT)}
    command = [str(python), str(CHECKOUT / "packaging" / "manual.py"), str(manual)]
    output_of(command, "the pages could not be written", CHECKOUT, variables)
    for old in [*DIST.glob("*.deb"), *DIST.glob("*.tar.zst")]:
        old.unlink()
    package = debian.make(folder, manual, version(), DIST, moment())
    if package.stat().st_size > MOST_PACKAGE:
        raise SetupError(f"{package.name} has {megabytes(package)}, more than {MOST_PACKAGE / 1e6:.0f}")
    step(f"{package.name}: {megabytes(package)}")
    archive = make_archive(folder)
    step(f"{archive.name}: {megabytes(archive)}")
    check_package(package)


def make_archive(folder: Path) -> Path:
    """Return the portable archive: the folder, to be unpacked anywhere."""
    archive = DIST / f"{NAME}-{version()}-linux-{os.uname().machine}.tar.zst"
    fixed = ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", f"--mtime=@{moment()}"]
    packer = ["--use-compress-program=zstd -15 -T0"]
    renamed = [f"--transform=s,^{NAME},{NAME}-{version()},rSh"]
    command = ["tar", "-c", *fixed, *packer, *renamed, "-f", str(archive), "-C", str(folder.parent), folder.name]
    output_of(command, "tar could not make the archive")
    return archive


def check_package(package: Path) -> None:
    """Raise SetupError where a validator finds fault with the package."""
    unpacked = BUILD / "unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)
    output_of(["dpkg-deb", "-x", str(package), str(unpacked)], "the package cannot be unpacked")
    share = unpacked / "usr" / "share"
    output_of(["desktop-file-validate", str(share / "applications" / f"{NAME}.desktop")], "the menu entry is not valid")
    metainfo = str(share / "metainfo" / debian.METAINFO)
    output_of(["appstreamcli", "validate", "--no-net", metainfo], "the AppStream metadata are not valid")
    output_of(["man", "--warnings=w", "-l", str(share / "man" / "man1" / f"{NAME}.1.gz")], "man cannot read the page")
    output_of(
        ["bash", "-n", str(share / "bash-completion" / "completions" / NAME)], "the completion for bash is broken"
    )
    lintian = ["lintian", "--fail-on=error,warning", "--tag-display-limit=0", f"--suppress-tags={','.join(UNKNOWN)}"]
    told = output_of([*lintian, str(package)], "lintian complains")
    shutil.rmtree(unpacked)
    step("desktop-file-validate, appstreamcli, man, bash and lintian found nothing" + (f":\n{told}" if told else ""))


# --- Windows and macOS, prepared and not tried there --------------------------------------------------------------------


def make_windows() -> None:
    """Make the installer with NSIS."""
    script = CHECKOUT / "packaging" / "windows" / "installer.nsi"
    output_of(["makensis", "/V2", f"/DVERSION={version()}", str(script)], "makensis could not make the installer")


def make_macos() -> None:
    """Make the .dmg, signed where a signing identity is named."""
    script = CHECKOUT / "packaging" / "macos" / "dmg.sh"
    output_of(["sh", str(script), version()], "the .dmg could not be made")


def megabytes(file: Path) -> str:
    """Return the size of a file in words."""
    return f"{file.stat().st_size / 1e6:.1f} MB"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
