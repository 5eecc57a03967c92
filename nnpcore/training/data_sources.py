"""Where the frames of a run came from: files, indices and fingerprints by role, and finding them again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.errors import RunFolderError

if TYPE_CHECKING:
    from nnpcore.structures.frame import Frame

ROLES = ("training", "validation")


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
    role : "training" or "validation".
    path : the file, absolute; empty for frames that came from no file.
    indices : frame indices in that file, in the order they were given.
    fingerprint : of these frames, see :func:`fingerprint`.
    read_with : the names its labels were read under, as ``KeyNames.text``; empty for the usual ones.
    """

    role: str
    path: str
    indices: tuple[int, ...]
    fingerprint: str
    read_with: str = ""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DataSource:
        """Rebuild from a run's data.json; KeyError, TypeError or ValueError where it is damaged."""
        return cls(**{**values, "indices": tuple(int(i) for i in values["indices"])})

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


def sources_of(frames: Mapping[str, Sequence[Frame]]) -> tuple[DataSource, ...]:
    """Return where frames by role came from: neighbors of one file together, in the order of all frames."""
    sources = []
    for role in ROLES:
        for (source, read_with), group in groupby(frames.get(role, ()), lambda f: (f.source, f.read_with)):
            part = list(group)
            path = str(Path(source).absolute()) if source else ""
            indices = tuple(frame.index for frame in part)
            sources.append(DataSource(role, path, indices, fingerprint(part), read_with))
    return tuple(sources)
