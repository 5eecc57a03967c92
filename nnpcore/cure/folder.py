"""The folder of a cure: what was asked, what was found, the structures; and what it adds to a training.

=====================  ======================================================================================
``cure.json``          the run or files it is for, targets, ranked frames, what was left out
``frames.extxyz``      the chosen structures, best first, without labels
``001/`` …             each by itself, ready to be computed
``labelled.extxyz``    the same structures once they are computed
=====================  ======================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnpcore.cure.finding import Cure, summary
from nnpcore.cure.labelling import collect
from nnpcore.cure.writing import write_candidates
from nnpcore.errors import RunFolderError, TrainingError
from nnpcore.files import FileFormat, json_value
from nnpcore.structures.frame import Frame
from nnpcore.training import RunFolder, TrainSettings
from nnpcore.training.counts import usual_count

FORMAT = FileFormat("eatlas cure", 1, "the record of a cure", RunFolderError, "Look for the cure again")
RECORD = "cure.json"
FARTHEST = 1.0
"""eV/atom: labels that lie farther than this from the training energies have another zero of energy."""


def write_cure(
    folder: Path,
    cure: Cure,
    *,
    parent: str = "",
    data: Sequence[str] = (),
    template: str | Path | None = None,
) -> list[Path]:
    """Write the folder, without figures; return the files.

    Parameters
    ----------
    parent : the run the cure is for; or ``data``, the files with slices that it was found for.
    template : see :mod:`nnpcore.cure.writing`.
    """
    files = write_candidates(folder, [one.candidate for one in cure.chosen], template)
    content = {"parent": parent, "data": list(data), **json_value(summary(cure))}
    FORMAT.write(folder / RECORD, content)
    return [*files, folder / RECORD]


@dataclass(frozen=True, eq=False)
class Addition:
    """What is trained once frames are added.

    Attributes
    ----------
    settings : those of the run before, the usual ones without a run.
    train, valid : the old frames by role, with the new ones behind the training frames.
    added : the new ones. parent : the folder of the run before, None without one.
    data : files the old frames are still to be read from, where there was no run.
    test : the test frames of the run before; none of the new ones is among them.
    old_counts : how many times each old training frame counts; nothing where all count once.
    """

    settings: TrainSettings
    train: tuple[Frame, ...]
    valid: tuple[Frame, ...]
    added: tuple[Frame, ...]
    parent: Path | None
    data: tuple[str, ...] = ()
    old_counts: tuple[float, ...] = ()
    test: tuple[Frame, ...] = ()

    def counts(self, n_old: int, each: float | None = None) -> tuple[float, ...]:
        """Return how many times each training frame counts, the added ones behind ``n_old`` others.

        ``each`` : how many times each added one counts; None for the usual number (see
        :func:`nnpcore.training.counts.usual_count`).
        """
        count = usual_count(n_old, len(self.added)) if each is None else each
        return (*(self.old_counts or (1.0,) * n_old), *(count,) * len(self.added))


def addition(new: Sequence[Path], parent: Path | None = None) -> Addition:
    """Return old data and new frames.

    Parameters
    ----------
    new : folders of cures, or files with labelled frames.
    parent : the run they are added to; by default the one that the first folder is for.

    Raises
    ------
    RunFolderError, DataError : the run, its data or the labels are not there.
    TrainingError : the new energies have another zero than the old ones.
    """
    record: dict[str, Any] = {}
    for path in new:
        if not path.exists():
            raise RunFolderError("there is no such folder or file", where=str(path), fix="Name one of a cure")
        if not record and (path / RECORD).is_file():
            with FORMAT.reading(path / RECORD) as found:
                record = {"parent": str(found["parent"]), "data": [str(one) for one in found["data"]]}
    if parent is None and record.get("parent"):
        parent = Path(record["parent"])
    added = tuple(frame for path in new for frame in collect(path))
    if parent is None:
        return Addition(TrainSettings(), (), (), added, None, tuple(record.get("data", ())))
    run = RunFolder.open(parent)
    frames = run.find_frames()
    if not frames["training"]:
        raise RunFolderError(
            "this run has no training data to add to", where=str(parent), fix="Name its files"
        )
    check_zero(frames["training"], added)
    train, valid = (*frames["training"], *added), tuple(frames["validation"])
    test = tuple(frames["test"])
    return Addition(run.settings, train, valid, added, run.path, old_counts=run.counts, test=test)


def check_zero(old: Sequence[Frame], new: Sequence[Frame]) -> None:
    """Raise TrainingError where new total energies count from another zero than the old ones.

    Compared are energies an atom less the elements' energies that the old frames have; a solid's differ by
    tenths of an electronvolt.
    """
    numbers = sorted({int(n) for frame in (*old, *new) for n in np.unique(frame.numbers)})

    def counts(frames: Sequence[Frame]) -> np.ndarray:
        rows = [[np.count_nonzero(f.numbers == n) / f.n_atoms for n in numbers] for f in frames]
        return np.array(rows, dtype=float).reshape(-1, len(numbers))

    def energies(frames: Sequence[Frame]) -> np.ndarray:
        return np.array([f.energy / f.n_atoms for f in frames if f.energy is not None])

    known, fresh = [f for f in old if f.energy is not None], [f for f in new if f.energy is not None]
    if not known or not fresh:
        return
    zeros = np.linalg.lstsq(counts(known), energies(known), rcond=1e-6)[0]
    off = energies(fresh) - counts(fresh) @ zeros
    spread = float(np.abs(energies(known) - counts(known) @ zeros).max())
    if float(np.median(np.abs(off))) > max(FARTHEST, 10.0 * spread):
        raise TrainingError(
            f"the new energies lie {float(np.median(off)):+.3g} eV/atom off the old ones: they "
            "count from another zero",
            fix="Compute them with the program and the settings of the old data",
        )
