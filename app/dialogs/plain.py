"""Small dialogs: shortcuts, about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QInputDialog,
    QLabel,
    QLineEdit,
    QMessageBox,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.look.style_sheet import styled
from app.widgets.controls import filled
from nnpcore.foreign_text import one_line


def show_shortcuts(sections: Mapping[str, Iterable[tuple[str, str]]], parent: QWidget) -> None:
    """List what keys and mouse do: (keys, what they do) by where they do it."""
    dialog = QDialog(parent)
    dialog.setWindowTitle("Keys and Mouse")
    column = QVBoxLayout(dialog)
    content = QWidget(dialog)
    grid = QGridLayout(content)
    grid.setHorizontalSpacing(24)
    for where, entries in sections.items():
        grid.addWidget(styled(QLabel(where, content), "heading"), grid.rowCount(), 0, 1, 2)
        for keys, title in entries:
            row = grid.rowCount()
            text = QLabel(title, content)
            text.setWordWrap(True)
            grid.addWidget(text, row, 0)
            grid.addWidget(styled(QLabel(keys, content), "muted"), row, 1, Qt.AlignmentFlag.AlignRight)
    grid.setColumnStretch(0, 1)
    scroll = QScrollArea(dialog)
    scroll.setWidget(content)
    scroll.setWidgetResizable(True)
    column.addWidget(scroll)
    column.addWidget(_close_box(dialog))
    dialog.resize(560, 620)
    dialog.exec()
    dialog.deleteLater()


def ask_types(name: str, parent: QWidget) -> str:
    """Ask which elements the numeric types of a file are; "" where the user does not say."""
    dialog = QInputDialog(parent)
    dialog.setWindowTitle("Elements of the types")
    dialog.setLabelText(
        f"{one_line(name)} has types without elements.\nThe elements in the order of the types:"
    )
    dialog.setTextValue("")
    edit = dialog.findChild(QLineEdit)
    if edit is not None:
        edit.setPlaceholderText("Cu Au")
    return " ".join(dialog.textValue().replace(",", " ").split()) if dialog.exec() else ""


def ask_to_train(warnings: Sequence[str], parent: QWidget) -> bool:
    """Ask whether to train on files that do not fit together; the safe answer is the default."""
    title = "These files do not fit together"
    box = QMessageBox(QMessageBox.Icon.Warning, "Train", title, parent=parent)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setInformativeText("\n\n".join(warnings))
    train = box.addButton("Train All the Same", QMessageBox.ButtonRole.AcceptRole)
    back = box.addButton("Back", QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(back)
    box.exec()
    box.deleteLater()
    return box.clickedButton() is train


def ask_to_lose(parent: QWidget) -> bool:
    """Ask whether to close although a training could not be saved; the safe answer is the default."""
    box = QMessageBox(QMessageBox.Icon.Warning, "Eatlas", "A training is not saved.", parent=parent)
    box.setInformativeText(
        "Its folder cannot be written. Make room, or save it elsewhere by its context menu."
    )
    close = box.addButton("Close and Lose It", QMessageBox.ButtonRole.DestructiveRole)
    back = box.addButton("Back", QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(back)
    box.exec()
    box.deleteLater()
    return box.clickedButton() is close


def show_about(parent: QWidget) -> None:
    """Show versions and the graphics driver, to be copied into a report."""
    from app.info import info_text

    dialog = QDialog(parent)
    dialog.setWindowTitle("About Eatlas")
    name = QLabel("<b>Eatlas</b>: what a neural-network potential has really learned", dialog)
    name.setTextFormat(Qt.TextFormat.RichText)
    text = info_text()
    body = QLabel(text, dialog, textInteractionFlags=Qt.TextInteractionFlag.TextSelectableByMouse)
    box = _close_box(dialog)
    copy = box.addButton("Copy", QDialogButtonBox.ButtonRole.ActionRole)
    copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(text))
    filled(QVBoxLayout(dialog), name, styled(body, "muted"), box, margins=(20, 20, 20, 16), spacing=12)
    dialog.exec()
    dialog.deleteLater()


def _close_box(dialog: QDialog) -> QDialogButtonBox:
    box = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, dialog)
    box.rejected.connect(dialog.reject)
    return box
