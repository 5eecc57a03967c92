"""A run that another process trains is followed in the window, and nothing of it is touched."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot
from training_data import TINY

from app.documents.run import RunDocument, RunState
from app.panels.run_rows import describe, run_menu
from app.panels.training_panel import status_text
from app.session.session import Session
from nnpcore.structures import example_path, read_dataset
from nnpcore.training import TrainControl, Trainer


class Elsewhere:
    """A training by somebody else, which waits before every epoch after the first until it may go on."""

    def __init__(self, folder: Path, **changes: object) -> None:
        frames = read_dataset(f"{example_path('npt')}@:6").frames
        self.trainer = Trainer(TINY.replace(**changes), frames[:4], frames[4:], run_folder=folder)
        self.turn, self.done = threading.Semaphore(0), threading.Semaphore(0)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        self.wait()

    def _run(self) -> None:
        self.trainer.run(lambda record, trainer: self._pause(), TrainControl())
        self.done.release()

    def _pause(self) -> None:
        self.trainer.keeper.write(self.trainer)
        self.done.release()
        self.turn.acquire(timeout=60)

    def wait(self) -> None:
        assert self.done.acquire(timeout=60)

    def step(self) -> None:
        self.turn.release()
        self.wait()

    def finish(self) -> None:
        for _ in range(TINY.epochs or 0):
            self.turn.release()
        self.thread.join(60)
        assert not self.thread.is_alive()


@pytest.fixture
def elsewhere(run_folder: Path) -> Iterator[Elsewhere]:
    found = Elsewhere(run_folder)
    yield found
    found.finish()


def opened(session: Session, folder: Path, qtbot: QtBot) -> RunDocument:
    session.runs.open(folder)
    qtbot.waitUntil(lambda: bool(session.runs.documents), timeout=60_000)
    return next(iter(session.runs.documents.values()))


def test_a_training_elsewhere_is_followed_to_its_end(
    session: Session, elsewhere: Elsewhere, run_folder: Path, qtbot: QtBot
) -> None:
    run = opened(session, run_folder, qtbot)
    before = {path: path.stat().st_mtime_ns for path in run_folder.rglob("*")}
    qtbot.waitUntil(lambda: run.state is RunState.ELSEWHERE, timeout=60_000)
    assert {path: path.stat().st_mtime_ns for path in run_folder.rglob("*")} == before
    assert "Trained by process" in describe(run) and status_text(run).startswith("training elsewhere")
    above = QWidget()
    qtbot.addWidget(above)
    menu = run_menu(session, run.id, above)
    actions = [action.text() for action in menu.actions()]
    assert "Resume" not in actions and "Stop" not in actions
    session.trainings.resume(run.id)
    assert not session.trainings.active and run.state is RunState.ELSEWHERE
    first = run.potential
    with qtbot.waitSignal(session.runs.potential_changed, timeout=60_000):
        elsewhere.finish()
    qtbot.waitUntil(lambda: run.state is RunState.FINISHED, timeout=60_000)
    assert [r.epoch for r in run.history] == [1, 2, 3, 4] and run.potential is not first
    assert "process" not in describe(run)


def test_another_training_in_the_folder_takes_the_place_of_the_first(
    session: Session, elsewhere: Elsewhere, run_folder: Path, qtbot: QtBot
) -> None:
    run = opened(session, run_folder, qtbot)
    qtbot.waitUntil(lambda: run.state is RunState.ELSEWHERE, timeout=60_000)
    told: list[str] = []
    session.messages.notified.connect(lambda note: told.append(note.title))
    elsewhere.finish()
    other = Elsewhere(run_folder, seed=5)
    try:
        qtbot.waitUntil(lambda: run.id not in session.runs.documents, timeout=60_000)
        qtbot.waitUntil(lambda: bool(session.runs.documents), timeout=60_000)
        assert next(iter(session.runs.documents.values())).settings.seed == 5
        assert any("is no longer there" in title for title in told)
    finally:
        other.finish()


def test_damage_ends_the_following_and_loses_nothing(
    session: Session, elsewhere: Elsewhere, run_folder: Path, qtbot: QtBot
) -> None:
    run = opened(session, run_folder, qtbot)
    qtbot.waitUntil(lambda: run.state is RunState.ELSEWHERE, timeout=60_000)
    potential, history = run.potential, list(run.history)
    good = (run_folder / "data.json").read_text()
    (run_folder / "data.json").write_text("{")
    qtbot.waitUntil(lambda: run.state is RunState.STOPPED, timeout=60_000)
    assert "data.json" in run.message
    assert run.potential is potential and run.history == history
    told: list[str] = []
    session.messages.notified.connect(lambda note: told.append(note.title))
    (run_folder / "data.json").write_text(good)
    qtbot.waitUntil(lambda: run.state is RunState.ELSEWHERE, timeout=60_000)
    assert told == [f"{run.name} is followed again"]


def test_a_training_that_was_killed_is_told_from_one_that_was_stopped(
    session: Session, elsewhere: Elsewhere, run_folder: Path, qtbot: QtBot
) -> None:
    run = opened(session, run_folder, qtbot)
    qtbot.waitUntil(lambda: run.state is RunState.ELSEWHERE, timeout=60_000)
    told: list[str] = []
    session.messages.notified.connect(lambda note: told.append(f"{note.title}: {note.text}"))
    lock = run_folder / "training.lock"
    lock.write_text(json.dumps({**json.loads(lock.read_text()), "pid": 2**22 + 7}))
    qtbot.waitUntil(lambda: run.state is RunState.STOPPED, timeout=60_000)
    assert len(told) == 1 and "is no longer trained: Its process was ended from outside" in told[0]
    assert "its process was ended from outside" in status_text(run)
