"""A data set as the window holds it: the frames read and what the user set for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnpcore.foreign_text import one_line
from nnpcore.structures import Dataset, DatasetSummary, Role
from nnpcore.structures.fitting_together import foreign_elements, frames_in_both, misfits, misfits_of_all
from nnpcore.structures.frame import Frame
from nnpcore.structures.frame_index import FrameIndex

ENDINGS = ("extxyz", "xyz", "traj", "db", "json", "cif", "vasp", "xml", "pdb")


@dataclass
class DatasetDocument:
    """One open file.

    Attributes
    ----------
    id : unique in the session: the file's name without its ending, with the slice if one was given.
    dataset : the frames, immutable; hand this to tasks.
    role : what the user uses it for.
    color_index : give it to ``Theme.dataset_color``; the same colour in every panel.
    frame_index : the frame last looked at.
    reading : more of its frames are still to come.
    index : while it is being read, any frame that can be found without those before it; else None.
    changed_since : what is another in the file than when its session was saved, in words.
    """

    id: str
    dataset: Dataset
    role: Role
    color_index: int
    frame_index: int = 0
    reading: bool = False
    index: FrameIndex | None = None
    changed_since: str = ""

    def __post_init__(self) -> None:
        self.summary: DatasetSummary = self.dataset.summary()
        self._looked_at: tuple[int, Frame] | None = None

    def replace(self, dataset: Dataset) -> None:
        """Take the file's new content, keeping role and colour."""
        self.dataset, self.summary = dataset, dataset.summary()
        self.frame_index = min(self.frame_index, max(self.n_found - 1, 0))

    def ended(self) -> None:
        """All of its frames have come, or no more will."""
        self.reading, self._looked_at = False, None
        if self.index is not None:
            self.index.close()
            self.index = None
        self.frame_index = min(self.frame_index, max(self.n_frames - 1, 0))

    @property
    def name(self) -> str:
        """The name shown for it: the file's with its ending, the slice, a number where it is open twice."""
        file, at, part = self.path.partition("@")
        again = self.id.rpartition(" (")[2] if self.id.endswith(")") else ""
        number = f" ({again}" if again.rstrip(")").isdigit() else ""
        return one_line(f"{Path(file).name or self.id}{at}{part}{number}")

    @property
    def path(self) -> str:
        """The path, with the slice if one was given."""
        return self.dataset.path

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The checked frames."""
        return self.dataset.frames

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.dataset.frames)

    @property
    def n_found(self) -> int:
        """Number of frames that can be looked at: those read, and those whose place in the file is known."""
        return max(self.n_frames, 0 if self.index is None else self.index.count)

    def at_hand(self, position: int) -> Frame | None:
        """Return a frame that has been read, or looked at lately; None of others."""
        if position < self.n_frames:
            frame = self.dataset.frames[position]
            if self.index is None or frame.index == self.index.number(position):
                return frame
        if self._looked_at is not None and self._looked_at[0] == position:
            return self._looked_at[1]
        return None if self.index is None else self.index.at_hand(position)

    def frame(self, position: int) -> Frame:
        """Return a frame that is, or was, looked at; read once more where that is needed."""
        found = self.at_hand(position)
        if found is None and self.index is not None:
            item = self.index.get(position)
            found = item if isinstance(item, Frame) else None
        return self.dataset.frames[position] if found is None else found

    def look_at(self, position: int, frame: Frame | None = None) -> None:
        """Have a frame at hand and be the one looked at last; ``frame`` where it has not been read yet."""
        self.frame_index = position
        if frame is not None:
            self._looked_at = position, frame


def short_name(name: str) -> str:
    """Return a file's name without its ending: "nvt" for nvt.extxyz, "nvt@::10" for a slice of it."""
    file, at, part = name.partition("@")
    stem, dot, ending = file.rpartition(".")
    return (stem if dot and stem and ending.lower() in ENDINGS else file) + at + part


def free_name(name: str, taken: Collection[str]) -> str:
    """Return a name that is not taken yet: itself, or with a number behind it."""
    names = (name, *(f"{name} ({number})" for number in range(2, len(taken) + 2)))
    return next(found for found in names if found not in taken)


def named_as_scan(name: str) -> bool:
    """Whether a file's name says that it is a crystal along its volume."""
    return "eos" in name.lower()


def guess_role(dataset: Dataset, training: Mapping[str, Sequence[Frame]]) -> tuple[Role, str]:
    """Return the role a newly opened file gets, and why in a sentence; "" where it goes without saying.

    ``training`` are the frames that are trained on already, by the name of their set. What has energies is
    for training only where it fits to them.
    """
    if not dataset.summary().n_energies:
        return Role.INSPECT, ""
    if named_as_scan(dataset.name):
        foreign = foreign_elements(training, dataset.frames) if training else []
        if foreign:
            return Role.INSPECT, f"It is no reference of the equation of state: {foreign[0]}."
        return Role.EOS, "It is the reference of the equation of state, by its name."
    reasons = misfits(training, dataset.name, dataset.frames)
    if reasons:
        return Role.INSPECT, f"It is not trained on: {'; '.join(reasons)}."
    if training:
        return Role.TRAINING, f"It is trained on together with {' and '.join(training)}."
    return Role.TRAINING, "It is trained on: it has energies."


def training_warnings(
    training: Mapping[str, Sequence[Frame]], validation: Mapping[str, Sequence[Frame]]
) -> tuple[str, ...]:
    """Say why files that would be trained on do not fit together, or to those of the validation (by name)."""
    warnings = misfits_of_all(training)
    known = [frame for frames in training.values() for frame in frames]
    for name, frames in validation.items():
        n_both = frames_in_both(known, frames)
        if n_both:
            warnings.append(f"{name}: {n_both} of its {len(frames)} validation frames are trained on as well")
    return tuple(warnings)
