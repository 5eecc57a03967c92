"""Errors against what was foretold for them: which frames and atoms are off by more than they should be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MEDIAN_TO_DEVIATION = 1.4826
"""Of a normal distribution the standard deviation over the median of absolute values."""

MANY = 4.0
"""An error so many times the foretold one is called an outlier."""

_SMALLEST = 1e-9
_MOST, _WITHIN = 0.95, 1.96
"""Of normal errors so many lie within so many standard deviations."""
_ENOUGH = 40
"""So many errors tell where the twentieth of them begins."""


def usual_error(errors: np.ndarray) -> float:
    """Return the standard deviation of errors, whatever some large ones among them are; NaN for none.

    It is that of a normal distribution with the same median of absolute values (median absolute deviation).
    """
    known = errors[np.isfinite(errors)]
    return MEDIAN_TO_DEVIATION * float(np.median(np.abs(known))) if len(known) else float("nan")


def foretold_errors(errors: np.ndarray, spreads: np.ndarray, roles: Sequence[str]) -> np.ndarray:
    """Return the error (n,) that is foretold for each label: the root of ``spread² + usual²``.

    Where fewer than one in twenty errors of a role are twice as large, as where the data leave open much
    more than networks make of it, all are made smaller until one in twenty is: a wrong label would hide.

    Parameters
    ----------
    errors, spreads : (n,) or (n, 3), signed errors (NaN where not known), and how far the data leave open
        what the label is.
    roles : (n,) of the frame: training or validation; errors are usual among those of their role.
    """
    found = np.full(errors.shape, np.nan)
    names = np.array(roles, dtype=object)
    for role in dict.fromkeys(roles):
        own = names == role
        foretold = np.sqrt(spreads[own] ** 2 + max(usual_error(errors[own]), _SMALLEST) ** 2)
        found[own] = np.maximum(foretold * _excess(errors[own] / foretold), _SMALLEST)
    return found


def _excess(ratios: np.ndarray) -> float:
    """Return by what errors are smaller than foretold as a whole, 1 where they are not or are few."""
    known = np.abs(ratios[np.isfinite(ratios)])
    return min(1.0, float(np.quantile(known, _MOST)) / _WITHIN) if len(known) >= _ENOUGH else 1.0
