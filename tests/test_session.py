"""The session without a window: opening, roles, frames, selection, colouring, undo, tasks."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QWidget

from app.dialogs.every import Dialogs
from app.dialogs.examples import open_example
from app.documents.coloring import Coloring
from app.documents.selection import AtomRef, Selection
from app.documents.session_file import SavedDataset
from app.session.messages import Notification, from_error
from app.workers.turns import in_turn
from nnpcore.errors import DataError
from nnpcore.structures import Role


def opened(session, qtbot, *paths):
    with qtbot.waitSignals([session.data.added] * len(paths), timeout=60_000):
        session.data.open_paths([str(path) for path in paths])
    return list(session.data.datasets.values())


def test_open_shows_first_frame_and_guesses_roles(session, qtbot, silicon_file):
    plain = silicon_file("bare.extxyz", energies=False)
    first, second, third = opened(
        session, qtbot, silicon_file("si.extxyz"), plain, silicon_file("eos.extxyz")
    )
    assert [d.role for d in (first, second, third)] == [Role.TRAINING, Role.INSPECT, Role.EOS]
    assert [d.color_index for d in (first, second, third)] == [0, 1, 2]
    assert session.data.current is first
    assert session.data.frame is first.frames[0]


def test_slices_and_same_names_get_their_own_id(session, qtbot, silicon_file):
    path = silicon_file(n_frames=6)
    whole, part = opened(session, qtbot, path, f"{path}@::3")
    assert (whole.n_frames, part.n_frames) == (6, 2)
    assert whole.id != part.id
    assert [frame.index for frame in part.frames] == [0, 3]


def test_files_come_in_the_order_they_were_asked_for(session, qtbot, silicon_file):
    paths = [
        silicon_file("long.extxyz", 40),
        silicon_file("short.extxyz", 1),
        silicon_file("middle.extxyz", 9),
    ]
    documents = opened(session, qtbot, *paths)
    assert [d.n_frames for d in documents] == [40, 1, 9]


def test_frames_are_clipped_and_remembered_per_file(session, qtbot, silicon_file):
    first, second = opened(session, qtbot, silicon_file("a.extxyz"), silicon_file("b.extxyz"))
    session.data.show(first.id, 98)
    assert session.data.frame_index == 3
    session.data.show(second.id, 1)
    session.data.show(first.id)
    assert session.data.frame_index == 3
    session.data.show(first.id, -7)
    assert session.data.frame_index == 0


def test_current_changed_only_when_something_changed(session, qtbot, silicon_file):
    (document,) = opened(session, qtbot, silicon_file())
    calls = []
    session.data.current_changed.connect(lambda: calls.append(session.data.frame_index))
    session.data.show(document.id, 2)
    session.data.show(document.id, 2)
    assert calls == [2]


def test_undo_and_redo_of_roles_and_colouring(session, qtbot, silicon_file):
    (document,) = opened(session, qtbot, silicon_file())
    session.data.set_role(document.id, Role.EOS)
    session.coloring.set(kind="mobility")
    session.undo_stack.undo()
    assert session.coloring.current == Coloring()
    session.undo_stack.undo()
    assert document.role is Role.TRAINING
    session.undo_stack.redo()
    session.undo_stack.redo()
    assert (document.role, session.coloring.current.kind) == (Role.EOS, "mobility")


def test_edits_of_one_training_setting_are_one_step(session):
    for epochs in (5, 6, 7):
        session.trainings.set_settings(session.trainings.settings.replace(epochs=epochs), "Set epochs")
    session.trainings.set_settings(session.trainings.settings.replace(seed=3), "Set seed")
    assert session.undo_stack.count() == 2
    session.undo_stack.undo()
    assert (session.trainings.settings.epochs, session.trainings.settings.seed) == (7, 0)
    session.undo_stack.undo()
    assert session.trainings.settings.epochs is None
    session.undo_stack.redo()
    assert session.trainings.settings.epochs == 7


def test_closing_a_file_can_be_undone_by_reading_it_again(session, qtbot, silicon_file):
    first, second = opened(session, qtbot, silicon_file("a.extxyz"), silicon_file("b.extxyz"))
    session.data.set_role(first.id, Role.VALIDATION)
    session.selection.select([(first.id, 0, 1), (second.id, 0, 1)])
    session.data.remove(first.id)
    assert session.data.current is second
    assert session.selection.current == Selection([(second.id, 0, 1)])
    with qtbot.waitSignal(session.data.added):
        session.undo_stack.undo()
    assert session.data.datasets[first.id].role is Role.VALIDATION


def test_a_file_that_was_open_twice_comes_back_twice(session, qtbot, silicon_file):
    path = str(silicon_file("a.extxyz"))
    roles = {"a": Role.TRAINING, "a (2)": Role.INSPECT}
    with qtbot.waitSignals([session.data.added] * 2):
        for role in roles.values():
            session.data.restore(SavedDataset(path, role.value, 0), False, lambda _: None)
    assert {key: document.role for key, document in session.data.datasets.items()} == roles
    for key in roles:
        session.data.remove(key)
    with qtbot.waitSignals([session.data.added] * 2):
        session.undo_stack.undo()
        session.undo_stack.undo()
    assert {document.role for document in session.data.datasets.values()} == set(roles.values())


def test_selection_modes():
    chosen = Selection([("a", 0, 1), ("a", 0, 3), ("b", 2, 0)])
    assert chosen.combined([("a", 0, 2)], "add").in_frame("a", 0).tolist() == [1, 2, 3]
    assert chosen.combined([("a", 0, 1)], "remove").in_frame("a", 0).tolist() == [3]
    assert chosen.combined([("a", 1, 1)], "replace").atoms == {AtomRef("a", 1, 1)}
    assert chosen.in_frame("a", 5).size == 0
    assert len(chosen.without_dataset("a")) == 1


def test_showing_an_atom_goes_to_its_frame_and_selects_it(session, qtbot, silicon_file):
    (document,) = opened(session, qtbot, silicon_file())
    session.selection.show_atom((document.id, 3, 5))
    assert session.data.frame_index == 3
    assert session.selection.current.in_frame(document.id, 3).tolist() == [5]
    session.selection.show_atom(("gone", 0, 0))
    assert session.data.frame_index == 3


def test_atom_values_of_an_array_of_the_file(session, qtbot, silicon_file):
    (document,) = opened(session, qtbot, silicon_file())
    assert session.coloring.atom_values() is None
    session.coloring.set(kind="mobility")
    values, label, unit, _ = session.coloring.atom_values()
    np.testing.assert_allclose(values, document.frames[0].arrays["mobility"])
    assert (label, unit) == ("mobility", "")
    session.coloring.set(kind="atomic_energy")
    assert session.coloring.atom_values() is None


@pytest.mark.parametrize(
    ("content", "words"),
    [("", "empty"), ("8\ngarbage\nSi 0 0\n", "bad.extxyz"), ("\0\1\2\3" * 50, "bad.extxyz")],
)
def test_files_that_cannot_be_read_are_told_and_change_nothing(session, qtbot, tmp_path, content, words):
    path = tmp_path / "bad.extxyz"
    path.write_text(content)
    with qtbot.waitSignal(session.messages.notified) as told:
        session.data.open_paths([str(path)])
    message: Notification = told.args[0]
    assert message.level == "error"
    assert message.title == "bad.extxyz was not opened"
    assert words in message.text
    assert not session.data.datasets


def test_bad_frames_are_named_and_can_be_skipped(session, qtbot, silicon_file):
    path = silicon_file(n_frames=4)
    text = path.read_text().replace("energy=-38.0", "energy=nan")
    path.write_text(text)
    with qtbot.waitSignal(session.messages.notified) as told:
        session.data.open_paths([str(path)])
    message: Notification = told.args[0]
    assert message.title == "si.extxyz: 1 of 4 frames cannot be used"
    assert message.text.startswith("Frame 3: ")
    assert "frame 3" in message.details
    assert not session.data.datasets
    opened(session, qtbot, silicon_file("other.extxyz"))
    with qtbot.waitSignal(session.data.added):
        message.actions[0][1]()
    document = session.data.current
    assert document is not None, "it is shown, for somebody has asked for it"
    assert [frame.index for frame in document.frames] == [0, 1, 3]


def test_unconverged_steps_are_left_out_and_can_be_taken(session, qtbot, tmp_path):
    text = (Path(__file__).parent / "data" / "OUTCAR").read_text()
    said = " aborting loop because EDIFF was not reached (unconverged)\n  FORCE on cell"
    path = tmp_path / "OUTCAR"
    path.write_text(text.replace("  FORCE on cell", said, 1))
    with qtbot.waitSignal(session.messages.notified) as told:
        session.data.open_paths([str(path)])
    message: Notification = told.args[0]
    assert "did not converge" in message.text and "--" not in message.text
    skip, take = message.actions
    assert skip[0] == "Skip and open 1" and take[0] == "Take unconverged steps, too"
    with qtbot.waitSignal(session.data.added):
        take[1]()
    (document,) = session.data.datasets.values()
    assert [frame.index for frame in document.frames] == [0, 1]
    assert {frame.read_with for frame in document.frames} == {"unconverged=True"}


# tasks ----------------------------------------------------------------------------------------------------
def test_late_results_of_a_replaced_task_are_dropped(session, qtbot):
    gate, got = threading.Event(), []
    session.tasks.run("old", lambda _: gate.wait(10) and "old", got.append, key="k")
    with qtbot.waitSignals([session.tasks.finished] * 2):
        session.tasks.run("new", lambda _: "new", got.append, key="k")
        gate.set()
    assert got == ["new"]


def test_cancelled_tasks_stop_at_their_next_report(session, qtbot):
    started, steps = threading.Event(), []

    def work(progress):
        for step in range(1000):
            started.set()
            steps.append(step)
            progress.report(step / 1000, "working")
            threading.Event().wait(0.01)

    task = session.tasks.run("long", work, lambda _: pytest.fail("a cancelled task must not end well"))
    started.wait(5)
    with qtbot.waitSignal(session.tasks.finished):
        task.cancel()
    assert task.state == "cancelled"
    assert len(steps) < 900


def test_opening_waits_for_no_analysis(session, qtbot, tmp_path):
    gate, opened = threading.Event(), []
    for _ in range(3):
        session.tasks.run("Analysing", lambda _: gate.wait(60), lambda _: None)
    try:
        with qtbot.waitSignal(session.messages.notified) as told:
            session.runs.open(tmp_path / "gone")
        assert told.args[0].title == "The run gone was not opened"
        open_example(session, Dialogs(session, QWidget()), "heal_dft", lambda name, *_: opened.append(name))
        qtbot.waitUntil(lambda: opened == ["heal_dft"], timeout=60_000)
    finally:
        gate.set()


def test_errors_of_tasks_become_messages(session, qtbot):
    def user_error(_progress):
        raise DataError("atoms 0 and 7 of 8 touch", where="frame 1.xyz, frame 3", fix="Move atom 0")

    with qtbot.waitSignal(session.messages.notified) as told:
        session.tasks.run("Measuring", user_error, print)
    text = "frame 1.xyz, frame 4: atoms 1 and 8 of 8 touch. Move atom 1."
    assert told.args[0] == Notification("error", "Measuring failed", text)
    assert from_error("", DataError("no file to train on")).text == "No file to train on."
    assert from_error("", DataError("a.xyz is empty")).text == "a.xyz is empty."
    with qtbot.waitSignal(session.messages.notified) as told:
        session.tasks.run("Measuring", lambda _: 1 / 0, print)
    assert "ZeroDivisionError" in told.args[0].text
    assert "Traceback" in told.args[0].details


def test_the_window_gets_a_turn_between_two_pieces_of_work(qtbot):
    owner, gone, done = QObject(), QObject(), []

    def work(number):
        done.append(number)
        QTimer.singleShot(0, owner, lambda: done.append("what was posted"))

    for number in (1, 2):
        in_turn(owner, lambda number=number: work(number))
    in_turn(gone, lambda: work(3))
    gone.deleteLater()
    qtbot.waitUntil(lambda: len(done) == 4)
    qtbot.wait(5)
    assert done == [1, "what was posted", 2, "what was posted"], "and nothing for one that is gone"


def test_shutdown_drops_what_still_runs(qtbot, app_home):
    from window_fixtures import our_threads

    from app.session.session import Session

    def wait_forever(progress):
        while True:
            progress.check()
            threading.Event().wait(0.01)

    session, got = Session(), []
    session.tasks.run("a", wait_forever, got.append)
    session.shutdown()
    session.tasks.run("b", lambda _: "b", got.append)
    qtbot.wait(50)
    assert got == []
    assert our_threads() == []
