"""Makes a Debian package of the frozen program: the folder under /opt, and what a desktop and a shell know of it under /usr.

No maintainer scripts: dpkg's triggers refresh menus, file types and icons. Nothing of a user's is touched by installing, upgrading or removing.
"""

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import time
from email.utils import formatdate
from pathlib import Path

from frozen_parts import needed

CHECKOUT = Path(__file__).resolve().parents[1]
LINUX = CHECKOUT / "packaging" / "linux"
NAME = "mlops-desk"
COMMANDS = ("mlops-desk", "mlops-desk-gui")
METAINFO = "io.github.mlops_desk.mlops_desk.metainfo.xml"
ICON_SIZES = (16, 24, 32, 48, 64, 128, 256, 512)
MAINTAINER = "MLOps Desk <mlops-desk@users.noreply.github.com>"
COMPRESSION = ["-Zzstd", "-z19"]

DEPENDS = """libc6 (>= 2.36), libstdc++6 (>= 12), libgcc-s1, zlib1g, libglib2.0-0, libegl1, libgl1, libx11-6, libx11-xcb1, libxcb1, libdbus-1-3,
    libfontconfig1, libfreetype6, shared-mime-info, xkb-data"""
RECOMMENDS = "fonts-noto-cjk | fonts-wqy-microhei | fonts-wqy-zenhei | fonts-droid-fallback, libwayland-client0, libwayland-cursor0, libwayland-egl1"
LOADED_IF_THERE = {
    "libwayland-client.so.0",
    "libwayland-cursor.so.0",
    "libwayland-egl.so.1",
    "libwayland-server.so.0",
    "libdrm.so.2",
    "libgbm.so.1",
}
"""What only plugins for Wayland ask for: without them the window opens through X11."""

DESCRIPTION = """Watch machine-learning models in production
 MLOps Desk reads prediction logs in Parquet and says which column drifted,
 whether accuracy holds, who is treated differently, since when and how sure
 it is. It raises alerts, writes reports, and starts your retraining command
 at the press of a button. Everything runs on your machine, in a desktop
 window or without one; nothing is sent anywhere."""


def make(folder: Path, manual: Path, version: str, target: Path, moment: int) -> Path:
    """Return the package made of a frozen program's folder and of its pages and completions.

    version : of the package. target : folder in which the package and its tree are made. moment : seconds since 1970 that every file gets.
    """
    tree = target / "deb"
    shutil.rmtree(tree, ignore_errors=True)
    program = tree / "opt" / NAME
    shutil.copytree(folder, program, symlinks=True, copy_function=os.link)
    foreign = depends_on(program) - LOADED_IF_THERE
    check_depends(foreign)
    write_usr(tree, program, manual, version, moment)
    settle(tree)
    control = tree / "DEBIAN"
    control.mkdir(mode=0o755)
    kilobytes = sum(-(-file.lstat().st_size // 1024) for file in tree.rglob("*"))
    (control / "control").write_text(control_text(version, kilobytes), encoding="utf-8")
    sums = [
        f"{hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()}  {file.relative_to(tree)}\n"
        for file in sorted(tree.rglob("*"))
        if file.is_file() and not file.is_symlink() and control not in file.parents
    ]
    (control / "md5sums").write_text("".join(sums), encoding="utf-8")
    for file in control.iterdir():
        file.chmod(0o644)
    package = target / f"{NAME}_{version}_{architecture()}.deb"
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(moment)}
    command = ["dpkg-deb", "--root-owner-group", *COMPRESSION, "--build", str(tree), str(package)]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(tree)
    return package


def architecture() -> str:
    """Return dpkg's name of this machine."""
    return subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()


def control_text(version: str, kilobytes: int) -> str:
    """Return what dpkg is told of the package."""
    fields = {
        "Package": NAME,
        "Version": version,
        "Section": "science",
        "Priority": "optional",
        "Architecture": architecture(),
        "Installed-Size": str(kilobytes),
        "Depends": " ".join(DEPENDS.split()),
        "Recommends": RECOMMENDS,
        "Maintainer": MAINTAINER,
        "Description": DESCRIPTION,
    }
    return "".join(f"{key}: {value}\n" for key, value in fields.items())


def write_usr(tree: Path, program: Path, manual: Path, version: str, moment: int) -> None:
    """Write what lies under /usr: links, menu entry, file types, icons, pages, completions, licences."""
    usr = tree / "usr"
    (usr / "bin").mkdir(parents=True)
    for command in COMMANDS:
        (usr / "bin" / command).symlink_to(f"/opt/{NAME}/{command}")
    share, icons = usr / "share", CHECKOUT / "resources" / "icons"
    put(LINUX / "mlops-desk.desktop", share / "applications" / "mlops-desk.desktop")
    put(LINUX / "mlops-desk.xml", share / "mime" / "packages" / "mlops-desk.xml")
    put(LINUX / "lintian-overrides", share / "lintian" / "overrides" / NAME)
    metainfo = (LINUX / METAINFO).read_text(encoding="utf-8")
    day = time.strftime("%Y-%m-%d", time.gmtime(moment))
    write(
        share / "metainfo" / METAINFO,
        metainfo.replace("@VERSION@", version.partition("-")[0]).replace("@DATE@", day),
    )
    for size in ICON_SIZES:
        put(
            icons / f"mlops-desk-{size}.png", share / "icons" / "hicolor" / f"{size}x{size}" / "apps" / "mlops-desk.png"
        )
    put(icons / "mlops-desk.svg", share / "icons" / "hicolor" / "scalable" / "apps" / "mlops-desk.svg")
    for page in sorted((manual / "man").glob("*.1")):
        write_compressed(share / "man" / "man1" / f"{page.name}.gz", page.read_bytes())
    put(manual / "completion.bash", share / "bash-completion" / "completions" / NAME)
    put(manual / "completion.zsh", share / "zsh" / "vendor-completions" / f"_{NAME}")
    put(manual / "completion.fish", share / "fish" / "vendor_completions.d" / f"{NAME}.fish")
    documents = share / "doc" / NAME
    (documents).mkdir(parents=True)
    shutil.move(program / "THIRD-PARTY-LICENCES.txt", documents / "copyright")
    for name in ("LICENSE", "NOTICE"):  # the copyright file begins with them
        (program / name).unlink()
    write_compressed(documents / "CHANGELOG.md.gz", (CHECKOUT / "CHANGELOG.md").read_bytes())
    write_compressed(documents / "changelog.gz", changelog(version, moment).encode())


def changelog(version: str, moment: int) -> str:
    """Return the one entry that Debian wants of a package made from one version."""
    return (
        f"{NAME} ({version}) stable; urgency=medium\n\n  * What changed is told in /usr/share/doc/{NAME}/CHANGELOG.md.gz.\n\n"
        f" -- {MAINTAINER}  {formatdate(moment)}\n"
    )


def put(source: Path, destination: Path) -> None:
    """Copy a file, with the folders that it needs."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, destination)


def write(destination: Path, text: str) -> None:
    """Write a text, with the folders that it needs."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    destination.write_text(text, encoding="utf-8")


def write_compressed(destination: Path, content: bytes) -> None:
    """Write a file as gzip makes it at its best and without a time."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    destination.write_bytes(gzip.compress(content, 9, mtime=0))


def settle(tree: Path) -> None:
    """Give every file the rights that Debian wants: programs and folders 755, all else 644."""
    for path in [tree, *tree.rglob("*")]:
        if path.is_symlink():
            continue
        runs = path.is_dir() or (path.parent.name == NAME and path.name == NAME and path.read_bytes()[:4] == b"\x7fELF")
        path.chmod(0o755 if runs else 0o644)


def depends_on(program: Path) -> set[str]:
    """Return the shared libraries that files of the program ask for and that it does not contain."""
    files = [file for file in program.rglob("*") if file.is_file() and not file.is_symlink() and is_elf(file)]
    contained = {file.name for file in program.rglob("*.so*")}
    return {library for file in files for library in needed(str(file))} - contained


def is_elf(file: Path) -> bool:
    """Tell whether a file is a program or a shared library."""
    with file.open("rb") as opened:
        return opened.read(4) == b"\x7fELF"


def check_depends(libraries: set[str]) -> None:
    """Raise SystemExit where a shared library is in no package that the control file names."""
    declared = set(re.findall(r"[a-z][a-z0-9.+-]+", DEPENDS))
    foreign = []
    for library in sorted(libraries):
        listing = subprocess.run(["dpkg", "-S", f"*/{library}"], capture_output=True, text=True, check=False).stdout
        packages = {line.partition(":")[0] for line in listing.splitlines() if line.endswith(f"/{library}")}
        if not packages & declared:
            foreign.append(f"{library} ({', '.join(sorted(packages)) or 'in no package here'})")
    if foreign:
        raise SystemExit("Depends does not name what brings " + ", ".join(foreign))
