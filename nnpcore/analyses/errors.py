"""Errors of a run on its frames: by group, and frames and atoms that are off by more than was foretold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.analyses.foretold import DATA_POSTERIOR
from nnpcore.analyses.graph import Analysis, Given, Input, Missing
from nnpcore.analyses.inputs import POTENTIAL, TEST, RunPart
from nnpcore.analyses.parity import ComparedFrames
from nnpcore.analyses.prediction import unknown_elements
from nnpcore.mapping.outliers import MANY, foretold_errors
from nnpcore.structures.groups import FIRST_FOUND, groups_of
from nnpcore.training.frame_errors import FrameErrors
from nnpcore.units import MEV_PER_EV

if TYPE_CHECKING:
    from nnpcore.structures.frame import Frame
    from nnpcore.training.history import Rmse

ENERGY, FORCE = "energy", "force"
MOST = 200
"""Frames, and atoms, that are listed at most."""


@dataclass(frozen=True)
class GroupError:
    """Errors of one group of frames in one role.

    ``rmses`` : by quantity ("energy", "force", "stress"), as histories have them; without reference values
    absent.
    """

    role: str
    group: str
    n_frames: int
    rmses: dict[str, Rmse]


@dataclass(frozen=True, eq=False)
class RunErrors:
    """Errors of a potential on the frames of its run.

    Attributes
    ----------
    frames : (n_frames,) of all parts. errors : of these.
    keys, names, roles : (n_frames,) of the part each frame is of. indices : (n_frames,) in the part's file.
    groups : (n_frames,) see ``nnpcore.structures.groups``.
    """

    frames: tuple[Frame, ...]
    errors: FrameErrors
    keys: tuple[str, ...]
    names: tuple[str, ...]
    roles: tuple[str, ...]
    indices: np.ndarray
    groups: tuple[str, ...]

    @property
    def by_group(self) -> tuple[GroupError, ...]:
        """Errors by role and group, in the order in which these occur."""
        pairs = list(zip(self.roles, self.groups, strict=True))
        places = {pair: k for k, pair in enumerate(dict.fromkeys(pairs))}
        numbers, counted = np.array([places[pair] for pair in pairs], dtype=np.int64), Counter(pairs)
        return tuple(
            GroupError(role, group, counted[role, group], self.errors.sums(numbers == k).rmses())
            for (role, group), k in places.items()
        )


@dataclass(frozen=True)
class Outlier:
    """A frame or an atom with an error and what was foretold for it.

    Attributes
    ----------
    place : which of the run's frames it is. key, name, index, role, group : where that frame is from.
    atom : of the frame; None where the frame's energy is off.
    quantity : "energy" or "force".
    error, foretold : of the energy, eV/atom, or of the length of the force, eV/Å.
    """

    place: int
    key: str
    name: str
    index: int
    role: str
    group: str
    atom: int | None
    quantity: str
    error: float
    foretold: float

    @property
    def ratio(self) -> float:
        """The error over the foretold one."""
        return abs(self.error) / self.foretold

    @property
    def text(self) -> str:
        """What is off by how much, for the user; frames and atoms count from 0."""
        frame = f"{self.name}, frame {self.index}"
        where = frame if self.atom is None else f"{frame}, atom {self.atom}"
        return f"{where}: {self.why}"

    @property
    def why(self) -> str:
        """What is wrong with it, without where."""
        if self.quantity == ENERGY:
            size = f"energy off by {MEV_PER_EV * self.error:+.3g} meV/atom"
        else:
            size = f"force off by {abs(self.error):.3g} eV/Å"
        return f"{size}, {self.ratio:.1f} times what is foretold"


@dataclass(frozen=True, eq=False)
class Outliers:
    """Frames and atoms by their error against the foretold one, the largest first; none for tests.

    Attributes
    ----------
    frames : by their energy. atoms : by their force, up to :data:`MOST` of each.
    frame_ratios, atom_ratios : (n,) the error over the foretold one of each whose error is known.
    """

    frames: tuple[Outlier, ...]
    atoms: tuple[Outlier, ...]
    frame_ratios: np.ndarray
    atom_ratios: np.ndarray

    @property
    def sentence(self) -> str:
        """How many are off by more than four times what was foretold, for the user."""
        return self.sentence_of(MANY)

    def sentence_of(self, times: float) -> str:
        """How many are off by more than so many times what was foretold, for the user."""
        frames, atoms = self.frame_ratios, self.atom_ratios
        if not (len(frames) or len(atoms)):
            return "No frame has an energy or forces to compare with."
        parts = []
        if len(frames):
            parts.append(f"{int((frames > times).sum())} of {len(frames)} frames by their energy")
        if len(atoms):
            parts.append(f"{int((atoms > times).sum())} of {len(atoms)} atoms by their force")
        return f"Off by more than {times:g} times what is foretold: {', '.join(parts)}."


def _run_errors(given: Given) -> RunErrors | Missing:
    parts, key = given[RUN_FRAMES], given.get(GROUP_KEY) or FIRST_FOUND
    frames = tuple(frame for part in parts for frame in part.frames)
    unknown = unknown_elements(given[POTENTIAL], frames) if frames else Missing("there are no frames")
    if unknown is not None:
        return unknown
    errors = FrameErrors.of(given[POTENTIAL], frames, n_threads=given.n_threads, progress=given.progress)
    return RunErrors(
        frames,
        errors,
        tuple(part.part.key for part in parts for _ in part.frames),
        tuple(part.part.name for part in parts for _ in part.frames),
        tuple(part.part.role for part in parts for _ in part.frames),
        np.concatenate([part.part.indices for part in parts]),
        tuple(groups_of(frames, key)),
    )


def _outliers(given: Given) -> Outliers:
    found, posterior = given[RUN_ERRORS], given[DATA_POSTERIOR].posterior
    energy_spreads, force_spreads = posterior.label_spreads(
        found.frames, n_threads=given.n_threads, progress=given.progress
    )
    errors, n_atoms = found.errors, np.diff(found.errors.frame_start)
    of_energies = foretold_errors(errors.energy, energy_spreads, found.roles)
    roles_of_atoms = np.repeat(np.array(found.roles, dtype=object), n_atoms).tolist()
    of_forces = foretold_errors(errors.forces, force_spreads, roles_of_atoms)
    frame_of_atom = np.repeat(np.arange(len(found.frames)), n_atoms)
    lengths = np.linalg.norm(errors.forces, axis=1), np.linalg.norm(of_forces, axis=1)
    ratios = np.abs(errors.energy) / of_energies, lengths[0] / lengths[1]
    for ratio, roles in zip(ratios, (found.roles, roles_of_atoms), strict=True):
        ratio[np.array(roles, dtype=object) == TEST] = np.nan  # no choice looks at them
    atoms = (
        _outlier(
            found,
            int(frame_of_atom[k]),
            int(k - errors.frame_start[frame_of_atom[k]]),
            float(lengths[0][k]),
            float(lengths[1][k]),
        )
        for k in _largest(ratios[1])
    )
    return Outliers(
        tuple(
            _outlier(found, int(k), None, float(errors.energy[k]), float(of_energies[k]))
            for k in _largest(ratios[0])
        ),
        tuple(atoms),
        *(ratio[np.isfinite(ratio)] for ratio in ratios),
    )


def _largest(ratios: np.ndarray) -> Iterator[int]:
    """Yield where ratios (n,) are the largest, those that are known only."""
    order = np.argsort(-np.nan_to_num(ratios, nan=-1.0), kind="stable")[:MOST]
    yield from (int(k) for k in order if np.isfinite(ratios[k]))


def _outlier(found: RunErrors, place: int, atom: int | None, error: float, foretold: float) -> Outlier:
    return Outlier(
        place,
        found.keys[place],
        found.names[place],
        int(found.indices[place]),
        found.roles[place],
        found.groups[place],
        atom,
        ENERGY if atom is None else FORCE,
        error,
        foretold,
    )


def run_frames(frames: Mapping[str, Sequence[Frame]]) -> tuple[ComparedFrames, ...]:
    """Return the frames of a run by role as its errors are asked for, a part for each file."""
    found = []
    for role, own in frames.items():
        for source in dict.fromkeys(frame.source for frame in own):
            chosen = tuple(frame for frame in own if frame.source == source)
            indices = np.array([frame.index for frame in chosen], dtype=np.int64)
            part = RunPart(source, Path(source).name or role, role, indices)
            found.append(ComparedFrames(part, chosen, len(chosen)))
    return tuple(found)


RUN_FRAMES: Input[tuple[ComparedFrames, ...]] = Input(
    "run_frames", "Frames of the run", "the frames of this run are not known"
)
GROUP_KEY: Input[str] = Input("group_key", "What says the group", "groups are told by the first value found")
RUN_ERRORS = Analysis(
    "run_errors",
    "Errors by group",
    _run_errors,
    needs=(POTENTIAL, RUN_FRAMES),
    uses=(GROUP_KEY,),
    costly=True,
)
OUTLIERS = Analysis("outliers", "Outliers", _outliers, needs=(RUN_ERRORS, DATA_POSTERIOR), costly=True)
