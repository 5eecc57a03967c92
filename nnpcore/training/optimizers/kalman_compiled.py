"""Block extended Kalman filter on the processor's threads: single precision, no interpreter lock held.

Every member's weights w are the state of a filter whose measurements are the rows of
:mod:`..engines.rows`. With H the derivatives of a batch's scaled rows by the weights, and ξ the
scaled innovations::

    S = H P Hᵀ + λ R,   L Lᵀ = S,   Y = L⁻¹ H P,   w += Yᵀ L⁻¹ ξ,   P ← (P - Yᵀ Y) / λ

The noise R is 1, or follows what the member's rows leave, so that P is in proportion to their errors.
P is kept for blocks of neighboring neurons only (decoupled filter: Puskorius & Feldkamp, IEEE Trans. Neural
Netw. 5, 279 (1994)), S is shared by all blocks; one block is the full filter. References: Singraber et al.,
JCTC 15, 3075 (2019); Hu et al., arXiv 2212.06989. :mod:`.kalman_torch` is the same filter
in plain torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from nnpcore.training.control import Pace
from nnpcore.training.data import FitSet
from nnpcore.training.engines import blas
from nnpcore.training.engines.kernels import ACTIVATION_CODES, batch_rows
from nnpcore.training.engines.packing import Packing
from nnpcore.training.engines.rows import Batch
from nnpcore.training.optimizers.base import ErrorSums
from nnpcore.training.optimizers.kalman import KalmanOptimizer, guide_noise, mended, row_noise, smoothed
from nnpcore.training.optimizers.schedule import MemberSchedule
from nnpcore.training.settings import TrainSettings

_RESCALE_ABOVE = 1e4


@dataclass(eq=False)
class MemberFilter:
    """The filter of one member.

    Attributes
    ----------
    weights : (n_parameters,) float64, in the order of ``Packing``.
    covariance : per block (n, n) float32, only the upper triangle is meaningful; times ``scale``.
    scale : common factor of the covariances; carries the forgetting.
    restarted : whether the covariance was mended because rounding had spoiled it.
    left : mean square of what its rows leave, lately; NaN before the first batch.
    """

    weights: np.ndarray
    covariance: list[np.ndarray]
    scale: float = 1.0
    restarted: bool = False
    left: float = float("nan")


class KalmanFilter:
    """Filters of all members over one packing.

    Parameters
    ----------
    packing : of the networks.
    code : of the activation, see ``kernels.ACTIVATION_CODES``.
    block_size : largest number of weights whose covariances are kept together.
    initial_covariance : variance of a weight before the first step.
    noise : of a row, as a multiple of what rows leave; 0 for a noise of 1.
    """

    def __init__(
        self, packing: Packing, code: int, block_size: int, initial_covariance: float, noise: float = 0.0
    ) -> None:
        self.packing = packing
        self.code = code
        self.blocks = packing.blocks(block_size)
        self.initial_covariance = initial_covariance
        self.noise = noise
        self._sizes = np.array(packing.sizes, dtype=np.int64)
        self._places = _places(packing, self.blocks)

    def start(self, weights: np.ndarray) -> MemberFilter:
        """Return the filter of a member that has seen nothing; weights (n_parameters,) in internal order."""
        return MemberFilter(np.array(weights, dtype=np.float64), self._fresh_covariance())

    def _fresh_covariance(self) -> list[np.ndarray]:
        return [
            np.diag(np.full(b.stop - b.start, self.initial_covariance, dtype=np.float32)) for b in self.blocks
        ]

    def rows(self, weights: np.ndarray, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """Return the scaled derivatives and the plain values of a batch's rows.

        Returns
        -------
        rows : (n_rows * n_parameters,) float32: one matrix (n_rows, size) after the other for every element
            and layer.
        values : (n_frames, n_slots) float64.
        """
        n_frames, n_slots = batch.scales.shape
        rows = np.empty(n_frames * n_slots * self.packing.n_parameters, dtype=np.float32)
        values = np.empty((n_frames, n_slots))
        batch_rows(
            batch.state,
            batch.starts,
            weights.astype(np.float32),
            self._sizes,
            self.code,
            batch.scales.astype(np.float32),
            rows,
            values,
        )
        return rows, values

    def step(
        self, member: MemberFilter, batch: Batch, forgetting: float, noise: float | None = None
    ) -> np.ndarray:
        """Take one batch into account.

        Parameters
        ----------
        member : changed in place.
        batch : the rows.
        forgetting : λ of this step.
        noise : R of this step; None for that of the data's rows.

        Returns
        -------
        values : (n_frames, n_slots) what the member predicted before the step. Where these are not finite,
            or too large for single precision, the member is left as it was.
        """
        rows, values = self.rows(member.weights, batch)
        innovations = ((batch.targets - values) * batch.scales).ravel()
        if not np.isfinite(innovations).all() or not np.isfinite(rows).all():
            return values
        if noise is None:
            now = batch.mean_square(innovations)
            member.left = smoothed(member.left, now)
            noise = row_noise(self.noise, member.left, now)
        views = self._views(rows, len(innovations))
        if len(batch.shrink):
            innovations = np.concatenate([innovations, -batch.shrink @ member.weights])
            pairs = zip(views, self.blocks, strict=True)
            views = [np.concatenate([view, batch.shrink[:, part]]) for view, part in pairs]
        gains, overlap = self._gains(member, views)
        factor = _factor(overlap, member.scale, forgetting * noise)
        if factor is None:
            member.covariance = [mended(c, self.initial_covariance) for c in member.covariance]
            member.restarted = True
            return values
        self._apply(member, gains, factor, innovations)
        _forget(member, forgetting)
        return values

    def _views(self, rows: np.ndarray, n_rows: int) -> list[np.ndarray]:
        """Return the columns of every block, (n_rows, n) each, without copying."""
        views = []
        for start, size, column, width in self._places:
            matrix = rows[n_rows * start : n_rows * (start + size)].reshape(n_rows, size)
            views.append(matrix[:, column : column + width])
        return views

    def _gains(self, member: MemberFilter, views: list[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
        """Return H P of every block and H P Hᵀ, both without the covariance's scale."""
        n_rows = len(views[0])
        overlap = np.zeros((n_rows, n_rows), dtype=np.float32)
        gains = []
        for covariance, view in zip(member.covariance, views, strict=True):
            gain = np.empty(view.shape, dtype=np.float32)
            blas.symmetric_product(covariance, view, gain)
            blas.add_row_products(gain, view, overlap)
            gains.append(gain)
        return gains, overlap

    def _apply(
        self, member: MemberFilter, gains: list[np.ndarray], factor: np.ndarray, innovations: np.ndarray
    ) -> None:
        from scipy.linalg import solve_triangular

        solved = solve_triangular(factor, innovations, lower=True, check_finite=False).astype(np.float32)
        single = np.ascontiguousarray(factor, dtype=np.float32)
        for part, covariance, gain in zip(self.blocks, member.covariance, gains, strict=True):
            blas.solve_lower(single, gain)
            member.weights[part] += member.scale * (solved @ gain)
            blas.add_outer_squares(covariance, gain, -member.scale)


def _places(packing: Packing, blocks: list[slice]) -> list[tuple[int, int, int, int]]:
    """Return for every block its layer's start and size, its column within the layer and its width."""
    places = []
    for block in blocks:
        element, inside = divmod(block.start, packing.n_per_element)
        layer = int(np.searchsorted(packing.layer_offsets, inside, side="right")) - 1
        begin, end = (int(v) for v in packing.layer_offsets[layer : layer + 2])
        start = element * packing.n_per_element + begin
        places.append((start, end - begin, inside - begin, block.stop - block.start))
    return places


def _factor(overlap: np.ndarray, scale: float, noise: float) -> np.ndarray | None:
    """Return the Cholesky factor of S = scale * H P Hᵀ + λ in double precision, or None."""
    s = overlap.astype(np.float64)
    s = 0.5 * scale * (s + s.T)
    s[np.diag_indices_from(s)] += noise
    try:
        return np.linalg.cholesky(s)
    except np.linalg.LinAlgError:
        return None


def _forget(member: MemberFilter, forgetting: float) -> None:
    member.scale /= forgetting
    if member.scale > _RESCALE_ABOVE:
        for covariance in member.covariance:
            covariance *= np.float32(member.scale)
        member.scale = 1.0


class CompiledKalman(KalmanOptimizer):
    """All members' filters on the processor.

    Parameters
    ----------
    settings : of the training.
    data : training frames.
    packing : of the networks.
    start : initial weights (n_members, n_parameters), internal order.
    block_size : largest number of weights whose covariances are kept together.
    n_threads : members worked on at a time; the result does not depend on it.
    """

    def __init__(
        self,
        settings: TrainSettings,
        data: FitSet,
        packing: Packing,
        start: np.ndarray,
        block_size: int,
        n_threads: int = 1,
    ) -> None:
        super().__init__(settings, data, packing, start)
        self._n_threads = n_threads
        code = ACTIVATION_CODES[settings.activation]
        kalman = settings.kalman
        self._filter = KalmanFilter(packing, code, block_size, kalman.initial_covariance, kalman.noise)
        self._members = [self._filter.start(w) for w in start]

    def weights(self) -> np.ndarray:
        """Return the current weights (n_members, n_parameters), float64, internal order."""
        return np.array([m.weights for m in self._members])

    def run_epoch(self, epoch: int, pace: Pace) -> ErrorSums | None:
        """Take every living member through all frames."""
        order = self._order(epoch)
        n_batches = self.n_batches
        self._positions[~self.alive] = n_batches
        total = n_batches * len(self.alive)

        def step(member: int, index: int, batch: Batch) -> bool:
            pace.tell(int(self._positions.sum()) / total, f"epoch {epoch + 1}")
            return self._step(member, batch, self._forgetting(epoch, index))

        make = partial(self._make, order, epoch)
        if not MemberSchedule(self._positions, n_batches, make, step, pace.go_on).run(self._n_threads):
            return None
        self._positions[:] = 0
        for member, weights in zip(self._members, self._centered(), strict=True):
            member.weights[:] = weights
        return self._errors()

    def _step(self, member: int, batch: Batch, forgetting: float) -> bool:
        """Take one member through one batch; False where it has diverged."""
        filtered = self._members[member]
        own = batch.of_member(member)
        values = self._filter.step(filtered, own, forgetting)
        self._restarted[member] |= filtered.restarted
        filtered.restarted = False
        judged, predicted = batch.judged, batch.whole(member, values)
        self._predicted[member, batch.frames[judged]] = predicted[judged]
        if batch.guide is not None:
            noise = guide_noise(self._filter.noise, filtered.left)
            self._filter.step(filtered, batch.guide.of_member(member), 1.0, noise)
        if self._good(own, values, filtered.weights):
            return True
        self._stop(member)
        return False

    def _filters(self) -> dict[str, np.ndarray]:
        """Return scales, and covariances by their upper triangles."""
        state = {name: np.array([getattr(m, name) for m in self._members]) for name in ("scale", "left")}
        for k in range(len(self._filter.blocks)):
            matrices = [m.covariance[k] for m in self._members]
            state[f"covariance.{k}"] = np.stack([matrix[_upper(len(matrix))] for matrix in matrices])
        return state

    def _set_filters(self, weights: np.ndarray, state: dict[str, np.ndarray]) -> None:
        sizes = [b.stop - b.start for b in self._filter.blocks]
        for m, own in enumerate(weights):
            covariance = [_unpacked(state[f"covariance.{k}"][m], n) for k, n in enumerate(sizes)]
            left = float(state["left"][m]) if "left" in state else float("nan")
            self._members[m] = MemberFilter(own, covariance, float(state["scale"][m]), left=left)


def _unpacked(triangle: np.ndarray, n: int) -> np.ndarray:
    """Return the matrix (n, n) with this upper triangle and zeros below."""
    matrix = np.zeros((n, n), dtype=np.float32)
    matrix[_upper(n)] = triangle
    return matrix


@lru_cache(maxsize=8)
def _upper(n: int) -> np.ndarray:
    return np.triu(np.ones((n, n), dtype=bool))
