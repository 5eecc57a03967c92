"""The few places where Fusion alone does not look right: dock titles, tabs, toolbars, tables, scroll bars."""

from __future__ import annotations

from dataclasses import asdict

from PySide6.QtWidgets import QWidget

from app.look.palette import Theme
from nnpcore.installation import RESOURCES

_SHEET = """
QMainWindow, QDialog {{ background: {background}; }}
QMainWindow::separator {{ background: {background}; width: 6px; height: 6px; }}
QMainWindow::separator:hover {{ background: {border}; }}
QToolTip {{ background: {panel}; color: {text}; border: 1px solid {border}; padding: 4px 6px; }}

QToolBar#main_toolbar {{ background: {background}; border: none; padding: 4px 8px; spacing: 2px; }}
QToolBar::separator {{ background: {border}; width: 1px; margin: 6px 6px; }}
QToolButton {{ border: none; border-radius: 5px; padding: 4px 6px; background: transparent; }}
QToolButton:hover {{ background: {hover}; }}
QToolButton:checked, QToolButton:pressed {{ background: {hover}; color: {accent}; }}
QToolButton::menu-indicator {{ image: none; width: 0; }}

QDockWidget {{ color: {muted}; font-size: 11px; font-weight: 600; }}
QWidget#dock_title {{ background: {panel}; border-top: 1px solid {border}; }}
QLabel#dock_label {{ color: {muted}; font-size: 11px; font-weight: 600; }}
QWidget#dock_title QToolButton {{ padding: 3px; border-radius: 4px; }}
QWidget#data_row QToolButton, QWidget#run_row QToolButton {{ padding: 2px; border-radius: 4px; }}
QLabel[error="true"] {{ color: {error}; }}
QLineEdit, QComboBox, QSpinBox, QDoubleSpinBox {{ background: {field}; border: 1px solid {border};
    border-radius: 4px; padding: 2px 6px; min-height: 18px; selection-background-color: {accent};
    selection-color: {on_accent}; }}
QLineEdit:focus, QComboBox:focus, QSpinBox:focus, QDoubleSpinBox:focus {{ border-color: {accent}; }}
QLineEdit:disabled, QComboBox:disabled, QSpinBox:disabled, QDoubleSpinBox:disabled {{ color: {muted};
    background: {background}; }}
QComboBox::drop-down {{ border: none; width: 18px; }}
QComboBox::down-arrow {{ image: url("{icons}/chevron-{mode}.svg"); width: 11px; height: 11px; }}
QComboBox QAbstractItemView {{ background: {panel}; border: 1px solid {border}; padding: 2px; }}
QSpinBox::up-button, QDoubleSpinBox::up-button {{ border: none; width: 16px; }}
QSpinBox::down-button, QDoubleSpinBox::down-button {{ border: none; width: 16px; }}
QSpinBox::up-arrow, QDoubleSpinBox::up-arrow {{ image: url("{icons}/chevron-up-{mode}.svg"); width: 9px;
    height: 9px; }}
QSpinBox::down-arrow, QDoubleSpinBox::down-arrow {{ image: url("{icons}/chevron-{mode}.svg"); width: 9px;
    height: 9px; }}
QCheckBox::indicator {{ width: 12px; height: 12px; border: 1px solid {muted}; border-radius: 3px;
    background: {field}; }}
QCheckBox::indicator:hover {{ border-color: {accent}; }}
QCheckBox::indicator:checked {{ background: {accent}; border-color: {accent};
    image: url("{icons}/check-{mode}.svg"); }}
QCheckBox::indicator:disabled {{ border-color: {border}; }}
QPushButton {{ background: {field}; border: 1px solid {border}; border-radius: 4px; padding: 2px 12px;
    min-height: 18px; }}
QPushButton:hover {{ border-color: {accent}; }}
QPushButton:pressed, QPushButton:checked {{ background: {hover}; }}
QPushButton:disabled {{ color: {muted}; background: {background}; }}
QLineEdit[wrong="true"], QComboBox[wrong="true"], QSpinBox[wrong="true"], QDoubleSpinBox[wrong="true"],
QPlainTextEdit[wrong="true"] {{ border-color: {error}; }}
QListWidget#sources {{ border: 1px solid {border}; border-radius: 4px; background: {field}; }}
QFrame#dialog_error {{ background: {panel}; border: 1px solid {error}; border-radius: 6px; }}
QFrame#toast {{ background: {panel}; border: 1px solid {border}; border-radius: 8px; }}
QFrame#palette {{ background: {panel}; border: 1px solid {border}; border-radius: 8px; }}
QFrame#search_field {{ background: {panel}; border: 1px solid {border}; border-radius: 6px; }}
QFrame#search_field:hover {{ border-color: {accent}; }}
QToolButton#search_icon {{ padding: 0; }}
QWidget[panel="true"] {{ background: {panel}; }}

QTabBar {{ background: {background}; }}
QTabBar::tab {{ background: transparent; color: {muted}; padding: 4px 10px; border: none;
    border-bottom: 2px solid transparent; font-size: 11px; font-weight: 600; }}
QTabBar::tab:selected {{ color: {text}; border-bottom: 2px solid {accent}; }}
QTabBar::tab:hover:!selected {{ color: {text}; }}

QMenuBar {{ background: {background}; padding: 2px 6px; }}
QMenuBar::item {{ padding: 4px 8px; border-radius: 4px; background: transparent; }}
QMenuBar::item:selected {{ background: {hover}; }}
QMenu {{ background: {panel}; border: 1px solid {border}; padding: 4px; }}
QMenu::item {{ padding: 5px 24px 5px 12px; border-radius: 4px; }}
QMenu::item:selected {{ background: {accent}; color: {on_accent}; }}
QMenu::item:disabled {{ color: {muted}; }}
QMenu::separator {{ height: 1px; background: {border}; margin: 4px 8px; }}
QMenu::icon {{ padding-left: 8px; }}

QStatusBar {{ background: {background}; color: {muted}; }}
QStatusBar::item {{ border: none; }}

QHeaderView::section {{ background: {panel}; color: {muted}; border: none; border-bottom: 1px solid {border};
    padding: 3px 6px; font-size: 11px; }}
QTreeView, QTableView, QListView {{ border: none; background: {panel}; outline: 0;
    alternate-background-color: {background}; }}
QListView::item {{ padding: 2px; }}
QListView#data_files::item, QListView#runs_list::item {{ padding: 0; border-left: 3px solid transparent; }}
QListView#data_files::item:selected, QListView#runs_list::item:selected {{
    background: {selected}; border-left: 3px solid {accent}; color: {text}; }}
QScrollArea {{ border: none; background: transparent; }}
QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 0; }}
QScrollBar::handle {{ background: {border}; border-radius: 4px; min-height: 24px; min-width: 24px;
    margin: 1px; }}
QScrollBar::handle:hover {{ background: {muted}; }}
QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}

QLabel[muted="true"] {{ color: {muted}; }}
QLabel[small="true"] {{ font-size: 11px; }}
QLabel[heading="true"] {{ font-weight: 600; }}
QPushButton[primary="true"] {{ background: {accent}; color: {on_accent}; border-color: {accent};
    font-weight: 600; }}
QPushButton[primary="true"]:disabled {{ background: {border}; color: {muted}; }}
QProgressBar {{ border: none; background: {border}; border-radius: 3px; max-height: 6px; }}
QProgressBar::chunk {{ background: {accent}; border-radius: 3px; }}
"""


def style_sheet(theme: Theme) -> str:
    """Return the application's style sheet in the theme's colours."""
    folder = (RESOURCES / "icons").as_posix()
    return _SHEET.format(**asdict(theme), icons=folder, mode="dark" if theme.dark else "light")


def repolish(widget: QWidget, name: str, value: bool) -> None:
    """Set a property the style sheet looks at, such as "wrong" or "error", and show the change."""
    if bool(widget.property(name)) != value:
        widget.setProperty(name, value)
        widget.style().unpolish(widget)
        widget.style().polish(widget)
