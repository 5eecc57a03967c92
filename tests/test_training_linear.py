"""The linear part under the networks: a linear potential is found exactly; the part goes along everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import build_frame, build_functions, build_potential
from training_data import silicon_frames

from nnpcore.descriptors import SymmetryFunctions, Whitening, compute_descriptors
from nnpcore.potential import Potential
from nnpcore.structures.frame import Frame
from nnpcore.training import Trainer, TrainSettings, rmse_report
from nnpcore.training.data import FitSet, Targets
from nnpcore.training.linear import LinearPart
from nnpcore.training.rows import LossWeights

FREE = {"Si": 0.0, "C": 0.0}


def labelled(frames: Sequence[Frame], potential: Potential) -> list[Frame]:
    """Return the frames with the first member's values as reference values."""
    p = potential.predict(frames)
    assert p.forces is not None and p.stress is not None
    starts = p.frame_start
    return [
        replace(f, energy=float(p.energy[i]), forces=p.forces[starts[i] : starts[i + 1]], stress=p.stress[i])
        for i, f in enumerate(frames)
    ]


def exactly_linear(functions: SymmetryFunctions, frames: Sequence[Frame]) -> Potential:
    """Return one member whose network is zero and whose linear part is random."""
    potential = build_potential(functions, frames, n_members=1)
    weights = potential.weights.with_flat(np.zeros_like(potential.weights.flatten()))
    rng = np.random.default_rng(3)
    skip = {e: rng.normal(0.0, 0.1, (1, functions.n_descriptors)) for e in functions.elements}
    return Potential(
        functions, potential.whitening, replace(weights, skip=skip), dict.fromkeys(functions.elements, 0.0)
    )


def fit_set(frames: Sequence[Frame], functions: SymmetryFunctions, whitening: Whitening) -> FitSet:
    targets = Targets.of(frames, functions.elements, {e: FREE[e] for e in functions.elements})
    return FitSet.of(compute_descriptors(frames, functions), whitening, targets)


@pytest.mark.parametrize("elements", [["Si"], ["C", "Si"]], ids=["unary", "binary"])
def test_a_linear_potential_is_found_and_nothing_is_left(elements: list[str]) -> None:
    functions = build_functions(elements)
    name = "SiC" if len(elements) == 2 else "Si"
    bare = [build_frame(name, repeat=(2, 1, 1), rattle=0.3, scale=1 + 0.01 * s, seed=s) for s in range(12)]
    truth = exactly_linear(functions, bare)
    data = fit_set(labelled(bare, truth), functions, truth.whitening)
    part = LinearPart.fit(data, LossWeights(1.0, 1.0, 1.0), 1e-12)
    unseen = [build_frame(name, repeat=(2, 1, 1), rattle=0.3, seed=s) for s in (50, 51)]
    for tested in (data, fit_set(labelled(unseen, truth), functions, truth.whitening)):
        before, after = tested.targets, part.taken_off(tested).targets
        for quantity in ("energy", "forces", "stress"):
            left, whole = getattr(after, quantity), getattr(before, quantity)
            assert np.abs(left).max() < 1e-3 * np.abs(whole).max(), quantity


def test_a_large_ridge_leaves_everything_to_the_networks() -> None:
    functions = build_functions(["Si"])
    bare = [build_frame("Si", rattle=0.3, seed=s) for s in range(4)]
    truth = exactly_linear(functions, bare)
    data = fit_set(labelled(bare, truth), functions, truth.whitening)
    part = LinearPart.fit(data, LossWeights(1.0, 1.0, 1.0), 1e9)
    assert np.abs(part.coefficients).max() < 1e-5
    assert part.taken_off(data).targets.forces == pytest.approx(data.targets.forces, abs=1e-4)


@pytest.mark.parametrize("optimizer", ["kalman", "adam", "lbfgs"])
def test_training_counts_the_linear_part_and_resumes_exactly(optimizer: str, tmp_path: Path) -> None:
    frames, functions = silicon_frames(9), build_functions(["Si"])
    settings = TrainSettings(
        descriptors={"functions": functions.to_dict()}, hidden=(4,), n_members=2, epochs=4, n_threads=1,
        device="cpu", batch_frames=3, optimizer=optimizer, linear_ridge=1e-9, stress_weight=1.0,
    )  # fmt: skip
    whole = Trainer(settings, frames[:6], frames[6:])
    whole.run()
    Trainer(settings.replace(epochs=2), frames[:6], frames[6:], run_folder=tmp_path).run()
    again = Trainer.resume(tmp_path, settings, train=frames[:6], valid=frames[6:])
    again.run()
    assert (again.potential().weights.flatten() == whole.potential().weights.flatten()).all()
    report = rmse_report(Potential.load(tmp_path), {"valid": frames[6:]})["valid"]
    recorded = [r.valid["energy"]["members"] for r in whole.history]
    assert report["rmse_energy_mev_per_atom"]["members"] == pytest.approx(
        [recorded[epoch - 1][m] for m, epoch in enumerate(whole._best.epoch)], rel=1e-3
    )
