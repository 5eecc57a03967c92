"""Training with G2 and G4 that fall to zero in other ways than by a cosine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import build_frame, build_functions

from nnpcore.descriptors import SymmetryFunctions
from nnpcore.exchange import export_as
from nnpcore.potential import Potential
from nnpcore.reference import StillingerWeber, label
from nnpcore.training import Trainer, TrainSettings
from nnpcore.training.settings import DescriptorSettings


@pytest.mark.parametrize("optimizer", ["kalman", "adam"])
@pytest.mark.parametrize("shape", ["tanh3_one", "poly2"])
def test_other_cutoff_functions_train_and_leave(tmp_path: Path, shape: str, optimizer: str) -> None:
    frames = [
        label(build_frame("Si", rattle=0.15, scale=1 + 0.02 * np.sin(k), seed=k), StillingerWeber())
        for k in range(12)
    ]
    usual = build_functions(["Si"], 4.2).functions["Si"]
    functions = SymmetryFunctions({"Si": tuple(replace(f, cutoff_function=shape) for f in usual)})
    settings = TrainSettings(
        n_members=1, hidden=(8,), epochs=6 if optimizer == "kalman" else 60, n_threads=1, device="cpu",
        optimizer=optimizer, descriptors=DescriptorSettings(functions=functions.to_dict()),
    )  # fmt: skip
    folder = tmp_path / "run"
    Trainer(settings, frames[:10], frames[10:], run_folder=folder).run()
    potential = Potential.load(folder)
    assert {f.cutoff_function for f in potential.functions.functions["Si"]} == {shape}
    found = potential.predict(frames, n_threads=1)
    forces = np.concatenate([f.forces for f in frames])
    assert np.sqrt(np.mean((found.forces - forces) ** 2)) < 0.5 * np.sqrt(np.mean(forces**2))
    step = 1e-4
    moved = [
        replace(frames[0], positions=frames[0].positions + s * step * np.eye(len(frames[0].positions))[:, :3])
        for s in (1, -1)
    ]
    energies = potential.predict(moved, n_threads=1).energy
    slope = -(energies[0] - energies[1]) / (2 * step)
    assert slope == pytest.approx(float(np.trace(found.forces[:3])), abs=1e-5)
    assert export_as(folder, tmp_path / "out", "n2p2").difference < 1e-9
