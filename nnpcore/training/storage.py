"""Where the derivatives of a training's frames are kept: in memory, on disk, or nowhere."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from nnpcore.descriptors import DescriptorSet, SymmetryFunctions, compute_descriptors
from nnpcore.descriptors.descriptor_set import joined
from nnpcore.errors import TrainingError
from nnpcore.training.data import chunks_of
from nnpcore.training.data_sources import fingerprint
from nnpcore.training.windows import OnDisk, PairArrays, Recomputed, Windows, empty_pairs

if TYPE_CHECKING:
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame

_ATOMS_AT_ONCE = 8192
_PART_OF_FREE = 0.8
"""Part of what is free, in memory or on the disk, that derivatives may take."""


class Described(NamedTuple):
    """Descriptors of frames, where their derivatives are, and a sentence on that.

    windows : None where ``descriptors`` hold them; else these hold no pairs.
    """

    descriptors: DescriptorSet
    windows: Windows | None
    note: str = ""


class Describer(Protocol):
    """Describes the frames of a training."""

    def describe(
        self, frames: Sequence[Frame], functions: SymmetryFunctions, progress: Progress | None = None
    ) -> Described:
        """Return descriptors, and where their derivatives are; see :meth:`Storage.describe`."""
        ...


class Remembered:
    """Describes each frame once, for trainings one after the other that have frames in common.

    Frames are known by what is in them. Where a set does not fit into memory beside what is remembered, it is
    left to ``storage``.
    """

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._functions: SymmetryFunctions | None = None
        self._known: dict[str, DescriptorSet] = {}

    def describe(
        self, frames: Sequence[Frame], functions: SymmetryFunctions, progress: Progress | None = None
    ) -> Described:
        """See :class:`Describer`."""
        if functions != self._functions:
            self._functions, self._known = functions, {}
        names = [fingerprint([frame]) for frame in frames]
        new = {name: frame for name, frame in zip(names, frames, strict=True) if name not in self._known}
        if not self.storage.fits([*frames, *new.values()], functions):
            return self.storage.describe(frames, functions, progress)
        if new:
            found = self.storage.compute(list(new.values()), functions, progress)
            self._known |= {name: found.select(k, k + 1) for k, name in enumerate(new)}
        return Described(joined([self._known[name] for name in names]), None)


@dataclass(frozen=True)
class Storage:
    """Where to keep derivatives, and how they are computed.

    Attributes
    ----------
    where : "auto", "memory", "disk" or "recompute".
    folder : where a file may be written; None for the system's folder of temporary files.
    device, n_threads : as for ``compute_descriptors``.
    """

    where: str = "auto"
    folder: Path | None = None
    device: str = "cpu"
    n_threads: int | None = None

    def describe(
        self, frames: Sequence[Frame], functions: SymmetryFunctions, progress: Progress | None = None
    ) -> Described:
        """Describe frames and keep their derivatives: in memory if they fit, else on disk, else nowhere.

        Raises
        ------
        TrainingError : they do not fit into the memory that was asked for.
        DataError, PotentialError : a frame that cannot be used, naming it.
        """
        needed = bytes_of_derivatives(frames, functions.cutoff, functions.n_descriptors)
        where, note = self._choose(needed, len(frames))
        if where == "memory":
            return Described(self.compute(frames, functions, progress), None, note)
        if where == "disk":
            try:
                return self._on_disk(frames, functions, note, progress)
            except OSError as error:
                why = error.strerror or str(error)
                note = f"{note}; that failed ({why}): they are worked out anew in every epoch"
        values = self.compute(frames, functions, progress, derivatives=False)
        return Described(_without_pairs(values), Recomputed(tuple(frames), functions), note)

    def fits(self, frames: Sequence[Frame], functions: SymmetryFunctions) -> bool:
        """Whether derivatives of frames are to be, and can be, kept in memory."""
        import psutil

        needed = bytes_of_derivatives(frames, functions.cutoff, functions.n_descriptors)
        free = float(psutil.virtual_memory().available)
        return self.where in ("auto", "memory") and needed <= _PART_OF_FREE * free

    def compute(
        self,
        frames: Sequence[Frame],
        functions: SymmetryFunctions,
        progress: Progress | None,
        *,
        derivatives: bool = True,
    ) -> DescriptorSet:
        """Describe frames, all in memory."""
        return compute_descriptors(
            frames,
            functions,
            derivatives=derivatives,
            dtype=np.float32,
            n_threads=self.n_threads,
            device=self.device,
            progress=progress,
        )

    def _choose(self, needed: float, n_frames: int) -> tuple[str, str]:
        """Return where derivatives of so many bytes go, and why in a sentence; "" where it goes without."""
        import psutil

        free = float(psutil.virtual_memory().available)
        told = f"The derivatives of {n_frames:,} frames take {needed / 1e9:.2g} GB"
        if self.where == "memory" and needed > free:
            raise TrainingError(
                f"the derivatives of {n_frames} frames need about {needed / 1e9:.0f} GB of memory, "
                f"{free / 1e9:.0f} GB are free",
                fix="Keep them on disk (derivatives = disk), or take fewer frames (file@::10)",
            )
        if self.where == "memory" or (self.where == "auto" and needed <= _PART_OF_FREE * free):
            return "memory", ""
        told += f" and {free / 1e9:.2g} GB of memory are free" if self.where == "auto" else ""
        if self.where == "recompute":
            return "recompute", f"{told}: they are worked out anew in every epoch"
        folder = self._folder()
        on_disk = 0.0
        with suppress(OSError):
            on_disk = float(psutil.disk_usage(str(folder)).free)
        if self.where == "disk" or needed <= _PART_OF_FREE * on_disk:
            return "disk", f"{told}: they are kept on disk, in {folder}"
        return "recompute", (
            f"{told}, {on_disk / 1e9:.2g} GB on the disk of {folder}: they are worked out anew in every epoch"
        )

    def _folder(self) -> Path:
        return self.folder if self.folder is not None else Path(tempfile.gettempdir())

    def _on_disk(
        self,
        frames: Sequence[Frame],
        functions: SymmetryFunctions,
        note: str,
        progress: Progress | None,
    ) -> Described:
        """Describe frames part by part and write each part's pairs; OSError where that is impossible."""
        with ExitStack() as undo:
            file = undo.enter_context(tempfile.TemporaryFile(dir=self._folder(), prefix="derivatives-"))
            whole, pair_start = self._write(frames, functions, file, progress)
            weakref.finalize(whole, undo.pop_all().close)
        return Described(whole, OnDisk(whole, pair_start, file), note)

    def _write(
        self,
        frames: Sequence[Frame],
        functions: SymmetryFunctions,
        file: IO[bytes],
        progress: Progress | None,
    ) -> tuple[DescriptorSet, np.ndarray]:
        edges = chunks_of(np.array([f.n_atoms for f in frames]), _ATOMS_AT_ONCE)
        n_atoms = sum(f.n_atoms for f in frames)
        species = np.empty(n_atoms, dtype=np.int32)
        values = np.empty((n_atoms, functions.n_descriptors))
        counts, first = np.zeros(n_atoms + 1, dtype=np.int64), 0
        for begin, end in pairwise(edges):
            part = None if progress is None else progress.part(begin / len(frames), end / len(frames))
            found = self.compute(frames[begin:end], functions, part)
            window = slice(first, first + found.n_atoms)
            species[window], values[window] = found.species, found.values
            counts[first + 1 : window.stop + 1] = np.diff(found.pair_start)
            for k in range(found.n_frames):
                frame = found.select(k, k + 1)
                for array in PairArrays.of(frame):
                    file.write(array.tobytes())
            first = window.stop
        file.flush()
        frame_start = np.cumsum([0, *(f.n_atoms for f in frames)], dtype=np.int64)
        no_pairs = np.zeros(n_atoms + 1, dtype=np.int64)
        empty = empty_pairs(0, functions.n_descriptors)
        whole = DescriptorSet(functions, frame_start, species, values, no_pairs, *empty[:2])
        return whole, np.cumsum(counts)


def _without_pairs(found: DescriptorSet) -> DescriptorSet:
    empty = empty_pairs(0, found.values.shape[1])
    none = np.zeros(found.n_atoms + 1, dtype=np.int64)
    return replace(found, pair_start=none, pair_neighbor=empty.neighbor, pair_vector=empty.vector)


def bytes_of_derivatives(frames: Sequence[Frame], cutoff: float, n_descriptors: int) -> float:
    """Return about how many bytes pairs and derivatives take.

    ``cutoff`` in Å; the number of neighbors is taken from the density of every frame.
    """
    sphere = 4 / 3 * np.pi * cutoff**3
    pairs = 0.0
    for frame in frames:
        dense = bool(np.all(frame.pbc)) and frame.volume > 0
        within = frame.n_atoms * sphere / frame.volume if dense else min(frame.n_atoms, sphere / 8)
        pairs += frame.n_atoms * within
    return pairs * (12.0 * n_descriptors + 28)
