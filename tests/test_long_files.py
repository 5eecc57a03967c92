"""A long file shows its first frame at once, grows while it is read, and can be left off."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from app.documents.session_file import SavedDataset
from app.session.messages import Notification
from app.workers import reading
from nnpcore.structures import KeyNames, Role, read_dataset
from nnpcore.structures.frame_index import FrameIndex


@pytest.fixture
def slow(monkeypatch):
    """Reading that waits after the first frame until it is let go."""
    gate = threading.Event()

    def read_slowly(path, *, seen=None, progress=None, **options):
        whole = read_dataset(path, progress=progress, **options)
        for frame in whole.frames[:2]:
            if seen is not None:
                seen(frame)
        while not gate.wait(0.01):
            progress.report(0.25, "on its way")
        return whole

    monkeypatch.setattr(reading, "read_dataset", read_slowly)
    monkeypatch.setattr(reading, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(reading, "LONGER", 0.0)
    yield gate
    gate.set()


def test_a_long_file_is_shown_while_it_is_read(window, qtbot, silicon_file, slow):
    data = window.session.data
    window.files.open_paths([str(silicon_file("long.extxyz", 6))])
    qtbot.waitUntil(lambda: data.current is not None and data.current.n_frames == 2)
    (document,) = data.datasets.values()
    row = window.docks["data"].panel.rows.row(document.id)
    assert document.reading and document.role is Role.INSPECT
    assert data.training_text() == "" and row.role.isHidden()
    qtbot.waitUntil(lambda: row.line.text() == "Reading… 25 % of 6 frames")
    qtbot.waitUntil(lambda: window.docks["structure"].isVisible())
    frames = window.docks["structure"].panel.frames
    qtbot.waitUntil(lambda: frames.text == "1 / 6")
    data.show(document.id, 1)
    slow.set()
    qtbot.waitUntil(lambda: not document.reading)
    assert list(data.datasets) == [document.id] and data.frame_index == 1
    assert document.n_frames == 6 and document.role is Role.TRAINING
    assert frames.text == "2 / 6" and not row.role.isHidden()
    assert row.line.text().startswith("6 frames")


def test_a_reading_can_be_left_off_by_its_row(window, qtbot, silicon_file, slow):
    data = window.session.data
    window.files.open_paths([str(silicon_file("long.extxyz", 6))])
    qtbot.waitUntil(lambda: bool(data.datasets))
    (document,) = data.datasets.values()
    row = window.docks["data"].panel.rows.row(document.id)
    QTest.mouseClick(row.close_button, Qt.MouseButton.LeftButton)
    assert data.datasets == {}
    qtbot.waitUntil(lambda: not window.session.tasks.reading())
    assert data.datasets == {} and not window.session.undo_stack.canUndo()


def test_what_is_cancelled_or_fails_leaves_nothing_behind(session, qtbot, silicon_file, slow):
    session.data.open_paths([str(silicon_file("long.extxyz", 6))])
    qtbot.waitUntil(lambda: bool(session.data.datasets))
    session.tasks.cancel_all()
    qtbot.waitUntil(lambda: session.data.datasets == {})
    assert session.data.current is None


def test_a_session_keeps_how_files_were_read_and_their_eyes(window, qtbot, silicon_file):
    path = str(silicon_file())
    keys = KeyNames(energy="none")
    saved = SavedDataset(path, "inspect", 3, 2, True, {"energy": "none"})
    session = window.session
    session.data.restore(saved, True, session.visibility.hide)
    qtbot.waitUntil(lambda: bool(session.data.datasets))
    (document,) = session.data.datasets.values()
    assert document.dataset.keys == keys and document.summary.n_energies == 0
    assert session.visibility.hidden == {document.id} and document.color_index == 3
    again = window.keeper.snapshot().datasets[0]
    assert again.key_names() == keys and again.hidden and again.frame_index == 2
    session.data.reload(document.id)
    with qtbot.waitSignal(session.data.reloaded):
        pass
    assert document.summary.n_energies == 0  # read again in the same way
    with pytest.raises(ValueError):
        SavedDataset(path, "inspect", 0, 0, False, {"nonsense": 1})
    assert (again.n_frames, again.formula) == (document.n_frames, document.summary.formula)
    assert again.change(document.n_frames, document.summary.formula) == "" == saved.change(7, "Si8")
    told: list[Notification] = []
    session.messages.notified.connect(told.append)
    session.data.restore(replace(again, n_frames=20_000), False, lambda _: None)
    qtbot.waitUntil(lambda: len(session.data.datasets) == 2)
    words = f"20,000 frames when the session was saved, {document.n_frames} frames now"
    assert words in told[-1].text and told[-1].title.startswith(document.name)
    row = window.docks["data"].panel.rows.row(list(session.data.datasets)[-1])
    assert row.line.text().startswith("⚠ changed") and words in row.line.toolTip()


def test_any_frame_can_be_looked_at_before_it_is_read(window, qtbot, silicon_file, slow):
    path = silicon_file("long.extxyz", 6)
    expected = read_dataset(path).frames
    data, selection = window.session.data, window.session.selection
    window.files.open_paths([str(path)])
    qtbot.waitUntil(lambda: data.current is not None and data.current.n_found == 6)
    document, frames = data.current, window.docks["structure"].panel.frames
    assert document.n_frames == 2 and data.training_text() == ""
    for position in (3, 5, 4):  # the last of those asked for is the one shown
        data.show(document.id, position)
    qtbot.waitUntil(lambda: data.frame_index == 4)
    assert data.frame.energy == expected[4].energy and (data.frame.positions == expected[4].positions).all()
    qtbot.waitUntil(lambda: frames.text == "5 / 6")
    data._on_came(
        str(path), replace(document.dataset, frames=expected[:3]), None
    )  # more have been read: it stays in view
    assert data.frame_index == 4 and data.frame.index == 4
    selection.select_frame()
    selection.invert()
    assert len(selection.current) == 0
    slow.set()
    qtbot.waitUntil(lambda: not document.reading)
    assert document.index is None and data.frame_index == 4 and document.role is Role.TRAINING
    assert data.frame is document.frames[4] and frames.text == "5 / 6"


def test_a_bad_frame_that_is_looked_at_says_so(window, qtbot, silicon_file, slow):
    path = silicon_file("long.extxyz", 6)
    lines = path.read_text().splitlines(keepends=True)
    each = len(lines) // 6
    lines[4 * each + 3] = "Si nowhere\n"
    path.write_text("".join(lines))
    data, messages = window.session.data, window.session.messages
    window.files.open_paths([str(path)])
    qtbot.waitUntil(lambda: data.current is not None and data.current.n_found == 6)
    with qtbot.waitSignal(messages.notified) as posted:
        data.show(data.current_id, 4)
    assert "frame 5 cannot be used" in posted.args[0].title and f"line {4 * each + 4}" in posted.args[0].text
    assert data.frame_index == 0
    data.show(data.current_id, 5)
    data.remove(data.current_id)  # while it is on its way
    qtbot.waitUntil(lambda: not window.session.tasks.busy("look ahead"))
    assert data.datasets == {} and data.frame is None
    slow.set()
    qtbot.waitUntil(lambda: not window.session.tasks.reading())
    assert data.datasets == {}


def test_frames_of_two_files_asked_for_at_once(session, qtbot, silicon_file):
    data, documents = session.data, []
    for name in ("a.extxyz", "b.extxyz"):
        whole = read_dataset(silicon_file(name, 6))
        document = data.datasets[data.add(replace(whole, frames=whole.frames[:2]))]
        document.reading, document.index = True, FrameIndex(whole.path)
        assert list(document.index.grow())[-1] == document.n_found == 6
        documents.append(document)
    first, second = documents
    data.show(first.id, 3)
    data.show(second.id, 5)
    qtbot.waitUntil(lambda: (data.current_id, data.frame_index) == (second.id, 5))
    second.ended()  # with fewer frames than its file seemed to have
    assert data.frame is second.frames[1]
    first.ended()
