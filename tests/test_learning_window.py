"""Calibration and learning curve in the window: points as they come, stopping, going on, keeping factors."""

from __future__ import annotations

from pathlib import Path

import pytest
from panel_helpers import show_panel, wait_for
from test_panels_mapping import settled
from training_data import TINY, silicon_frames

from app.panels.calibration_panel import CalibrationPanel
from app.panels.learning_panel import EMPTY, LearningPanel
from app.session.session import Session
from nnpcore.analyses.calibration import CALIBRATION
from nnpcore.structures import Role, read_dataset, write_frames
from nnpcore.training import RunFolder

SETTINGS = TINY.replace(**{"descriptors.preset": "26"})


@pytest.fixture
def opened(session: Session, tmp_path: Path) -> Session:
    write_frames(tmp_path / "data.extxyz", silicon_frames(24))
    session.data.add(read_dataset(tmp_path / "data.extxyz"), Role.TRAINING)
    session.trainings.set_settings(SETTINGS)
    return session


def test_points_come_and_what_was_stopped_goes_on(opened: Session, qtbot) -> None:
    learning = opened.learning
    panel = show_panel(qtbot, LearningPanel(opened), 500, 260)
    assert isinstance(panel, LearningPanel) and panel.body.message == EMPTY
    panel.sizes.setText("4, few")
    said: list[str] = []
    opened.messages.notified.connect(lambda told: said.append(told.text))
    panel.start.click()
    assert not learning.busy and "no numbers of frames" in said[-1]
    panel.sizes.setText("4, 8, 12")
    panel.seeds.setValue(1)
    panel.start.click()
    assert learning.busy
    wait_for(lambda: bool(learning.points))
    panel.start.click()
    wait_for(lambda: not learning.busy)
    before = list(learning.points)
    assert 1 <= len(before) < 3 and learning.can_go_on and learning.n_planned == 3
    panel.refresh()
    assert not panel.go_on.isHidden() and "of 3 trainings are done" in panel.text.text()
    panel.go_on.click()
    wait_for(lambda: not learning.busy)
    assert [point.n for point in learning.points] == [4, 8, 12] and learning.points[: len(before)] == before
    panel.refresh()
    assert panel.text.text().count("More of the same") + panel.text.text().count("What more of the same")
    table = panel.table()
    assert table is not None and table["training frames"] == [4, 8, 12]
    assert panel.figure() is not None
    panel.force.point_clicked.emit("force", 1, None)
    wait_for(lambda: opened.runs.current is not None and opened.runs.current.name == "frames=8-seed=0")
    assert opened.runs.current is not None and len(opened.runs.current.train) == 8
    settled(opened)


def test_too_few_frames_are_said(session: Session, tmp_path: Path, qtbot) -> None:
    write_frames(tmp_path / "data.extxyz", silicon_frames(6))
    session.data.add(read_dataset(tmp_path / "data.extxyz"), Role.TRAINING)
    session.trainings.set_settings(SETTINGS)
    said: list[str] = []
    session.messages.notified.connect(lambda told: said.append(told.text))
    session.learning.start()
    wait_for(lambda: not session.learning.busy)
    assert "too few for a learning curve" in said[-1]


def test_spreads_are_compared_and_factors_kept(opened: Session, qtbot) -> None:
    panel = show_panel(qtbot, CalibrationPanel(opened), 700, 260)
    assert isinstance(panel, CalibrationPanel) and "Start a training" in panel.body.message
    opened.trainings.start()
    run = opened.runs.current
    assert run is not None
    wait_for(lambda: not opened.trainings.active and run.result(CALIBRATION) is not None)
    settled(opened)
    found = run.result(CALIBRATION)
    assert found is not None and found.n_frames == len(run.valid)
    panel.refresh()
    assert "Force: the spread of the members" in panel.text.text()
    assert panel.plots["force"].spreads[0].factor == found.factors.force
    assert opened.calibrations.factors_of(run) is None
    with qtbot.waitSignal(opened.calibrations.kept, timeout=20_000):
        panel.keep.click()
    assert run.folder is not None
    assert opened.calibrations.factors_of(run) == RunFolder.open(run.folder).spread_factors() == found.factors
    panel.look_at("energy")
    assert panel.table() is not None and panel.figure() is not None
