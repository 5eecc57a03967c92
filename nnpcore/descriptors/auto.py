"""Symmetry functions made from data: few of many candidates, which together say what all of them say.

The candidates (:mod:`.pool`) are computed for the atoms of some frames. A matrix holds their products, summed
over atoms and over the derivatives by positions, each function in units of its deviation. By CUR
decomposition one function after the other is taken: that with the largest part in the leading direction of
what those before leave (Mahoney & Drineas, PNAS 106, 697 (2009); Imbalzano et al., J. Chem. Phys. 148, 241730
(2018)), until little is left. Nothing depends on the order of frames and atoms, or on their orientation.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from nnpcore.descriptors.compute import compute_descriptors
from nnpcore.descriptors.functions import G2, SymmetryFunction, SymmetryFunctions
from nnpcore.descriptors.pool import (
    Distances,
    candidates,
    no_neighbors,
    plain_radial,
)
from nnpcore.descriptors.reach import best_cutoff
from nnpcore.errors import DataError
from nnpcore.progress import Progress
from nnpcore.structures.frame import Frame

LITTLE = 1e-6
"""Part of the candidates' variance that is left where no more functions are taken."""

MOST = {1: 60, 2: 70, 3: 80}
MOST_OF_MANY = 90
"""Functions of an element at most, by the number of elements: the memory of derivatives grows with them."""

_ATOMS = 1500
_MOST_FRAMES = 60
_CONSTANT = 1e-5
_DIGITS = 6
_MOST_AT_ONCE = 600
"""Candidates up to which all is diagonalised for a leading direction."""


@dataclass(frozen=True, eq=False)
class ChosenFunctions:
    """Symmetry functions that were chosen, and how.

    Attributes
    ----------
    functions : those chosen.
    n_candidates : by element, how many there were to choose from.
    n_frames : how many frames were looked at.
    """

    functions: SymmetryFunctions
    n_candidates: dict[str, int]
    n_frames: int

    @property
    def sentence(self) -> str:
        """What was chosen, for the user."""
        per_element = [
            f"{self.functions.count(element)} of {n} candidates for {element}"
            for element, n in self.n_candidates.items()
        ]
        return (
            f"Symmetry functions from the data: {', '.join(per_element)}; cutoff {self.functions.cutoff:g} Å"
        )


def choose_functions(
    frames: Sequence[Frame],
    cutoff: float | None = None,
    *,
    most: int | None = None,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> ChosenFunctions:
    """Choose symmetry functions for frames.

    Parameters
    ----------
    frames : structures of any size and composition; some of them are looked at.
    cutoff : Å; None = found from distances and forces, see :func:`.reach.best_cutoff`.
    most : functions of an element at most; None = by the number of elements.
    n_threads, progress : as in :func:`compute_descriptors`.

    Raises
    ------
    DataError : there is no frame, a frame cannot be used, or no atom has a neighbor.
    """
    if not frames:
        raise DataError("there are no frames to choose symmetry functions for")
    progress = progress or Progress()
    some = of_each_kind(frames, _MOST_FRAMES, _ATOMS)
    distances = Distances.of(some)
    if cutoff is None:
        cutoff = best_cutoff(some, distances, n_threads, progress.part(0.0, 0.4, "cutoff"))
    if not any(len(r) and r[0] < cutoff for r in distances.sorted.values()):
        raise no_neighbors(cutoff)
    pool = SymmetryFunctions(candidates(distances, cutoff))
    limit = most or MOST.get(len(pool.elements), MOST_OF_MANY)
    products = _products(some, pool, n_threads, progress.part(0.4, 0.8, "candidates"))
    chosen = {}
    for element, part in zip(pool.elements, progress.part(0.8, 1.0).split(len(pool.elements)), strict=True):
        part.report(0.0, f"functions of {element}")
        taken = leading_columns(products[element], limit, LITTLE)
        own = tuple(pool.functions[element][k] for k in np.sort(taken))
        chosen[element] = _seeing_all(own, distances, cutoff)
    counts = {element: pool.count(element) for element in pool.elements}
    return ChosenFunctions(SymmetryFunctions(chosen), counts, len(some))


def of_each_kind(frames: Sequence[Frame], most_frames: int, most_atoms: int) -> list[Frame]:
    """Return some frames, six at least where there are, evenly spread in an order that is not the list's."""

    def kind(frame: Frame) -> tuple[object, ...]:
        numbers = tuple(np.unique(frame.numbers, return_counts=True)[1].tolist())
        energy = 0.0 if frame.energy is None else frame.energy / frame.n_atoms
        like = tuple(np.unique(frame.numbers).tolist()), numbers, round(frame.volume, 2), round(energy, 4)
        forces = 0.0 if frame.forces is None else float((frame.forces**2).sum())
        about_center = frame.positions - frame.positions.mean(axis=0)
        return *like, energy, forces, float((about_center**2).sum())  # among those alike, whatever tells

    ordered = sorted(frames, key=kind)
    mean_atoms = sum(frame.n_atoms for frame in ordered) / len(ordered)
    n = max(min(len(ordered), int(most_atoms / mean_atoms), most_frames), min(len(ordered), 6))
    places = np.linspace(0, len(ordered) - 1, n).round().astype(int)
    seen = {z for k in places for z in np.unique(ordered[k].numbers).tolist()}
    rest = [k for k, frame in enumerate(ordered) if not seen.issuperset(frame.numbers.tolist())]
    for k in rest:  # the elements of rare frames
        if not seen.issuperset(ordered[k].numbers.tolist()):
            places = np.append(places, k)
            seen.update(ordered[k].numbers.tolist())
    return [ordered[k] for k in np.unique(places)]


def _products(
    frames: Sequence[Frame], pool: SymmetryFunctions, n_threads: int | None, progress: Progress
) -> dict[str, np.ndarray]:
    """Return the matrix of products of every element's candidates: half of values, half of derivatives."""
    n_d, n_e = pool.n_descriptors, len(pool.elements)
    slopes, values, species = np.zeros((n_e, n_d, n_d)), [], []
    for frame, part in zip(frames, progress.split(len(frames)), strict=True):
        part.report(0.0, "")
        found = compute_descriptors([frame], pool, n_threads=n_threads)
        assert found.derivatives is not None
        values.append(found.values)
        species.append(found.species)
        of_pairs = np.repeat(found.species, np.diff(found.pair_start))
        for e in np.unique(found.species):
            rows = found.derivatives[of_pairs == e].reshape(-1, n_d).astype(np.float64)
            slopes[e] += rows.T @ rows
    every, kinds = np.concatenate(values), np.concatenate(species)
    result = {}
    for e, element in enumerate(pool.elements):
        n_f = pool.count(element)
        result[element] = _scaled(every[kinds == e, :n_f], slopes[e, :n_f, :n_f])
    return result


def _scaled(values: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """Return products of functions in units of their deviations, without those that hardly vary.

    Where none does, as among equal atoms, all count in units of their values.
    """
    deviation, largest = values.std(axis=0), np.abs(values).max(axis=0, initial=0.0)
    active = deviation > _CONSTANT * largest
    if not active.any():
        deviation, active = largest, largest > 0.0
    n_active = np.count_nonzero(active)
    scale = np.where(active, 1.0 / np.where(active, deviation, 1.0), 0.0)
    standard = (values - values.mean(axis=0)) * scale
    products, moved = standard.T @ standard / max(1, len(values)), slopes * np.outer(scale, scale)
    trace = np.trace(moved)
    return 0.5 * (products + moved * (n_active / trace if trace > 0.0 else 0.0))


def leading_columns(products: np.ndarray, most: int, little: float) -> list[int]:
    """Return columns by CUR decomposition, in the order taken, until a part ``little`` of all is left.

    ``products`` (n, n): ``X^T X`` of the matrix X whose columns these are. Of equals the first is taken.
    """
    left, whole = products.copy(), float(np.trace(products))
    n = len(left)
    taken: list[int] = []
    while len(taken) < min(most, n) and np.trace(left) > max(little, 1e-12) * whole:
        leading = _leading_direction(left) ** 2
        leading[taken] = 0.0
        leading[np.diag(left) <= 1e-8 * whole / n] = 0.0
        if not leading.max() > 0.0:
            break
        column = int(np.argmax(np.round(leading / leading.max(), _DIGITS)))
        taken.append(column)
        left -= np.outer(left[:, column], left[column]) / left[column, column]
    return taken


def _leading_direction(matrix: np.ndarray) -> np.ndarray:
    """Return the eigenvector (n,) of the largest eigenvalue of a positive matrix."""
    from scipy.linalg import eigh
    from scipy.sparse.linalg import ArpackNoConvergence, eigsh

    n = len(matrix)
    if n > _MOST_AT_ONCE:  # a hundred times as fast
        with suppress(ArpackNoConvergence):
            return eigsh(matrix, k=1, v0=matrix[:, np.diag(matrix).argmax()])[1][:, 0]
    return eigh(matrix, subset_by_index=(n - 1, n - 1))[1][:, 0]


def _seeing_all(
    own: tuple[SymmetryFunction, ...], distances: Distances, cutoff: float
) -> tuple[SymmetryFunction, ...]:
    """Add radial functions where an element has none of another one."""
    seen = {f.neighbor_elements[0] for f in own if isinstance(f, G2)}
    known = [r for r in (distances.shortest(*pair, cutoff) for pair in distances.sorted) if r is not None]
    missing = [element for element in distances.elements if element not in seen]
    return own + tuple(f for element in missing for f in plain_radial(element, min(known), cutoff))
