"""The Kalman filter in plain torch, all members side by side: the compiled one's reference, and what a GPU
runs.

The same equations as :mod:`.kalman_compiled`, whose text explains them, in any precision.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from nnpcore.potential.activation import get_activation
from nnpcore.training.control import Pace
from nnpcore.training.data import FitSet
from nnpcore.training.engines.packing import Packing
from nnpcore.training.engines.rows import Batch
from nnpcore.training.optimizers.base import ErrorSums
from nnpcore.training.optimizers.kalman import KalmanOptimizer, guide_noise, mended, row_noise, smoothed
from nnpcore.training.settings import TrainSettings


def batch_rows(parameters: Tensor, packing: Packing, activation: str, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the derivatives of a batch's rows by the weights, and their values, neither of them scaled.

    Parameters
    ----------
    parameters : (n_members, n_parameters), internal order.

    Returns
    -------
    rows : (n_members, n_frames, n_slots, n_parameters).
    values : (n_members, n_frames, n_slots).
    """
    n_frames, n_slots = batch.scales.shape
    rows = parameters.new_zeros((len(parameters), n_frames, n_slots, packing.n_parameters))
    values = parameters.new_zeros((len(parameters), n_frames, n_slots))
    state = torch.as_tensor(batch.state).to(parameters)
    for f in range(n_frames):
        for e in range(packing.n_elements):
            begin, end = batch.starts[f, e], batch.starts[f, e + 1]
            part = slice(e * packing.n_per_element, (e + 1) * packing.n_per_element)
            found = _network_rows(parameters, packing, activation, e, state[begin:end])
            rows[:, f, :, part] = found[0]
            values[:, f] += found[1]
    return rows, values


def _network_rows(
    parameters: Tensor, packing: Packing, activation: str, element: int, state: Tensor
) -> tuple[Tensor, Tensor]:
    """Rows and values of one element's atoms in a frame, (n_members, n_slots, n_per_element) and without
    the last.

    ``state`` (n, n_slots, n_in + 1): slot 0 the inputs with a trailing 1, the others tangents with a
    trailing 0.
    """
    function = get_activation(activation)
    matrices = [packing.matrix(parameters, element, k) for k in range(packing.n_layers)]
    states, slopes, bends, changes = [state.expand(len(parameters), *state.shape)], [], [], []
    for matrix in matrices[:-1]:
        z = torch.einsum("misc,mkc->misk", states[-1], matrix)
        value, slope = function.with_derivative(z[:, :, 0])
        after = torch.cat([value[:, :, None], slope[:, :, None] * z[:, :, 1:]], dim=2)
        one = torch.zeros_like(after[..., :1])
        one[:, :, 0] = 1.0
        states.append(torch.cat([after, one], dim=3))
        slopes.append(slope)
        bends.append(function.second(z[:, :, 0]))
        changes.append(z[:, :, 1:])
    values = torch.einsum("misc,mkc->ms", states[-1], matrices[-1])
    lines = [states[-1].sum(dim=1)]
    back = torch.zeros_like(states[-1])
    back[:, :, 0] = matrices[-1]
    for layer in range(packing.n_layers - 2, -1, -1):
        slope, bend, n_out = slopes[layer], bends[layer], slopes[layer].shape[2]
        plain = slope * back[:, :, 0, :n_out]
        curved = (bend * back[:, :, 0, :n_out])[:, :, None] * changes[layer]
        moved = curved + slope[:, :, None] * back[:, :, 1:, :n_out]
        adjoint = torch.cat([plain[:, :, None], moved], dim=2)
        line = torch.einsum("misk,mic->mskc", adjoint, states[layer][:, :, 0])
        line[:, 1:] += torch.einsum("mik,misc->mskc", plain, states[layer][:, :, 1:])
        lines.insert(0, line.flatten(2))
        back = torch.einsum("misk,mkc->misc", adjoint, matrices[layer])
    return torch.cat(lines, dim=2), values


class TorchKalman(KalmanOptimizer):
    """All members' filters on a torch device.

    Parameters
    ----------
    settings, data, packing, start, block_size : as for ``CompiledKalman``.
    device, dtype : where and how precisely to compute.
    """

    def __init__(
        self,
        settings: TrainSettings,
        data: FitSet,
        packing: Packing,
        start: np.ndarray,
        block_size: int,
        device: str,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(settings, data, packing, start)
        self._parts = packing.blocks(block_size)
        self._weights = torch.tensor(start, dtype=torch.float64, device=device)
        self._dtype = dtype
        eyes = (torch.eye(p.stop - p.start, dtype=dtype, device=device) for p in self._parts)
        first = settings.kalman.initial_covariance
        self._covariance = [(first * eye).repeat(len(start), 1, 1) for eye in eyes]
        self._scale = torch.ones(len(start), dtype=torch.float64, device=device)
        self._left = np.full(len(start), np.nan)

    def weights(self) -> np.ndarray:
        """Return the current weights (n_members, n_parameters), float64, internal order."""
        return self._weights.cpu().numpy().copy()

    def run_epoch(self, epoch: int, pace: Pace) -> ErrorSums | None:
        """Take all living members through all frames."""
        make = partial(self._make, self._order(epoch), epoch)
        while (index := int(self._positions[0])) < self.n_batches and self.alive.any():
            if not pace.go_on():
                return None
            pace.tell(index / self.n_batches, f"epoch {epoch + 1}")
            self.step(make(index), self._forgetting(epoch, index))
            self._positions += 1
        self._positions[:] = 0
        self._weights.copy_(torch.as_tensor(self._centered()))
        return self._errors()

    def step(self, batch: Batch, forgetting: float) -> None:
        """Take one batch into account, for all living members."""
        before = self._weights.clone()
        rows, values, innovations = self._measure(batch)
        added = np.zeros(1) if batch.added is None else batch.added
        predicted, judged = values.double().cpu().numpy() + added, batch.judged
        self._predicted[:, batch.frames[judged]] = predicted[:, judged]
        noise = self._noise(batch, innovations.cpu().numpy())
        if len(batch.shrink):
            shrink = torch.as_tensor(batch.shrink).to(rows)
            rows = torch.cat([rows, shrink.expand(len(rows), -1, -1)], dim=1)
            innovations = torch.cat([innovations, -self._weights @ shrink.to(self._weights).T], dim=1)
        self._update(rows, innovations, forgetting * torch.as_tensor(noise).to(self._weights))
        self._scale /= forgetting
        if batch.guide is not None:
            rows, _, innovations = self._measure(batch.guide)
            own = [guide_noise(self._settings.kalman.noise, left) for left in self._left]
            self._update(rows, innovations, torch.tensor(own).to(self._weights))
        for member in np.flatnonzero(self.alive):
            weights = self._weights[member].cpu().numpy()
            if not self._good(batch, predicted[member], weights):
                self._stop(int(member))
        dead = torch.as_tensor(~self.alive, device=before.device)
        self._weights = torch.where(dead[:, None], before, self._weights)

    def _measure(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return scaled rows (n_members, n_rows, n_parameters), values, and scaled innovations."""
        weights = self._weights.to(self._dtype)
        rows, values = batch_rows(weights, self._packing, self._settings.activation, batch)
        added = np.zeros(1) if batch.added is None else batch.added
        moved = np.zeros(1) if batch.moved is None else batch.moved
        scales = torch.as_tensor(batch.scales).to(self._weights)
        targets = torch.as_tensor(batch.targets - added + moved).to(self._weights)
        innovations = ((targets - values) * scales).flatten(1)
        return (rows * scales.to(rows)[..., None]).flatten(1, 2), values, innovations

    def _noise(self, batch: Batch, innovations: np.ndarray) -> np.ndarray:
        """Return the variance (n_members,) of a row's noise for innovations (n_members, n_rows)."""
        now = [batch.mean_square(own) for own in innovations]
        self._left = np.array([smoothed(*pair) for pair in zip(self._left, now, strict=True)])
        multiple = self._settings.kalman.noise
        return np.array([row_noise(multiple, *pair) for pair in zip(self._left, now, strict=True)])

    def _update(self, rows: Tensor, innovations: Tensor, noise: Tensor) -> None:
        """Do the filter's step with scaled rows (n_members, n_rows, n_parameters) and their innovations.

        ``noise`` (n_members,) is added to the diagonal of H P Hᵀ.
        """
        gains = [rows[:, :, p] @ c for p, c in zip(self._parts, self._covariance, strict=True)]
        overlap = sum(
            (g @ rows[:, :, p].mT for g, p in zip(gains, self._parts, strict=True)), start=torch.zeros(())
        )
        s = self._scale[:, None, None] * 0.5 * (overlap + overlap.mT).double()
        s = s + noise[:, None, None] * torch.eye(s.shape[1], dtype=s.dtype, device=s.device)
        factor, failed = torch.linalg.cholesky_ex(s)
        factor = torch.where((failed != 0)[:, None, None], torch.eye(s.shape[1]).to(s), factor)
        solved = torch.linalg.solve_triangular(factor, innovations[..., None], upper=False)
        usable = ((failed == 0) & torch.isfinite(solved).all(dim=(1, 2))).to(self._weights)[:, None]
        for p, c, gain in zip(self._parts, self._covariance, gains, strict=True):
            y = torch.linalg.solve_triangular(factor.to(gain), gain, upper=False)
            move = (y.mT @ solved.to(y))[..., 0].double()
            self._weights[:, p] += torch.nan_to_num(self._scale[:, None] * move) * usable
            c -= (usable * self._scale[:, None]).to(c)[..., None] * (y.mT @ y)
        self._mend(failed != 0)

    def _mend(self, failed: Tensor) -> None:
        """Make the covariance of some members positive again, where rounding has spoiled it."""
        for member in failed.nonzero()[:, 0].tolist():
            for c in self._covariance:
                found = mended(c[member].cpu().numpy(), self._settings.kalman.initial_covariance)
                c[member] = torch.as_tensor(found).to(c)
            self._restarted[member] = True

    def _filters(self) -> dict[str, np.ndarray]:
        state = {"scale": self._scale.cpu().numpy().copy(), "left": self._left.copy()}
        return state | {f"covariance.{k}": c.cpu().numpy().copy() for k, c in enumerate(self._covariance)}

    def _set_filters(self, weights: np.ndarray, state: dict[str, np.ndarray]) -> None:
        for k, c in enumerate(self._covariance):
            c.copy_(torch.as_tensor(state[f"covariance.{k}"]))
        self._weights.copy_(torch.as_tensor(weights))
        self._scale.copy_(torch.as_tensor(state["scale"]))
        self._left[:] = state.get("left", np.nan)
