"""A session and a window for tests, in a home of their own; both must end without threads or timers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from app.session.session import Session
    from app.shell.main_window import MainWindow

OURS = ("eatlas", "descriptors", "inference")


def our_threads() -> list[str]:
    """Names of threads that the application started and that still run."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(OURS)]


def active_timers(parent: object) -> list[str]:
    """Timers under an object that still run, by the class of their owner."""
    from PySide6.QtCore import QObject, QTimer

    assert isinstance(parent, QObject)
    return [type(timer.parent()).__name__ for timer in parent.findChildren(QTimer) if timer.isActive()]


@pytest.fixture
def app_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    monkeypatch.setenv("EATLAS_HOME", str(home))
    return home


@pytest.fixture
def session(qtbot, app_home: Path) -> Iterator[Session]:
    from app.session.session import Session

    made = Session()
    yield made
    made.shutdown()
    assert our_threads() == []
    assert active_timers(made) == []


@pytest.fixture
def window(qtbot, app_home: Path) -> Iterator[MainWindow]:
    from PySide6.QtCore import QCoreApplication, QEvent

    from app.main import make_application, make_window
    from app.settings import load

    made = make_window(make_application(), load())
    made.confirm_close = lambda: True
    made.show()
    qtbot.waitExposed(made)
    yield made
    qtbot.waitUntil(lambda: _closed(made), timeout=60_000)
    assert our_threads() == []
    qtbot.waitUntil(lambda: active_timers(made) == [], timeout=60_000)
    made.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


def _closed(window: MainWindow) -> bool:
    """Ask a window to close: a second time where a training cannot be saved, or it would outlive its test."""
    if window.isVisible() and window.isEnabled():
        window.close()
    return not window.isVisible()


@pytest.fixture
def silicon_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a few frames of rattled 8-atom silicon (energies, forces, stress) and return the path."""

    def write(name: str = "si.extxyz", n_frames: int = 4, energies: bool = True) -> Path:
        from ase.build import bulk
        from ase.calculators.singlepoint import SinglePointCalculator
        from ase.io import write as write_file

        random = np.random.default_rng(0)
        frames = []
        for index in range(n_frames):
            atoms = bulk("Si", cubic=True, a=5.43 + 0.02 * index)
            atoms.rattle(0.05, seed=index)
            atoms.set_array("mobility", random.normal(size=len(atoms)))
            if energies:
                forces = random.normal(size=(8, 3))
                results = {"energy": -40.0 + index, "forces": forces, "stress": np.zeros(6)}
                atoms.calc = SinglePointCalculator(atoms, **results)
            frames.append(atoms)
        path = tmp_path / name
        write_file(path, frames, format="extxyz")
        return path

    return write
