"""Principal components of symmetry-function vectors."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nnpcore.errors import AnalysisError
from nnpcore.mapping.nearest import in_parts

_CONSTANT = 1e-9


@dataclass(frozen=True, eq=False)
class PcaResult:
    """Principal components of standardised symmetry functions.

    Attributes
    ----------
    mean, scale : (n_descriptors,) mean and standard deviation over the fitted atoms (scale 1 where constant).
    components : (n_components, n_descriptors), orthonormal rows, by falling variance; the entry of largest
        magnitude of each row is positive.
    explained : (n_components,) share of the variance.
    scores : (n, n_components) of the fitted atoms.
    """

    mean: np.ndarray
    scale: np.ndarray
    components: np.ndarray
    explained: np.ndarray
    scores: np.ndarray

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Scores (n, n_components) of other atoms, from their symmetry functions (n, n_descriptors)."""
        scores = np.empty((len(values), len(self.components)))
        for part in in_parts(len(values)):
            scores[part] = ((values[part] - self.mean) / self.scale) @ self.components.T
        return scores


def pca_of(values: np.ndarray, n_components: int | None = None) -> PcaResult:
    """Principal components of the symmetry functions of one element's atoms.

    Parameters
    ----------
    values : (n, n_descriptors) symmetry functions as computed, NOT whitened: whitening makes all directions
        alike, so that principal components would mean nothing. They are standardised here. Constant ones
        drop out.
    n_components : how many to keep, all that carry variance by default.

    Raises
    ------
    AnalysisError : fewer than two atoms, or atoms that are all the same.
    """
    if len(values) < 2:
        raise AnalysisError("principal components need at least two atoms", fix="Add structures")
    mean, std = values.mean(axis=0), values.std(axis=0)
    varies = std > _CONSTANT * np.abs(values).max(axis=0)
    if not varies.any():
        raise AnalysisError(
            "all atoms have the same surroundings, so there are no principal components",
            fix="Add structures that differ",
        )
    scale = np.where(varies, std, 1.0)
    count = min(n_components or len(varies), len(values), int(varies.sum()))
    _, singular, axes = np.linalg.svd(_triangle(values[:, varies], mean[varies], std[varies]))
    components = np.zeros((count, len(varies)))
    components[:, varies] = axes[:count]
    largest = np.abs(components).argmax(axis=1)
    components *= np.sign(components[np.arange(count), largest])[:, None]
    explained = singular[:count] ** 2 / (singular**2).sum()
    result = PcaResult(mean, scale, components, explained, np.empty((0, count)))
    return replace(result, scores=result.transform(values))


def _triangle(values: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Return R of a QR decomposition of the standardised values, which is taken part by part.

    Its singular values and right singular vectors are those of all of them, with the same precision.
    """
    found = np.empty((0, values.shape[1]))
    for part in in_parts(len(values)):
        found = np.asarray(np.linalg.qr(np.concatenate([found, (values[part] - mean) / std]), mode="r"))
    return found
