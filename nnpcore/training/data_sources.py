"""Where the frames of a run came from: files, indices and fingerprints by role, and finding them again."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.errors import RunFolderError

if TYPE_CHECKING:
    from nnpcore.structures.frame import Frame

ROLES = ("training", "validation", "test")


def fingerprint(frames: Sequence[Frame]) -> str:
    """Return a hash of everything a training takes from these frames, whatever file they are in."""
    digest = hashlib.sha256()
    for frame in frames:
        for values in (frame.numbers, frame.positions, frame.cell, frame.pbc, frame.forces, frame.stress):
            digest.update(b"-" if values is None else np.ascontiguousarray(values, dtype="<f8").tobytes())
        digest.update(repr(None if frame.energy is None else float(frame.energy)).encode())
    return digest.hexdigest()[:32]


@dataclass(frozen=True)
class DataSource:
    """Frames of one role from one file.

    Attributes
    ----------
    role : one of :data:`ROLES`.
    path : the file, absolute; empty for frames that came from no file.
    indices : frame indices in that file, in the order they were given.
    fingerprint : of these frames, see :func:`fingerprint`.
    read_with : the names its labels were read under, as ``KeyNames.text``; empty for the usual ones.
    count : how many times each of these frames counts.
    """

    role: str
    path: str
    indices: tuple[int, ...]
    fingerprint: str
    read_with: str = ""
    count: float = 1.0

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DataSource:
        """Rebuild from a run's data.json; KeyError, TypeError or ValueError where it is damaged."""
        numbers = {
            "indices": tuple(int(i) for i in values["indices"]),
            "count": checked_count(values.get("count", 1.0)),
        }
        return cls(**{**values, **numbers})

    def to_dict(self) -> dict[str, Any]:
        """Return what a run's data.json says of it; a count of one is left out, as older versions do."""
        return {name: value for name, value in vars(self).items() if name != "count" or value != 1.0}

    def read(self, folder: Path) -> dict[int, Frame]:
        """Return the good frames of its file by index: at its old place, or beside the run or in it."""
        from nnpcore.structures import KeyNames, read_dataset

        if not self.path:
            raise RunFolderError(
                f"the {self.role} frames came from no file and cannot be found again",
                where=str(folder / "data.json"),
                fix="Give the frames when you go on with this training",
            )
        old = Path(self.path)
        path = next((p for p in (old, folder / old.name, folder.parent / old.name) if p.is_file()), None)
        if path is None:
            raise RunFolderError(
                f"the {self.role} data of this run are gone",
                where=self.path,
                fix="Put the file back where it was",
            )
        keys = KeyNames.from_text(self.read_with) if self.read_with else None
        return {frame.index: frame for frame in read_dataset(str(path), on_bad="skip", keys=keys).frames}

    def pick(self, frames: Mapping[int, Frame]) -> list[Frame]:
        """Return its frames of those in its file; RunFolderError where they are not what they were."""
        missing = [index for index in self.indices if index not in frames]
        if missing:
            raise RunFolderError(
                f"frame {missing[0]} of the {self.role} data is missing or can no longer be used",
                where=self.path,
                fix="Put the file back as it was",
            )
        picked = [frames[index] for index in self.indices]
        if fingerprint(picked) != self.fingerprint:
            raise RunFolderError(
                f"the {self.role} data have changed since the training began",
                where=self.path,
                fix="Put the file back as it was, or start a new training",
            )
        return picked


def sources_of(frames: Mapping[str, Sequence[Frame]], counts: Sequence[float] = ()) -> tuple[DataSource, ...]:
    """Return where frames by role came from: neighbors of one file together, in the order of all frames.

    ``counts`` : how many times each training frame counts; once each where there are none.
    """
    sources = []
    for role in ROLES:
        own = list(frames.get(role, ()))
        each = [float(n) for n in counts] if role == "training" and len(counts) else [1.0] * len(own)
        groups = groupby(zip(own, each, strict=True), lambda one: (one[0].source, one[0].read_with, one[1]))
        for (source, read_with, count), group in groups:
            part = [frame for frame, _ in group]
            path = str(Path(source).absolute()) if source else ""
            indices = tuple(frame.index for frame in part)
            sources.append(DataSource(role, path, indices, fingerprint(part), read_with, count))
    return tuple(sources)


def counts_of(sources: Sequence[DataSource]) -> tuple[float, ...]:
    """Return how many times each training frame counts; nothing where all count once."""
    own = [source for source in sources if source.role == "training"]
    if all(source.count == 1.0 for source in own):
        return ()
    return tuple(source.count for source in own for _ in source.indices)


def checked_count(value: Any) -> float:
    """Return how many times a frame counts; ValueError unless it is a positive number."""
    count = float(value)
    if not 0.0 < count < math.inf:
        raise ValueError(f"a frame cannot count {value} times")
    return count
