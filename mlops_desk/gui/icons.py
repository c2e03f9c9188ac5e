"""The window's icons: line drawings on a grid of 16 by 16, coloured by the theme when they are painted."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QByteArray, QRectF, QSize, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

DRAWINGS = {
    "search": "<circle cx='7' cy='7' r='4.2'/><path d='M10.2 10.2 L13.6 13.6'/>",
    "refresh": "<path d='M13 8 a5 5 0 1 1 -1.6 -3.7'/><path d='M13.2 2.2 v3 h-3'/>",
    "report": "<path d='M4 1.8 h5.2 l3 3 v9.4 h-8.2 z'/><path d='M9 2 v3 h3'/><path d='M6.2 8.2 h4 M6.2 11 h4'/>",
    "sun": "<circle cx='8' cy='8' r='2.8'/><path d='M8 1.6 v1.6 M8 12.8 v1.6 M1.6 8 h1.6 M12.8 8 h1.6"
    " M3.5 3.5 l1.1 1.1 M11.4 11.4 l1.1 1.1 M3.5 12.5 l1.1 -1.1 M11.4 4.6 l1.1 -1.1'/>",
    "moon": "<path d='M13.2 9.6 a5.6 5.6 0 1 1 -6.8 -6.8 a4.4 4.4 0 0 0 6.8 6.8 z'/>",
    "system": "<rect x='2' y='3' width='12' height='8' rx='1'/><path d='M5.5 13.6 h5 M8 11 v2.6'/>",
    "overview": "<rect x='2.2' y='2.2' width='4.6' height='6.4' rx='.8'/><rect x='9.2' y='2.2' width='4.6' height='3.4' rx='.8'/>"
    "<rect x='2.2' y='11' width='4.6' height='2.8' rx='.8'/><rect x='9.2' y='8' width='4.6' height='5.8' rx='.8'/>",
    "play": "<path d='M5 3.2 L12.4 8 L5 12.8 z' fill='currentColor'/>",
    "stop": "<rect x='4' y='4' width='8' height='8' rx='.6' fill='currentColor'/>",
    "pause": "<path d='M5.6 3.6 v8.8 M10.4 3.6 v8.8' stroke-width='2'/>",
    "folder": "<path d='M1.8 12.8 v-9 h4.4 l1.4 1.8 h6.6 v7.2 z'/>",
    "drop": "<path d='M8 2 v7.4 M5 6.6 l3 3 l3 -3'/><path d='M2.2 10.8 v2.8 h11.6 v-2.8'/>",
    "sample": "<path d='M6.4 2 v4.2 L2.8 12.6 a.9 .9 0 0 0 .8 1.4 h8.8 a.9 .9 0 0 0 .8 -1.4 L9.6 6.2 V2'/><path d='M5.2 2 h5.6 M4.6 10 h6.8'/>",
    "close": "<path d='M4 4 L12 12 M12 4 L4 12'/>",
    "zoom": "<circle cx='7' cy='7' r='4.2'/><path d='M10.2 10.2 L13.6 13.6 M5 7 h4 M7 5 v4'/>",
    "more": "<circle cx='3.4' cy='8' r='.7' fill='currentColor'/><circle cx='8' cy='8' r='.7' fill='currentColor'/>"
    "<circle cx='12.6' cy='8' r='.7' fill='currentColor'/>",
    "ok": "<circle cx='8' cy='8' r='6.2' fill='currentColor' stroke='none'/><path d='M5.2 8.2 l2 2 l3.6 -4' stroke='{hole}'/>",
    "warning": "<path d='M8 2.2 L14.4 13.4 H1.6 z' fill='currentColor'/><path d='M8 6.4 v3.4 M8 11.6 v.4' stroke='{hole}'/>",
    "alert": "<rect x='2' y='2' width='12' height='12' rx='2.4' fill='currentColor' stroke='none'/>"
    "<path d='M8 4.8 v4 M8 11 v.3' stroke='{hole}' stroke-width='1.7'/>",
    "untested": "<circle cx='8' cy='8' r='5.6' stroke-dasharray='2.4 2'/>",
}


def drawing(name: str, color: str, hole: str) -> QByteArray:
    """An icon as SVG."""
    body = DRAWINGS[name].replace("{hole}", hole).replace("currentColor", color)
    head = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>"
    group = f"<g fill='none' stroke='{color}' stroke-width='1.4' stroke-linecap='round' stroke-linejoin='round'>"
    return QByteArray(f"{head}{group}{body}</g></svg>".encode())


def pixmap(name: str, color: str, *, size: int = 16, ratio: float = 1.0, hole: str = "#FFFFFF") -> QPixmap:
    """An icon as pixels; `hole` colours what is cut out of a filled shape."""
    picture = QPixmap(QSize(round(size * ratio), round(size * ratio)))
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    QSvgRenderer(drawing(name, color, hole)).render(painter, QRectF(0, 0, size * ratio, size * ratio))
    painter.end()
    picture.setDevicePixelRatio(ratio)
    return picture


def spaced(picture: QPixmap, gap: int) -> QPixmap:
    """The picture with free space at its right."""
    ratio = picture.devicePixelRatio()
    wider = QPixmap(QSize(picture.width() + round(gap * ratio), picture.height()))
    wider.setDevicePixelRatio(ratio)
    wider.fill(Qt.GlobalColor.transparent)
    painter = QPainter(wider)
    painter.drawPixmap(0, 0, picture)
    painter.end()
    return wider


@lru_cache(maxsize=512)
def icon(name: str, color: str, *, disabled: str, hole: str = "#FFFFFF", gap: int = 0) -> QIcon:
    """An icon for buttons and menus, sharp at up to twice the usual density; `gap` keeps it off the text. Shared, so nobody changes it."""
    made = QIcon()
    for ratio in (1.0, 2.0):
        made.addPixmap(spaced(pixmap(name, color, ratio=ratio, hole=hole), gap))
        made.addPixmap(spaced(pixmap(name, disabled, ratio=ratio, hole=hole), gap), QIcon.Mode.Disabled)
    return made
