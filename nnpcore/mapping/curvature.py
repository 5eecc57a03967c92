"""How sharply training data fix the last layer: Gauss-Newton curvature of energies, forces and stresses.

One pass over the training frames gives the curvature of each kind of data by itself, so that losses with
and without forces or stresses can be compared at once. Force rows are random projections, as in the Kalman
filter: a direction that no force sees is seen by no projection either, and the others are kept to some
per cent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.errors import AnalysisError
from nnpcore.mapping.last_layer import LastLayer
from nnpcore.threads import in_order

if TYPE_CHECKING:
    from nnpcore.descriptors import DescriptorSet
    from nnpcore.potential import Potential
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame
    from nnpcore.training.data import FitSet
    from nnpcore.training.engines.rows import Batch, RowScales

KINDS = ("energy", "forces", "stress")
Parts = tuple[bool, bool, bool]
"""Whether each of these counts in a loss."""

ENERGY_AND_FORCES: Parts = (True, True, False)
USUAL_WEIGHTS = (1.0, 0.005, 3.0)
"""Of energy, force and stress in the loss, where a potential does not say with which it was trained."""

FEWEST_ROWS, ROWS_PER_FRAME = 2800, 8
"""Force rows of a whole training set at least, and of a frame."""

MAX_ATOMS = 6000
"""Training atoms whose descriptors' derivatives are held at once (see :func:`thinned`)."""

_ATOMS_PER_CHUNK = 512
_SEED = 0


@dataclass(frozen=True, eq=False)
class Curvature:
    """Curvature of the mean squared errors by the last layer's weights. All lists are in the order of KINDS.

    Attributes
    ----------
    layer : the features.
    means : three (M, P, P): mean over the data of row rowᵀ, where a row is the derivative by the weights of
        E/N (1 per frame), a force component in 1/Å, a stress component in 1/Å³; zero without such data.
    counts : number of energies, force components and stress components there are.
    squares : (3, M) mean squared residuals of the potential in (eV/atom)², (eV/Å)² and (eV/Å³)²; NaN without
        reference values.
    n_frames : number of frames.
    """

    layer: LastLayer
    means: tuple[np.ndarray, np.ndarray, np.ndarray]
    counts: tuple[int, int, int]
    squares: np.ndarray
    n_frames: int

    @classmethod
    def of(
        cls,
        potential: Potential,
        descriptor_set: DescriptorSet,
        frames: Sequence[Frame],
        *,
        force_rows: int | None = None,
        n_threads: int | None = None,
        progress: Progress | None = None,
    ) -> Curvature:
        """Go once over training frames.

        Parameters
        ----------
        descriptor_set : of ``frames``, with derivatives. frames : in the same order. Stress rows are made of
            every periodic frame, whether its stress is known or not: they tell what it would be worth.
        force_rows : random projections of a frame's forces; None = 8, or more for fewer than 350 frames.

        Raises
        ------
        AnalysisError : no frames; descriptors of other frames or functions, or without derivatives.
        """
        from nnpcore.training.data import STRESS_BASIS, chunks_of
        from nnpcore.training.engines.rows import RowScales

        _check(potential, descriptor_set, frames)
        layer = LastLayer(potential)
        data, known = _fit_set(potential, descriptor_set, frames)
        sizes = data.targets.n_atoms
        usual = max(ROWS_PER_FRAME, -(-FEWEST_ROWS // len(frames)))
        n_force_rows = force_rows or min(usual, 3 * int(sizes.max()))
        scales = RowScales(1.0, 1.0, 1.0, n_force_rows, len(STRESS_BASIS))
        edges = chunks_of(sizes, _ATOMS_PER_CHUNK)

        def work(k: int) -> tuple[np.ndarray, np.ndarray]:
            if progress is not None:
                progress.report(k / (len(edges) - 1), "Curvature of the training data")
            return _chunk(layer, data, known, np.arange(edges[k], edges[k + 1]), scales)

        total = np.zeros((3, layer.n_members, layer.n_features, layer.n_features))
        squares = np.zeros((3, layer.n_members))
        for part, residuals in in_order(work, range(len(edges) - 1), n_threads):
            total += part
            squares += residuals
        return _normalised(layer, data, known, scales, total, squares)

    def hessian(
        self, parts: Parts = ENERGY_AND_FORCES, weights: tuple[float, float, float] | None = None
    ) -> np.ndarray:
        """Return H (M, P, P) of the loss over all frames, Σ_f [w_E (ΔE/N)² + w_F mean|ΔF|² + w_S |Δσ|²].

        Parameters
        ----------
        parts : which of energy, forces and stress count.
        weights : w_E, w_F, w_S as in ``TrainSettings``; None takes those the potential was trained with.
        """
        factors = self._factors(parts, weights)
        return sum((f * m for f, m in zip(factors, self.means, strict=True)), np.zeros(self.means[0].shape))

    def _factors(self, parts: Parts, weights: tuple[float, float, float] | None) -> np.ndarray:
        """Return what each of the three means counts in the loss over all frames."""
        chosen = weights_of(self.layer.potential) if weights is None else weights
        return self.n_frames * np.array(parts) * np.array(chosen) * (1.0, 3.0, 9.0)

    def noise(
        self, hessian: np.ndarray, parts: Parts, weights: tuple[float, float, float] | None
    ) -> np.ndarray:
        """Return the standard error (M,) of a row of unit weight, from the residuals; NaN where unknown.

        The weighted sum of squares over the number of rows less the weights that these fix.
        """
        used = np.array(parts) & (np.array(self.counts) > 0)
        if not used.any():
            return np.full(len(hessian), np.nan)
        factors = self._factors(parts, weights)[used]
        loss = (factors[:, None] * self.squares[used]).sum(axis=0)
        n_rows = int(np.array(self.counts)[used].sum())
        n_fixed = np.array([np.linalg.matrix_rank(h, hermitian=True) for h in hessian])
        return np.sqrt(loss / np.maximum(n_rows - n_fixed, 1))


def thinned(frames: Sequence[Frame]) -> list[Frame]:
    """Return every n-th of the training frames, so that at most about :data:`MAX_ATOMS` atoms are left."""
    total = sum(frame.n_atoms for frame in frames)
    return list(frames[:: max(1, -(-total // MAX_ATOMS))])


def weights_of(potential: Potential) -> tuple[float, float, float]:
    """Return the loss weights a potential was trained with; usual ones where it does not say, or says 0."""
    settings = potential.info.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    names = ("energy_weight", "force_weight", "stress_weight")
    found = [float(settings.get(n) or usual) for n, usual in zip(names, USUAL_WEIGHTS, strict=True)]
    return found[0], found[1], found[2]


def _check(potential: Potential, descriptor_set: DescriptorSet, frames: Sequence[Frame]) -> None:
    sizes = np.diff(descriptor_set.frame_start).tolist()
    if not frames or sizes != [f.n_atoms for f in frames]:
        raise AnalysisError(
            "rigidity needs the training frames and their symmetry functions, one for one",
            fix="Give both from the same training",
        )
    if descriptor_set.functions != potential.functions or descriptor_set.derivatives is None:
        raise AnalysisError(
            "rigidity needs derivatives of the potential's own symmetry functions",
            fix="Compute them with potential.functions and derivatives",
        )


def _fit_set(
    potential: Potential, descriptor_set: DescriptorSet, frames: Sequence[Frame]
) -> tuple[FitSet, np.ndarray]:
    """Return the frames as for training, stress rows for every periodic one; and which values are known."""
    from nnpcore.training.data import FitSet, Targets

    if descriptor_set.derivatives is not None and descriptor_set.derivatives.dtype != np.float32:
        descriptor_set = replace(descriptor_set, derivatives=descriptor_set.derivatives.astype(np.float32))
    targets = Targets.of(frames, potential.elements, potential.element_energies)
    periodic = np.array([bool(np.all(f.pbc)) and f.volume > 0 for f in frames])
    volume = np.array([f.volume if p else 1.0 for f, p in zip(frames, periodic, strict=True)])
    known = np.stack([targets.has_energy, targets.has_forces, targets.has_stress])
    targets = replace(targets, has_stress=periodic, volume=volume)
    return FitSet.of(descriptor_set, potential.whitening, targets), known


def _chunk(
    layer: LastLayer, data: FitSet, known: np.ndarray, frames: np.ndarray, scales: RowScales
) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums of row rowᵀ (3, M, P, P) and of squared residuals (3, M) over some frames."""
    from nnpcore.training.engines.rows import make_batch

    batch = make_batch(data, frames, scales, _SEED, 0)
    rows = _rows(layer, batch)
    rows *= batch.scales[:, :, None]
    residuals = batch.scales * batch.targets - np.einsum("mfsp,mp->mfs", rows, layer.theta)
    n_f = scales.n_force_rows
    parts = (slice(0, 1), slice(1, 1 + n_f), slice(1 + n_f, None))
    sums = []
    for part in parts:
        flat = rows[:, :, part].reshape(layer.n_members, -1, layer.n_features)
        sums.append(flat.swapaxes(1, 2) @ flat)
    squares = [(residuals[:, known[k, frames], part] ** 2).sum(axis=(1, 2)) for k, part in enumerate(parts)]
    return np.array(sums), np.array(squares)


def _rows(layer: LastLayer, batch: Batch) -> np.ndarray:
    """Return the derivative of every row by the weights, (M, n_frames, n_slots, P) float64."""
    n_frames, n_slots = batch.targets.shape
    rows = np.zeros((layer.n_members, n_frames, n_slots, layer.n_features))
    for e, (begin, stop) in enumerate(pairwise(batch.starts.T)):
        atoms = np.concatenate([np.arange(a, b) for a, b in zip(begin, stop, strict=True)])
        if not len(atoms):
            continue
        state = batch.state[atoms, :, :-1]
        own, shared, moves = layer.of_element(e, state[:, 0], state[:, 1:])
        assert moves is not None
        of_frame = np.repeat(np.arange(n_frames), stop - begin) == np.arange(n_frames)[:, None]
        sums, fast = of_frame.astype(np.float64), of_frame.astype(np.float32)
        part, width = rows[:, :, :, layer.block(e)], own.shape[2]
        part[:, :, 0, :width], part[:, :, 0, width:] = sums @ own, sums @ shared
        for moved, columns in zip(moves, (slice(width), slice(width, None)), strict=True):
            flat = fast @ moved.reshape(*moved.shape[:-2], -1)
            part[:, :, 1:, columns] = flat.reshape(*flat.shape[:-1], n_slots - 1, -1)
    return rows


def _normalised(
    layer: LastLayer,
    data: FitSet,
    known: np.ndarray,
    scales: RowScales,
    total: np.ndarray,
    squares: np.ndarray,
) -> Curvature:
    """Turn sums into means over energies, force components and stress components."""
    t = data.targets
    n_force = 3 * int(t.n_atoms[t.has_forces].sum())
    n_stress = int(t.has_stress.sum())
    counts = (int(t.has_energy.sum()), n_force, 6 * n_stress)
    projected = 3.0 / scales.n_force_rows  # rows are of unit vectors in 3N dimensions, times the root of N
    norms = (1.0, projected, 1.0)
    numbers = (counts[0], n_force, 9 * n_stress)
    means = [norms[k] * total[k] / max(numbers[k], 1) for k in range(3)]
    references = (known[0].sum(), 3 * t.n_atoms[known[1]].sum(), 9 * known[2].sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        mse = np.array([norms[k] * squares[k] / np.float64(references[k]) for k in range(3)])
    return Curvature(layer, (means[0], means[1], means[2]), counts, mse, len(t.n_atoms))
