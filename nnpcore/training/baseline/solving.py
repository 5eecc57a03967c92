"""The smooth part under the networks: atomic energies in closed form, by ridge regression on the same loss.

Where the data leave open how a total is split into atomic energies, networks stay near where they started, or
go wherever noise takes them. A smooth function with few coefficients has less freedom: what the forces say
about the split, it says everywhere. Two ways to use it:

* from the start: the networks learn what it leaves;
* after some epochs: the networks first learn everything, which they do best, and then their atomic energies
  are moved onto those of the smooth part by functions of its own kind; the networks go on under these.

The ridge is given, or chosen by the evidence (D. J. C. MacKay, Neural Comput. 4, 415 (1992)), with a whole
frame as one observation and no more than 100 of them: what a simple function gets wrong hangs together in a
frame, and beyond some number more frames of the same kind tell nothing new about it. Without this limit the
ridge falls with every frame until large coefficients that nearly cancel fit what it cannot describe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.potential.baseline import SmoothPart
from nnpcore.potential.contract import add_forces, add_virials, pair_gradients
from nnpcore.training.baseline.bases import Basis, KernelBasis, LinearBasis, QuadraticBasis
from nnpcore.training.baseline.normal_equations import NormalEquations
from nnpcore.training.data import FitSet
from nnpcore.training.engines.passes import Prediction
from nnpcore.training.engines.rows import LossWeights

if TYPE_CHECKING:
    from nnpcore.potential.network import NetworkWeights
    from nnpcore.training.settings import TrainSettings

SMALLEST_RIDGE, LARGEST_RIDGE = 1e-10, 1e3
MOST_OBSERVATIONS = 100
_ROUNDS = 200
_DRAW_STREAM = 104
_ONTO_RIDGE = 1e-4


@dataclass(frozen=True, eq=False)
class Underlay:
    """What lies under the networks.

    Attributes
    ----------
    skip : per element (n_members, n_inputs) eV, the linear part.
    smooth : quadratic terms or a kernel, or None.
    """

    skip: dict[str, np.ndarray]
    smooth: SmoothPart | None = None

    @property
    def mean_skip(self) -> dict[str, np.ndarray]:
        """The linear part's mean over the members, (n_inputs,) per element."""
        return {element: skip.mean(axis=0) for element, skip in self.skip.items()}

    @property
    def spread(self) -> np.ndarray | None:
        """(n_elements, n_members, n_inputs): members' linear parts less their mean; None where all agree."""
        whole = np.array(list(self.skip.values()))
        found = whole - whole.mean(axis=1, keepdims=True)
        return found if np.abs(found).max() > 1e-12 * np.abs(whole).max() else None

    def taken_off(self, data: FitSet) -> FitSet:
        """Return the set with the targets that are left for the networks, and what each member adds to them.

        Targets are less what is common to all members; ``extra`` holds their differences.
        """
        values = self._common(data)
        t = data.targets
        energy = t.energy - t.has_energy * values.energies[:, 0]
        known = np.repeat(t.has_forces, t.n_atoms)[:, None]
        forces = t.forces - known * values.forces[:, 0]
        virials = 0.5 * (values.virials + values.virials.swapaxes(2, 3))[:, 0]
        stress = t.stress - (t.has_stress / t.volume)[:, None, None] * virials
        targets = replace(t, energy=energy, forces=forces.astype(np.float32), stress=stress)
        spread = self.spread
        extra = None if spread is None else _values(data, *_linear(data, spread))
        return replace(data, targets=targets, whole=t, spread=spread, extra=extra)

    def _common(self, data: FitSet) -> Prediction:
        energies, slopes = _linear(data, np.array([row[None] for row in self.mean_skip.values()]))
        if self.smooth is not None:
            x, species = data.inputs.astype(np.float64), data.descriptors.species
            more, gradient = self.smooth.energies_and_gradient(x, species)
            energies, slopes = energies + more, slopes + gradient
        return _values(data, energies, slopes)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the numbers by name, for a checkpoint."""
        more = {} if self.smooth is None else self.smooth.to_arrays()
        return {f"skip.{element}": skip for element, skip in self.skip.items()} | more

    @classmethod
    def from_arrays(cls, kind: str, elements: Sequence[str], arrays: dict[str, np.ndarray]) -> Underlay:
        """Rebuild from :meth:`to_arrays`; KeyError for a missing name."""
        part = None if kind == "linear" else SmoothPart.from_arrays(kind, tuple(elements), arrays)
        return cls({e: np.array(arrays[f"skip.{e}"]) for e in elements}, part)


def _linear(data: FitSet, skip: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Atomic energies (n_members, n_atoms) and dE/dx (n_members, n_atoms, n_inputs) of linear parts."""
    slopes = skip[data.descriptors.species].swapaxes(0, 1)
    return np.einsum("mnd,nd->mn", slopes, data.inputs), slopes


def _values(data: FitSet, energies: np.ndarray, slopes: np.ndarray) -> Prediction:
    """Sum up atomic energies (n_members, n_atoms) and their dE/dx to energies, forces and virials."""
    d = data.descriptors
    assert d.derivatives is not None
    n_members = len(energies)
    sums = np.add.reduceat(energies, d.frame_start[:-1], axis=1).T
    forces = np.zeros((d.n_atoms, n_members, 3), dtype=np.float32)
    virials = np.zeros((d.n_frames, n_members, 3, 3))
    for frame in range(d.n_frames):
        a, b = (int(v) for v in d.frame_start[frame : frame + 2])
        gradients = np.einsum("mnx,ndx->nmd", slopes[:, a:b], data.matrix[d.species[a:b]], optimize=True)
        start = d.pair_start[a : b + 1] - d.pair_start[a]
        window = slice(int(d.pair_start[a]), int(d.pair_start[b]))
        derivatives = d.derivatives[window]
        pairs = pair_gradients(np.ascontiguousarray(gradients, dtype=derivatives.dtype), start, derivatives)
        add_forces(pairs, a, start, d.pair_neighbor[window], forces)
        add_virials(pairs, d.pair_vector[window], start, np.full(b - a, frame), virials)
    return Prediction(sums, forces, virials)


@dataclass(frozen=True, eq=False)
class SmoothModel:
    """A solved smooth part with what the data leave open about it.

    Attributes
    ----------
    kind : "linear", "quadratic" or "kernel".
    elements : chemical symbols, in the order of ``bases``.
    bases : functions per element.
    coefficients : (n,) of all elements' functions, eV.
    covariance : (n, n) of what the data say about them, eV².
    ridges : of the linear functions and of the others, eV².
    """

    kind: str
    elements: tuple[str, ...]
    bases: tuple[Basis, ...]
    coefficients: np.ndarray
    covariance: np.ndarray
    ridges: tuple[float, ...]

    @classmethod
    def fit(cls, data: FitSet, settings: TrainSettings) -> SmoothModel:
        """Solve for the smooth part that ``settings`` ask for, on the loss of ``settings``."""
        bases = make_bases(data, settings.smooth, settings.smooth_components)
        equations = NormalEquations.of(data, LossWeights.of(settings, data), bases)
        groups = np.concatenate([(np.arange(b.size) >= b.n_inputs).astype(int) for b in bases])
        if settings.smooth_ridge is None:
            ridges = evidence_ridges(equations, groups)
        else:
            ridges = np.full(groups.max() + 1, settings.smooth_ridge)
        ridge = ridges[groups]
        coefficients = equations.solve(ridge)
        noise = equations.loss(coefficients) / _observations(equations)
        covariance = noise * np.linalg.inv(equations.matrix + np.diag(ridge))
        elements, numbers = tuple(data.descriptors.functions.elements), tuple(map(float, ridges))
        return cls(settings.smooth, elements, tuple(bases), coefficients, covariance, numbers)

    @property
    def sentence(self) -> str:
        """What lies under the networks, for the user."""
        names = {"linear": "linear", "quadratic": "linear and quadratic", "kernel": "linear and kernel"}
        ridges = " and ".join(f"{ridge:.1e}" for ridge in self.ridges)
        return f"Smooth part under the networks: {names[self.kind]}, ridge {ridges} eV²"

    def energies(self, x: np.ndarray, species: np.ndarray) -> np.ndarray:
        """Return its atomic energies (n,), eV, for inputs ``x`` (n, n_inputs)."""
        found = np.zeros(len(x))
        for e, (basis, own) in enumerate(zip(self.bases, self._split(self.coefficients), strict=True)):
            atoms = species == e
            found[atoms] = basis.features(x[atoms]) @ own
        return found

    def underlay(self, n_members: int, draws: np.ndarray | None = None) -> Underlay:
        """Return it as what lies under the networks of all members; ``draws`` as from :meth:`draws`."""
        return self._underlay(self.coefficients, n_members, draws)

    def onto(
        self, x: np.ndarray, species: np.ndarray, energies: np.ndarray, draws: np.ndarray | None = None
    ) -> Underlay:
        """Return what moves networks' atomic energies onto the smooth part's, by least squares.

        Parameters
        ----------
        x : (n_atoms, n_inputs) inputs of the training atoms.
        species : (n_atoms,) index into the elements.
        energies : (n_members, n_atoms) eV, of the networks alone.
        draws : as from :meth:`draws`.
        """
        wanted = self.energies(x, species) - energies.mean(axis=0)
        parts = []
        for e, basis in enumerate(self.bases):
            atoms = species == e
            rows = basis.features(x[atoms])
            n = max(1, len(rows))
            right = wanted[atoms] - (wanted[atoms].mean() if atoms.any() else 0.0)
            matrix = rows.T @ rows / n + _ONTO_RIDGE * np.eye(basis.size)
            parts.append(np.linalg.solve(matrix, rows.T @ right / n))
        return self._underlay(np.concatenate(parts), len(energies), draws)

    def draws(self, n_members: int, seed: int, scale: float) -> np.ndarray | None:
        """Return how each member's linear part differs, (n_elements, n_members, n_inputs); they sum to zero.

        Samples of what the data leave open, times ``scale``: the members' mean is untouched, their spread
        says how far atomic energies are determined. None for one member or a scale of zero.
        """
        if n_members < 2 or scale <= 0:
            return None
        starts = np.cumsum([0, *(basis.size for basis in self.bases)])
        linear = np.concatenate([s + np.arange(b.n_inputs) for s, b in zip(starts, self.bases, strict=False)])
        values, vectors = np.linalg.eigh(self.covariance[np.ix_(linear, linear)])
        rng = np.random.default_rng([seed, _DRAW_STREAM])
        drawn = rng.standard_normal((n_members, len(linear)))
        drawn = (drawn - drawn.mean(axis=0)) * np.sqrt(n_members / (n_members - 1))
        moved = scale * (drawn * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T
        return moved.reshape(n_members, len(self.bases), -1).swapaxes(0, 1)

    def _split(self, coefficients: np.ndarray) -> list[np.ndarray]:
        return np.split(coefficients, np.cumsum([basis.size for basis in self.bases])[:-1])

    def _underlay(self, coefficients: np.ndarray, n_members: int, draws: np.ndarray | None) -> Underlay:
        skip, arrays = {}, {}
        for e, own in enumerate(self._split(coefficients)):
            basis, element = self.bases[e], self.elements[e]
            skip[element] = np.tile(own[: basis.n_inputs], (n_members, 1))
            if draws is not None:
                skip[element] = skip[element] + draws[e]
            part: dict[str, Any] | None = basis.part(own)
            if part is not None:
                arrays[element] = part
        return Underlay(skip, SmoothPart(self.kind, arrays) if arrays else None)


def make_bases(data: FitSet, kind: str, n_components: int) -> list[Basis]:
    """Return the functions of a kind of smooth part, one basis per element."""
    species = data.descriptors.species
    bases: list[Basis] = []
    for e in range(len(data.matrix)):
        x = data.inputs[species == e].astype(np.float64)
        if kind == "linear":
            bases.append(LinearBasis(data.n_inputs))
        elif kind == "quadratic":
            bases.append(QuadraticBasis(x, n_components))
        else:
            bases.append(KernelBasis(x))
    return bases


def evidence_ridges(equations: NormalEquations, groups: np.ndarray) -> np.ndarray:
    """Return the ridge of every group of coefficients that makes the data most probable.

    Fixed point of ``ridge = gamma (loss / n) / |c|²`` with gamma the number of a group's coefficients that
    the data determine and n the number of observations; of several the one with the largest ridge.
    ``groups`` (n,) numbers every coefficient's group.
    """
    n_groups = int(groups.max()) + 1
    ridges = np.full(n_groups, 1.0)
    if not equations.n_frames or not equations.constant:
        return ridges
    for _ in range(_ROUNDS):
        ridge = ridges[groups]
        inverse = np.linalg.inv(equations.matrix + np.diag(ridge))
        c = inverse @ equations.right
        noise = equations.loss(c) / _observations(equations)
        free = ridge * np.diag(inverse)
        updated = np.empty(n_groups)
        for g in range(n_groups):
            own = groups == g
            determined = max(float((1.0 - free[own]).sum()), 1e-6)
            updated[g] = determined * noise / max(float((c[own] ** 2).sum()), 1e-30)
        updated = np.clip(updated, SMALLEST_RIDGE, LARGEST_RIDGE)
        if np.abs(np.log(updated / ridges)).max() < 0.01:
            return updated
        ridges = np.sqrt(ridges * updated)
    return ridges


def _observations(equations: NormalEquations) -> int:
    return min(max(1, equations.n_frames), MOST_OBSERVATIONS)


USUAL_EPOCHS = {"kalman": 2, "adam": 20, "lbfgs": 50}
"""Epochs after which networks have found what matters, and the smooth part is put under them."""
_MOST_ATOMS = 20_000


class SmoothPlan:
    """When and how a training puts a smooth part under its networks.

    Attributes
    ----------
    epochs : that the networks learn by themselves before; None where there is no smooth part.
    """

    def __init__(self, settings: TrainSettings, optimizer: str) -> None:
        self._settings = settings
        self._spread = settings.smooth_spread if optimizer == "kalman" else 0.0
        usual = USUAL_EPOCHS[optimizer] if settings.smooth_epochs is None else settings.smooth_epochs
        self.epochs = None if settings.smooth == "none" else usual
        self._messages: list[str] = []

    def from_start(self, data: FitSet) -> Underlay:
        """Return what lies under networks that have learned nothing yet."""
        model = self._fit(data)
        return model.underlay(self._settings.n_members, self._draws(model))

    def after_epochs(self, data: FitSet, networks: NetworkWeights) -> Underlay:
        """Return what moves the atomic energies of networks onto those of the smooth part."""
        model = self._fit(data)
        step = -(-len(data.inputs) // _MOST_ATOMS)
        x, species = data.inputs[::step].astype(np.float64), data.descriptors.species[::step]
        return model.onto(x, species, networks.energies(x, species), self._draws(model))

    def take_messages(self) -> list[str]:
        """Return what has happened since the last call."""
        messages, self._messages = self._messages, []
        return messages

    def _fit(self, data: FitSet) -> SmoothModel:
        model = SmoothModel.fit(data, self._settings)
        self._messages.append(model.sentence)
        return model

    def _draws(self, model: SmoothModel) -> np.ndarray | None:
        return model.draws(self._settings.n_members, self._settings.seed, self._spread)
