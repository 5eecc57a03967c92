"""An error in what Qt calls of ours is an exception for the caller, not the end of the process."""

import subprocess
import sys
from pathlib import Path
from types import MethodDescriptorType

import pyqtgraph as pg
import pytest
from PySide6.QtCore import QSize, Signal
from PySide6.QtGui import QResizeEvent, QUndoCommand, QUndoStack
from PySide6.QtWidgets import QApplication, QDialog, QWidget

import app
from app.overrides import whole_errors
from app.shell.main_window import MainWindow

FAILS = """
import app
from PySide6.QtWidgets import QApplication, QWidget
application = QApplication([])

class Failing(QWidget):
    def resizeEvent(self, event):
        int("x")

try:
    Failing().show()
except ValueError as error:
    print("told:", error)
"""


def test_an_error_raised_in_c_is_told(qapp: QApplication) -> None:
    class Failing(QWidget):
        def resizeEvent(self, event: QResizeEvent) -> None:
            int("x")

    widget = Failing()
    for call in (widget.show, lambda: widget.resize(300, 200)):
        with pytest.raises(ValueError, match="invalid literal"):
            call()
    widget.hide()


def test_the_process_lives(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FAILS],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(app.__file__).parents[1],
        env={"QT_QPA_PLATFORM": "offscreen", "HOME": str(tmp_path), "PATH": ""},
    )
    assert done.returncode == 0, done.stderr
    assert "told:" in done.stdout


def test_an_import_reads_no_source_for_features(tmp_path: Path) -> None:
    code = """
import inspect, app, PySide6.QtWidgets
def refuse(module): raise AssertionError(f"the source of {module} was read")
inspect.getsource = refuse
import colorsys, nnpcore.units
from PySide6.QtCore import QPoint
print(QPoint(1, 2).manhattanLength())
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(app.__file__).parents[1],
        env={"HOME": str(tmp_path), "PATH": ""},
    )
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr


def test_an_undo_step_that_fails_reaches_who_pushed_it(qapp: QApplication) -> None:
    class Failing(QUndoCommand):
        def redo(self) -> None:
            raise KeyError

    with pytest.raises(KeyError):
        QUndoStack().push(Failing())


def test_signals_see_as_many_arguments_as_before(qapp: QApplication) -> None:
    class Box(QDialog):
        sent = Signal(bool)

        def reject(self) -> None:
            self.rejected_by_us = True
            super().reject()

        def sizeHint(self, more: int = 3) -> QSize:
            return QSize(more, more)

    box = Box()
    box.sent.connect(box.reject)
    box.sent.emit(True)
    assert box.rejected_by_us
    assert box.sizeHint() == QSize(3, 3)
    assert box.sizeHint(more=4) == QSize(4, 4)


def test_what_overrides_qt_is_held_everywhere() -> None:
    """In our classes and in those of the plots, all of which are made after the hold."""
    kinds = [MainWindow, pg.PlotItem, pg.ViewBox, *_below(QWidget)]
    ours = [k for k in kinds if k.__module__.partition(".")[0] in ("app", "pyqtgraph")]
    assert len(ours) > 50
    for kind in ours:
        for name, value in vars(kind).items():
            bases = kind.__mro__[1:]
            if callable(value) and any(isinstance(vars(b).get(name), MethodDescriptorType) for b in bases):
                assert name.startswith("__") or hasattr(value, "__wrapped__"), f"{kind}.{name}"


def _below(kind: type) -> list[type]:
    return [found for sub in kind.__subclasses__() for found in (sub, *_below(sub))]


@pytest.mark.parametrize("number", range(7))
def test_functions_keep_what_they_take(number: int) -> None:
    names = [f"x{k}" for k in range(number)]
    made = eval(f"lambda {', '.join(names)}: [{', '.join(names)}]")
    held = whole_errors(made)
    assert held(*names) == held(**{n: n for n in names}) == names
    with pytest.raises(TypeError):
        held(*names, 1)
