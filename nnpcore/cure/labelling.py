"""Energies and forces for chosen structures: by a calculator, or collected from where they were computed."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from nnpcore.cluster import Executor, Hand, InProcess, Job, in_order, portions
from nnpcore.cure.writing import LABELLED
from nnpcore.errors import DataError, EatlasError, PotentialError
from nnpcore.potential.external.model import CalculatorModel, CalculatorSpec
from nnpcore.potential.external.worker import INPUT_ARRAYS, INPUT_VALUES
from nnpcore.progress import Progress
from nnpcore.structures.as_values import frames_from_values, frames_to_values
from nnpcore.structures.frame import EXACT_ENERGIES, Frame
from nnpcore.structures.reading import read_dataset
from nnpcore.structures.writing import write_frames

_OUTPUTS = ("vasprun.xml", "OUTCAR", "*.extxyz", "*.xyz", "*.traj", "*.out", "*.log", "*.pwo")
"""Files in which a computed frame is looked for, the best first."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """Frames with labels, in the order of their structures, and what failed: (number from 0, why)."""

    frames: tuple[Frame, ...]
    failures: tuple[tuple[int, str], ...] = ()


def label_with(
    structures: Sequence[Frame],
    calculator: str | CalculatorSpec,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> Labelled:
    """Compute structures; one that fails does not lose the others.

    Parameters
    ----------
    calculator : name of a reference potential (``nnpcore.reference.REFERENCES``), or any ASE calculator,
        which runs in a process of its own and is ended when it is late or cancelled.
    executor : who does the work; this process, one after the other, by default.

    Raises
    ------
    EatlasError : the calculator cannot be started, or none of the structures could be computed.
    """
    executor = executor or InProcess()
    asked = calculator if isinstance(calculator, str) else asdict(calculator)
    jobs = [_job(structures, part, asked) for part in portions(len(structures), executor)]
    frames: list[Frame] = []
    failures: list[tuple[int, str]] = []
    for values in in_order(executor, jobs, progress):
        frames += [_labelled(structures[int(one["number"])], one) for one in values["labels"]]
        failures += [(int(one["number"]), str(one["why"])) for one in values["failures"]]
    if structures and not frames:
        raise PotentialError(
            f"none of {len(structures)} structures could be computed; the first: {failures[0][1]}",
            where=calculator if isinstance(calculator, str) else calculator.title,
            fix="Try the calculator by itself on one of them",
        )
    return Labelled(tuple(frames), tuple(failures))


def _job(structures: Sequence[Frame], part: range, calculator: str | dict[str, Any]) -> Job:
    def given() -> dict[str, Any]:
        own = frames_to_values(structures[part.start : part.stop], INPUT_ARRAYS, INPUT_VALUES)
        return {"structures": own, "start": part.start, "calculator": calculator}

    title = f"structures {part.start + 1} to {part.stop}"
    return Job(title, label_job, given, cost=sum(structures[k].n_atoms for k in part))


def label_job(given: Mapping[str, Any], hand: Hand) -> dict[str, Any]:
    """Compute structures as a job: ``labels`` of those that succeed, ``failures`` of the others."""
    structures, start = frames_from_values(given["structures"]), int(given["start"])
    calculator = given["calculator"]
    if isinstance(calculator, str):
        frames, failures = _by_reference(structures, calculator, hand.progress)
    else:
        frames, failures = _by_process(structures, CalculatorSpec.from_dict(calculator), hand.progress)
    failed = {k for k, _ in failures}
    numbers = [start + k for k in range(len(structures)) if k not in failed]
    labels = [
        {
            "number": number,
            "energy": f.energy,
            "forces": f.forces,
            "stress": f.stress,
            "energies": f.exact_energies,
        }
        for number, f in zip(numbers, frames, strict=True)
    ]
    return {"labels": labels, "failures": [{"number": start + k, "why": why} for k, why in failures]}


def _labelled(structure: Frame, label: Mapping[str, Any]) -> Frame:
    """The structure with the labels of a job."""
    arrays = {name: values for name, values in structure.arrays.items() if name != EXACT_ENERGIES}
    if label["energies"] is not None:
        arrays[EXACT_ENERGIES] = label["energies"]
    return replace(
        structure, energy=label["energy"], forces=label["forces"], stress=label["stress"], arrays=arrays
    )


Found = tuple[list[Frame], list[tuple[int, str]]]


def _by_reference(structures: Sequence[Frame], name: str, progress: Progress) -> Found:
    from nnpcore.reference import label, reference_calculator

    frames, failures = [], []
    for k, frame in enumerate(structures):
        progress.report(k / len(structures), f"Structure {k + 1} of {len(structures)}")
        try:
            frames.append(label(frame, reference_calculator(name)))  # a new one: it has seen no others
        except EatlasError as error:
            failures.append((k, str(error)))
    return frames, failures


def _by_process(structures: Sequence[Frame], spec: CalculatorSpec, progress: Progress) -> Found:
    frames, failures = [], []
    with CalculatorModel(spec) as model:
        model.start(progress=progress)
        for k, frame in enumerate(structures):
            progress.report(k / len(structures), f"Structure {k + 1} of {len(structures)}")
            try:
                frames.append(_with_labels(frame, model.predict([frame], progress=Progress(within=progress))))
            except PotentialError as error:
                failures.append((k, str(error)))
    return frames, failures


def _with_labels(frame: Frame, prediction: Any) -> Frame:
    """The frame with what a prediction of it alone says."""
    stress = prediction.stress
    arrays = {name: values for name, values in frame.arrays.items() if name != EXACT_ENERGIES}
    with contextlib.suppress(PotentialError):  # some give totals only
        arrays[EXACT_ENERGIES] = prediction.atomic_energies
    if stress is not None and not (np.isfinite(stress[0]).all() and frame.pbc.all()):
        stress = None
    return replace(
        frame,
        energy=float(prediction.energy[0]),
        forces=prediction.forces,
        stress=None if stress is None else stress[0],
        arrays=arrays,
    )


def collect(path: Path) -> list[Frame]:
    """Return the labelled frames of a folder that :func:`write_candidates` made, or of a file.

    What was computed in the folders 001, 002 and so on, the last step of the best output of each, is
    gathered into ``labelled.extxyz``, or under a further name where that holds other frames; without any
    output the file itself is taken.

    Raises
    ------
    DataError : there is nothing with an energy, or a folder holds another structure than it was given.
    """
    if path.is_file():
        return _with_energy(path)
    found = []
    for folder in sorted(p for p in path.glob("[0-9]*") if p.is_dir()):
        frame = _last(folder)
        if frame is not None:
            _check_same(frame, folder)
            found.append(replace(frame, info={"folder": folder.name}))
    known = sorted(path.glob(f"{Path(LABELLED).stem}*.extxyz"))
    if found:
        return _gathered(path, found, known)
    if known:
        return _with_energy(known[-1])
    raise DataError(
        "there is nothing that was computed yet",
        where=str(path),
        fix=f"Compute the structures in its folders, or put them with energies into {LABELLED}",
    )


def _gathered(path: Path, frames: list[Frame], known: Sequence[Path]) -> list[Frame]:
    """Return frames read again from a file that holds just them; runs refer to the files of before."""
    for file in known:
        there = list(read_dataset(file).frames)
        if [f.energy for f in there] == [f.energy for f in frames]:
            return there
    names = (f"{Path(LABELLED).stem}{f'-{k}' if k > 1 else ''}.extxyz" for k in count(1))
    target = next(file for name in names if not (file := path / name).exists())
    write_frames(target, frames)
    return _with_energy(target)


def _with_energy(path: Path) -> list[Frame]:
    frames = list(read_dataset(path).frames)
    if any(f.energy is None and f.forces is None for f in frames):
        lacking = sum(f.energy is None and f.forces is None for f in frames)
        raise DataError(
            f"{lacking} of {len(frames)} frames have neither energy nor forces",
            where=str(path),
            fix="Compute them first, by --label-with or by a program of yours",
        )
    return frames


def _last(folder: Path) -> Frame | None:
    """The last frame with an energy of the best output in a folder, or None."""
    for pattern in _OUTPUTS:
        for file in sorted(folder.glob(pattern)):
            try:
                frames = read_dataset(file, on_bad="skip").frames
            except EatlasError:
                continue
            known = [f for f in frames if f.energy is not None]
            if known:
                return known[-1]
    return None


def _check_same(frame: Frame, folder: Path) -> None:
    """Refuse the output of another structure, where the POSCAR is still there."""
    given = folder / "POSCAR"
    if not given.is_file():
        return
    asked = read_dataset(given).frames[0]
    if sorted(asked.numbers.tolist()) != sorted(frame.numbers.tolist()):
        what = (
            f"the output holds {frame.n_atoms} atoms of another structure than its POSCAR ({asked.n_atoms})"
        )
        raise DataError(what, where=str(folder), fix="Put the output where it belongs, or delete it")
