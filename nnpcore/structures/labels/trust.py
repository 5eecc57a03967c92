"""Whether the energies of frames say that their stresses are such: their work between strained cells tells.

A wrong sign or unit spoils a training in silence. So a stress is believed where pairs of strained frames, or
energies along the volume, say that it is one; where all cells are alike,
:mod:`nnpcore.structures.labels.foretold_stress` asks further.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnpcore.structures.frame import Frame
from nnpcore.structures.labels.strained_pairs import strained_pairs
from nnpcore.structures.labels.stress_kinds import ASE_STRESS, StressVerdict, judge_by_work, judge_stress

FEWEST_FRAMES = 20
"""With fewer frames agreement may be chance."""

_MOST_FRAMES = 300
_UNTOLD = "nothing in these frames tells whether sign and unit are right"


@dataclass(frozen=True)
class Trust:
    """What frames say about their stresses.

    Attributes
    ----------
    trusted : whether they are stresses in eV/Å³, positive under tension.
    why : the reason, for the user.
    contradicted : whether they are something else.
    enough : whether there are frames enough to tell at all.
    """

    trusted: bool
    why: str
    contradicted: bool = False
    enough: bool = True


def has_stress(frame: Frame) -> bool:
    """Whether a frame has a stress that counts: only in cells periodic in all directions."""
    return frame.stress is not None and bool(frame.pbc.all()) and frame.volume > 0.0


def trust_in_stress(frames: Sequence[Frame]) -> Trust | None:
    """Return whether the stresses of frames agree with their energies; None where none has one that counts.

    At most 300 frames, evenly spread, are looked at.
    """
    known = [f for f in frames if has_stress(f)]
    if not known:
        return None
    if len(known) < FEWEST_FRAMES:
        return Trust(False, _UNTOLD, enough=False)
    places = np.unique(np.linspace(0, len(known) - 1, min(len(known), _MOST_FRAMES)).round().astype(int))
    return _judged([known[k] for k in places])


def _judged(frames: Sequence[Frame]) -> Trust:
    energies = np.array([np.nan if f.energy is None else f.energy for f in frames])
    found = judge_tensors(frames, np.array([f.stress for f in frames]), energies)
    if not found.decided:
        return Trust(False, _UNTOLD)
    kind = found.kinds[0]
    if kind == ASE_STRESS:
        return Trust(True, found.why)
    text = f"they look like a {kind.words}, for then {found.why}" if found.by_work else _UNTOLD
    return Trust(False, text, contradicted=found.by_work)


def judge_tensors(frames: Sequence[Frame], tensors: np.ndarray, energies: np.ndarray) -> StressVerdict:
    """Tell which kinds of stress the tensors (n_frames, 3, 3) of frames may be: by the work between strained
    cells, else along the volume of the commonest composition.

    ``energies`` : (n_frames,) eV, NaN where there is none.
    """
    pairs, volumes = strained_pairs(frames, energies), np.array([f.volume for f in frames])
    by_work = None if pairs is None else judge_by_work(tensors, volumes, pairs)
    alike, n_atoms = _most_alike(frames), np.array([f.n_atoms for f in frames])
    return by_work or judge_stress(tensors[alike], volumes[alike], n_atoms[alike], energies[alike])


def _most_alike(frames: Sequence[Frame]) -> np.ndarray:
    """Return the indices of the commonest composition, whatever the size of its cells: only among its frames
    a volume means something.
    """
    counts = [np.bincount(frame.numbers) for frame in frames]
    kinds = [(own // np.gcd.reduce(own)).tobytes() for own in counts]
    common = Counter(kinds).most_common(1)[0][0]
    return np.array([k for k, kind in enumerate(kinds) if kind == common])
