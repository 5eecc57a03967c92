"""Does the repulsion outweigh what networks say of atoms closer than any data? Pairs and crystals, pressed.

Run at the project's top: ``python benchmarks/short_range.py POTENTIAL DATA ...`` (pairs of them). Every
potential gets the repulsion that ``short_range = "auto"`` lays under trainings on its data. In frames with
the shortest distances two atoms are moved towards each other: printed is, over all members and frames, how
far the networks alone, and the sum, fall below where the repulsion begins, and where; and the least energy of
the sum at the end. The densest frame and the one with the shortest distance are compressed as a whole, to 0.4
of their distances: printed is how far the energy of any member falls on the way, from where the sum is lifted
on and from 0.9 of the distances on.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np

from nnpcore.descriptors.neighbors import neighbor_pairs
from nnpcore.potential import Potential
from nnpcore.structures import read_dataset
from nnpcore.structures.frame import Frame
from nnpcore.training import TrainSettings
from nnpcore.training.short_range import short_range_of

N_FRAMES = 8
STEP = 0.02
CLOSEST = 0.4


def pushed(frame: Frame, distances: np.ndarray) -> list[Frame]:
    """Return a frame with its two closest atoms at some distances, their middle at rest."""
    pairs = neighbor_pairs(frame, 3.5)
    r = np.linalg.norm(pairs.vector, axis=1)
    p = int(np.argmin(r))
    i, j = int(np.searchsorted(pairs.start, p, "right") - 1), int(pairs.neighbor[p])
    direction, found = pairs.vector[p] / r[p], []
    for distance in distances:
        positions = frame.positions.copy()
        positions[i] += 0.5 * (r[p] - distance) * direction
        positions[j] -= 0.5 * (r[p] - distance) * direction
        found.append(replace(frame, positions=positions))
    return found


def compressed(both: Potential, frames: list[Frame]) -> str:
    """Return, in words, how far energies fall where frames are compressed as a whole."""
    below = both.short_range
    assert below is not None
    scales, worst = np.arange(1.0, 0.4, -0.01), np.zeros((2, 2))
    models = (replace(both, short_range=replace(below, crowding=())), both)
    for frame in frames:
        scan = [replace(frame, positions=frame.positions * s, cell=frame.cell * s) for s in scales]
        first = next(k for k, one in enumerate(scan) if below.of_frame(one) is not None)
        for k, model in enumerate(models):
            asked = model.predict(scan, forces=False, stress=False, n_threads=1)
            for m, begin in enumerate((max(first - 1, 0), int(np.argmax(scales <= 0.9)))):
                energies = asked.energy_members[:, begin:] / frame.n_atoms
                fall = float((np.maximum.accumulate(energies, axis=1) - energies).max())
                worst[k, m] = max(worst[k, m], fall)
    return (
        f"with pairs alone it falls by {worst[0, 0]:.2f} eV an atom from where it is lifted on, below 0.9 by "
        f"{worst[0, 1]:.2f}; with what lifts crowded atoms by {worst[1, 0]:.2f} and {worst[1, 1]:.2f}"
    )


def main() -> None:
    """Print a line for each potential and way."""
    for path, data in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
        bare, frames = Potential.load(path), list(read_dataset(data).frames)
        below, _ = short_range_of(frames, bare.elements, bare.cutoff, TrainSettings())
        assert below is not None
        both = replace(bare, short_range=below)
        nearest = [np.linalg.norm(neighbor_pairs(f, 3.5).vector, axis=1).min() for f in frames]
        chosen = [frames[k] for k in np.argsort(nearest)[:N_FRAMES]]
        outer = min(pair.outer for pair in below.pairs)
        distances = np.arange(outer, CLOSEST, -STEP)
        alone, whole = [], []
        for frame in chosen:
            for model, found in ((bare, alone), (both, whole)):
                asked = model.predict(pushed(frame, distances), forces=False, stress=False, n_threads=1)
                found.append(asked.energy_members - asked.energy_members[:, :1])
        networks, total = np.concatenate(alone).min(axis=0), np.concatenate(whole).min(axis=0)
        print(
            f"{path}, two atoms pushed together: from {outer:g} Å networks fall by "
            f"{-networks.min():.2f} eV, at {distances[networks.argmin()]:.2f} Å; the sum by "
            f"{-total.min():.2f} eV, at "
            f"{distances[total.argmin()]:.2f} Å; at {distances[-1]:.2f} Å it is {total[-1]:.0f} eV",
            flush=True,
        )
        densest = min(frames, key=lambda frame: frame.volume / frame.n_atoms)
        print(f"{path}, compressed: {compressed(both, [densest, chosen[0]])}", flush=True)


if __name__ == "__main__":
    main()
