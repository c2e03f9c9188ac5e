"""The theme at work: light, dark or the system's, applied to the whole application at once.

Qt's own `setColorScheme` does nothing on most platforms, so palette and stylesheet are the product's. What paints itself listens to `changed`.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from weakref import WeakKeyDictionary, WeakSet

import shiboken6
from PySide6.QtCore import QObject, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QColor, QFont, QFontDatabase, QGuiApplication, QPalette
from PySide6.QtWidgets import QAbstractButton, QApplication, QToolTip, QWidget

from mlops_desk import theme
from mlops_desk.gui.icons import icon
from mlops_desk.gui.stylesheet import stylesheet
from mlops_desk.resources import resource

ICON_GAP = 4


class Mode(StrEnum):
    """What decides between light and dark."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


@lru_cache(maxsize=512)
def color(value: str, alpha: float = 1.0) -> QColor:
    """A colour of the theme, `alpha` from 0 (clear) to 1; shared, so nobody changes it."""
    made = QColor(value)
    made.setAlphaF(alpha)
    return made


@lru_cache(maxsize=64)
def font(pixels: float = theme.BASE_PIXELS, weight: QFont.Weight = QFont.Weight.Normal, *, mono: bool = False) -> QFont:
    """The product's face at a size in pixels; shared, so nobody changes it."""
    made = QFont()
    made.setFamilies(list(theme.MONO_FAMILIES if mono else theme.SANS_FAMILIES))
    made.setPixelSize(round(pixels)) if pixels == int(pixels) else made.setPointSizeF(pixels * 72 / logical_dpi())
    made.setWeight(weight)
    made.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    return made


def logical_dpi() -> float:
    """Dots per inch by which the platform turns points into pixels."""
    screen = QGuiApplication.primaryScreen()
    return screen.logicalDotsPerInch() if screen is not None else 96.0


def load_fonts() -> None:
    """Makes the shipped faces known to Qt; without them the platform's are used."""
    for name in theme.FONT_FILES:
        QFontDatabase.addApplicationFont(str(resource("fonts", name)))


def system_is_dark() -> bool:
    """Whether the platform asks for dark windows; platforms that do not say count as light."""
    return QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark


def qt_palette(palette: theme.Palette) -> QPalette:
    """The theme as Qt's palette, for all that the stylesheet does not name."""
    made = QPalette()
    roles = {
        QPalette.ColorRole.Window: palette.bg,
        QPalette.ColorRole.WindowText: palette.text,
        QPalette.ColorRole.Base: palette.surface,
        QPalette.ColorRole.AlternateBase: palette.raised,
        QPalette.ColorRole.Text: palette.text,
        QPalette.ColorRole.Button: palette.surface,
        QPalette.ColorRole.ButtonText: palette.text,
        QPalette.ColorRole.ToolTipBase: palette.raised,
        QPalette.ColorRole.ToolTipText: palette.text,
        QPalette.ColorRole.PlaceholderText: palette.muted,
        QPalette.ColorRole.Highlight: palette.accent,
        QPalette.ColorRole.HighlightedText: palette.on_accent,
        QPalette.ColorRole.Link: palette.accent,
        QPalette.ColorRole.Light: palette.border,
        QPalette.ColorRole.Midlight: palette.border,
        QPalette.ColorRole.Mid: palette.border,
        QPalette.ColorRole.Dark: palette.border,
        QPalette.ColorRole.Shadow: palette.bg,
    }
    for role, value in roles.items():
        made.setColor(role, QColor(value))
    for role in (QPalette.ColorRole.WindowText, QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText):
        made.setColor(QPalette.ColorGroup.Disabled, role, QColor(palette.faint))
    return made


class Appearance(QObject):
    """Holds the mode and the palette in force.

    Signals
    -------
    changed : another palette is in force; widgets that paint themselves repaint.
    """

    changed = Signal()

    def __init__(self, application: QApplication, mode: Mode = Mode.SYSTEM) -> None:
        super().__init__(application)
        self._application = application
        self.mode = mode
        self.palette = self._chosen()
        self._dressed: WeakKeyDictionary[QAbstractButton | QAction, tuple[str, str]] = WeakKeyDictionary()
        self._windows: WeakSet[QWidget] = WeakSet()
        application.setStyle("Fusion")
        application.setFont(font())
        self._apply()
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._follow)

    def set_mode(self, mode: Mode) -> None:
        """Lets light, dark or the system decide, at once."""
        self.mode = mode
        self._follow()

    def toggle(self) -> None:
        """Goes to the other of light and dark."""
        self.set_mode(Mode.LIGHT if self.palette.dark else Mode.DARK)

    def clothe(self, window: QWidget) -> None:
        """Gives a window and all in it the stylesheet, now and whenever it changes.

        The application as a whole has none: that would take Qt several times as long to change.
        """
        self._windows.add(window)
        window.setStyleSheet(stylesheet(self.palette))

    def dress(self, target: QAbstractButton | QAction, name: str, ink: str = "text") -> None:
        """Gives a button or an action an icon that follows the theme; `ink` names the palette's colour."""

        self._dressed[target] = (name, ink)
        self._paint_icon(target)

    def _paint_icon(self, target: QAbstractButton | QAction) -> None:
        name, ink = self._dressed[target]
        colors = self.palette
        gap = ICON_GAP if isinstance(target, QAbstractButton) and target.text() else 0
        target.setIcon(icon(name, getattr(colors, ink), disabled=colors.faint, hole=colors.surface, gap=gap))
        if isinstance(target, QAbstractButton):
            target.setIconSize(QSize(16 + gap, 16))

    def _chosen(self) -> theme.Palette:
        dark = system_is_dark() if self.mode is Mode.SYSTEM else self.mode is Mode.DARK
        return theme.DARK if dark else theme.LIGHT

    def _follow(self) -> None:
        chosen = self._chosen()
        if chosen is not self.palette:
            self.palette = chosen
            self._apply()
            for target in list(self._dressed):
                if shiboken6.isValid(target):
                    self._paint_icon(target)
            self.changed.emit()

    def _apply(self) -> None:
        self._application.setPalette(qt_palette(self.palette))
        QToolTip.setPalette(qt_palette(self.palette))
        for window in list(self._windows):
            if shiboken6.isValid(window):
                restyle(window, stylesheet(self.palette))


def restyle(window: QWidget, sheet: str) -> None:
    """Gives a window another stylesheet now, and paints it in the next turn of the event loop: either takes half of what may be taken at once."""
    window.setUpdatesEnabled(False)
    window.setStyleSheet(sheet)
    QTimer.singleShot(0, window, lambda: window.setUpdatesEnabled(True))
