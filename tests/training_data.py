"""Frames with reference values from a hidden teacher potential, for the tests of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from ase import Atoms
from builders import build_frame, build_functions, build_potential

from nnpcore.descriptors import Whitening, compute_descriptors
from nnpcore.potential import NetworkWeights
from nnpcore.structures.frame import Frame
from nnpcore.training import DescriptorSettings, TrainSettings
from nnpcore.training.data import FitSet, Targets, fit_element_energies
from nnpcore.training.engines.packing import Packing

TINY = TrainSettings(
    epochs=4,
    n_members=2,
    hidden=(4, 4),
    guidance=0.0,
    n_threads=1,
    device="cpu",
    descriptors=DescriptorSettings(cutoff=4.0),
)
"""A training of a moment."""


def labelled(frames: Sequence[Frame], elements: Sequence[str] = ("Si",), seed: int = 5) -> list[Frame]:
    """Return the frames with energy, forces and, where periodic, stress of one random potential."""
    teacher = build_potential(build_functions(elements), frames, n_members=1, seed=seed)
    found = teacher.predict(frames, n_threads=1)
    assert found.forces is not None and found.stress is not None
    return [
        replace(
            frame,
            energy=float(found.energy[k]),
            forces=found.forces[found.atoms_of(k)],
            stress=found.stress[k] if np.isfinite(found.stress[k]).all() else None,
        )
        for k, frame in enumerate(frames)
    ]


def silicon_frames(n: int, seed: int = 0) -> list[Frame]:
    """Return rattled, slightly strained 8-atom silicon cells with reference values."""
    frames = [build_frame("Si", rattle=0.15, scale=1 + 0.02 * np.sin(k), seed=seed + k) for k in range(n)]
    return labelled(frames)


def mixed_frames() -> list[Frame]:
    """Return frames of two elements that differ in size, composition, boundaries and in what they have.

    The molecule, the last but one, has a stress, which has no meaning without a cell.
    """
    molecule = Frame.from_atoms(Atoms("SiCSi", [[0, 0, 0], [1.8, 0.1, 0], [0.3, 2.2, 0.2]]))
    lonely = Frame.from_atoms(Atoms("C", cell=[9, 9, 9], pbc=True))
    crystals = [
        build_frame("SiC", rattle=0.1, seed=1),
        build_frame("SiC", rattle=0.2, scale=1.03, seed=2),
        build_frame("Si", rattle=0.1, seed=3),
        build_frame("SiC", repeat=(2, 1, 1), rattle=0.1, seed=4),
    ]
    frames = labelled([*crystals, molecule, lonely], ("C", "Si"))
    frames[1] = replace(frames[1], forces=None)
    frames[2] = replace(frames[2], energy=None)
    frames[3] = replace(frames[3], stress=None)
    frames[4] = replace(frames[4], stress=np.eye(3))
    return frames


def fit_set(
    frames: Sequence[Frame], elements: Sequence[str] = ("Si",), dtype: type = np.float32
) -> tuple[FitSet, Whitening]:
    """Return the frames ready for training, with the small set of symmetry functions."""
    functions = build_functions(elements)
    found = compute_descriptors(frames, functions, n_threads=1, dtype=dtype)
    whitening = Whitening.fit(found.values, found.species, functions)
    energies = fit_element_energies(frames, functions.elements)
    return FitSet.of(found, whitening, Targets.of(frames, functions.elements, energies)), whitening


def networks(
    elements: Sequence[str] = ("Si",),
    hidden: Sequence[int] = (7, 6),
    n_members: int = 2,
    activation: str = "tanh",
) -> tuple[NetworkWeights, Packing, np.ndarray]:
    """Return random networks, their packing and their weights in internal order."""
    weights = NetworkWeights.initial(build_functions(elements), hidden, n_members, 3, activation)
    packing = Packing.of(weights)
    flat = packing.to_internal(weights)
    return weights, packing, flat + 0.05 * np.random.default_rng(1).standard_normal(flat.shape)
