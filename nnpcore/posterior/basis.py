"""Functions of atomic environments: Gaussians about chosen atoms, in coordinates whose prior is a plain
ridge.

``E_i = e0 + o + sum_c w_c k(z_i, z_c)`` with ``k = exp(-|z - z'|² / 2 l²)`` between atoms of the same element
and ``z = (G - mean) / std / sqrt(number of functions)``: symmetry functions that are standardised over the
training atoms of the element, but not whitened. With the kernel matrix ``K = U diag(q) U^T`` of the centers
the functions are ``k(z) U diag(q)^(-1/2)`` (subset of regressors: Quiñonero-Candela & Rasmussen, J. Mach.
Learn. Res. 6, 1939 (2005)) and one constant for each element; all coefficients have the same prior variance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nnpcore.descriptors import DescriptorSet, SymmetryFunctions
from nnpcore.errors import AnalysisError

_CONSTANT = 1e-9
_DISTANCE_SAMPLE = 400
MANDEL = np.sqrt([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])
"""Factors of the six components of a stress."""


@dataclass(frozen=True, eq=False)
class ElementBasis:
    """The functions of one element's atoms.

    Attributes
    ----------
    mean, scale : (n_functions,) of the symmetry functions; ``z = (G - mean) * scale``.
    centers : (n_centers, n_functions) of z.
    length : of the kernel, in the unit of z.
    turn : (n_centers, size) from kernel values to functions.
    """

    mean: np.ndarray
    scale: np.ndarray
    centers: np.ndarray
    length: float
    turn: np.ndarray

    @property
    def size(self) -> int:
        """Number of functions, the constant included."""
        return self.turn.shape[1] + 1

    def inputs(self, values: np.ndarray) -> np.ndarray:
        """Return z (n, n_functions) of symmetry functions (n, n_descriptors)."""
        return (values[:, : len(self.mean)] - self.mean) * self.scale

    def kernel(self, z: np.ndarray) -> np.ndarray:
        """Return k(z, centers), (n, n_centers)."""
        return gaussians(z, self.centers, self.length)

    def features(self, z: np.ndarray) -> np.ndarray:
        """Return the functions (n, size) at z; the constant is the last."""
        return np.concatenate([self.kernel(z) @ self.turn, np.ones((len(z), 1))], axis=1)


def gaussians(a: np.ndarray, b: np.ndarray, length: float) -> np.ndarray:
    """Return ``exp(-|a - b|² / 2 length²)``, (len(a), len(b))."""
    squared = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2.0 * a @ b.T
    return np.exp(np.maximum(squared, 0.0) / (-2.0 * length**2))


@dataclass(frozen=True, eq=False)
class FrameRows:
    """Derivatives of what a structure's labels are of, by the m coefficients.

    Attributes
    ----------
    energy : (m,) of the energy per atom.
    forces : (3 n_atoms, m), atom by atom.
    stress : (6, m), eV/Å³, in Voigt's order with shears times the root of 2, so that sums of squares do not
        depend on the axes (Mandel's notation); None where the structure has no volume.
    """

    energy: np.ndarray
    forces: np.ndarray
    stress: np.ndarray | None


@dataclass(frozen=True, eq=False)
class SparseBasis:
    """The functions of all elements: coefficients of an element follow those of the one before.

    Attributes
    ----------
    functions : the symmetry functions.
    elements : a basis for each of ``functions.elements`` that training or target atoms have; None without
        any.
    """

    functions: SymmetryFunctions
    elements: tuple[ElementBasis | None, ...]

    @property
    def starts(self) -> np.ndarray:
        """First coefficient of each element, and the number of all, (n_elements + 1,)."""
        return np.cumsum([0, *(0 if e is None else e.size for e in self.elements)])

    @property
    def size(self) -> int:
        """Number of coefficients, m."""
        return int(self.starts[-1])

    def features(self, values: np.ndarray, species: np.ndarray) -> np.ndarray:
        """Return the derivatives (n_atoms, m) of atomic energies by the coefficients."""
        result, starts = np.zeros((len(values), self.size)), self.starts
        for index, basis in self._present(species):
            own = np.flatnonzero(species == index)
            result[own, starts[index] : starts[index + 1]] = basis.features(basis.inputs(values[own]))
        return result

    def gradients(self, weights: np.ndarray, values: np.ndarray, species: np.ndarray) -> np.ndarray:
        """Return dE/dG (n_atoms, n_descriptors) for coefficients ``weights`` (m,)."""
        result, starts = np.zeros_like(values), self.starts
        for index, basis in self._present(species):
            own = np.flatnonzero(species == index)
            z = basis.inputs(values[own])
            by_center = basis.turn @ weights[starts[index] : starts[index + 1] - 1]
            k = basis.kernel(z) * by_center
            slopes = (k @ basis.centers - k.sum(1)[:, None] * z) / basis.length**2
            result[own, : z.shape[1]] = slopes * basis.scale
        return result

    def rows(self, frame: DescriptorSet, volume: float) -> FrameRows:
        """Return the rows of one structure, given as a set of this one frame with derivatives.

        ``volume`` in Å³; 0 where the structure has none.
        """
        features = self.features(frame.values, frame.species)
        pairs = _PairSums.of(frame)
        forces = np.zeros((frame.n_atoms, 3, self.size))
        virial = np.zeros((6, self.size))
        for index, basis in self._present(frame.species):
            first, last = self.starts[index], self.starts[index + 1] - 1
            own = np.flatnonzero(frame.species == index)
            moved, strained = _moves(basis, frame, pairs, own)
            forces[:, :, first:last] = moved @ basis.turn
            virial[:, first:last] = strained @ basis.turn
        stress = MANDEL[:, None] * virial / volume if volume > 0 else None
        return FrameRows(features.mean(0), forces.reshape(-1, self.size), stress)

    def _present(self, species: np.ndarray) -> list[tuple[int, ElementBasis]]:
        """The elements of some atoms with their bases; AnalysisError for one that training and targets
        lack."""
        found = []
        for index in np.unique(species).tolist():
            basis = self.elements[index]
            if basis is None:
                name = self.functions.elements[index]
                what = f"neither training nor targets have atoms of {name}"
                raise AnalysisError(what, fix="Fit a posterior that has this structure among its targets")
            found.append((index, basis))
        return found

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return arrays that describe it, by name."""
        found = {}
        for name, basis in zip(self.functions.elements, self.elements, strict=True):
            if basis is not None:
                found |= {f"{name}.{key}": np.asarray(value) for key, value in vars(basis).items()}
        return found

    @classmethod
    def from_arrays(cls, functions: SymmetryFunctions, arrays: Mapping[str, np.ndarray]) -> SparseBasis:
        """Rebuild from :meth:`to_arrays`; KeyError where one is missing."""
        elements = [_element_from(name, arrays) for name in functions.elements]
        return cls(functions, tuple(elements))


def _element_from(name: str, arrays: Mapping[str, np.ndarray]) -> ElementBasis | None:
    if f"{name}.centers" not in arrays:
        return None
    mean, scale, centers, turn = (arrays[f"{name}.{key}"] for key in ("mean", "scale", "centers", "turn"))
    return ElementBasis(mean, scale, centers, float(arrays[f"{name}.length"].item()), turn)


# making one ---------------------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class Atoms:
    """Atoms to make a basis of: symmetry functions ``values`` (n, n_descriptors) and ``species`` (n,)."""

    values: np.ndarray
    species: np.ndarray


def make_bases(
    functions: SymmetryFunctions,
    training: Atoms,
    asked: Atoms,
    *,
    n_centers: int,
    lengths: tuple[float, ...],
    spectrum: float,
    seed: int,
) -> list[SparseBasis]:
    """Return a basis for each of the ``lengths``, about the same centers.

    Centers of an element lie far apart in z: among the atoms ``asked`` about first (at most half of them),
    then among those and the training atoms. ``training`` gives mean and scale. Lengths are in units of the
    median distance of two training atoms.
    """
    rng = np.random.default_rng(seed)
    by_element = []
    for index, element in enumerate(functions.elements):
        n_f = functions.count(element)
        own = training.values[training.species == index, :n_f]
        wanted = asked.values[asked.species == index, :n_f]
        by_element.append(_spread_out(own, wanted, n_centers, rng) if len(own) + len(wanted) else None)
    return [
        SparseBasis(functions, tuple(p and p.basis(length, spectrum) for p in by_element))
        for length in lengths
    ]


@dataclass(frozen=True, eq=False)
class _Centers:
    """Centers of one element with the scaling of its inputs, and the usual distance of two atoms."""

    mean: np.ndarray
    scale: np.ndarray
    centers: np.ndarray
    distance: float

    def basis(self, length: float, spectrum: float) -> ElementBasis:
        """Return the functions for a length in units of the usual distance."""
        real = length * self.distance
        values, vectors = np.linalg.eigh(gaussians(self.centers, self.centers, real))
        kept = values > spectrum * values[-1]
        turn = vectors[:, kept] / np.sqrt(values[kept])
        return ElementBasis(self.mean, self.scale, self.centers, real, turn)


def _spread_out(own: np.ndarray, wanted: np.ndarray, n: int, rng: np.random.Generator) -> _Centers:
    source = own if len(own) else wanted
    mean, std = source.mean(0), source.std(0)
    active = std > _CONSTANT * np.abs(source).max(0, initial=0.0)
    scale = np.where(active, 1.0 / np.where(active, std, 1.0), 0.0) / np.sqrt(max(1, own.shape[1]))
    z, asked = (own - mean) * scale, (wanted - mean) * scale
    z = z[np.sort(rng.permutation(len(z))[: 24 * n])]
    first = far_apart(asked, min(n // 2, len(asked)))
    everything = np.concatenate([asked[first], z])
    chosen = far_apart(everything, min(n, len(everything)), n_given=len(first))
    sample = z if len(z) > 1 else asked
    sample = sample[rng.permutation(len(sample))]
    a, b = sample[:_DISTANCE_SAMPLE], sample[_DISTANCE_SAMPLE : 2 * _DISTANCE_SAMPLE]
    b = b if len(b) > 1 else a
    squared = ((a[:, None] - b[None]) ** 2).sum(-1) if len(a) else np.zeros(0)
    squared = squared[squared > 0]
    distance = float(np.sqrt(np.median(squared))) if len(squared) else 1.0
    return _Centers(mean, scale, everything[chosen], distance)


def far_apart(points: np.ndarray, n: int, n_given: int = 0) -> np.ndarray:
    """Return up to ``n`` rows of ``points``, each the farthest from those before; the first ``n_given`` are
    set.

    Rows that repeat a chosen one are left out.
    """
    if not len(points) or n <= 0:
        return np.zeros(0, dtype=np.int64)
    chosen = list(range(max(1, n_given)))
    distance = np.full(len(points), np.inf)
    for k in chosen:
        distance = np.minimum(distance, ((points - points[k]) ** 2).sum(1))
    while len(chosen) < n:
        farthest = int(distance.argmax())
        if distance[farthest] <= 1e-12:
            break
        chosen.append(farthest)
        distance = np.minimum(distance, ((points - points[farthest]) ** 2).sum(1))
    return np.array(chosen)


# forces and virials -------------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class _PairSums:
    """dG_i/dr_j of one frame, images of j added up, the centre itself included.

    Attributes
    ----------
    start : (n_atoms + 1,) pairs of each centre. neighbor : (n_pairs,) the j, each once for a centre.
    derivatives : (n_pairs, 3, n_descriptors). virials : (n_atoms, 6, n_descriptors) ``sum_p r_p dG/dr_p``.
    """

    start: np.ndarray
    neighbor: np.ndarray
    derivatives: np.ndarray
    virials: np.ndarray

    @classmethod
    def of(cls, frame: DescriptorSet) -> _PairSums:
        """Add up the pairs of a frame."""
        assert frame.derivatives is not None
        n, derivatives = frame.n_atoms, frame.derivatives.astype(np.float64)
        counts = np.diff(frame.pair_start)
        centers = np.repeat(np.arange(n), counts)
        vectors = frame.pair_vector
        products = np.stack(
            [
                0.5 * (vectors[:, a, None] * derivatives[:, b] + vectors[:, b, None] * derivatives[:, a])
                for a, b in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
            ],
            axis=1,
        )
        virials = _sums(products, frame.pair_start)
        own = -_sums(derivatives, frame.pair_start)
        keys = np.concatenate([centers * n + frame.pair_neighbor, np.arange(n) * (n + 1)])
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
        summed = np.add.reduceat(np.concatenate([derivatives, own])[order], first, axis=0)
        unique = keys[first]
        start = np.searchsorted(unique, np.arange(n + 1) * n)
        return cls(start, unique % n, summed, virials)


def _sums(values: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Sum rows from each start to the next; none give zero."""
    result = np.zeros((len(start) - 1, *values.shape[1:]))
    some = np.flatnonzero(np.diff(start))
    if len(some):
        result[some] = np.add.reduceat(values, start[some], axis=0)
    return result


def _moves(
    basis: ElementBasis, frame: DescriptorSet, pairs: _PairSums, own: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Forces (n_atoms, 3, n_centers) and virial (6, n_centers) of kernel functions about the ``own`` atoms.

    ``dk/dG . D = k / l² (D scale . c - D scale . z)`` for a row D of derivatives.
    """
    n_f, n_centers = len(basis.mean), len(basis.centers)
    z = basis.inputs(frame.values[own])
    k = basis.kernel(z) / basis.length**2
    forces, virial = np.zeros((frame.n_atoms, 3, n_centers)), np.zeros((6, n_centers))
    centers = (basis.centers * basis.scale).T
    for i, atom in enumerate(own.tolist()):
        part = slice(int(pairs.start[atom]), int(pairs.start[atom + 1]))
        rows = np.concatenate(
            [pairs.derivatives[part, :, :n_f].reshape(-1, n_f), pairs.virials[atom, :, :n_f]]
        )
        moves = rows @ centers
        moves -= (rows @ (basis.scale * z[i]))[:, None]
        moves *= k[i]
        forces[pairs.neighbor[part]] -= moves[:-6].reshape(-1, 3, n_centers)
        virial += moves[-6:]
    return forces, virial
