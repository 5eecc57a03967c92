"""Invariant points: structures whose atoms are all equivalent, so that E_at = E_tot / N for certain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnpcore.descriptors import SymmetryFunctions, compute_descriptors
from nnpcore.errors import AnalysisError, EatlasError
from nnpcore.progress import Progress
from nnpcore.structures.frame import Frame

MAX_INEQUIVALENCE = 2e-3
"""Largest relative difference of a symmetry function between the atoms of an invariant point."""

USUAL_PRESET = "26"
"""Symmetry functions by which crystals are compared where no potential tells which."""

_PERFECT = "Use perfect crystals, or give this file another role"
_FLOOR = 1e-4  # of the largest symmetry function: smaller ones are compared on this scale


@dataclass(frozen=True, eq=False)
class InvariantPoints:
    """Crystals along a volume scan, sorted by volume. What a potential does not change is computed once.

    Attributes
    ----------
    element : the one element of all points.
    volumes : (n,) Å³/atom, rising.
    reference : (n,) eV/atom, total energy / number of atoms; NaN where the frame has no energy.
    values : (n_atoms, n_descriptors) symmetry functions of all atoms, before whitening.
    species : (n_atoms,) int32, index into the elements of the symmetry functions.
    atom_start : (n + 1,) int64; the atoms of point i are ``atom_start[i] : atom_start[i + 1]``.
    inequivalence : (n,) largest relative range of a symmetry function within each point.
    frame_indices : (n,) position of each point in the list of frames it was made from.
    frames : the n crystals by volume.
    functions : the symmetry functions.
    """

    element: str
    volumes: np.ndarray
    reference: np.ndarray
    values: np.ndarray
    species: np.ndarray
    atom_start: np.ndarray
    inequivalence: np.ndarray
    frame_indices: np.ndarray
    frames: tuple[Frame, ...]
    functions: SymmetryFunctions

    @property
    def n_points(self) -> int:
        """Number of points."""
        return len(self.volumes)

    def mean_of(self, per_atom: np.ndarray, axis: int = -1) -> np.ndarray:
        """Average a per-atom array over the atoms of each point; the atoms are the last axis, or another."""
        sums = np.add.reduceat(per_atom, self.atom_start[:-1], axis=axis)
        return np.moveaxis(np.moveaxis(sums, axis, -1) / np.diff(self.atom_start), -1, axis)


@dataclass(frozen=True)
class InvariantCheck:
    """Whether one frame is an invariant point.

    Attributes
    ----------
    frame : its file and index there, or its position in the list.
    volume : Å³/atom, None where it is not periodic in all directions.
    inequivalence : relative range of the symmetry function that differs most, None where it was not asked.
    atoms : the two atoms that differ most in it.
    ok : whether all its atoms are equivalent.
    message : why not, or empty.
    """

    frame: str
    volume: float | None
    inequivalence: float | None
    atoms: tuple[int, int] | None
    ok: bool
    message: str = ""


def invariant_points(
    frames: Sequence[Frame],
    functions: SymmetryFunctions | None = None,
    *,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> InvariantPoints:
    """Compute the symmetry functions of invariant points and check that they are what they must be.

    Parameters
    ----------
    frames : periodic crystals of one element, in any order and cell.
    functions : the symmetry functions; None takes the usual 26.

    Raises
    ------
    AnalysisError : no frames, or a frame that is not periodic, has several elements or atoms that differ.
    """
    if not frames:
        raise AnalysisError(
            "there are no invariant points", fix="Give crystals along their volume the EOS role"
        )
    element = _common_element(frames)
    functions = functions or SymmetryFunctions.preset(USUAL_PRESET, [element])
    volumes = np.array([_volume_per_atom(frame, k) for k, frame in enumerate(frames)])
    order = np.argsort(volumes, kind="stable")
    chosen = [frames[i] for i in order]
    table = compute_descriptors(chosen, functions, derivatives=False, n_threads=n_threads, progress=progress)
    inequivalence = _inequivalence(table.values, table.frame_start)
    worst = int(inequivalence.argmax())
    if inequivalence[worst] > MAX_INEQUIVALENCE:
        pair = _farthest(table.values[slice(*table.frame_start[worst : worst + 2])])
        what = _not_equivalent(inequivalence[worst], pair)
        raise AnalysisError(what, where=chosen[worst].label(int(order[worst])), fix=_PERFECT)
    return InvariantPoints(
        element=element,
        volumes=volumes[order],
        reference=np.array([np.nan if f.energy is None else f.energy / f.n_atoms for f in chosen]),
        values=table.values,
        species=table.species,
        atom_start=table.frame_start,
        inequivalence=inequivalence,
        frame_indices=order,
        frames=tuple(chosen),
        functions=functions,
    )


def check_invariant(
    frames: Sequence[Frame], *, n_threads: int | None = None, progress: Progress | None = None
) -> list[InvariantCheck]:
    """Tell of every frame, by the usual symmetry functions, whether it is an invariant point.

    Nothing is raised for a frame that is none: its record says why.
    """
    found = []
    for k, frame in enumerate(frames):
        if progress is not None:
            progress.report(k / len(frames), "Checking crystals")
        found.append(_check_one(frame, k, n_threads))
    return found


def require_invariant(
    frames: Sequence[Frame], *, n_threads: int | None = None, progress: Progress | None = None
) -> None:
    """Raise AnalysisError, with the worst and how far its atoms differ, where frames are no invariant points.

    Frames of several elements are refused, too.
    """
    found = check_invariant(frames, n_threads=n_threads, progress=progress)
    bad = [check for check in found if not check.ok]
    if bad:
        worst = max(bad, key=lambda check: check.inequivalence or 0.0)
        several = len(found) > 1
        count = f"{len(bad)} of {len(found)} are no invariant points" if several else "no invariant point"
        raise AnalysisError(
            f"{count}; the worst: {worst.message}",
            where=worst.frame,
            fix="Use perfect crystals of one element, periodic in all three directions",
        )
    from ase.data import chemical_symbols

    elements = sorted({chemical_symbols[n] for frame in frames for n in set(frame.numbers.tolist())})
    if len(elements) > 1:
        raise AnalysisError(
            f"the crystals are of {' and '.join(elements)}", fix="Make one set for each element"
        )


def _check_one(frame: Frame, position: int, n_threads: int | None) -> InvariantCheck:
    name = frame.label(position)
    volume = None
    try:
        volume = _volume_per_atom(frame, position)
        usual = SymmetryFunctions.preset(USUAL_PRESET, [_common_element([frame])])
        values = compute_descriptors([frame], usual, derivatives=False, n_threads=n_threads).values
    except EatlasError as error:
        return InvariantCheck(name, volume, None, None, False, error.what)
    inequivalence = float(_inequivalence(values, np.array([0, frame.n_atoms]))[0])
    pair = _farthest(values)
    ok = inequivalence <= MAX_INEQUIVALENCE
    message = "" if ok else _not_equivalent(inequivalence, pair)
    return InvariantCheck(name, volume, inequivalence, pair, ok, message)


def _not_equivalent(inequivalence: float, pair: tuple[int, int]) -> str:
    return (
        "its atoms are not equivalent, so its atomic energy is not E_tot / N: their symmetry functions "
        f"differ by {100 * inequivalence:.2g} % (allowed {100 * MAX_INEQUIVALENCE:.2g} %), most between "
        f"atoms {pair[0]} and {pair[1]}"
    )


def _inequivalence(values: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Largest relative range of any symmetry function over the atoms of each frame, (n_frames,)."""
    high = np.maximum.reduceat(values, start[:-1], axis=0)
    low = np.minimum.reduceat(values, start[:-1], axis=0)
    return ((high - low) / _scale(high)).max(axis=1)


def _scale(high: np.ndarray) -> np.ndarray:
    """What a difference is compared with, from the largest values (n_frames, n_descriptors)."""
    scale = np.abs(high)
    return np.maximum(scale, _FLOOR * scale.max(axis=1, keepdims=True, initial=np.finfo(float).tiny))


def _farthest(values: np.ndarray) -> tuple[int, int]:
    """Return the two atoms (n, n_descriptors) of a frame that differ most in one symmetry function."""
    high, low = values.max(axis=0), values.min(axis=0)
    worst = int(((high - low) / _scale(high[None])[0]).argmax())
    a, b = sorted((int(values[:, worst].argmin()), int(values[:, worst].argmax())))
    return a, b


def _common_element(frames: Sequence[Frame]) -> str:
    from ase.data import chemical_symbols

    first = int(frames[0].numbers[0])
    for k, frame in enumerate(frames):
        present = np.unique(frame.numbers)
        if len(present) > 1:
            names = " and ".join(chemical_symbols[n] for n in present)
            raise AnalysisError(
                f"atoms of {names} are not equivalent, so their atomic energies have no known value",
                where=frame.label(k),
                fix="Use crystals of one element",
            )
        if present[0] != first:
            raise AnalysisError(
                f"the volume scan mixes {chemical_symbols[first]} and {chemical_symbols[present[0]]}",
                where=frame.label(k),
                fix="Give one element's scan at a time the EOS role",
            )
    return chemical_symbols[first]


def _volume_per_atom(frame: Frame, position: int) -> float:
    if not np.all(frame.pbc) or frame.volume <= 0.0:
        raise AnalysisError(
            "an equation of state needs a crystal that is periodic in all three directions",
            where=frame.label(position),
            fix="Give this file another role",
        )
    return frame.volume / frame.n_atoms
