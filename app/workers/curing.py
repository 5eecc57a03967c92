"""Looking for a cure, exploring and computing frames as tasks: snapshots in, values out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.settings import data_folder
from nnpcore.structures import Dataset, read_dataset, write_frames

if TYPE_CHECKING:
    from app.workers.foreign import CalculatorChoice
    from nnpcore.cure import Aim, Candidate, Cure, Exploration, ExploreSettings, Look
    from nnpcore.descriptors import SymmetryFunctions
    from nnpcore.mapping import RegionSet
    from nnpcore.posterior import Posterior
    from nnpcore.potential.model import AtomicEnergyModel
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame

CRYSTAL_SHARE = 0.05
"""Crystals count as targets within this share of the equilibrium volume."""


@dataclass(frozen=True, eq=False)
class Subject:
    """What a cure is for.

    Attributes
    ----------
    name : of the run or the data. parent : the run's folder, or None.
    training : its labelled frames. functions : None for the usual ones.
    kinds : of labels that its training takes into account. model : its potential, or None.
    """

    name: str
    training: tuple[Frame, ...]
    kinds: tuple[str, ...]
    functions: SymmetryFunctions | None = None
    model: AtomicEnergyModel | None = None
    parent: Path | None = None

    def described_by(self) -> SymmetryFunctions:
        """Return the symmetry functions: the run's, or the usual ones of the elements."""
        if self.functions is not None:
            return self.functions
        from ase.data import chemical_symbols

        from nnpcore.descriptors import SymmetryFunctions

        numbers = sorted({int(n) for frame in self.training for n in np.unique(frame.numbers)})
        return SymmetryFunctions.preset("26", [chemical_symbols[n] for n in numbers])


@dataclass(frozen=True, eq=False)
class Wanted:
    """What is to be known: crystals (name, frames), regions, and atoms of structures (name, frame, atoms)."""

    crystals: tuple[tuple[str, tuple[Frame, ...]], ...] = ()
    regions: tuple[RegionSet, ...] = ()
    atoms: tuple[tuple[str, Frame, np.ndarray], ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing."""
        return not (self.crystals or self.regions or self.atoms)

    def aims(self, progress: Progress) -> list[Aim]:
        """Return the aims."""
        from nnpcore.cure import aims_of_atoms, aims_of_frames, aims_of_regions, near_equilibrium

        found: list[Aim] = []
        for name, frames in self.crystals:
            crystals = aims_of_frames(frames, name, n_threads=1, progress=progress)
            found += near_equilibrium(crystals, CRYSTAL_SHARE)[0]
        for regions in self.regions:
            found += aims_of_regions(regions)
        for name, frame, atoms in self.atoms:
            found += aims_of_atoms(frame, atoms, name)
        return found


@dataclass(frozen=True, eq=False)
class CureWish:
    """Everything that a cure is looked for with, a snapshot.

    Attributes
    ----------
    pool : candidates at hand. kinds : what is generated beside them.
    n, cost_exponent : see ``CureOrder``. n_threads : of the processor.
    scheduler : where it is looked for, see the settings.
    """

    subject: Subject
    wanted: Wanted
    pool: tuple[Candidate, ...]
    kinds: tuple[str, ...]
    n: int
    cost_exponent: float
    n_threads: int | None = None
    scheduler: str = ""


@dataclass(frozen=True, eq=False)
class FoundCure:
    """A cure, the folder it is kept in, its structures as read again, and what else there is to say."""

    cure: Cure
    subject: Subject
    folder: Path
    dataset: Dataset | None
    notes: tuple[str, ...]


def look_for_cure(wish: CureWish, progress: Progress) -> FoundCure:
    """Generate, screen, choose; keep the chosen structures in a folder of their own among the data.

    Raises
    ------
    EatlasError : nothing to aim at, no candidates, or what the parts have against it.
    """
    from nnpcore.cluster import open_executor
    from nnpcore.cure import CureOrder, PoolSettings, find_cure, generate, seeds_of, write_cure
    from nnpcore.potential.calculator import EatlasCalculator

    subject = wish.subject
    progress.report(0.0, "Looking at the targets")
    aims = wish.wanted.aims(progress.part(0.0, 0.05))
    pool, notes = list(wish.pool), []
    if wish.kinds:
        seeds = seeds_of([*(f for aim in aims for f in aim.target.frames), *subject.training])
        mover = None if subject.model is None else EatlasCalculator(subject.model, n_threads=1)
        part = progress.part(0.05, 0.3, "Generating")
        made, notes = generate(seeds, PoolSettings(kinds=wish.kinds), mover, part)
        pool += made
    order = CureOrder(
        subject.training, subject.described_by(), aims, pool,
        n=wish.n, cost_exponent=wish.cost_exponent, kinds=subject.kinds, model=subject.model,
    )  # fmt: skip
    with open_executor(wish.scheduler, None if wish.scheduler else wish.n_threads) as executor:
        part = progress.part(0.3, 1.0)
        cure = find_cure(order, n_threads=wish.n_threads, progress=part, executor=executor)
    folder = free_folder(f"cure-{subject.name}")
    parent = "" if subject.parent is None else str(subject.parent)
    data = sorted({frame.source for frame in subject.training if frame.source}) if not parent else []
    write_cure(folder, cure, parent=parent, data=data)
    dataset = None
    if cure.chosen:
        dataset = replace(read_dataset(folder / "frames.extxyz"), name=f"{folder.name}.extxyz")
    return FoundCure(cure, subject, folder, dataset, (*notes, *cure.notes))


def free_folder(name: str) -> Path:
    """Return a folder among the data made here that does not exist yet."""
    names = (data_folder() / (f"{name}-{k}" if k > 1 else name) for k in count(1))
    return next(folder for folder in names if not folder.exists())


@dataclass(frozen=True, eq=False)
class LabelledCure:
    """Frames that were computed, as read again, and what failed, in words."""

    dataset: Dataset
    failures: tuple[str, ...]


def label_cure(
    found: FoundCure, calculator: CalculatorChoice, n: int, scheduler: str, progress: Progress
) -> LabelledCure:
    """Compute the first ``n`` chosen structures and keep them beside the others.

    Raises
    ------
    EatlasError : the calculator fails on all of them, or their energies count from another zero.
    """
    from nnpcore.cluster import open_executor
    from nnpcore.cure import check_zero, label_with
    from nnpcore.cure.writing import LABELLED

    chosen = found.cure.chosen[:n]
    how = calculator.reference or calculator.spec
    assert how is not None
    with open_executor(scheduler) as executor:
        labelled = label_with([one.candidate.frame for one in chosen], how, progress, executor)
    check_zero(found.subject.training, labelled.frames)
    names = (f"{Path(LABELLED).stem}{f'-{k}' if k > 1 else ''}.extxyz" for k in count(1))
    target = next(path for name in names if not (path := found.folder / name).exists())
    write_frames(target, labelled.frames)
    failures = tuple(f"{chosen[k].candidate.name}: {why}" for k, why in labelled.failures)
    dataset = replace(read_dataset(target), name=f"{found.folder.name}-{target.name}")
    return LabelledCure(dataset, failures)


def collect_labels(found: FoundCure, _progress: Progress) -> LabelledCure | None:
    """Return what is labelled of a cure by now: computed elsewhere, or known from the pool; None: nothing.

    Raises
    ------
    EatlasError : folders that hold other structures; energies that count from another zero.
    """
    from nnpcore.cure import check_zero, collect
    from nnpcore.cure.writing import LABELLED
    from nnpcore.errors import DataError

    known = [one.candidate.frame for one in found.cure.chosen if one.candidate.frame.energy is not None]
    target = found.folder / LABELLED
    try:
        frames = collect(found.folder)
    except DataError:
        if not known:
            return None
        write_frames(target, [replace(frame, info={}) for frame in known])
        frames = collect(found.folder)
    check_zero(found.subject.training, frames)
    file = Path(frames[0].source)
    return LabelledCure(replace(read_dataset(file), name=f"{found.folder.name}-{file.name}"), ())


def export_cure(found: FoundCure, folder: Path, template: str, _progress: Progress) -> Path:
    """Write the folder for computing elsewhere; return it. EatlasError where it cannot be."""
    from nnpcore.cure import write_cure

    parent = "" if found.subject.parent is None else str(found.subject.parent)
    write_cure(folder, found.cure, parent=parent, template=template or None)
    return folder


# exploring --------------------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class Knowledge:
    """What tells how well atoms are known; made once for a run. ``factor`` makes spreads right in size."""

    posterior: Posterior
    distance: Callable[[Frame], np.ndarray]
    usual: float
    factor: float = 1.0

    def __call__(self, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
        """Return spread (n_atoms,), eV, and distance (n_atoms,) in units of the usual one."""
        spread = self.factor * self.posterior.atomic_spreads([frame], n_threads=1)
        return spread, self.distance(frame) / self.usual


def learn(subject: Subject, start: Frame, progress: Progress) -> Knowledge:
    """Learn what the training data know of atoms, those of the start among them."""
    from nnpcore.cure import Surroundings, usual_distance
    from nnpcore.posterior import Posterior, mean_targets

    functions = subject.described_by()
    posterior = Posterior.fit(
        subject.training, functions, targets=mean_targets([start]), kinds=subject.kinds, n_threads=1,
        progress=progress,
    )  # fmt: skip
    usual = usual_distance(subject.training, functions, n_threads=1)
    return Knowledge(posterior, Surroundings(subject.training, functions, n_threads=1).of_frame, usual)


def run_exploration(
    subject: Subject,
    start: Frame,
    settings: ExploreSettings,
    knowledge: Knowledge | None,
    on_look: Callable[[Look], None],
    stopped: Callable[[], bool],
    factor: float,
    progress: Progress,
) -> tuple[Exploration, Knowledge]:
    """Learn what is known unless that is at hand, and let the potential's dynamics run.

    ``factor`` is what foretold spreads are multiplied by.

    Raises
    ------
    EatlasError : without a potential, or where the structure cannot be moved.
    """
    from nnpcore.cure import explore
    from nnpcore.errors import AnalysisError

    if subject.model is None:
        raise AnalysisError("there is no potential that could move the atoms", fix="Train one, or open a run")
    if knowledge is None:
        knowledge = learn(subject, start, progress.part(0.0, 0.5, "Learning what is known"))
    knowledge = replace(knowledge, factor=factor)
    found = explore(
        start, subject.model, settings,
        judge=knowledge, on_look=on_look, stopped=stopped, n_threads=1, progress=progress,
    )  # fmt: skip
    return found, knowledge


def explored_candidates(found: Exploration, name: str, before: Sequence[Candidate]) -> list[Candidate]:
    """Return candidates with those of an exploration behind them, its name made unique."""
    taken = {candidate.name.partition(":")[0] for candidate in before}
    names = (name, *(f"{name} ({k})" for k in range(2, len(before) + 3)))
    own = next(one for one in names if one not in taken)
    return [*before, *found.candidates(f"{own}:")]
