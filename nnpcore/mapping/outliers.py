"""Errors against what was foretold for them: which frames and atoms are off by more than they should be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MEDIAN_TO_DEVIATION = 1.4826
"""Of a normal distribution the standard deviation over the median of absolute values."""

MANY = 4.0
"""An error so many times the foretold one is called an outlier."""

_SMALLEST = 1e-9


def usual_error(errors: np.ndarray) -> float:
    """Return the standard deviation of errors, whatever some large ones among them are; NaN for none.

    It is that of a normal distribution with the same median of absolute values (median absolute deviation).
    """
    known = errors[np.isfinite(errors)]
    return MEDIAN_TO_DEVIATION * float(np.median(np.abs(known))) if len(known) else float("nan")


def foretold_errors(errors: np.ndarray, spreads: np.ndarray, roles: Sequence[str]) -> np.ndarray:
    """Return the error (n,) that is foretold for each label: the root of ``spread² + usual²``.

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
        found[own] = np.sqrt(spreads[own] ** 2 + max(usual_error(errors[own]), _SMALLEST) ** 2)
    return found
