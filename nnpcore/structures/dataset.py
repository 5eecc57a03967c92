"""A data set: the checked frames of one file, what was wrong with the others, and a summary for the user."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
from ase.data import chemical_symbols
from ase.formula import Formula

from nnpcore.structures.frame import Frame
from nnpcore.structures.groups import FIRST_FOUND, groups_of
from nnpcore.structures.labels.key_names import KeyNames
from nnpcore.structures.problems import FrameProblem

UNITS_TEXT = "units eV, Å, eV/Å³"


class Role(StrEnum):
    """What a data set is used for."""

    TRAINING = "training"
    VALIDATION = "validation"
    TEST = "test"
    EOS = "eos"
    INSPECT = "inspect"


@dataclass(frozen=True)
class DatasetSummary:
    """What a data set contains, in numbers and words.

    Attributes
    ----------
    n_frames : int
    elements : symbols, by atomic number.
    n_atoms : smallest and largest number of atoms of a frame.
    n_energies, n_forces, n_stresses : frames that have them.
    volume_per_atom : Å³, smallest and largest over the fully periodic frames, or None.
    energy_per_atom : eV, smallest and largest, or None.
    units : text saying which units its numbers have.
    formula : text, such as "Si64" or "Si8 to Si64".
    other_keys : further numbers and vectors of the file, by name (a hint where energies are missing).
    n_problems : bad frames that were left out.
    periodic : along which vectors frames repeat, such as "T T F", each kind once.
    """

    n_frames: int
    elements: tuple[str, ...]
    n_atoms: tuple[int, int]
    n_energies: int
    n_forces: int
    n_stresses: int
    volume_per_atom: tuple[float, float] | None
    energy_per_atom: tuple[float, float] | None
    units: str
    formula: str
    other_keys: tuple[str, ...] = ()
    n_problems: int = 0
    periodic: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """One line, such as "96 frames · Si64 · energies, forces, stress · 20.5 to 20.6 Å³/atom · ..."."""
        parts = [_plural(self.n_frames, "frame"), self.formula, self._labels_text()]
        if self.volume_per_atom is not None:
            low, high = self.volume_per_atom
            same = f"{low:.2f}" == f"{high:.2f}"
            parts.append(f"{low:.2f} Å³/atom" if same else f"{low:.2f} to {high:.2f} Å³/atom")
        parts.append(self.units)
        if self.n_problems:
            parts.append(f"{_plural(self.n_problems, 'bad frame')} left out")
        return " · ".join(parts)

    def _labels_text(self) -> str:
        counts = {"energies": self.n_energies, "forces": self.n_forces, "stress": self.n_stresses}
        present = [
            name if count == self.n_frames else f"{name} of {count} frames"
            for name, count in counts.items()
            if count
        ]
        if not self.n_energies:
            keys = f" (the file has {', '.join(self.other_keys)})" if self.other_keys else ""
            present.insert(0, f"no energies{keys}")
        return ", ".join(present)


@dataclass(frozen=True)
class Dataset:
    """Checked frames of one file. ``path`` is absolute and keeps the slice, so that it can be read again.

    Attributes
    ----------
    name : short name shown to the user.
    path : file and slice.
    frames : the good frames.
    problems : the bad ones that were skipped.
    keys : the names its labels were read under, None for the usual ones.
    notes : what was decided when they were read, such as units that were converted, for the user.
    """

    name: str
    path: str
    frames: tuple[Frame, ...]
    problems: tuple[FrameProblem, ...] = ()
    keys: KeyNames | None = None
    notes: tuple[str, ...] = ()

    def summary(self) -> DatasetSummary:
        """Count what the frames have, once."""
        return self._summary

    def groups(self, key: str = FIRST_FOUND) -> tuple[str, ...]:
        """Return the group of each frame, (n_frames,), told once for each key; see :func:`group_of`."""
        if key not in self._groups:
            self._groups[key] = tuple(groups_of(self.frames, key))
        return self._groups[key]

    @cached_property
    def _groups(self) -> dict[str, tuple[str, ...]]:
        return {}

    @cached_property
    def _summary(self) -> DatasetSummary:
        return summarize(self.frames, n_problems=len(self.problems))


def summarize(frames: tuple[Frame, ...] | list[Frame], *, n_problems: int = 0) -> DatasetSummary:
    """Return the :class:`DatasetSummary` of frames (at least one)."""
    sizes = [frame.n_atoms for frame in frames]
    volumes = [f.volume / f.n_atoms for f in frames if np.all(f.pbc) and f.n_atoms]
    energies = [f.energy / f.n_atoms for f in frames if f.energy is not None and f.n_atoms]
    kinds = Counter(_composition(frame) for frame in frames)
    elements = sorted({number for kind in kinds for number, _ in kind})
    return DatasetSummary(
        n_frames=len(frames),
        elements=tuple(chemical_symbols[number] for number in elements),
        n_atoms=(min(sizes, default=0), max(sizes, default=0)),
        n_energies=len(energies),
        n_forces=sum(f.forces is not None for f in frames),
        n_stresses=sum(f.stress is not None for f in frames),
        volume_per_atom=(min(volumes), max(volumes)) if volumes else None,
        energy_per_atom=(min(energies), max(energies)) if energies else None,
        units=UNITS_TEXT,
        formula=_formula_text(kinds, sizes),
        other_keys=_number_keys(frames),
        n_problems=n_problems,
        periodic=tuple(sorted({" ".join("FT"[int(axis)] for axis in f.pbc) for f in frames}, reverse=True)),
    )


def _composition(frame: Frame) -> tuple[tuple[int, int], ...]:
    counts = np.bincount(frame.numbers)
    present = np.flatnonzero(counts)
    return tuple(zip(present.tolist(), counts[present].tolist(), strict=True))


def _formula(kind: tuple[tuple[int, int], ...]) -> str:
    """Chemical formula in the usual order: carbon and hydrogen first (Hill), else metals before anions."""
    formula = Formula.from_dict({chemical_symbols[number]: count for number, count in kind})
    return formula.format("hill" if (1 in dict(kind)) else "periodic")


def _formula_text(kinds: Counter[tuple[tuple[int, int], ...]], sizes: list[int]) -> str:
    if len(kinds) <= 3:
        return ", ".join(_formula(kind) for kind, _ in kinds.most_common())
    symbols = "-".join(chemical_symbols[n] for n in sorted({number for kind in kinds for number, _ in kind}))
    return f"{symbols}, {min(sizes)} to {max(sizes)} atoms, {len(kinds)} compositions"


def _number_keys(frames: tuple[Frame, ...] | list[Frame]) -> tuple[str, ...]:
    """Names of per-frame numbers of the first frame, per-atom vectors after them."""
    if not frames:
        return ()
    first = frames[0]
    keys = [
        k for k, v in first.info.items() if isinstance(v, (int, float, np.number)) and not isinstance(v, bool)
    ]
    return tuple(keys + [k for k, v in first.arrays.items() if v.ndim == 2 and v.shape[1] == 3])


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
