"""The windows' stylesheet, written from the theme's colours. Widgets are named by the dynamic property `role`."""

from __future__ import annotations

from mlops_desk.theme import FIGURE_PIXELS, RADIUS_PIXELS, Palette, mixed

TEMPLATE = """
QMainWindow, QDialog, QWidget[role="page"] {{ background: {bg}; }}
QWidget {{ color: {text}; }}
QLabel {{ background: transparent; }}
QLabel[tone="muted"] {{ color: {muted}; }}
QLabel[tone="bad"] {{ color: {bad}; }}
QLabel[tone="heading"] {{ font-weight: 600; }}
QLabel[tone="section"] {{ color: {muted}; font-weight: 600; font-size: 11px; letter-spacing: 1px; }}
QLabel[tone="figure"] {{ font-weight: 600; font-size: {figure}px; }}
QLabel[tone="title"] {{ font-weight: 600; font-size: 15px; }}
QLabel[tone="display"] {{ font-weight: 600; font-size: 24px; }}
QLabel[role="chip"] {{ border-radius: 4px; padding: 3px 8px; font-weight: 600; font-size: 11px; }}
QLabel[verdict="ok"] {{ background: {ok_soft}; color: {ok}; }}
QLabel[verdict="warning"] {{ background: {warn_soft}; color: {warn}; }}
QLabel[verdict="alert"] {{ background: {bad_soft}; color: {bad}; }}
QLabel[verdict="untested"] {{ background: {raised}; color: {muted}; }}
QLabel[verdict="accent"] {{ background: {accent_soft}; color: {accent}; }}
QFrame[role="card"] {{ background: {surface}; border: 1px solid {border}; border-radius: {radius}px; }}
QFrame[role="card"][brushed="true"] {{ border-color: {accent}; }}
QFrame[role="card"]:focus {{ border: 1px solid {accent}; }}
QFrame[role="drop"] {{ background: {surface}; border: 2px dashed {border}; border-radius: {radius}px; }}
QFrame[role="drop"][active="true"] {{ border-color: {accent}; background: {accent_soft}; }}
QFrame[role="banner"] {{ background: {bad_soft}; border: 1px solid {bad}; border-radius: 6px; margin: 10px 16px 0 16px; }}
QFrame[role="banner"] QLabel {{ color: {text}; }}
QWidget[role="sidebar"] {{ background: {surface}; border-right: 1px solid {border}; }}
QWidget[role="header"] {{ background: {surface}; border-bottom: 1px solid {border}; }}
QStatusBar {{ background: {surface}; border-top: 1px solid {border}; }}
QStatusBar::item {{ border: none; }}
QStatusBar QLabel {{ color: {muted}; padding: 0 2px; }}
QMenuBar {{ background: {surface}; border-bottom: 1px solid {border}; padding: 2px 12px; }}
QMenuBar::item {{ padding: 4px 9px; border-radius: 4px; background: transparent; }}
QMenuBar::item:selected {{ background: {accent_soft}; color: {accent}; }}
QMenu {{ background: {surface}; border: 1px solid {border}; padding: 4px; }}
QMenu::item {{ padding: 5px 26px 5px 12px; border-radius: 4px; }}
QMenu::item:selected {{ background: {accent_soft}; color: {accent}; }}
QMenu::item:disabled {{ color: {faint}; }}
QMenu::separator {{ height: 1px; background: {border}; margin: 4px 6px; }}
QMenu::icon {{ padding-left: 6px; }}
QPushButton, QToolButton, QComboBox {{ background: {surface}; border: 1px solid {border}; border-radius: 6px; padding: 5px 12px; font-weight: 500; }}
QPushButton:hover, QToolButton:hover, QComboBox:hover {{ background: {raised}; border-color: {faint}; }}
QPushButton:pressed, QToolButton:pressed {{ background: {accent_soft}; }}
QPushButton:disabled, QToolButton:disabled, QComboBox:disabled {{ color: {faint}; }}
QPushButton:focus, QToolButton:focus, QComboBox:focus {{ border: 2px solid {accent}; padding: 4px 11px; }}
QPushButton[role="primary"] {{ background: {accent}; border-color: {accent}; color: {on_accent}; font-weight: 600; }}
QPushButton[role="primary"]:hover {{ background: {accent_hover}; }}
QPushButton[role="primary"]:focus {{ border: 2px solid {text}; }}
QPushButton[role="primary"]:disabled {{ background: {raised}; border-color: {border}; color: {faint}; }}
QPushButton[role="link"] {{ background: transparent; border: 1px solid transparent; color: {accent}; padding: 1px 3px; font-size: 11px; }}
QPushButton[role="link"]:focus {{ border: 1px solid {accent}; padding: 1px 4px; }}
QToolButton[role="quiet"] {{ background: transparent; border: 1px solid transparent; padding: 2px; }}
QToolButton[role="quiet"]:hover {{ background: {raised}; border-color: {border}; }}
QToolButton[role="quiet"]:focus {{ border: 1px solid {accent}; padding: 2px; }}
QToolButton::menu-indicator {{ image: none; }}
QPushButton[role="segment"] {{ border-radius: 0; padding: 5px 11px; margin-left: -1px; color: {muted}; }}
QPushButton[role="segment"][edge="first"] {{ border-top-left-radius: 6px; border-bottom-left-radius: 6px; margin-left: 0; }}
QPushButton[role="segment"][edge="last"] {{ border-top-right-radius: 6px; border-bottom-right-radius: 6px; }}
QPushButton[role="segment"]:checked {{ background: {accent_soft}; color: {accent}; font-weight: 600; }}
QPushButton[role="segment"]:focus {{ border: 2px solid {accent}; padding: 4px 10px; }}
QPushButton[role="row"] {{ background: transparent; border: 1px solid transparent; text-align: left; padding: 7px 10px; }}
QPushButton[role="row"]:hover {{ background: {raised}; }}
QPushButton[role="row"]:focus {{ border: 1px solid {accent}; }}
QComboBox {{ padding-right: 24px; }}
QComboBox:focus {{ padding-right: 23px; }}
QComboBox[role="small"] {{ padding: 1px 22px 1px 8px; }}
QComboBox[role="small"]:focus {{ border: 1px solid {accent}; }}
QComboBox::drop-down {{ border: none; width: 18px; }}
QComboBox::down-arrow {{ image: none; }}
QComboBox QAbstractItemView {{ background: {surface}; border: 1px solid {border}; selection-background-color: {accent_soft};
    selection-color: {accent}; outline: none; }}
QLineEdit {{ background: {bg}; border: 1px solid {border}; border-radius: 6px; padding: 5px 8px; selection-background-color: {accent};
    selection-color: {on_accent}; }}
QLineEdit:focus {{ border: 2px solid {accent}; padding: 4px 7px; }}
QPlainTextEdit, QTextEdit {{ background: {surface}; border: 1px solid {border}; border-radius: 6px; selection-background-color: {accent};
    selection-color: {on_accent}; }}
QPlainTextEdit:focus {{ border: 1px solid {accent}; }}
QPlainTextEdit[role="log"] {{ background: transparent; border: 1px solid transparent; color: {muted}; padding: 0; }}
QPlainTextEdit[role="log"]:focus {{ border: 1px solid {accent}; }}
QProgressBar {{ background: {raised}; border: 1px solid {border}; border-radius: 4px; text-align: center; }}
QProgressBar::chunk {{ background: {accent}; border-radius: 3px; }}
QProgressBar[verdict="ok"]::chunk {{ background: {ok}; }}
QProgressBar[verdict="alert"]::chunk {{ background: {bad}; }}
QListView {{ background: transparent; border: none; outline: none; }}
QTableView {{ background: {surface}; alternate-background-color: {raised}; border: 1px solid {border}; gridline-color: {border};
    selection-background-color: {accent_soft}; selection-color: {text}; }}
QTableView:focus {{ border: 1px solid {accent}; }}
QHeaderView::section {{ background: {raised}; color: {muted}; border: none; border-bottom: 1px solid {border}; padding: 5px 8px; font-weight: 600; }}
QTableCornerButton::section {{ background: {raised}; border: none; }}
QScrollArea {{ background: {bg}; border: none; }}
QScrollArea[role="clear"], QWidget[role="clear"] {{ background: transparent; }}
QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 0; }}
QScrollBar::handle {{ background: {border}; border-radius: 4px; min-height: 24px; min-width: 24px; margin: 1px; }}
QScrollBar::handle:hover {{ background: {faint}; }}
QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
QSplitter::handle {{ background: transparent; }}
QSplitter::handle:hover {{ background: {accent_soft}; }}
QToolTip {{ background: {raised}; color: {text}; border: 1px solid {border}; padding: 4px 6px; }}
QGraphicsView {{ background: transparent; border: none; }}
"""


def stylesheet(palette: Palette) -> str:
    """The stylesheet of a theme."""
    tokens = {name: getattr(palette, name) for name in Palette.__struct_fields__ if name != "heat"}
    return TEMPLATE.format(
        **tokens,
        radius=RADIUS_PIXELS,
        figure=round(FIGURE_PIXELS),
        accent_hover=mixed(palette.accent, palette.text, 0.15),
    )
