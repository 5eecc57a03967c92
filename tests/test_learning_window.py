"""Calibration and learning curve in the window: points as they come, the test, factors in Explore."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from panel_helpers import show_panel, wait_for
from PySide6.QtCore import Qt
from test_panels_mapping import settled
from training_data import TINY, silicon_frames

from app.panels.calibration_panel import CalibrationPanel
from app.panels.explore_panel import ExplorePanel
from app.panels.learning_panel import EMPTY, LearningPanel
from app.session.session import Session
from nnpcore.analyses.calibration import CALIBRATION
from nnpcore.potential.spread_factors import SpreadFactors
from nnpcore.structures import Role, read_dataset, write_frames
from nnpcore.training import RunFolder

SETTINGS = TINY.replace(epochs=150, split="blocks", **{"descriptors.preset": "26"})
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def opened(session: Session, tmp_path: Path) -> Session:
    """Open ten frames to train on and four of the role Test."""
    frames = silicon_frames(14)
    for name, own, role in (("data", frames[:10], Role.TRAINING), ("test", frames[10:], Role.TEST)):
        write_frames(tmp_path / f"{name}.extxyz", own)
        session.data.add(read_dataset(tmp_path / f"{name}.extxyz"), role)
    session.trainings.set_settings(SETTINGS)
    return session


def test_points_come_and_what_was_stopped_goes_on(opened: Session, qtbot) -> None:
    learning = opened.learning
    panel = show_panel(qtbot, LearningPanel(opened), 540, 300)
    assert isinstance(panel, LearningPanel) and panel.body.message == EMPTY
    panel.sizes.setText("2, few")
    said: list[str] = []
    opened.messages.notified.connect(lambda told: said.append(told.text))
    panel.start.click()
    assert not learning.busy and "no numbers of frames" in said[-1]
    panel.sizes.setText("2, 4, 7")
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
    assert [point.n for point in learning.points] == [2, 4, 7] and learning.points[: len(before)] == before
    panel.refresh()
    assert "ore of the same data" in panel.text.text()
    table = panel.table()
    assert table is not None and table["training frames"] == [2, 4, 7] and panel.figure() is not None
    assert not panel.force.legend.line.more and not panel.plot.legend.line.more
    panel.force.point_clicked.emit("force", 1, None)
    wait_for(lambda: opened.runs.current is not None and opened.runs.current.name == "frames=4-seed=0")
    assert opened.runs.current is not None and len(opened.runs.current.train) == 4
    settled(opened)


def test_a_test_among_the_training_frames_makes_no_curve(opened: Session, tmp_path: Path) -> None:
    write_frames(tmp_path / "twice.extxyz", silicon_frames(2))
    opened.data.add(read_dataset(tmp_path / "twice.extxyz"), Role.TEST)
    said: list[str] = []
    opened.messages.notified.connect(lambda told: said.append(told.text))
    opened.learning.start()
    wait_for(lambda: not opened.learning.busy)
    assert "2 of the 6 test frames" in said[-1] and not opened.learning.points


def test_factors_of_validation_and_test_are_kept_and_explored_with(opened: Session, qtbot) -> None:
    panel = show_panel(qtbot, CalibrationPanel(opened), 700, 260)
    assert isinstance(panel, CalibrationPanel) and "Start a training" in panel.body.message
    opened.trainings.start()
    run = opened.runs.current
    assert run is not None
    wait_for(lambda: not opened.trainings.active and run.result(CALIBRATION) is not None)
    settled(opened)
    found = run.result(CALIBRATION)
    assert found is not None and found.n_frames == len(run.valid) + 4 and "test.extxyz (test)" in found.names
    assert found.of("energy", "data") is not None
    panel.refresh()
    assert "Spread of the members: " in panel.text.text()
    assert panel.plots["force"].spreads[0].factor == found.factors.force
    panel.look_at("energy")
    assert panel.table() is not None and panel.figure() is not None

    explore = show_panel(qtbot, ExplorePanel(opened), 500, 300)
    assert isinstance(explore, ExplorePanel)
    for box, value in ((explore.temperature, 10.0), (explore.distance, 0.0), (explore.spread, 0.0)):
        box.setValue(value)
    said: list[str] = []
    opened.messages.notified.connect(lambda told: said.append(told.title))
    qtbot.mouseClick(explore.calibrated, LEFT)
    plain = explored(explore, qtbot)
    assert said[0] == "No calibration is kept with this run" and not explore.calibrated.isChecked()
    with qtbot.waitSignal(opened.calibrations.kept, timeout=60_000):
        panel.keep.click()
    assert run.folder is not None
    factors = RunFolder.open(run.folder).spread_factors()
    assert factors == SpreadFactors(**found.told_factors)
    assert opened.calibrations.factors_of(run) == factors
    qtbot.mouseClick(explore.calibrated, LEFT)
    right = explored(explore, qtbot)
    np.testing.assert_allclose(right, factors.foretold_energy * plain, rtol=1e-6)
    assert "(calibrated)" in explore.text.text()


def explored(panel: ExplorePanel, qtbot) -> np.ndarray:
    """Start, wait for what is drawn first, stop; return the atoms' spreads in the first frame."""
    qtbot.mouseClick(panel.start, LEFT)
    cures = panel.session.cures
    wait_for(lambda: panel.look is not None)
    if cures.exploring:
        qtbot.mouseClick(panel.start, LEFT)
    wait_for(lambda: not cures.exploring)
    panel.refresh()
    assert cures.exploration is not None
    spread = cures.exploration.looks[0].spread
    assert spread is not None
    return spread
