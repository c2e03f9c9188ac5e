"""Cards: the framed parts of a page, with a title, a subtitle, room for controls and a menu."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from mlops_desk.gui.appearance import Appearance
from mlops_desk.gui.text import Label

CHIP_PADDING = 18


class Card(QFrame):
    """A frame with a head and a body."""

    def __init__(
        self, appearance: Appearance, title: str, *, menu: Callable[[], QMenu] | None = None, elide: bool = False
    ) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.setAccessibleName(title)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        self.title = Label(title, tone="heading", elide=elide)
        self.title.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Preferred)
        self.subtitle = Label(tone="muted", elide=True)
        self.head = QHBoxLayout()
        self.head.setSpacing(6)
        self.head.addWidget(self.title)
        self.head.addWidget(self.subtitle, 1)
        if menu is not None:
            self.head.addWidget(menu_button(appearance, f"{title}: more", menu))
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(14, 8, 10, 8)
        self.body.setSpacing(6)
        self.body.addLayout(self.head)

    def add_control(self, widget: QWidget) -> None:
        """Puts a control into the head, before the menu."""
        self.head.insertWidget(self.head.count() - 1, widget)


def menu_button(appearance: Appearance, name: str, menu: Callable[[], QMenu]) -> QToolButton:
    """A quiet button that opens a menu made when it is pressed."""
    button = QToolButton()
    button.setProperty("role", "quiet")
    button.setAccessibleName(name)
    button.setToolTip("More: table, copy, save")
    button.setFixedSize(24, 22)
    appearance.dress(button, "more", "muted")
    button.clicked.connect(lambda: menu().popup(button.mapToGlobal(button.rect().bottomLeft())))
    return button


def chip(text: str, verdict: str = "untested", *, elide: bool = False) -> Label:
    """A small coloured label; `verdict` is one of ok, warning, alert, untested and accent."""
    made = Label(text, elide=elide, padding=CHIP_PADDING)
    made.setProperty("role", "chip")
    made.setProperty("verdict", verdict)
    made.setAlignment(Qt.AlignmentFlag.AlignCenter)
    made.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Maximum)
    return made
