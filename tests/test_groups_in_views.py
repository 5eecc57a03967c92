"""Groups of frames in the window: colors, ticks that leave groups out; tests as parts; restarts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from panel_helpers import show_panel, wait_for
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from training_data import TINY, silicon_frames

from app.dialogs.movie import MovieDialog
from app.documents import session_file
from app.documents.coloring import FRAME_GROUP
from app.look.ink import rgb_of
from app.panels.errors_panel import ErrorsPanel
from app.panels.parity_panel import ParityPanel
from app.panels.pca_panel import PcaPanel
from app.panels.structure_panel import StructurePanel
from app.panels.training_panel import TrainingPanel
from app.session.messages import Notification
from app.session.session import Session
from app.shell.restoring import SessionKeeper
from app.workers.reading import ReadFile
from nnpcore.errors import SettingsError
from nnpcore.structures import Dataset, Role, read_dataset, write_frames
from nnpcore.structures.frame import Frame
from nnpcore.training import Trainer
from nnpcore.training.leaving_out import left_out

SETTINGS = TINY.replace(hidden=(5,), epochs=3, **{"descriptors.preset": "26"})


def grouped() -> list[Frame]:
    """Return frames of the groups a, b, c, a, …, of the phases hot and cold."""
    return [
        replace(f, info={"config_type": "abc"[k % 3], "phase": "hot" if k < 6 else "cold"})
        for k, f in enumerate(silicon_frames(14))
    ]


@pytest.fixture
def opened(session: Session, tmp_path: Path) -> Session:
    """Return a session with the file, and a run on its first frames that puts the last three aside."""
    path = tmp_path / "data.extxyz"
    write_frames(path, grouped())
    frames = list(read_dataset(path).frames)
    Trainer(SETTINGS, frames[:8], frames[8:11], test=frames[11:], run_folder=tmp_path / "run").run()
    session.data.open_paths([str(path)], {str(path): Role.TRAINING})
    wait_for(lambda: "data" in session.data.datasets)
    session.runs.open(tmp_path / "run")
    wait_for(lambda: session.runs.current is not None and session.runs.current.test.complete)
    return session


def tick(panel: PcaPanel | StructurePanel, name: str) -> None:
    """Click the box of a group in the menu of a panel."""
    tool = panel.groups if isinstance(panel, StructurePanel) else panel.frame_groups
    tool.menu.aboutToShow.emit()
    box = tool.boxes[name]
    QTest.mouseClick(box, Qt.MouseButton.LeftButton, pos=QPoint(8, box.height() // 2))


def test_the_structure_has_the_color_of_its_group_and_steps_over_hidden_ones(qtbot, opened: Session) -> None:
    panel = show_panel(qtbot, StructurePanel(opened), 700, 500)
    assert isinstance(panel, StructurePanel)
    assert FRAME_GROUP in dict(opened.coloring.kinds())
    opened.coloring.set(kind=FRAME_GROUP)
    for index, name in ((0, "a"), (1, "b"), (2, "c")):
        opened.data.show("data", index)
        wait_for(lambda: panel.view.frame is opened.data.frame)
        assert (panel.shown.colors == rgb_of(f"series:{index}")).all()
        assert f"<b>{name} " in panel.shown.message and panel.shown.message.count("●") == 3
    tick(panel, "c")
    assert opened.data.frame_index == 3 and "2 of 3" in panel.groups.button.text()
    seen = []
    for _ in range(10):
        QTest.mouseClick(panel.frames.next, Qt.MouseButton.LeftButton)
        seen.append(opened.data.frame_index)
    assert seen == [4, 6, 7, 9, 10, 12, 13, 0, 1, 3] and panel.frames.text.endswith("/ 14, 10 shown")
    panel.frames.previous.click()
    assert opened.data.frame_index == 1
    panel.frames.number.setValue(3)  # frame 3 is of the hidden group: the next one
    assert opened.data.frame_index == 3
    QTest.keyClick(panel, Qt.Key.Key_End)
    assert opened.data.frame_index == 13
    opened.data.show("data", 5)  # looked at on purpose
    assert panel.frames.index == 5
    panel.frames.step(1)
    assert opened.data.frame_index == 6
    opened.undo_stack.undo()
    assert not opened.groups.hidden and panel.frames.shown is None


def test_the_map_has_groups_and_the_test_as_parts_and_leaves_hidden_groups_out(
    qtbot, opened: Session
) -> None:
    panel = show_panel(qtbot, PcaPanel(opened), 700, 500)
    assert isinstance(panel, PcaPanel)
    wait_for(lambda: panel.analysis is not None)
    panel.refresh()
    test = next(group for group in panel.groups if group.role == "test")
    assert test.name == "data.extxyz (test)" and test.dataset_id == "data"
    assert np.unique(test.frame).tolist() == [11, 12, 13]
    np.testing.assert_array_equal(test.atom.reshape(3, -1), np.tile(np.arange(8), (3, 1)))
    cloud = next(cloud for cloud in panel.plot.groups if cloud.name == "data.extxyz (test)")
    assert cloud.key not in panel.plot.legend.hidden and cloud.marker == "t"
    assert panel.atom(cloud.key, 9) == ("data", 12, 1)
    panel.color_by.setCurrentIndex(panel.color_by.findData("group"))
    panel.color_by.activated.emit(panel.color_by.currentIndex())
    whole = {group.role: group.color_index for group in panel.groups if not group.part}
    assert whole == {"validation": 3, "test": 3}  # no group's color
    parts = {group.name: (group.color_index, len(group.frame)) for group in panel.groups if group.part}
    assert parts == {"a": (0, 24), "b": (1, 24), "c": (2, 16)}
    tick(panel, "a")
    panel.refresh()
    shown = {group.name for group in panel.groups}
    assert "a" not in shown and {"b", "c", "data.extxyz (test)"} <= shown
    test = next(group for group in panel.groups if group.role == "test")
    assert np.unique(test.frame).tolist() == [11, 13]
    panel.frame_groups.menu.actions()[-1].trigger()
    panel.refresh()
    assert "a" in {group.name for group in panel.groups}
    opened.trainings.set_settings(opened.trainings.settings.replace(group_key="phase"))
    panel.refresh()
    assert {group.part for group in panel.groups} - {""} == {"hot", "cold"} == set(opened.groups.names)


def test_parity_and_errors_have_the_test_and_follow_the_setting(qtbot, opened: Session) -> None:
    panel = show_panel(qtbot, ParityPanel(opened), 700, 500)
    assert isinstance(panel, ParityPanel)
    wait_for(lambda: panel.analysis is not None)
    panel.refresh()
    assert panel.analysis is not None
    test = next(group for group in panel.analysis.groups if group.role == "test")
    assert test.name == "data.extxyz (test)"
    assert test.frames.tolist() == [11, 12, 13] and len(test.forces) == 24
    assert "data.extxyz (test)" in [group.name for group in panel.plots["energy"].groups]
    panel.by_group.click()
    assert "a (test)" in [group.name for group in panel.plots["energy"].groups]
    errors = show_panel(qtbot, ErrorsPanel(opened), 600, 400)
    assert isinstance(errors, ErrorsPanel)
    wait_for(lambda: errors.analysis is not None)
    opened.trainings.set_settings(opened.trainings.settings.replace(group_key="phase"))
    wait_for(lambda: errors.analysis is not None and set(errors.analysis.groups) == {"hot", "cold"})
    assert errors.analysis is not None
    rows = [(one.role, one.group, one.n_frames) for one in errors.analysis.by_group]
    assert rows == [
        ("training", "hot", 6),
        ("training", "cold", 2),
        ("validation", "cold", 3),
        ("test", "cold", 3),
    ]
    panel.refresh()
    assert "hot" in [group.name for group in panel.plots["energy"].groups]
    training = show_panel(qtbot, TrainingPanel(opened), 700, 300)
    assert isinstance(training, TrainingPanel)
    with qtbot.waitSignal(opened.panel_wanted) as wanted:
        QTest.mouseClick(training.errors, Qt.MouseButton.LeftButton)
    assert wanted.args == ["errors"]


def test_weights_left_out_frames_and_hidden_groups_outlive_the_window(
    session: Session, app_home: Path, tmp_path: Path
) -> None:
    path = tmp_path / "data.extxyz"
    write_frames(path, grouped())
    wanted = session.trainings.settings.replace(
        group_weights={"a": {"energy": 5.0}, "b": 0.0},
        left_out=(left_out(read_dataset(path).frames[3], "looks wrong"),),
    )
    session.trainings.set_settings(wanted)
    session.groups.show("c", False)
    session.settings.autosave_seconds = 0
    keeper = SessionKeeper(session, session.settings, session)
    session_file.write(tmp_path / "kept.json", keeper.snapshot())
    saved = session_file.read(tmp_path / "kept.json")
    session.trainings.set_settings(session.trainings.settings.replace(group_weights={}, left_out=()))
    session.groups.show_all()
    fresh = Session()
    fresh.settings.autosave_seconds = 0
    for again in (session, fresh):  # settings that are made already, and such as are not
        restored = SessionKeeper(again, again.settings, again)
        restored.restore(saved)
        assert restored.snapshot().training == saved.training
        found = again.trainings.settings
        assert (found.group_weights, found.left_out) == (wanted.group_weights, wanted.left_out)
        assert again.groups.hidden == {"c"}
    told: list[Notification] = []
    fresh.messages.notified.connect(told.append)
    restored.restore(replace(saved, training={"group_weights": {"a": -1}}))
    assert told and fresh.trainings.settings.group_weights == wanted.group_weights
    fresh.shutdown()
    (tmp_path / "old.json").write_text('{"schema": 1, "datasets": [], "training": 3, "hidden_groups": [1]}')
    old = session_file.read(tmp_path / "old.json")
    assert old.training == {} and old.hidden_groups == [] and len(old.lost) == 1


def test_a_run_opens_its_data_as_it_read_them_and_nobody_is_asked(session: Session, tmp_path: Path) -> None:
    made = [replace(f, info={"virial_raw": 100.0 * np.eye(3)}, stress=None) for f in grouped()]
    path = tmp_path / "data.extxyz"
    write_frames(path, made)
    frames = read_dataset(path).frames
    Trainer(SETTINGS, frames[:9], frames[9:], run_folder=tmp_path / "run").run()
    asked: list[tuple[ReadFile, Callable[[Dataset], object]]] = []
    session.data.ask_names = lambda found, put: asked.append((found, put))
    session.runs.open(tmp_path / "run")
    wait_for(lambda: bool(session.data.datasets) and session.runs.current is not None)
    assert not asked and list(session.data.datasets) == ["data"]
    session.data.remove("data")
    session.data.open_paths([str(path)])  # opened by hand it is asked about
    wait_for(lambda: len(asked) == 1)
    run = session.runs.current
    assert run is not None
    session.runs.remove(run.id)
    session.runs.open(tmp_path / "run")  # while the question is open
    wait_for(lambda: session.runs.current is not None and not session.tasks.opening())
    assert len(asked) == 1 and not session.data.datasets
    found, put = asked[0]
    put(found.dataset)
    session.data.names_answered(found)
    assert list(session.data.datasets) == ["data"]


def test_groups_are_offered_where_there_are_two_and_only_the_largest_of_very_many(
    qtbot, session: Session, tmp_path: Path
) -> None:
    def open_file(name: str, frames: list[Frame]) -> None:
        write_frames(tmp_path / name, frames)
        session.data.open_paths([str(tmp_path / name)])
        stem, n = Path(name).stem, len(frames)  # a file may be seen before all of it is read
        wait_for(lambda: stem in session.data.datasets and session.data.datasets[stem].n_frames == n)

    frames = silicon_frames(44)
    open_file("alike.extxyz", frames[:3])
    structure, pca = StructurePanel(session), PcaPanel(session)
    tools = structure.groups, pca.frame_groups
    for panel in (structure, pca):
        show_panel(qtbot, panel, 304, 500)
    assert [tool.button.isHidden() for tool in tools] == [True, True]
    named = [replace(f, info={"config_type": f"frame {k}"}) for k, f in enumerate(frames)]
    open_file("each.extxyz", named)
    assert [tool.button.isHidden() for tool in tools] == [False, False]
    tools[0].menu.aboutToShow.emit()
    assert len(tools[0].boxes) == 40
    assert any(action.text() == "and 5 smaller ones" for action in tools[0].menu.actions())
    session.data.remove("each")
    assert [tool.button.isHidden() for tool in tools] == [True, True]


def test_a_movie_has_the_frames_of_shown_groups(qtbot, opened: Session) -> None:
    panel = StructurePanel(opened)
    qtbot.addWidget(panel)
    whole = len(grouped())
    dialog = MovieDialog(opened, panel)
    qtbot.addWidget(dialog)
    assert dialog.wish().frames == tuple(range(whole)) and "left out" not in dialog.note.text()
    opened.groups.show("b", False)
    dialog.refresh()
    assert dialog.wish().frames == tuple(k for k in range(whole) if k % 3 != 1)
    assert "Groups that are not shown are left out" in dialog.note.text()
    for name in "ac":
        opened.groups.show(name, False)
    with pytest.raises(SettingsError, match="no group of these frames is shown"):
        dialog.job()


def test_a_runs_test_file_is_not_trained_on_beside_other_data(session: Session, tmp_path: Path) -> None:
    frames = grouped()
    for name, part in (("own", frames[:6]), ("kept", frames[6:9]), ("mine", frames[9:])):
        write_frames(tmp_path / f"{name}.extxyz", part)
    own, kept = (list(read_dataset(tmp_path / f"{name}.extxyz").frames) for name in ("own", "kept"))
    Trainer(SETTINGS, own[:4], own[4:], test=kept, run_folder=tmp_path / "run").run()
    session.data.open_paths([str(tmp_path / "mine.extxyz")])
    wait_for(lambda: "mine" in session.data.datasets)
    session.runs.open(tmp_path / "run")
    wait_for(lambda: {"own", "kept"} <= set(session.data.datasets))
    assert session.data.datasets["mine"].role is Role.TRAINING
    assert session.data.datasets["kept"].role is Role.INSPECT
    for name in ("mine", "own", "kept"):
        session.data.remove(name)
    session.runs.remove(next(iter(session.runs.documents)))
    session.runs.open(tmp_path / "run")
    wait_for(lambda: {"own", "kept"} <= set(session.data.datasets))
    assert session.data.datasets["kept"].role is Role.TEST
