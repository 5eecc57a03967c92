"""Compiles every kernel once, so that the first training does not wait for it; ``python -m`` this module.

Compiled kernels are kept beside the sources (or in ``NUMBA_CACHE_DIR``), for this and every later start. Two
processes compile at the same time, each its parts one after the other.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.training.compiling import compile_kernels, compiled, say_compiled

if TYPE_CHECKING:
    from nnpcore.structures.frame import Frame
    from nnpcore.training.data import FitSet
    from nnpcore.training.engines.packing import Packing
    from nnpcore.training.settings import TrainSettings


def compile_descriptors() -> None:
    """Call the kernels of neighbors and symmetry functions, and of the trees over them."""
    from nnpcore.descriptors import warm_up as describe
    from nnpcore.mapping.connectivity import spanning_tree

    describe()
    spanning_tree(np.random.default_rng(0).normal(size=(4, 2)), np.ones(4))


def compile_references() -> None:
    """Call the kernels of the reference potentials."""
    from ase.build import bulk

    from nnpcore.reference import CleriRosato, StillingerWeber
    from nnpcore.structures.frame import Frame

    for symbol, calculator in (("Si", StillingerWeber()), ("Ni", CleriRosato())):
        for _ in range(2):  # the second time with the pairs of the first
            calculator.evaluate(Frame.from_atoms(bulk(symbol, cubic=True)))


def compile_prediction() -> None:
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


def made_up() -> tuple[TrainSettings, FitSet, Packing, np.ndarray]:
    """Return what kernels of training take, of made-up symmetry functions, and weights of two members."""
    from nnpcore.descriptors import DescriptorSet, SymmetryFunctions, Whitening
    from nnpcore.training.data import FitSet, Targets
    from nnpcore.training.engines.packing import Packing
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
    return settings, data, packing, 0.1 * rng.normal(size=(2, packing.n_parameters))


def compile_kalman() -> None:
    """Call the kernels of the Kalman filter's rows, and those that tell a training's errors."""
    from nnpcore.training.engines.compiled import predict
    from nnpcore.training.engines.kernels import ACTIVATION_CODES
    from nnpcore.training.engines.rows import RowScales, make_batch
    from nnpcore.training.optimizers.kalman_compiled import KalmanFilter

    settings, data, packing, weights = made_up()
    batch = make_batch(data, np.arange(2), RowScales.of(settings, data), 0, 0)
    KalmanFilter(packing, ACTIVATION_CODES["tanh"], 100, 1.0).rows(weights[0], batch)
    predict(data, weights, packing, "tanh")


def compile_gradients() -> None:
    """Call the kernels of the loss and its gradient."""
    from nnpcore.training.engines.compiled import CompiledLoss

    settings, data, packing, weights = made_up()
    CompiledLoss(settings, data, packing, 1)(np.arange(2), weights, lambda: True)


PARTS = {
    "descriptors": compile_descriptors,
    "prediction": compile_prediction,
    "references": compile_references,
    "kalman": compile_kalman,
    "gradients": compile_gradients,
}


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


def main(parts: Sequence[str] = ()) -> int:
    """Compile these parts; without any all of them, by processes, and say how long it took."""
    gc.disable()  # a compiler makes many objects that stay: looking for others takes a tenth of its time
    for part in parts:
        PARTS[part]()
        say_compiled(part)
    if not parts:
        start = time.perf_counter()
        compile_kernels(told=True)
        print(f"Kernels compiled in {time.perf_counter() - start:.0f} s")
        return 0 if compiled() else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
