"""How many times a frame counts in a training.

Few frames that were added to many are outvoted: beside the forces of a hundred old frames two new energies
are hardly heard, though they say what the old ones leave open. A frame that counts n times weighs as if it
stood n times in the training set: an epoch of the Kalman filter takes it n times, with other projections of
its forces each time, and the losses of Adam and L-BFGS have its squares n times. Errors that are shown, the
scales of inputs and energies, and the posterior of the guidance take every frame once.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from nnpcore.errors import TrainingError
from nnpcore.training.data_sources import checked_count


def usual_count(n_old: int, n_added: int) -> float:
    """Return how many times each of some added frames counts: √(old / added) rounded, once at least.

    That is half the way, by ratio, from a vote for every frame to a vote for each of both groups.
    """
    return float(max(1, round(math.sqrt(n_old / n_added)))) if n_added else 1.0


def checked_counts(counts: Sequence[float], n_frames: int) -> tuple[float, ...]:
    """Return the counts of so many training frames; nothing where all are one.

    Raises TrainingError where they are not as many, or not positive numbers.
    """
    if not len(counts):
        return ()
    if len(counts) != n_frames:
        raise TrainingError(
            f"there are counts for {len(counts)} training frames of {n_frames}", fix="Give one for each"
        )
    try:
        found = tuple(checked_count(count) for count in counts)
    except (TypeError, ValueError) as error:
        raise TrainingError(str(error), fix="Give positive numbers") from None
    return () if all(count == 1.0 for count in found) else found


def sentence_on(counts: Sequence[float]) -> str:
    """Return, for the user, which frames count other than once."""
    groups = Counter(count for count in counts if count != 1.0)
    parts = [f"{n} {'frame' if n == 1 else 'frames'} {count:g} times" for count, n in sorted(groups.items())]
    return f"In this training count {' and '.join(parts)}" + (", the others once" if 1.0 in counts else "")
