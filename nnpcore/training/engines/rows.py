"""Rows of a training step: which numbers of the reference data a batch of frames contributes.

A row is one number the networks should reproduce: the energy of a frame, the projection of all its forces
on a random unit vector, or one component of its stress. Its innovation is target minus prediction; rows are
scaled such that the sum of the squared scaled innovations estimates the loss, in units of the loss of a
network that says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nnpcore.training.data import STRESS_BASIS, FitSet, Targets
from nnpcore.training.engines.contractions import Pairs, frame_tangents

if TYPE_CHECKING:
    from nnpcore.training.settings import TrainSettings

_ORDER_STREAM, _DIRECTION_STREAM, _SHRINK_STREAM = 101, 102, 103
_N_SHRINK_ROWS = 4
SMALLEST_SHARE = 1e-6
"""A baseline that leaves less than this share of the loss leaves the networks nothing to learn."""


@dataclass(frozen=True)
class RowScales:
    """Factors that turn errors into rows of unit noise.

    Attributes
    ----------
    energy : of (ΔE / N), per eV per atom.
    force : of a projection on a unit vector, times the root of the number of atoms, per eV/Å.
    stress : of a component of the stress, per eV/Å³.
    n_force_rows, n_stress_rows : rows of a frame, beside one for its energy.
    unit : factor from the loss to the mean over frames of the sum of a frame's squared rows.
    l2 : weight of |w|² for every frame, in units of squared rows.
    """

    energy: float
    force: float
    stress: float
    n_force_rows: int
    n_stress_rows: int
    unit: float = 1.0
    l2: float = 0.0

    @property
    def n_slots(self) -> int:
        """Rows of a frame."""
        return 1 + self.n_force_rows + self.n_stress_rows

    @classmethod
    def of(cls, settings: TrainSettings, data: FitSet) -> RowScales:
        """Work out the scales from the weights of the loss.

        The loss of DESIGN ``w_E mean((ΔE/N)²) + w_F mean(|ΔF|²) + w_S mean(|Δσ|²)`` is divided by what it
        is for a flat network, times the number of rows, so that a row's square is 1 on average before
        training.
        """
        t = data.targets
        n_frames = float(t.counts[t.weights.any(axis=1)].sum())
        weights = LossWeights.of(settings, data)
        flat = weights.flat(data)
        n_force = min(settings.kalman.rows_per_frame, 3 * int(t.n_atoms.max())) if weights.force else 0
        n_stress = len(STRESS_BASIS) if weights.stress else 0
        n_rows = n_force + n_stress + (1 if weights.energy else 0)
        unit = n_rows * n_frames / flat if flat > 0 else 1.0
        per_row = 3 * weights.force / max(n_force, 1)
        return cls(
            energy=float(np.sqrt(unit * weights.energy)),
            force=float(np.sqrt(unit * per_row)),
            stress=float(np.sqrt(unit * weights.stress)),
            n_force_rows=n_force,
            n_stress_rows=n_stress,
            unit=unit / n_frames,
            l2=settings.l2 * unit / n_frames,
        )


@dataclass(frozen=True)
class LossWeights:
    """The loss as a plain sum: energy Σ(ΔE/N)² + force Σ|ΔF|² + stress Σ|Δσ|², means turned into weights.

    The sums take what is known of a frame as often as it counts. A part without weight or without reference
    data is 0.
    """

    energy: float
    force: float
    stress: float

    @classmethod
    def of(cls, settings: TrainSettings, data: FitSet) -> LossWeights:
        """Divide the user's weights by how much there is of each quantity."""
        t = data.targets
        n_energies = float(t.weights[t.has_energy, 0].sum())
        n_forces = float((t.weights[:, 1] * t.n_atoms)[t.has_forces].sum())
        n_stresses = float(t.weights[t.has_stress, 2].sum())
        return cls(
            energy=settings.energy_weight / n_energies if n_energies else 0.0,
            force=settings.force_weight / n_forces if n_forces else 0.0,
            stress=settings.loss_weights[2] / n_stresses if n_stresses else 0.0,
        )

    def flat(self, data: FitSet) -> float:
        """Return the loss of networks that predict zero everywhere, a yardstick; 0 where there is nothing.

        Where a baseline leaves next to nothing, a small share of what it was fitted to counts instead.
        """
        whole = 0.0 if data.whole is None else self._flat(data.whole)
        return max(self._flat(data.targets), SMALLEST_SHARE * whole)

    def _flat(self, t: Targets) -> float:
        energy_times, force_times, stress_times = t.weights.T
        energy = float((energy_times * (t.energy / t.n_atoms) ** 2).sum())
        force = float((np.repeat(force_times, t.n_atoms)[:, None] * t.forces.astype(np.float64) ** 2).sum())
        stress = float((stress_times[:, None, None] * t.stress**2).sum())
        return self.energy * energy + self.force * force + self.stress * stress

    def scaled(self, factor: float) -> LossWeights:
        """Return the weights times a factor: for a part of the frames that stands for all."""
        return LossWeights(self.energy * factor, self.force * factor, self.stress * factor)


@dataclass(frozen=True, eq=False)
class Batch:
    """The rows of one step, the same for all members.

    Attributes
    ----------
    frames : (n,) indices of its frames.
    state : (n_atoms, n_slots, n_inputs + 1) float32: inputs with a trailing 1, then tangents with a
        trailing 0; atoms sorted by frame and element.
    starts : (n, n_elements + 1) int64, bounds of the elements' atoms of every frame.
    targets, scales : (n, n_slots) reference value and scale of every row; scale 0 where there is no
        reference.
    shrink : (n_shrink, n_parameters) float32: rows whose target is 0, they stand for the loss's L2 part.
    added : (n_members, n, n_slots) what lies under each member's networks beyond what was taken off the
        targets; None where members do not differ.
    guide : rows of single atoms that follow, or None.
    moved : (n_members, n, n_slots) what each member's targets differ by, see ``Guide``; None without.
    first : (n,) bool, where this is the epoch's first pass of a frame; None where it is of all.
    times : (n, n_slots) how many times each row counts in this pass, which is in its scale, too; None where
        all count once.
    """

    frames: np.ndarray
    state: np.ndarray
    starts: np.ndarray
    targets: np.ndarray
    scales: np.ndarray
    shrink: np.ndarray
    added: np.ndarray | None = None
    guide: Batch | None = None
    first: np.ndarray | None = None
    moved: np.ndarray | None = None
    times: np.ndarray | None = None

    def of_member(self, member: int) -> Batch:
        """Return the rows as one member sees them: targets moved for it, less what it adds."""
        targets = self.targets
        targets = targets if self.added is None else targets - self.added[member]
        targets = targets if self.moved is None else targets + self.moved[member]
        return self if targets is self.targets else replace(self, targets=targets, added=None, moved=None)

    def whole(self, member: int, values: np.ndarray) -> np.ndarray:
        """Return what a member predicts of the rows (n, n_slots), what lies under its networks included."""
        return values if self.added is None else values + self.added[member]

    @property
    def judged(self) -> np.ndarray | slice:
        """Where predictions count for the errors that are shown: every frame's first pass."""
        return slice(None) if self.first is None else self.first

    def mean_square(self, innovations: np.ndarray) -> float:
        """Return the mean square of scaled innovations (n * n_slots,) of rows with a reference, each as often
        as it counts; NaN where none counts."""
        known = self.scales.ravel() > 0
        if not known.any():
            return float("nan")
        n = np.count_nonzero(known) if self.times is None else self.times.ravel()[known].sum()
        return float((innovations[known] ** 2).sum() / n)


class EpochOrder(NamedTuple):
    """What an epoch takes one after the other: frames (n,), and of each which of its passes (n,) this is."""

    frames: np.ndarray
    passes: np.ndarray

    @classmethod
    def of(cls, seed: int, epoch: int, passes: np.ndarray) -> EpochOrder:
        """Return a random order, a function of its arguments only; ``passes`` (n_frames,) of every frame."""
        frames = np.repeat(np.arange(len(passes)), passes)
        number = np.arange(len(frames)) - np.repeat(np.cumsum(passes) - passes, passes)
        order = np.random.default_rng([seed, _ORDER_STREAM, epoch]).permutation(len(frames))
        return cls(frames[order], number[order])

    def batch(self, index: int, size: int) -> EpochOrder:
        """Return the part of one batch."""
        part = slice(index * size, (index + 1) * size)
        return EpochOrder(self.frames[part], self.passes[part])


def pass_stream(seed: int, stream: int, epoch: int, frame: int, number: int) -> np.random.Generator:
    """Return the random numbers of one pass of a frame; the first has those of a frame that counts once."""
    return np.random.default_rng([seed, stream, epoch, frame, *([number] if number else [])])


def make_batch(
    data: FitSet,
    frames: np.ndarray,
    scales: RowScales,
    seed: int,
    epoch: int,
    n_parameters: int = 0,
    passes: np.ndarray | None = None,
) -> Batch:
    """Draw the projections of some frames and work out their tangents.

    The directions of a frame depend on the seed, the epoch, the frame's index and which of its ``passes``
    (n,) this is, the first where not given. What counts other than the number of passes has scales that make
    up for it. ``n_parameters`` of a member is needed where the loss has an L2 part.
    """
    number = np.zeros(len(frames), dtype=np.int64) if passes is None else passes
    t = data.targets
    shares = (t.weights / t.passes[:, None])[frames]
    counts = np.diff(data.element_start[frames], axis=1)
    ends = np.cumsum(counts.ravel()).reshape(counts.shape)
    starts = np.concatenate([(ends - counts)[:, :1], ends], axis=1)
    state = np.empty((int(starts[-1, -1]), scales.n_slots, data.n_inputs + 1), dtype=np.float32)
    targets = np.zeros((len(frames), scales.n_slots))
    row_scales = np.zeros((len(frames), scales.n_slots))
    guide = data.guide
    moved = None if guide is None or guide.moved is None else np.zeros((len(guide.targets), *targets.shape))
    window, places = data.window(frames)
    for k, (frame, place) in enumerate(zip(frames.tolist(), places.tolist(), strict=True)):
        rng = pass_stream(seed, _DIRECTION_STREAM, epoch, frame, int(number[k]))
        directions = _directions(rng, scales.n_force_rows, int(data.targets.n_atoms[frame]))
        strains = STRESS_BASIS[: scales.n_stress_rows] / data.targets.volume[frame]  # whose tangents are σ's
        _fill_state(window, place, directions, strains, state[starts[k, 0] : starts[k, -1]])
        _fill_targets(window, place, directions, scales, targets[k], row_scales[k])
        if moved is not None:
            moved[:, k] = _moved(data, frame, directions, scales)
    weight = scales.l2 * float((t.counts / t.passes * t.weights.any(axis=1))[frames].sum())
    rng = pass_stream(seed, _SHRINK_STREAM, epoch, int(frames[0]), int(number[0]))
    shrink = _shrink_rows(rng, n_parameters, weight)
    added = None if data.deviations is None else _added(data.deviations, state, starts)
    first = number == 0 if number.any() else None
    times = np.repeat(shares, [1, scales.n_force_rows, scales.n_stress_rows], axis=1)
    return Batch(
        frames, state, starts, targets, row_scales * np.sqrt(times), shrink, added,
        first=first, moved=moved, times=None if (times == 1.0).all() else times,
    )  # fmt: skip


def _moved(data: FitSet, frame: int, directions: np.ndarray, scales: RowScales) -> np.ndarray:
    """Return by what each member's targets of a frame's rows differ, (n_members, n_slots)."""
    assert data.guide is not None and data.guide.moved is not None
    moved, t = data.guide.moved, data.targets
    found = np.zeros((moved.energies.shape[1], scales.n_slots))
    first = int(data.descriptors.frame_start[frame])
    own = moved.forces[first : first + int(t.n_atoms[frame])]
    virials = moved.virials[frame].astype(np.float64) / t.volume[frame]
    found[:, 0] = moved.energies[frame]
    found[:, 1 : 1 + scales.n_force_rows] = -np.einsum("iqc,imc->mq", directions, own)
    basis = STRESS_BASIS[: scales.n_stress_rows]
    found[:, 1 + scales.n_force_rows :] = np.einsum("qab,mab->mq", basis, virials)
    return found


def _added(deviations: np.ndarray, state: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return what linear parts (n_elements, n_members, n_inputs) make of every row."""
    found = np.zeros((deviations.shape[1], len(starts), state.shape[1]))
    for k, bounds in enumerate(starts):
        for e, (begin, stop) in enumerate(pairwise(bounds)):
            found[:, k] += deviations[e] @ state[begin:stop, :, :-1].sum(axis=0, dtype=np.float64).T
    return found


def _shrink_rows(rng: np.random.Generator, n_parameters: int, weight: float) -> np.ndarray:
    """Return random rows whose squares add up to ``weight * |w|²`` on average; none without weight."""
    if not weight:
        return np.empty((0, n_parameters), dtype=np.float32)
    rows = rng.standard_normal((_N_SHRINK_ROWS, n_parameters), dtype=np.float32)
    return rows * np.float32(np.sqrt(weight / _N_SHRINK_ROWS))


def _directions(rng: np.random.Generator, n_rows: int, n_atoms: int) -> np.ndarray:
    """Return n_rows random unit vectors in the space of all displacements, (n_atoms, n_rows, 3) float32."""
    vectors = rng.standard_normal((n_atoms, n_rows, 3), dtype=np.float32)
    return vectors / np.sqrt((vectors**2).sum(axis=(0, 2)))[:, None]


def _fill_state(
    data: FitSet, frame: int, directions: np.ndarray, strains: np.ndarray, out: np.ndarray
) -> None:
    d = data.descriptors
    first, end = int(d.frame_start[frame]), int(d.frame_start[frame + 1])
    still = np.zeros((end - first, len(strains), 3), dtype=np.float32)
    moves = np.concatenate([directions, still], axis=1)
    tangents = np.empty((end - first, moves.shape[1], d.values.shape[1]), dtype=np.float32)
    frame_tangents(Pairs.of(d), first, moves, strains, tangents)
    atoms = data.order[first:end]
    out[:, 0, :-1] = data.inputs[atoms]
    out[:, 0, -1] = 1.0
    out[:, 1:, -1] = 0.0
    bounds = data.element_start[frame] - first
    for e, (begin, stop) in enumerate(pairwise(bounds)):
        if stop > begin:
            np.matmul(tangents[atoms[begin:stop] - first], data.matrix[e], out=out[begin:stop, 1:, :-1])


def _fill_targets(
    data: FitSet, frame: int, directions: np.ndarray, scales: RowScales, target: np.ndarray, scale: np.ndarray
) -> None:
    t = data.targets
    n_atoms = int(t.n_atoms[frame])
    forces, stresses = slice(1, 1 + scales.n_force_rows), slice(1 + scales.n_force_rows, None)
    if t.has_energy[frame]:
        target[0], scale[0] = t.energy[frame], scales.energy / n_atoms
    if t.has_forces[frame]:
        first = int(data.descriptors.frame_start[frame])
        known = t.forces[first : first + n_atoms]
        target[forces] = -np.einsum("iqc,ic->q", directions, known)
        scale[forces] = scales.force * np.sqrt(n_atoms)
    if t.has_stress[frame]:
        target[stresses] = np.einsum("qab,ab->q", STRESS_BASIS[: scales.n_stress_rows], t.stress[frame])
        scale[stresses] = scales.stress
