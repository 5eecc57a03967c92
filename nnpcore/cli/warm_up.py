"""Compiles every kernel once, so that the first training does not wait for it; ``python -m`` this module.

Compiled kernels are kept beside the sources (or in ``NUMBA_CACHE_DIR``), for this and every later start.
Those of descriptors and those of training are compiled at the same time, by two processes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.training.compiling import process, say_compiled

if TYPE_CHECKING:
    from nnpcore.structures.frame import Frame

TRAINING = "training"


def warm_up() -> float:
    """Compile everything and note that it is done; return the seconds it took."""
    start = time.perf_counter()
    with process(TRAINING) as other:
        compile_descriptors()
        other.wait()
    train_once()
    say_compiled()
    return time.perf_counter() - start


def compile_descriptors() -> None:
    """Call the kernels of neighbors, symmetry functions, reference potentials, trees and prediction."""
    from ase.build import bulk

    from nnpcore.descriptors import warm_up as describe
    from nnpcore.mapping.connectivity import spanning_tree
    from nnpcore.reference import CleriRosato, StillingerWeber
    from nnpcore.structures.frame import Frame

    describe()
    for symbol, calculator in (("Si", StillingerWeber()), ("Ni", CleriRosato())):
        for _ in range(2):  # the second time with the pairs of the first
            calculator.evaluate(Frame.from_atoms(bulk(symbol, cubic=True)))
    spanning_tree(np.random.default_rng(0).normal(size=(4, 2)), np.ones(4))
    compile_steps()


def compile_steps() -> None:
    """Call the kernels of prediction and of a calculator's steps."""
    from ase.build import bulk

    from nnpcore.descriptors import SymmetryFunctions, Whitening
    from nnpcore.potential import NetworkWeights, Potential

    functions = SymmetryFunctions.preset("26", ["Si"])
    values = np.random.default_rng(0).normal(size=(9, functions.n_descriptors))
    whitening = Whitening.fit(values, np.zeros(9, dtype=np.int32), functions)
    weights = NetworkWeights.initial(functions, (4, 4), n_members=2, seed=0)
    atoms = bulk("Si", cubic=True)
    atoms.calc = Potential(functions, whitening, weights, {"Si": 0.0}).calculator(n_threads=1)
    for _ in range(2):  # the second time with the neighbors of the first
        atoms.rattle(0.01)
        atoms.get_forces()


def compile_training() -> None:
    """Call the kernels of training on made-up symmetry functions, which the other process is compiling."""
    from nnpcore.descriptors import DescriptorSet, SymmetryFunctions, Whitening
    from nnpcore.training.data import FitSet, Targets
    from nnpcore.training.engines.compiled import CompiledLoss
    from nnpcore.training.engines.kernels import ACTIVATION_CODES
    from nnpcore.training.engines.packing import Packing
    from nnpcore.training.engines.rows import RowScales, make_batch
    from nnpcore.training.optimizers.kalman_compiled import KalmanFilter
    from nnpcore.training.settings import TrainSettings

    rng, frames = np.random.default_rng(0), silicon(2)
    functions = SymmetryFunctions.preset("26", ["Si"])
    n, n_d = 16, functions.n_descriptors
    values, species = rng.normal(size=(n, n_d)), np.zeros(n, dtype=np.int32)
    descriptors = DescriptorSet(
        functions, np.array([0, 8, 16]), species, values, np.arange(n + 1), np.arange(n, dtype=np.int32),
        rng.normal(size=(n, 3)), rng.normal(size=(n, 3, n_d)).astype(np.float32),
    )  # fmt: skip
    whitening = Whitening.fit(values, species, functions)
    data = FitSet.of(descriptors, whitening, Targets.of(frames, ["Si"], {"Si": 0.0}))
    settings = TrainSettings(stress_weight=1.0, device="cpu", n_threads=1)
    packing = Packing((data.n_inputs, 4, 4, 1), 1)
    weights, every = 0.1 * rng.normal(size=(2, packing.n_parameters)), np.arange(2)
    batch = make_batch(data, every, RowScales.of(settings, data), 0, 0)
    KalmanFilter(packing, ACTIVATION_CODES["tanh"], 100, 1.0).rows(weights[0], batch)
    CompiledLoss(settings, data, packing, 1)(every, weights, lambda: True)


def silicon(n_frames: int) -> list[Frame]:
    """Return cells of eight atoms with made-up energies, forces and stresses."""
    from ase.build import bulk
    from ase.calculators.singlepoint import SinglePointCalculator

    from nnpcore.structures.frame import Frame

    rng = np.random.default_rng(0)
    frames = []
    for _ in range(n_frames):
        atoms = bulk("Si", cubic=True)
        atoms.rattle(0.1, rng=rng)
        atoms.calc = SinglePointCalculator(
            atoms, energy=rng.normal(), forces=rng.normal(size=(8, 3)), stress=rng.normal(size=6)
        )
        frames.append(Frame.from_atoms(atoms))
    return frames


def train_once() -> None:
    """Train and predict two silicon cells in memory: what is still missing is compiled, too."""
    from nnpcore.training import PRESET_26, Trainer, TrainSettings

    frames = silicon(3)
    for optimizer in ("kalman", "adam", "lbfgs"):
        settings = TrainSettings(
            descriptors=PRESET_26,
            optimizer=optimizer,
            epochs=1,
            n_members=2,
            hidden=(4, 4),
            stress_weight=1.0,
            baseline_epochs=0,
            device="cpu",
            n_threads=1,
        )
        trainer = Trainer(settings, frames[:2], frames[2:])
        trainer.run()
    trainer.potential().predict(frames)


def main(parts: Sequence[str] = ()) -> int:
    """Compile and say how long it took."""
    if TRAINING in parts:
        compile_training()
    else:
        print(f"Kernels compiled in {warm_up():.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
