"""What belongs into the frozen program and what can be left out: Python's modules, shared libraries and data, by name."""

import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

BUNDLE_ID = "io.github.mlops-desk.mlops-desk"
METADATA = (
    "duckdb numpy scipy scikit-learn pyarrow PySide6-Essentials pyqtgraph jinja2 msgspec platformdirs psutil qtawesome tomlkit keyring"
).split()
"""Distributions whose version the program asks for, or whose entry points it follows."""

EXCLUDED = [
    *"tkinter turtle turtledemo idlelib lib2to3 ensurepip pydoc_data test distutils setuptools pip wheel pkg_resources".split(),
    *"readline rlcompleter curses _curses _curses_panel nis crypt _crypt _dbm _gdbm dbm.ndbm dbm.gnu".split(),  # for terminals, or copyleft
    *"this antigravity PySide6.QtTest pyqtgraph.opengl".split(),
    *"IPython PIL matplotlib pandas pytest hypothesis mypy PyQt5 PyQt6 PySide2 OpenGL cupy numba h5py pyspark".split(),
    *"PySide6.QtQml PySide6.QtQuick PySide6.QtNetwork PySide6.QtSql PySide6.QtDesigner PySide6.QtHelp PySide6.QtUiTools".split(),
    *"sklearn.datasets.tests scipy.datasets pyarrow.flight pyarrow.gandiva pyarrow.tests pyqtgraph.examples".split(),
]
NOT_SEEN = ["typst", "resvg_py"]
"""Modules that are imported where they are used, and that no analysis may miss."""
LENT = ("sklearn", "joblib", "scipy", "numpy", "pyarrow")
"""Libraries of the program that scripts of the lent interpreter may want parts of which the program itself does not import."""
NOT_LENT = ("*.tests", "*.tests.*", "*.conftest", "*._testing*", "*.testing*", "numpy.f2py*", "numpy.distutils*")

UNWANTED = (
    "PySide6/Qt/qml/*",
    "PySide6/Qt/translations/*",
    "PySide6/Qt/plugins/*",
    "PySide6/qml/*",
    "PySide6/translations/*",
    "PySide6/plugins/*",
    "pyarrow/include/*",
    "pyarrow/src/*",
    "pyarrow/tests/*",
    "pyarrow/*.pyx",
    "pyarrow/*.pxd",
    "pyarrow/libarrow_python*.so",
    "pyarrow/lib*.so.*.*.*",
    "pyarrow/*flight*",
    "pyarrow/*gandiva*",
    "*/tests/*",
    "numpy/_core/*_tests.*",
    "scipy/*/_ctest*",
    "scipy/*/_cytest*",
    "scipy/*/_test_*",
    "scipy/io/_fast_matrix_market/*",
    "*.dist-info/RECORD",
    "*.dist-info/sboms/*",
)
WANTED = (
    "*/translations/qtbase_zh_CN.qm",
    "*/plugins/platforms/*",
    "*/plugins/platformthemes/*xdgdesktopportal*",
    "*/plugins/platforminputcontexts/*compose*",
    "*/plugins/platforminputcontexts/*ibus*",
    "*/plugins/iconengines/*",
    "*/plugins/imageformats/*qsvg*",
    "*/plugins/imageformats/*qico*",
    "*/plugins/styles/*",
    "*/plugins/xcbglintegrations/*",
    "*/plugins/wayland-*",
)
"""Of what UNWANTED leaves out, what is kept."""
NEVER = (
    "*/platforms/*eglfs*",
    "*/platforms/*linuxfb*",
    "*/platforms/*vkkhr*",
    "*/platforms/*vnc*",
    "*/platforms/*minimalegl*",
)


HOST = re.compile(
    r"(ld-linux.*|lib(c|m|dl|rt|pthread|util|resolv|stdc\+\+|gcc_s|z|X11|X11-xcb|xcb|Xau|Xdmcp|GL|GLX|EGL|OpenGL|GLdispatch|drm|gbm"
    r"|wayland-.*|fontconfig|freetype|glib-2\.0|gobject-2\.0|gio-2\.0|gmodule-2\.0|gthread-2\.0|dbus-1|systemd|vulkan|cups)\.so\..*)"
)
"""Shared libraries that a Linux desktop brings: its graphics drivers and theirs have to agree on them, so none is put beside the program."""

STRIPPED = (
    "typst/*.so",
    "pyarrow/*.so",
    "pyarrow/*.so.*",
    "cryptography/hazmat/bindings/*.so",
)
"""Shared libraries whose symbols are taken away on Linux, a tenth of the size. Never those of NumPy and SciPy: OpenBLAS breaks by it."""


def needed(file: str) -> set[str]:
    """Return the names of the shared libraries that an ELF file asks the loader for."""
    listing = subprocess.run(["objdump", "-p", file], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^\s+NEEDED\s+(\S+)", listing, re.MULTILINE))


def reachable(binaries: Mapping[str, str]) -> set[str]:
    """Return those of the binaries (path in the folder: file) that something kept needs, and that a desktop does not bring itself.

    Libraries of packages are kept; those of the system lie at the top, and are kept where a kept file, or Python, asks for them.
    """

    shared = {
        Path(name).name: name
        for name in binaries
        if re.fullmatch(r"(PySide6/Qt/lib/)?lib[^/]*\.so[^/]*", name) and not name.startswith("libpython")
    }
    kept = binaries.keys() - set(shared.values())
    queue = [*kept]
    while queue:
        for library in needed(binaries[queue.pop()]):
            name = shared.get(library)
            if name is not None and name not in kept and not HOST.fullmatch(library):
                kept.add(name)
                queue.append(name)
    return kept


def is_wanted(name: str) -> bool:
    """Tell whether a file of the frozen program, by its path in the folder, is to be kept."""
    path = name.replace("\\", "/")
    if any(fnmatchcase(path, pattern) for pattern in NEVER):
        return False
    return any(fnmatchcase(path, pattern) for pattern in WANTED) or not any(
        fnmatchcase(path, pattern) for pattern in UNWANTED
    )


def lent_modules(submodules: Callable[..., list[str]]) -> list[str]:
    """Return the modules that scripts of the lent interpreter may import: the standard library, and the LENT ones whole."""

    def is_lent(name: str) -> bool:
        return name not in EXCLUDED and not any(fnmatchcase(name, pattern) for pattern in NOT_LENT)

    found = []
    standard = [name for name in sorted(sys.stdlib_module_names) if not name.startswith("_") and name not in EXCLUDED]
    for name in [*standard, *LENT]:
        found += submodules(name, filter=is_lent, on_error="ignore") or [name]
    return found
