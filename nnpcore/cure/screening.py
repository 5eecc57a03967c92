"""Which candidates make sense: atoms not too close, surroundings not too far from known ones, forces.

"Known" are the training set and the targets together: a cure for a target that is far from the training set
must not be refused for being far, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.cure.candidates import Candidate, LeftOut
from nnpcore.descriptors import SymmetryFunctions, compute_descriptors
from nnpcore.errors import EatlasError
from nnpcore.progress import Progress
from nnpcore.structures.frame import Frame

if TYPE_CHECKING:
    from scipy.spatial import KDTree

    from nnpcore.potential.model import AtomicEnergyModel

_MOST_ATOMS = 20_000
_FLOOR, _PAIRS = 1e-3, 4000
_HELD_OUT, _MOST_HELD = 5, 40
"""Every fifth frame, 40 of them at most, tells how far atoms of one frame are from those of others."""

_USUAL = 0.999


@dataclass(frozen=True)
class Limits:
    """What a candidate must not exceed.

    Attributes
    ----------
    closeness : share of the smallest known distance of two elements, below which atoms are too close.
    distance : to the nearest known surroundings, in units of their distance from each other.
    force : times the largest known force, and ``least_force`` (eV/Å) at least; by the potential at hand.
    """

    closeness: float = 0.8
    distance: float = 8.0
    force: float = 3.0
    least_force: float = 10.0


class Surroundings:
    """The surroundings of known atoms, and how far others are from them.

    Distances are those of symmetry functions divided by their standard deviations; the unit is the median
    distance of two known atoms of the element, in which the posterior measures its length, too.

    Parameters
    ----------
    known : frames. Atoms of elements that they lack are infinitely far.
    """

    def __init__(
        self,
        known: Sequence[Frame],
        functions: SymmetryFunctions,
        *,
        n_threads: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.functions, self.n_threads = functions, n_threads
        found = compute_descriptors(
            known, functions, derivatives=False, n_threads=n_threads, progress=progress
        )
        self._trees: dict[int, KDTree] = {}
        self._mean: dict[int, np.ndarray] = {}
        self._scale: dict[int, np.ndarray] = {}
        for species in np.unique(found.species).tolist():
            self._learn(species, found.values[found.species == species])

    def _learn(self, species: int, values: np.ndarray) -> None:
        from nnpcore.mapping.nearest import subsample, training_tree

        std = values.std(axis=0)
        mean, scale = values.mean(axis=0), 1.0 / np.maximum(std, _FLOOR * max(float(std.max()), 1e-12))
        z = (values[subsample(len(values), _MOST_ATOMS)] - mean) * scale
        self._mean[species], self._scale[species] = mean, scale / _unit(z)
        self._trees[species] = training_tree(z / _unit(z))

    def distances(self, values: np.ndarray, species: np.ndarray) -> np.ndarray:
        """Distance of atoms with symmetry functions (n, d) to the nearest known one, in that unit; (n,)."""
        found = np.full(len(values), np.inf)
        for one, tree in self._trees.items():
            mine = species == one
            if mine.any():
                z = (values[mine] - self._mean[one]) * self._scale[one]
                found[mine] = tree.query(z)[0]
        return found

    def of_frame(self, frame: Frame) -> np.ndarray:
        """Return that distance for the atoms of a frame, (n_atoms,)."""
        found = compute_descriptors([frame], self.functions, derivatives=False, n_threads=self.n_threads)
        return self.distances(found.values, found.species)


def usual_distance(known: Sequence[Frame], functions: SymmetryFunctions, *, n_threads: int | None) -> float:
    """Return how far atoms of some frames are from those of the others, in the unit of :class:`Surroundings`.

    All but one in a thousand are nearer. Every fifth frame is held out for it; a single frame tells nothing
    of others and is taken as a unit, 1.
    """
    held = list(range(0, len(known), _HELD_OUT))
    held = held[:: -(-len(held) // _MOST_HELD)]
    others = [frame for k, frame in enumerate(known) if k not in set(held)]
    if not others:
        return 1.0
    around = Surroundings(others, functions, n_threads=n_threads)
    found = np.concatenate([around.of_frame(known[k]) for k in held])
    found = found[np.isfinite(found)]
    return max(_FLOOR, float(np.quantile(found, _USUAL))) if len(found) else 1.0


def _unit(z: np.ndarray) -> float:
    """Median distance of two of the points (n, d), 1 where all are the same."""
    a, b = np.random.default_rng(0).integers(0, len(z), (2, _PAIRS))
    distances = np.linalg.norm(z[a] - z[b], axis=1)
    apart = distances[distances > 0.0]
    return float(np.median(apart)) if len(apart) else 1.0


def screen(
    candidates: Sequence[Candidate],
    training: Sequence[Frame],
    surroundings: Surroundings,
    *,
    model: AtomicEnergyModel | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> tuple[list[Candidate], list[LeftOut]]:
    """Return the candidates that make sense, and the others with the reason.

    Parameters
    ----------
    training : frames whose distances and forces are known.
    model : foretells the forces; None leaves that out.
    """
    limits, progress = limits or Limits(), progress or Progress()
    closest = _closest_pairs(training)
    forces = [float(np.linalg.norm(f.forces, axis=1).max()) for f in training if f.forces is not None]
    most = max(limits.least_force, limits.force * max(forces, default=0.0))
    kept, out = [], []
    for k, candidate in enumerate(candidates):
        progress.report(k / len(candidates), f"Candidate {k + 1} of {len(candidates)}")
        reason = _too_close(candidate.frame, closest, limits) or _too_far(
            candidate.frame, surroundings, limits
        )
        if not reason and model is not None:
            reason = _too_strong(candidate.frame, model, most)
        if reason:
            out.append(LeftOut(candidate.name, candidate.kind, reason))
        else:
            kept.append(candidate)
    return kept, out


def _too_close(frame: Frame, closest: dict[tuple[int, int], float], limits: Limits) -> str:
    from ase.data import chemical_symbols, covalent_radii

    for (a, b), distance in _closest_pairs([frame]).items():
        usual = closest.get((a, b), 0.75 * float(covalent_radii[a] + covalent_radii[b]))
        if distance < limits.closeness * usual:
            names = f"{chemical_symbols[a]} and {chemical_symbols[b]}"
            return f"{names} come as close as {distance:.2f} Å (known: {usual:.2f} Å)"
    return ""


def _too_far(frame: Frame, surroundings: Surroundings, limits: Limits) -> str:
    try:
        distance = float(surroundings.of_frame(frame).max())
    except EatlasError as error:
        return error.what
    if not np.isfinite(distance):
        return "it has an element that the training set lacks"
    if distance > limits.distance:
        return f"{distance:.1f} times as far from all known surroundings as these are from each other"
    return ""


def _too_strong(frame: Frame, model: AtomicEnergyModel, most: float) -> str:
    try:
        forces = model.predict([frame], stress=False, members=False, n_threads=1).forces
    except EatlasError as error:
        return error.what
    if forces is None:
        return ""
    largest = float(np.linalg.norm(forces, axis=1).max())
    if not largest <= most:
        return f"forces of {largest:.1f} eV/Å by the potential at hand (limit {most:.1f})"
    return ""


def _closest_pairs(frames: Sequence[Frame], cutoff: float = 3.5) -> dict[tuple[int, int], float]:
    """Smallest distance, Å, of each pair of atomic numbers that come closer than the cutoff."""
    from nnpcore.descriptors.neighbors import neighbor_pairs

    found: dict[tuple[int, int], float] = {}
    for frame in frames:
        try:
            pairs = neighbor_pairs(frame, cutoff)
        except EatlasError:
            zero = int(frame.numbers[0])
            found[zero, zero] = 0.0
            continue
        length = np.linalg.norm(pairs.vector, axis=1)
        center = np.repeat(frame.numbers, np.diff(pairs.start))
        neighbor = frame.numbers[pairs.neighbor]
        low, high = np.minimum(center, neighbor), np.maximum(center, neighbor)
        for a, b in {(int(x), int(y)) for x, y in zip(low, high, strict=True)}:
            least = float(length[(low == a) & (high == b)].min())
            found[a, b] = min(least, found.get((a, b), np.inf))
    return found


def reasons_text(left_out: Sequence[LeftOut]) -> str:
    """Return in one line how many of each kind were left out, with the first reason; empty for none."""
    kinds: dict[str, list[LeftOut]] = {}
    for one in left_out:
        kinds.setdefault(one.kind, []).append(one)
    return "; ".join(f"{len(group)} of kind {kind} (such as {group[0].name}: {group[0].reason})"
                     for kind, group in kinds.items())  # fmt: skip
