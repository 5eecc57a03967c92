"""Does the repulsion outweigh what networks say of atoms closer than any data? Pairs and crystals, pressed.

Run at the project's top: ``python benchmarks/short_range.py POTENTIAL DATA ...`` (pairs of them). Every
potential gets the repulsion that ``short_range = "auto"`` lays under trainings on its data. In frames with
the shortest distances two atoms are moved towards each other; one is compressed as a whole, too.
Printed is, over all members and frames: how far the networks alone, and the sum, fall below where the
repulsion begins, and where; and the least energy of the sum at the end.
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


def compressed(frame: Frame, distances: np.ndarray) -> list[Frame]:
    """Return a frame scaled so that its shortest distance is each of some."""
    shortest = float(np.linalg.norm(neighbor_pairs(frame, 3.5).vector, axis=1).min())
    scales = distances / shortest
    return [replace(frame, positions=frame.positions * s, cell=frame.cell * s) for s in scales]


def main() -> None:
    """Print a line for each potential and way."""
    for path, data in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
        bare, frames = Potential.load(path), list(read_dataset(data).frames)
        below, _ = short_range_of(frames, bare.elements, bare.cutoff, TrainSettings())
        assert below is not None
        outer = max(pair.outer for pair in below.pairs)
        both = replace(bare, short_range=below)
        nearest = [np.linalg.norm(neighbor_pairs(f, 3.5).vector, axis=1).min() for f in frames]
        chosen = [frames[k] for k in np.argsort(nearest)[:N_FRAMES]]
        for way, most, closest in ((pushed, N_FRAMES, CLOSEST), (compressed, 1, 1.2)):
            distances = np.arange(outer, closest, -STEP)
            alone, whole = [], []
            for frame in chosen[:most]:
                for model, found in ((bare, alone), (both, whole)):
                    asked = model.predict(way(frame, distances), forces=False, stress=False, n_threads=1)
                    found.append(asked.energy_members - asked.energy_members[:, :1])
            networks, total = np.concatenate(alone).min(axis=0), np.concatenate(whole).min(axis=0)
            n = chosen[0].n_atoms if most == 1 else 1
            print(
                f"{path}, {way.__name__}: from {outer:g} Å networks fall by {-networks.min() / n:.2f} eV, at "
                f"{distances[networks.argmin()]:.2f} Å; the sum by {-total.min() / n:.2f} eV, at "
                f"{distances[total.argmin()]:.2f} Å; at {distances[-1]:.2f} Å it is {total[-1] / n:.0f} eV"
                f"{' (each an atom)' if n > 1 else ''}",
                flush=True,
            )


if __name__ == "__main__":
    main()
