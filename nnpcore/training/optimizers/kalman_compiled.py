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

import threading
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


class _Room(threading.local):
    """Memory that each thread keeps for its next batch: fresh pages cost as much as what goes into them."""

    def __init__(self) -> None:
        self._kept = np.empty(0, dtype=np.float32)

    def three(self, n_rows: int, n_parameters: int) -> np.ndarray:
        """Return (3, n_rows, n_parameters) that hold anything."""
        size = 3 * n_rows * n_parameters
        if len(self._kept) < size:
            self._kept = np.empty(size, dtype=np.float32)
        return self._kept[:size].reshape(3, n_rows, n_parameters)


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
        self._room = _Room()

    def start(self, weights: np.ndarray) -> MemberFilter:
        """Return the filter of a member that has seen nothing; weights (n_parameters,) in internal order."""
        return MemberFilter(np.array(weights, dtype=np.float64), self._fresh_covariance())

    def _fresh_covariance(self) -> list[np.ndarray]:
        return [
            np.diag(np.full(b.stop - b.start, self.initial_covariance, dtype=np.float32)) for b in self.blocks
        ]

    def rows(
        self, weights: np.ndarray, batch: Batch, out: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the scaled derivatives, in ``out`` where given, and the plain values of a batch's rows.

        Returns
        -------
        rows : (n_rows, n_parameters) float32.
        values : (n_frames, n_slots) float64.
        """
        n_frames, n_slots = batch.scales.shape
        shape = n_frames * n_slots, self.packing.n_parameters
        rows = np.empty(shape, dtype=np.float32) if out is None else out
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
        n_rows, n_shrink = batch.scales.size, len(batch.shrink)
        rows, gains, work = self._room.three(n_rows + n_shrink, self.packing.n_parameters)
        _, values = self.rows(member.weights, batch, rows[:n_rows])
        innovations = ((batch.targets - values) * batch.scales).ravel()
        if not np.isfinite(innovations).all() or not np.isfinite(rows[:n_rows].sum()):
            return values
        if noise is None:
            now = batch.mean_square(innovations)
            member.left = smoothed(member.left, now)
            noise = row_noise(self.noise, member.left, now)
        if n_shrink:
            innovations = np.concatenate([innovations, -batch.shrink @ member.weights])
            rows[n_rows:] = batch.shrink
        for part, covariance in zip(self.blocks, member.covariance, strict=True):
            blas.symmetric_product(covariance, rows[:, part], gains[:, part])
        inverse = _inverse_factor(_overlap(gains, rows), member.scale, forgetting * noise)
        if inverse is None:
            member.covariance = [mended(c, self.initial_covariance) for c in member.covariance]
            member.restarted = True
            return values
        self._apply(member, gains, inverse, innovations, work)
        _forget(member, forgetting)
        return values

    def _apply(
        self,
        member: MemberFilter,
        gains: np.ndarray,
        inverse: np.ndarray,
        innovations: np.ndarray,
        work: np.ndarray,
    ) -> None:
        """Move weights and covariances; ``gains`` H P without scale, ``inverse`` of the lower factor of S."""
        solved, single = (inverse @ innovations).astype(np.float32), inverse.astype(np.float32)
        half = len(single) // 2
        np.matmul(single[:half, :half], gains[:half], out=work[:half])  # the rest of these rows is zero
        np.matmul(single[half:], gains, out=work[half:])
        member.weights += member.scale * (solved @ work)
        for part, covariance in zip(self.blocks, member.covariance, strict=True):
            blas.add_outer_squares(covariance, work[:, part], -member.scale)


def _overlap(gains: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the lower triangle of H P Hᵀ; what is above it means nothing."""
    half, found = len(rows) // 2, np.empty((len(rows), len(rows)), dtype=np.float32)
    np.matmul(gains[:half], rows[:half].T, out=found[:half, :half])
    found[:half, half:] = 0.0
    np.matmul(gains[half:], rows.T, out=found[half:])
    return found


def _inverse_factor(overlap: np.ndarray, scale: float, noise: float) -> np.ndarray | None:
    """Return the inverse of the lower factor L of S = scale * H P Hᵀ + λ = L Lᵀ in double precision, or None.

    Of ``overlap`` the lower triangle counts. Products by the inverse are several times as fast as solving.
    """
    from scipy.linalg import get_lapack_funcs

    s = np.multiply(overlap, scale, dtype=np.float64)
    s.ravel()[:: len(s) + 1] += noise
    try:
        factor = np.linalg.cholesky(s)
    except np.linalg.LinAlgError:
        return None
    (invert,) = get_lapack_funcs(("trtri",), (factor,))
    inverse, failed = invert(factor.T, lower=0)
    return None if failed else inverse.T


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
