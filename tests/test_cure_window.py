"""The cure in the window: finding, choosing rows, labelling, exporting, training again, exploring."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from builders import build_frame
from panel_helpers import wait_for
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.dialogs.cure import ExportCureDialog, LabelDialog
from app.panels.cure_panel import CurePanel
from app.panels.explore_panel import ExplorePanel
from app.session.messages import Notification
from app.session.session import Session
from app.shell.main_window import MainWindow
from nnpcore.cure import ExploreSettings
from nnpcore.reference import StillingerWeber, label
from nnpcore.structures import Role, read_dataset, write_frames
from nnpcore.training import RunFolder, TrainSettings
from nnpcore.training.counts import usual_count
from nnpcore.training.data_sources import counts_of
from nnpcore.training.settings import DescriptorSettings

LEFT = Qt.MouseButton.LeftButton
SMALL = TrainSettings(
    n_members=1, hidden=(5,), epochs=1, n_threads=1, device="cpu", descriptors=DescriptorSettings(cutoff=4.0)
)


def open_silicon(session: Session, folder: Path) -> None:
    """Open labelled frames at one volume to train on, and a crystal along its volume."""
    calculator = StillingerWeber()
    data = [label(build_frame("Si", repeat=(2, 1, 1), rattle=0.1, seed=s), calculator) for s in range(8)]
    scan = [label(build_frame("Si", rattle=0.0, scale=s), calculator) for s in (0.97, 0.99, 1.0, 1.01)]
    for name, frames, role in (("data", data, Role.TRAINING), ("scan", scan, Role.EOS)):
        write_frames(folder / f"{name}.extxyz", frames)
        session.data.add(read_dataset(folder / f"{name}.extxyz"), role)


def find(session: Session, n: int = 2) -> None:
    session.cures.choose(kinds=("volumes",), n=n)
    session.cures.start()
    assert session.cures.busy
    wait_for(lambda: not session.cures.busy)
    assert session.cures.found is not None and session.cures.found.cure.chosen


def folder_of(session: Session) -> Path | None:
    return None if session.cures.found is None else session.cures.found.folder


def train(session: Session, epochs: int = 1) -> str:
    run_id = session.trainings.launch(SMALL.replace(epochs=epochs))
    session.trainings.show_started(run_id)
    wait_for(lambda: not session.trainings.active)
    return run_id


def test_without_data_or_targets_it_is_said(session: Session, tmp_path: Path) -> None:
    told: list[str] = []
    session.messages.notified.connect(lambda n: told.append(n.text))
    session.cures.start()
    assert "nothing to heal" in told[-1].lower()
    open_silicon(session, tmp_path)
    session.cures.choose(targets=frozenset({"selection"}))
    session.cures.start()
    assert "nothing that is aimed at" in told[-1].lower() and not session.cures.busy


def test_frames_are_found_shown_and_labelled(qtbot: QtBot, session: Session, tmp_path: Path) -> None:
    open_silicon(session, tmp_path)
    panel = CurePanel(session)
    qtbot.addWidget(panel)
    panel.resize(700, 600)
    panel.show()
    session.cures.choose(kinds=("volumes",), n=2)
    session.data.show("data", 3)
    session.selection.select([("data", 3, 1)])
    told: list[Notification] = []
    session.messages.notified.connect(told.append)
    qtbot.mouseClick(panel.find_button, LEFT)
    wait_for(lambda: session.cures.found is not None and panel.table_view.rowCount() > 0)
    assert (session.data.current_id, session.data.frame_index) == ("data", 3), "nobody is drawn away"
    assert len(session.selection.current) == 1
    found = session.cures.found
    assert found is not None
    ((_, show),) = told[-1].actions
    show()
    assert (session.data.current_id, session.data.frame_index) == (session.cures.dataset_id, 0)
    session.data.show("data", 3)
    assert panel.table_view.rowCount() == len(found.cure.chosen)
    assert panel.text.text().startswith(found.cure.sentence())
    panel.table_view.setCurrentCell(0, 0)
    assert session.data.current_id == session.cures.dataset_id
    assert len(session.selection.current) == found.cure.chosen[0].candidate.n_atoms
    assert session.data.datasets[session.cures.dataset_id].role == Role.INSPECT
    assert panel.table() is not None and panel.figure() is not None
    dialog = LabelDialog(found, session)
    dialog.start()
    wait_for(lambda: bool(session.cures.labelled_id))
    labelled = session.data.datasets[session.cures.labelled_id]
    assert labelled.role == Role.TRAINING and labelled.summary.n_energies == labelled.n_frames


def test_a_healed_run_adds_what_was_computed_elsewhere(
    qtbot: QtBot, session: Session, tmp_path: Path
) -> None:
    open_silicon(session, tmp_path)
    old = train(session)
    find(session, n=1)
    told: list[str] = []
    session.messages.notified.connect(lambda n: told.append(n.title))
    session.cures.add_and_train()
    wait_for(lambda: "Nothing is computed yet" in told)
    assert session.cures.found is not None
    dialog = ExportCureDialog(session.cures.found, session)
    target = tmp_path / "compute"
    dialog.widgets["folder"].setProperty("text", str(target))
    dialog.start()
    wait_for(lambda: folder_of(session) == target)
    asked = read_dataset(target / "001/POSCAR").frames[0]
    write_frames(target / "001/result.extxyz", [label(asked, StillingerWeber())])
    panel = CurePanel(session)
    qtbot.addWidget(panel)
    assert panel.count.text() == "counts as usual"
    session.cures.add_and_train()
    wait_for(lambda: len(session.runs.documents) == 2 and not session.trainings.active)
    healed = session.runs.current
    assert healed is not None and healed.id != old and old in session.runs.compared
    assert healed.folder is not None and healed.name.endswith("-healed")
    before = session.runs.documents[old]
    assert RunFolder.open(healed.folder).parent == str(before.folder)
    assert len(healed.train) == len(before.train) + 1 and len(healed.valid) == len(before.valid)
    n_old = len(before.train)
    assert RunFolder.open(healed.folder).counts == (1.0,) * n_old + (usual_count(n_old, 1),)
    panel.count.setValue(7)
    session.cures.add_and_train()
    wait_for(lambda: len(session.runs.documents) == 3 and not session.trainings.active)
    third = session.runs.current
    assert third is not None and third.folder is not None
    assert RunFolder.open(third.folder).counts == (1.0,) * n_old + (7.0,)
    session.trainings.train_longer(third.id, epochs=2)
    wait_for(lambda: not session.trainings.active)
    assert third.epoch == 2 and counts_of(third.sources)[-1] == 7.0


def test_other_energies_are_refused(session: Session, tmp_path: Path) -> None:
    open_silicon(session, tmp_path)
    find(session, n=1)
    found = session.cures.found
    assert found is not None
    frame = label(read_dataset(found.folder / "001/POSCAR").frames[0], StillingerWeber())
    write_frames(found.folder / "001/r.extxyz", [replace(frame, energy=(frame.energy or 0.0) - 900.0)])
    told: list[str] = []
    session.messages.notified.connect(lambda n: told.append(n.text))
    session.cures.add_and_train()
    wait_for(lambda: any("another zero" in text for text in told))
    assert not session.runs.documents


@pytest.mark.parametrize("distance", [1e-9, None])
def test_dynamics_is_drawn_and_feeds_the_pool(
    qtbot: QtBot, session: Session, tmp_path: Path, distance: float | None
) -> None:
    open_silicon(session, tmp_path)
    train(session, epochs=6)
    session.data.show("data", 2)
    panel = ExplorePanel(session)
    qtbot.addWidget(panel)
    panel.resize(500, 400)
    panel.show()
    assert panel.view.insets.right() >= panel.bar.sizeHint().width(), "the bar lies beside the atoms"
    if distance is None:
        panel.temperature.setValue(50.0)
        panel.distance.setValue(0.0)
        qtbot.mouseClick(panel.start, LEFT)
        wait_for(lambda: panel.look is not None)
        assert panel.start.text() == "Stop"
        qtbot.mouseClick(panel.start, LEFT)
    else:
        session.cures.explore(ExploreSettings(temperature=300.0, distance=distance))
    wait_for(lambda: not session.cures.exploring)
    found = session.cures.exploration
    assert found is not None and len(session.cures.explored) == len(found.looks) > 0
    assert ("are new" in found.reason) == (distance is not None)
    panel.refresh()
    assert "went into the pool" in panel.text.text() and ".)." not in panel.text.text()
    told = re.search(r"of atom (\d+) are new", found.reason)
    assert told is None or f"of atom {int(told[1]) + 1} are new" in panel.text.text()
    session.cures.forget_explored()
    assert session.cures.explored == ()


def test_the_cure_can_be_opened_from_anywhere(window: MainWindow, tmp_path: Path) -> None:
    open_silicon(window.session, tmp_path)
    window.session.cures.open(frozenset({"crystal"}))
    wait_for(lambda: window.spaces.name == "cure")
    wait_for(lambda: (panel := window.findChild(CurePanel)) is not None and panel.isVisible())
