"""Compiles every kernel once, so that the first training does not wait for it; ``python -m`` this module.

Compiled kernels are kept beside the sources (or in ``NUMBA_CACHE_DIR``), for this and every later start.
"""

from __future__ import annotations

import sys
import time


def warm_up() -> float:
    """Train and predict two silicon cells in memory, ask the reference potentials and link a few points.

    Returns the seconds it took.
    """
    import numpy as np
    from ase.build import bulk
    from ase.calculators.singlepoint import SinglePointCalculator

    from nnpcore.mapping.connectivity import spanning_tree
    from nnpcore.reference import CleriRosato, StillingerWeber
    from nnpcore.structures.frame import Frame
    from nnpcore.training import PRESET_26, Trainer, TrainSettings

    start = time.perf_counter()
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(3):
        atoms = bulk("Si", cubic=True)
        atoms.rattle(0.1, rng=rng)
        atoms.calc = SinglePointCalculator(
            atoms, energy=rng.normal(), forces=rng.normal(size=(8, 3)), stress=rng.normal(size=6)
        )
        frames.append(Frame.from_atoms(atoms))
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
    for symbol, calculator in (("Si", StillingerWeber()), ("Ni", CleriRosato())):
        for _ in range(2):  # the second time with the pairs of the first
            calculator.evaluate(Frame.from_atoms(bulk(symbol, cubic=True)))
    spanning_tree(rng.normal(size=(4, 2)), np.ones(4))
    return time.perf_counter() - start


def main() -> int:
    """Compile and say how long it took."""
    print(f"Kernels compiled in {warm_up():.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
