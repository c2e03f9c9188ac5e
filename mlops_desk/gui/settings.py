"""What the window remembers between starts: a file `desktop.ini` in the folder of settings (MLOPS_DESK_HOME, else the platform's)."""

from __future__ import annotations

import os
from pathlib import Path

from PySide6.QtCore import QByteArray, QSettings

RECENT_MOST = 10


def settings_folder() -> Path:
    """Where settings and the log of defects lie."""
    chosen = os.environ.get("MLOPS_DESK_HOME")
    if chosen:
        return Path(chosen)
    import platformdirs

    return Path(platformdirs.user_config_dir("mlops-desk", appauthor=False))


class Settings:
    """The remembered choices; a value that cannot be read counts as not there."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or settings_folder()
        self._file = QSettings(str(self.folder / "desktop.ini"), QSettings.Format.IniFormat)

    def text(self, key: str, otherwise: str = "") -> str:
        """A remembered word."""
        value = self._file.value(key, otherwise)
        return value if isinstance(value, str) else otherwise

    def bytes(self, key: str) -> QByteArray:
        """A remembered layout, empty where there is none."""
        value = self._file.value(key)
        return value if isinstance(value, QByteArray) else QByteArray()

    def put(self, key: str, value: str | QByteArray) -> None:
        """Remembers a word or a layout."""
        self._file.setValue(key, value)

    def forget(self, group: str) -> None:
        """Forgets everything below a name."""
        self._file.remove(group)

    def save(self) -> None:
        """Writes what is remembered to disk."""
        self._file.sync()

    @property
    def recent(self) -> tuple[Path, ...]:
        """Workspaces opened before, the latest first."""
        value = self._file.value("recent", [])
        names = [value] if isinstance(value, str) else value if isinstance(value, list) else []
        return tuple(Path(name) for name in names if isinstance(name, str) and name)

    def add_recent(self, folder: Path) -> None:
        """Puts a workspace at the head of the list."""
        others = [path for path in self.recent if path != folder]
        self._file.setValue("recent", [str(path) for path in [folder, *others][:RECENT_MOST]])
