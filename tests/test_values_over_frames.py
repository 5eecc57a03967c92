"""What is seen of a frame is that frame's own, whatever happens meanwhile."""

from __future__ import annotations

import random
import time
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from training_data import silicon_frames

from app.documents.atom_values import AtomValues
from app.panels.structure_colors import ShownColors
from app.panels.structure_panel import StructurePanel
from app.session.session import Session
from app.shell.main_window import MainWindow
from app.viewer3d.color_range import UNKNOWN
from nnpcore.potential import Potential
from nnpcore.structures import Role, write_frames
from nnpcore.structures.frame import Frame
from nnpcore.training import TrainSettings
from nnpcore.units import MEV_PER_EV

TINY = {
    "descriptors": {"cutoff": 4.0}, "hidden": [3], "n_members": 2, "epochs": 300, "n_threads": 1,
    "optimizer": "kalman", "guidance": 0.0,
}  # fmt: skip
N_DEEDS, PATIENCE = 20, 0.6
"""Things done while the trainings run, and afterwards; seconds that a prediction is waited for at times."""


class Witness:
    """Notes what each run's networks were, checks the numbers of the colours by them, and every picture."""

    def __init__(self, window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> None:
        panel = window.docks["structure"].panel
        assert isinstance(panel, StructurePanel)
        self.session: Session = window.session
        self.view = panel.view
        self.potentials: dict[str, list[Potential]] = {}
        self.worked_out: dict[int, list[bytes]] = {}
        self.frames: list[Frame] = []
        self.pictures: list[tuple[Frame, bytes]] = []
        self.n_values = 0
        self._shown = panel._colors.shown
        monkeypatch.setattr(panel._colors, "shown", self.shown)
        self.session.runs.potential_changed.connect(self.on_potential)
        self.view.drawn.connect(self.on_drawn)

    def on_potential(self, run_id: str) -> None:
        potential = self.session.runs.documents[run_id].potential
        assert isinstance(potential, Potential)
        self.potentials.setdefault(run_id, []).append(potential)

    def shown(self, frame: Frame) -> ShownColors:
        """Work out the colours as before; the numbers behind them must be those of this frame and run."""
        found, values = self._shown(frame), self.session.coloring.atom_values()
        if values is not None:
            assert self.session.data.frame is frame
            self.check(frame, values)
            self.n_values += 1
        self.frames.append(frame)
        self.worked_out.setdefault(id(frame), []).append(found.colors.tobytes())
        return found

    def check(self, frame: Frame, values: AtomValues) -> None:
        known = self.potentials[self.session.runs.current_id or ""]
        tried = []
        for potential in reversed(known):
            spread = potential.predict([frame], n_threads=1).atomic_energies_members.std(axis=0)
            tried.append(np.abs(MEV_PER_EV * spread - values.values).max())
            if tried[-1] < 1e-3 * max(values.values.max(), 1e-6):
                return
        raise AssertionError(f"values of no state of this run for this frame, off by {tried}")

    def on_drawn(self) -> None:
        assert self.view.picture is not None
        request = self.view.picture.request
        self.pictures.append((request.scene.frame, request.colors.tobytes()))

    def wrong_pictures(self) -> int:
        """Count pictures in colours that are not grey and were never worked out for their frame."""
        return sum(
            colors not in self.worked_out.get(id(frame), []) and set(colors) != {UNKNOWN}
            for frame, colors in self.pictures
        )


def test_no_frame_is_seen_in_the_values_of_another(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three trainings queue while data, frames, runs, roles and themes change."""
    session, rng = window.session, random.Random(7)
    paths = []
    for number in range(3):
        paths.append(tmp_path / str(number) / "nvt.extxyz")
        write_frames(paths[-1], silicon_frames(5 + number, seed=20 * number))
    session.data.open_paths(str(path) for path in paths)
    qtbot.waitUntil(lambda: len(session.data.datasets) == 3, timeout=60_000)
    window.spaces.show_panel("structure")
    witness = Witness(window, monkeypatch)
    session.coloring.set(kind="atomic_energy_std")
    runs = [session.trainings.launch(TrainSettings.model_validate(TINY), queue=True) for _ in range(3)]
    session.runs.set_current(runs[0])
    qtbot.waitUntil(lambda: runs[0] in witness.potentials, timeout=60_000)
    for after in (False, True):  # then more is worked out in a second
        if after:
            session.trainings.stop_all()
            qtbot.waitUntil(lambda: not session.trainings.active, timeout=60_000)
        for _ in range(N_DEEDS):
            disturb(window, rng, [str(path) for path in paths])
            turn(session, rng.choice((0.0, 0.02, 0.05, PATIENCE)))
    assert witness.n_values > 2
    assert len(witness.pictures) > 10
    assert witness.wrong_pictures() == 0


def turn(session: Session, seconds: float) -> None:
    """Let the window live for a while, or until the frame's prediction is there."""
    end = time.monotonic() + seconds
    while True:
        QApplication.processEvents()
        if time.monotonic() > end or (seconds == PATIENCE and session.runs.prediction is not None):
            break
        time.sleep(0.003)


def disturb(window: MainWindow, rng: random.Random, paths: list[str]) -> None:
    """Do one of the things that a restless user does."""
    session = window.session
    ids = list(session.data.datasets)
    kind = rng.choices(("frame", "run", "theme", "role", "close", "open"), (12, 4, 2, 1, 1, 2))[0]
    if kind == "frame" and ids:
        session.data.show(rng.choice(ids), rng.randrange(5))
    elif kind == "run":
        session.runs.set_current(rng.choice(list(session.runs.documents)))
    elif kind == "theme":
        window.set_theme(rng.choice(("light", "dark")))
    elif kind == "role" and ids:
        session.data.set_role(rng.choice(ids), rng.choice((Role.TRAINING, Role.INSPECT)))
    elif kind == "close" and len(ids) > 1:
        session.data.remove(rng.choice(ids))
    elif kind == "open" and len(ids) < 3 and not session.data.reading:
        session.data.open_paths([rng.choice(paths)])
