"""Solving for a baseline: atomic energies in closed form, by ridge regression on the same loss.

Where the data leave open how a total is split into atomic energies, networks stay near where they started, or
go wherever noise takes them. A function with few coefficients has less freedom: what the forces say
about the split, it says everywhere. Two ways to use it:

* from the start: the networks learn what it leaves;
* after some epochs: the networks first learn everything, which they do best, and then their atomic energies
  are moved onto those of the baseline by functions of its own kind; the networks go on under these.

The ridge is given, or chosen by the evidence (D. J. C. MacKay, Neural Comput. 4, 415 (1992)), with a whole
frame as one observation and no more than 100 of them: what a simple function gets wrong hangs together in a
frame, and beyond some number more frames of the same kind tell nothing new about it. Without this limit the
ridge falls with every frame until large coefficients that nearly cancel fit what it cannot describe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.potential.baseline import NonlinearBaseline
from nnpcore.training.baseline.baseline import Baseline
from nnpcore.training.baseline.bases import Basis
from nnpcore.training.baseline.normal_equations import NormalEquations
from nnpcore.training.data import FitSet
from nnpcore.training.engines.rows import LossWeights
from nnpcore.training.history import Message, Severity

if TYPE_CHECKING:
    from nnpcore.potential.network import NetworkWeights
    from nnpcore.training.settings import TrainSettings

SMALLEST_RIDGE, LARGEST_RIDGE = 1e-10, 1e3
MOST_OBSERVATIONS = 100
_ROUNDS = 200
_DRAW_STREAM = 104
_ONTO_RIDGE = 1e-4


@dataclass(frozen=True, eq=False)
class BaselineFit:
    """A solved baseline with what the data leave open about it.

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
    def fit(cls, data: FitSet, settings: TrainSettings) -> BaselineFit:
        """Solve for the baseline that ``settings`` ask for, on the loss of ``settings``."""
        bases = make_bases(data, settings.baseline, settings.baseline_components)
        equations = NormalEquations.of(data, LossWeights.of(settings, data), bases)
        groups = np.concatenate([(np.arange(b.size) >= b.n_inputs).astype(int) for b in bases])
        if settings.baseline_ridge is None:
            ridges = evidence_ridges(equations, groups)
        else:
            ridges = np.full(groups.max() + 1, settings.baseline_ridge)
        ridge = ridges[groups]
        coefficients = equations.solve(ridge)
        noise = equations.loss(coefficients) / _observations(equations)
        covariance = noise * np.linalg.inv(equations.matrix + np.diag(ridge))
        elements, numbers = tuple(data.descriptors.functions.elements), tuple(map(float, ridges))
        return cls(settings.baseline, elements, tuple(bases), coefficients, covariance, numbers)

    @property
    def sentence(self) -> str:
        """What lies under the networks, for the user."""
        names = {"linear": "linear", "quadratic": "linear and quadratic", "kernel": "linear and kernel"}
        ridges = " and ".join(f"{ridge:.1e}" for ridge in self.ridges)
        return f"Baseline under the networks: {names[self.kind]}, ridge {ridges} eV²"

    def energies(self, x: np.ndarray, species: np.ndarray) -> np.ndarray:
        """Return its atomic energies (n,), eV, for inputs ``x`` (n, n_inputs)."""
        found = np.zeros(len(x))
        for e, (basis, own) in enumerate(zip(self.bases, self._split(self.coefficients), strict=True)):
            atoms = species == e
            found[atoms] = basis.features(x[atoms]) @ own
        return found

    def onto(
        self, x: np.ndarray, species: np.ndarray, energies: np.ndarray, draws: np.ndarray | None = None
    ) -> Baseline:
        """Return what moves networks' atomic energies onto the baseline's, by least squares.

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
        return self.baseline(len(energies), draws, np.concatenate(parts))

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

    def baseline(
        self, n_members: int, draws: np.ndarray | None = None, coefficients: np.ndarray | None = None
    ) -> Baseline:
        """Return it as what lies under the networks of all members.

        ``draws`` as from :meth:`draws`; other ``coefficients`` (n,) may take the place of its own.
        """
        skip, arrays = {}, {}
        for e, own in enumerate(self._split(self.coefficients if coefficients is None else coefficients)):
            basis, element = self.bases[e], self.elements[e]
            skip[element] = np.tile(own[: basis.n_inputs], (n_members, 1))
            if draws is not None:
                skip[element] = skip[element] + draws[e]
            part: dict[str, Any] | None = basis.part(own)
            if part is not None:
                arrays[element] = part
        return Baseline(skip, NonlinearBaseline(self.kind, arrays) if arrays else None)


def make_bases(data: FitSet, kind: str, n_components: int) -> list[Basis]:
    """Return the functions of a kind of baseline, one basis per element."""
    of_element = (data.inputs[data.descriptors.species == e] for e in range(len(data.matrix)))
    return [Basis(x.astype(np.float64), kind, n_components) for x in of_element]


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
"""Epochs after which networks have found what matters, and the baseline is put under them."""
_MOST_ATOMS = 20_000


class BaselinePlan:
    """When and how a training puts a baseline under its networks.

    Attributes
    ----------
    epochs : that the networks learn by themselves before; None where there is no baseline.
    """

    def __init__(self, settings: TrainSettings, optimizer: str) -> None:
        self._settings = settings
        self._spread = settings.baseline_spread if optimizer == "kalman" else 0.0
        usual = USUAL_EPOCHS[optimizer] if settings.baseline_epochs is None else settings.baseline_epochs
        self.epochs = None if settings.baseline == "none" else usual
        self._messages: list[Message] = []

    def from_start(self, data: FitSet) -> Baseline:
        """Return what lies under networks that have learned nothing yet."""
        model, draws = self._fit(data)
        return model.baseline(self._settings.n_members, draws)

    def after_epochs(self, data: FitSet, networks: NetworkWeights) -> Baseline:
        """Return what moves the atomic energies of networks onto those of the baseline."""
        model, draws = self._fit(data)
        step = -(-len(data.inputs) // _MOST_ATOMS)
        x, species = data.inputs[::step].astype(np.float64), data.descriptors.species[::step]
        return model.onto(x, species, networks.energies(x, species), draws)

    def take_messages(self) -> list[Message]:
        """Return what has happened since the last call."""
        messages, self._messages = self._messages, []
        return messages

    def _fit(self, data: FitSet) -> tuple[BaselineFit, np.ndarray | None]:
        """Return the baseline, and how the members' linear parts differ."""
        model = BaselineFit.fit(data, self._settings)
        self._messages.append(Message(model.sentence, Severity.NOTE))
        return model, model.draws(self._settings.n_members, self._settings.seed, self._spread)
