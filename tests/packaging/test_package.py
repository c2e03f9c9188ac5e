"""What bootstrap.py package makes, as far as it can be tried without freezing anything: parts, licences, pages, and a Debian package of a toy."""

import importlib.metadata
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from PySide6.QtCore import QSize
from PySide6.QtGui import QImageReader

from mlops_desk.cli.entry import COMMANDS

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGING = CHECKOUT / "packaging"
Tool = Callable[[str], ModuleType]
debian_only = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg makes Debian packages")


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed here")


def told(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


# --- What is frozen -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("PySide6/Qt/plugins/platforms/libqxcb.so", True),
        ("PySide6\\plugins\\platforms\\qwindows.dll", True),
        ("PySide6/Qt/plugins/platforms/libqeglfs.so", False),
        ("PySide6/Qt/plugins/platformthemes/libqgtk3.so", False),
        ("PySide6/Qt/translations/qtbase_zh_CN.qm", True),
        ("PySide6/Qt/translations/qtbase_fr.qm", False),
        ("pyarrow/libarrow_substrait.so.2600", True),
        ("pyarrow/libarrow_flight.so.2600", False),
        ("pyarrow/libarrow_python.so.2600", True),
        ("pyarrow/libarrow_python.so.2600.1.0", False),
        ("pyarrow/include/arrow/api.h", False),
        ("numpy-2.4.6.dist-info/RECORD", False),
        ("numpy-2.4.6.dist-info/METADATA", True),
    ],
)
def test_what_is_kept_of_the_frozen_folder(tool: Tool, name: str, wanted: bool) -> None:
    assert tool("frozen_parts").is_wanted(name) is wanted


def test_only_libraries_that_something_kept_asks_for_are_frozen(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = tool("frozen_parts")
    asks = {
        "numpy/core.so": {"libc.so.6", "libxyz.so.1"},
        "libxyz.so.1": {"libdeep.so.2", "libstdc++.so.6"},
        "PySide6/Qt/lib/libQt6Core.so.6": {"libicu.so.73"},
        "PySide6/QtCore.so": {"libQt6Core.so.6", "libglib-2.0.so.0"},
    }
    monkeypatch.setattr(parts, "needed", lambda file: asks.get(file, set()))
    names = [*asks, "libdeep.so.2", "libstdc++.so.6", "libglib-2.0.so.0", "libgtk-3.so.0", "libpython3.11.so.1.0"]
    names += ["PySide6/Qt/lib/libicu.so.73", "PySide6/Qt/lib/libQt6Quick.so.6"]
    dropped = set(names) - parts.reachable({name: name for name in names})
    assert dropped == {"libstdc++.so.6", "libglib-2.0.so.0", "libgtk-3.so.0", "PySide6/Qt/lib/libQt6Quick.so.6"}


def test_openblas_is_never_stripped(tool: Tool) -> None:
    from fnmatch import fnmatchcase

    patterns = tool("frozen_parts").STRIPPED
    for name in ("numpy.libs/libscipy_openblas64_-32a4b2a6.so", "scipy.libs/libscipy_openblas-6cdc3b4a.so"):
        assert not any(fnmatchcase(name, pattern) for pattern in patterns)


@needs("objdump")
@pytest.mark.skipif(sys.platform != "linux", reason="ELF files are Linux's")
def test_what_a_program_asks_the_loader_for_is_read_of_it(tool: Tool) -> None:
    core = next((Path(sys.prefix) / "lib").rglob("libpyside6.abi3.so.*"))
    assert {"libQt6Core.so.6", "libc.so.6"} <= tool("frozen_parts").needed(str(core))


def test_a_path_of_this_machine_in_a_frozen_file_is_found(tool: Tool, tmp_path: Path) -> None:
    package = tool("package")
    (tmp_path / "clean").write_bytes(b"\0/usr/lib\0")
    package.check_paths(tmp_path, ["/builder/checkout"])
    (tmp_path / "leak.so").write_bytes(b"\0/builder/checkout/x.py\0")
    with pytest.raises(package.SetupError, match=r"1 files hold a path of this machine: leak\.so"):
        package.check_paths(tmp_path, ["/builder/checkout"])


# --- Licences -----------------------------------------------------------------------------------------------------------


def test_everything_that_is_shipped_brings_its_licence(tool: Tool) -> None:
    licences = tool("licences")
    installed = {licences.canonical(one.name): one for one in importlib.metadata.distributions()}
    names = licences.closure(licences.requirements(), installed)
    assert {"duckdb", "numpy", "pyside6-essentials", "shiboken6", "markupsafe", "typst"} <= set(names)
    assert not {"pytest", "moto", "hatchling"} & set(names)
    silent = {name for name in names if licences.of_distribution(installed[name]) is None}
    assert silent == {"pyside6-essentials", "shiboken6"}, "Qt's is told of in licences.py"
    numpy = licences.of_distribution(installed["numpy"])
    assert numpy.startswith(f"numpy {installed['numpy'].version}\nLicence: BSD-3-Clause")
    assert "NumPy Developers" in numpy


def test_qt_comes_with_the_lgpl_and_the_way_to_replace_it(tool: Tool) -> None:
    licences = tool("licences")
    text = licences.QT.format(folder="_internal/PySide6") + licences.texts("LGPL-3.0.txt", "GPL-3.0.txt")
    for part in ("How to replace Qt", "GNU LESSER GENERAL PUBLIC LICENSE", "GNU GENERAL PUBLIC LICENSE\n"):
        assert part in text
    assert "SIL OPEN FONT LICENSE" in licences.fonts().upper()


# --- Pages, completions, icons ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def manual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("manual")
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    subprocess.run([sys.executable, str(PACKAGING / "manual.py"), str(folder)], env=environment, check=True)
    return folder


def test_pages_and_completions_know_every_command(manual: Path) -> None:
    commands = COMMANDS.keys() - {"self_test"}
    page = (manual / "man" / "mlops-desk.1").read_text(encoding="utf-8")
    assert {name for name in commands if f"\n.SS {name}" in page} == commands
    for shell in ("bash", "zsh", "fish"):
        text = (manual / f"completion.{shell}").read_text(encoding="utf-8")
        assert {name for name in commands if name in text} == commands
        assert "fail-on" in text


@needs("man")
@pytest.mark.parametrize("name", ["mlops-desk", "mlops-desk-gui"])
def test_man_reads_the_pages_without_a_complaint(manual: Path, name: str) -> None:
    command = ["man", "--warnings=w", "-E", "UTF-8", "-l", "-Tutf8", str(manual / "man" / f"{name}.1")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "User commands" in done.stdout


@needs("bash")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["mlops-desk", "rep"], "report"),
        (["mlops-desk", "run", "W", "--fu"], "--full"),
        (["mlops-desk", "run", "W", "--fail-on", "war"], "warning"),
        (["mlops-desk", "init", "D", "--task", "multi"], "multiclass"),
    ],
)
def test_bash_completes(manual: Path, typed: list[str], offered: str) -> None:
    words = " ".join(f"'{word}'" for word in typed)
    script = f"""source '{manual / "completion.bash"}'
        COMP_WORDS=({words}); COMP_CWORD={len(typed) - 1}; _mlops_desk; printf '%s\\n' "${{COMPREPLY[@]}}" """
    assert told("bash", "-c", script).split() == [offered]


def test_icons_of_windows_and_macos_hold_every_size(tool: Tool, tmp_path: Path) -> None:
    icons = tool("icons")
    icons.write_icons(tmp_path)
    reader = QImageReader(str(tmp_path / "mlops-desk.ico"))
    sizes = []
    for place in range(reader.imageCount()):
        reader.jumpToImage(place)
        sizes.append(reader.read().size())
    assert sizes == [QSize(size, size) for size in icons.ICO_SIZES]
    content = (tmp_path / "mlops-desk.icns").read_bytes()
    assert content[:4] == b"icns"
    assert struct.unpack(">I", content[4:8]) == (len(content),)
    place, kinds = 8, {}
    while place < len(content):
        (length,) = struct.unpack(">I", content[place + 4 : place + 8])
        width, height = struct.unpack(">II", content[place + 24 : place + 32])  # in the head of the PNG
        assert width == height
        kinds[content[place : place + 4]] = width
        place += length
    assert kinds == icons.ICNS_TYPES


# --- Linux --------------------------------------------------------------------------------------------------------------


@needs("desktop-file-validate")
def test_the_menu_entry_is_valid() -> None:
    assert told("desktop-file-validate", str(PACKAGING / "linux" / "mlops-desk.desktop")) == ""


@needs("appstreamcli")
def test_the_appstream_metadata_are_valid(tmp_path: Path) -> None:
    (source,) = (PACKAGING / "linux").glob("*.metainfo.xml")
    text = source.read_text(encoding="utf-8")
    file = tmp_path / source.name
    file.write_text(text.replace("@VERSION@", "1.0.0").replace("@DATE@", "2026-01-31"), encoding="utf-8")
    told("appstreamcli", "validate", "--no-net", str(file))


@pytest.fixture
def toy_package(tool: Tool, manual: Path, tmp_path: Path) -> Path:
    """A Debian package of a frozen folder that holds one program of this system and no library."""
    debian = tool("debian")
    folder = tmp_path / "frozen"
    (folder / "_internal").mkdir(parents=True)
    shutil.copyfile(shutil.which("true") or "", folder / "mlops-desk")
    for name in ("mlops-desk-gui", "mlops-desk-python"):
        (folder / name).symlink_to("mlops-desk")
    for name in ("LICENSE", "NOTICE", "THIRD-PARTY-LICENCES.txt"):
        (folder / name).write_text(f"the {name}\n", encoding="utf-8")
    package: Path = debian.make(folder, manual, "1.2.3", tmp_path, 1_700_000_000)
    return package


@debian_only
def test_the_package_holds_what_a_desktop_and_a_shell_look_for(toy_package: Path, tmp_path: Path) -> None:
    fields = told("dpkg-deb", "--field", str(toy_package))
    assert "Package: mlops-desk\nVersion: 1.2.3\n" in fields
    told("dpkg-deb", "-x", str(toy_package), str(tmp_path / "root"))
    root = tmp_path / "root"
    for command in ("mlops-desk", "mlops-desk-gui"):
        assert (root / "usr/bin" / command).readlink() == Path("/opt/mlops-desk") / command
    assert os.access(root / "opt/mlops-desk/mlops-desk", os.X_OK)
    share = root / "usr/share"
    for name in (
        "applications/mlops-desk.desktop",
        "mime/packages/mlops-desk.xml",
        "icons/hicolor/256x256/apps/mlops-desk.png",
        "icons/hicolor/scalable/apps/mlops-desk.svg",
        "metainfo/io.github.mlops_desk.mlops_desk.metainfo.xml",
        "man/man1/mlops-desk.1.gz",
        "man/man1/mlops-desk-gui.1.gz",
        "bash-completion/completions/mlops-desk",
        "zsh/vendor-completions/_mlops-desk",
        "fish/vendor_completions.d/mlops-desk.fish",
        "doc/mlops-desk/changelog.gz",
        "doc/mlops-desk/CHANGELOG.md.gz",
    ):
        assert (share / name).is_file(), name
    assert (share / "doc/mlops-desk/copyright").read_text(encoding="utf-8") == "the THIRD-PARTY-LICENCES.txt\n"
    files = told("dpkg-deb", "--contents", str(toy_package)).splitlines()
    assert {line.split()[1] for line in files} == {"root/root"}
    assert not [line for line in files if line[0] != "l" and "w" in line[5] + line[8]], "nobody but root may write"


@debian_only
def test_the_same_folder_makes_the_same_package(tool: Tool, toy_package: Path, manual: Path, tmp_path: Path) -> None:
    first = toy_package.read_bytes()
    again = tool("debian").make(tmp_path / "frozen", manual, "1.2.3", tmp_path, 1_700_000_000)
    assert again.read_bytes() == first


@debian_only
def test_a_library_that_no_named_package_brings_is_refused(tool: Tool) -> None:
    debian = tool("debian")
    debian.check_depends({"libc.so.6"})
    with pytest.raises(SystemExit, match=r"libnowhere\.so\.9 \(in no package here\)"):
        debian.check_depends({"libc.so.6", "libnowhere.so.9"})


# --- Windows, macOS, and what builds them -------------------------------------------------------------------------------


@needs("makensis")
def test_the_installer_of_windows_compiles(tool: Tool, tmp_path: Path) -> None:
    tool("icons").write_icons(tmp_path)
    source = tmp_path / "frozen"
    source.mkdir()
    (source / "mlops-desk.exe").write_bytes(b"MZ")
    names = {
        "VERSION": "1.2.3",
        "SOURCE": source,
        "TARGET": tmp_path / "set-up.exe",
        "ICON": tmp_path / "mlops-desk.ico",
    }
    defined = [f"-D{name}={value}" for name, value in names.items()]
    told("makensis", "-V2", "-WX", *defined, str(PACKAGING / "windows" / "installer.nsi"))
    assert (tmp_path / "set-up.exe").read_bytes()[:2] == b"MZ"


def test_the_installer_of_windows_speaks_both_languages() -> None:
    script = (PACKAGING / "windows" / "installer.nsi").read_text(encoding="utf-8")
    strings = [line.split()[1:3] for line in script.splitlines() if line.startswith("LangString")]
    by_language = {language: {name for name, spoken in strings if spoken == language} for _, language in strings}
    assert by_language.keys() == {"${LANG_ENGLISH}", "${LANG_SIMPCHINESE}"}
    assert by_language["${LANG_ENGLISH}"] == by_language["${LANG_SIMPCHINESE}"]


@needs("sh")
def test_scripts_and_specifications_can_be_read() -> None:
    told("sh", "-n", str(PACKAGING / "macos" / "dmg.sh"))
    compile((PACKAGING / "mlops-desk.spec").read_text(encoding="utf-8"), "mlops-desk.spec", "exec")


def test_tags_build_on_all_three_systems() -> None:
    workflow = yaml.safe_load((CHECKOUT / ".github/workflows/package.yml").read_text(encoding="utf-8"))
    assert workflow[True]["push"] == {"tags": ["v*"]}  # YAML reads `on` as true
    assert workflow["jobs"].keys() == {"linux", "windows", "macos"}
    for job in workflow["jobs"].values():
        commands = [step.get("run", "") for step in job["steps"]]
        assert any("packaging/bootstrap.py package" in command for command in commands)


# --- Wheel and sdist ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_wheel_and_sdist_install_anew_and_pass_the_self_test(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    ignored = shutil.ignore_patterns(".venv", ".git", "build", "dist", "__pycache__", ".*_cache", ".hypothesis")
    shutil.copytree(CHECKOUT, checkout, ignore=ignored)
    base = Path(sys.base_prefix, "python.exe") if os.name == "nt" else Path(sys.base_prefix, "bin", "python3")
    command = [str(base), str(checkout / "packaging" / "package.py"), "--wheel"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The wheel passed its self-test" in done.stdout
    assert {file.suffix for file in (checkout / "dist").iterdir()} == {".whl", ".gz"}
