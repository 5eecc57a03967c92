"""Other programs' potentials as read-only run folders, with the user's data to map them against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.errors import EatlasError, PotentialError, SettingsError
from nnpcore.exchange.lammps_styles import said_left_out
from nnpcore.exchange.member_folders import found_members
from nnpcore.exchange.programs import OWN, READ, Program, program_named
from nnpcore.training import EpochRecord, RunFolder, TrainingValues, TrainSettings, rmse_report
from nnpcore.training.history import Message, Severity
from nnpcore.training.quantities import QUANTITIES

if TYPE_CHECKING:
    from nnpcore.potential import Potential
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame


LEFT_OUT = "left_out"
"""Key of a potential's ``info``: what the files it was read from say that they do not hold."""


@dataclass(frozen=True, eq=False)
class Imported:
    """A new run folder, what is in it, and its errors on the data (see ``rmse_report``), by role.

    ``left_out`` : what its files say that they do not hold of the potential they were written from.
    """

    folder: RunFolder
    format: str
    potential: Potential
    report: dict[str, dict[str, Any]]
    left_out: str = ""


def read_foreign(
    sources: Sequence[str | Path], format: str = "auto", *, units: str | None = None, epoch: int | None = None
) -> tuple[Potential, str]:
    """Read the members of one ensemble; return it and the format it was in.

    Parameters
    ----------
    sources : folders or files; a folder with ``member-1``, ``member-2`` and so on means these.
    format : the name of a program that is read, or "auto" to look.
    units, epoch : see ``read_n2p2``.

    Raises
    ------
    PotentialError, RunFolderError : missing, damaged or unknown, naming the file and the line.
    """
    paths = [path for source in sources for path in _members(Path(source))]
    if not paths:
        raise SettingsError("no potential was given", fix="Name its folder")
    program = _program_of(paths[0]) if format == "auto" else program_named(format, READ)
    if not program.has_units and (epoch is not None or units not in (None, "angstrom-ev")):
        names = ", ".join(other.title for other in READ if other.has_units)
        raise SettingsError(f"epoch and units are for {names} only", where="format", fix="Leave them out")
    potential = program.read(paths, units, epoch)
    left_out = said_left_out(paths[0] if paths[0].is_file() else paths[0] / program.marker)
    if left_out:
        potential = replace(potential, info={**potential.info, LEFT_OUT: left_out})
    return potential, program.name


def _members(source: Path) -> list[Path]:
    """Return the folders of all members in a folder, or itself; PotentialError where one is missing."""
    found = found_members(source)
    there = {path.name for path in found}
    wanted = [f"member-{m}" for m in range(1, len(found) + 1)]
    missing = [name for name in wanted if name not in there]
    if missing:
        raise PotentialError(
            f"{missing[0]} is missing beside {found[-1].name}",
            where=str(source),
            fix="Put it there, or name the folders of the members to take",
        )
    return found or [source]


def _program_of(path: Path) -> Program:
    """Look what a path holds."""
    for program in READ:
        if program.holds(path):
            return program
    markers = [p.marker if p is OWN else f"{p.marker} of {p.title}" for p in READ]
    raise PotentialError(
        f"here is no potential Eatlas reads ({', '.join(markers)})"
        if path.exists()
        else "no such file or folder",
        where=str(path),
        fix="Choose the folder of a potential",
    )


def import_run(
    sources: Sequence[str | Path] | str | Path,
    out: str | Path,
    *,
    format: str = "auto",
    data: Sequence[Frame] | None = None,
    valid: Sequence[Frame] | None = None,
    units: str | None = None,
    epoch: int | None = None,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Make a read-only run folder of another program's potential.

    Parameters
    ----------
    sources, format, units, epoch : see :func:`read_foreign`.
    out : the run folder, new or of an older run.
    data, valid : the frames it was trained on and validated on, as far as they are known. PCA, distance and
        connectivity compare with ``data``, in a whitening learned from it; the network keeps its own scaling.

    Raises
    ------
    PotentialError : the potential cannot be read, or a frame has an element it does not know.
    RunFolderError : the folder holds other things or cannot be written.
    """
    given = [sources] if isinstance(sources, (str, Path)) else list(sources)
    potential, found = read_foreign(given, format, units=units, epoch=epoch)
    frames = {"training": tuple(data or ()), "validation": tuple(valid or ())}
    if frames["validation"] and not frames["training"]:
        raise SettingsError("there are validation data but no training data", fix="Give the training data")
    for part in frames.values():
        potential.check_elements(part)
    values = None
    if frames["training"]:
        potential, values = _with_data(potential, frames, n_threads, progress)
    parts = {role: part for role, part in frames.items() if part}
    report = rmse_report(potential, parts, n_threads=n_threads, progress=progress)
    folder = RunFolder.create(out, _settings(potential), frames, imported=found)
    try:
        folder.write_potential(potential)
        if values is not None:
            folder.write_training_values(values)
            folder.write_history([_record(potential, report, found)])
    finally:
        folder.release()
    return Imported(folder, found, potential, report, str(potential.info.get(LEFT_OUT, "")))


def _with_data(
    potential: Potential,
    frames: Mapping[str, Sequence[Frame]],
    n_threads: int | None,
    progress: Progress | None,
) -> tuple[Potential, TrainingValues]:
    """Describe the data's atoms and learn from those of the training the whitening to measure with."""
    values = TrainingValues.of_frames(
        frames["training"], frames["validation"], potential.functions, n_threads=n_threads, progress=progress
    )
    return replace(potential, data_whitening=values.whitening(potential.functions)), values


def _settings(potential: Potential) -> TrainSettings:
    """Return settings that describe the potential as well as they can: nothing is trained by them."""
    from nnpcore.training.settings import DescriptorSettings

    functions = potential.functions
    cutoff = float(np.clip(functions.cutoff, 1.0, 20.0))
    table = DescriptorSettings(functions=functions.to_dict(), cutoff=cutoff)
    plain = TrainSettings(descriptors=table, epochs=1, n_members=min(potential.n_members, 64))
    try:
        weights = potential.weights
        return plain.replace(hidden=weights.hidden, activation=weights.activation)
    except EatlasError:  # layers or activations that no training here has
        return plain


def _record(potential: Potential, report: Mapping[str, Mapping[str, Any]], found: str) -> EpochRecord:
    """Return the one line of the history: the errors of the potential as it was imported."""
    left_out = [str(potential.info[LEFT_OUT])] if LEFT_OUT in potential.info else []
    parts = {
        role: {
            name: {"mean": rmse["mean"], "members": np.array(rmse["members"])}
            for name, quantity in QUANTITIES.items()
            if (rmse := rmses[quantity.report_key])["mean"] is not None
        }
        for role, rmses in report.items()
    }
    return EpochRecord(
        epoch=1,
        seconds=0.0,
        optimizer="imported",
        train=parts.get("training", {}),  # type: ignore[arg-type]
        valid=parts.get("validation", {}),  # type: ignore[arg-type]
        alive=np.ones(potential.n_members, dtype=bool),
        messages=(Message(f"Imported from {found}", Severity.NOTE), *map(Message, left_out)),
        best=True,
    )
