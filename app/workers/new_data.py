"""New training sets and new invariant points as tasks: the calculator opened and closed, the frames kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.workers.foreign import CalculatorChoice, ProcessCalculator, close
from nnpcore.errors import SettingsError
from nnpcore.progress import Progress
from nnpcore.structures import Dataset, read_dataset, write_frames

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

    from nnpcore.reference import CrystalRange, SamplerSettings, StartStructure
    from nnpcore.structures.frame import Frame


@dataclass(frozen=True)
class SamplingOrder:
    """All that a new training set needs; ``path`` is where it is kept, "" for a free name in ``folder``."""

    start: StartStructure
    calculator: CalculatorChoice
    settings: SamplerSettings
    relax_first: bool
    folder: Path
    path: str = ""


@dataclass(frozen=True)
class CrystalOrder:
    """Perfect crystals along their volume.

    Attributes
    ----------
    crystals : to be built, or the files that hold them.
    calculator : may be none: crystals without energies.
    folder, path : where they are kept, as in :class:`SamplingOrder`.
    """

    crystals: CrystalRange | tuple[str, ...]
    calculator: CalculatorChoice
    folder: Path
    path: str = ""


def make_training_set(order: SamplingOrder, progress: Progress) -> Dataset:
    """Build, relax, run the dynamics, write the frames; return them as they are read again.

    Raises
    ------
    EatlasError : whatever the builders, the calculator, the sampler or the disk have against it.
    """
    from nnpcore.reference.starts import check_elements, check_ensemble, name_of, relaxed_samples

    progress.report(0.0, "Building the structure")
    calculator = order.calculator.open(progress)
    try:
        atoms = order.start.build(calculator, progress)
        check_ensemble(atoms, order.settings.ensemble == "npt")
        if isinstance(calculator, ProcessCalculator):
            calculator.learn(atoms)
        else:
            check_elements(atoms, order.calculator.reference)
        frames = relaxed_samples(atoms, calculator, order.settings, order.relax_first, progress)
    finally:
        close(calculator)
    name = name_of(order.start, atoms.get_chemical_formula(), order.settings)
    return keep(frames, order.folder, order.path, name)


def make_invariant_points(order: CrystalOrder, progress: Progress) -> Dataset:
    """Build or read crystals, label them, check that their atoms are equivalent, keep them.

    Raises
    ------
    AnalysisError : crystals that are none, with how far their atoms differ; and what the calculator raises.
    """
    from nnpcore.mapping.invariant import require_invariant

    calculator = None if order.calculator.is_none else order.calculator.open(progress)
    try:
        if isinstance(order.crystals, tuple):
            frames = _read_crystals(order.crystals, calculator, progress)
        else:
            if isinstance(calculator, ProcessCalculator):
                calculator.learn(order.crystals.first_look())
            frames = order.crystals.frames(calculator, progress)
    finally:
        close(calculator)
    require_invariant(frames, n_threads=1, progress=progress)
    return keep(frames, order.folder, order.path, _title(order.crystals))


def _title(crystals: CrystalRange | tuple[str, ...]) -> str:
    if not isinstance(crystals, tuple):
        return f"{crystals.element}-{crystals.lattice}-eos"
    return f"{Path(crystals[0].partition('@')[0]).stem.removesuffix('eos').rstrip('-_')}-eos".lstrip("-")


def _read_crystals(paths: tuple[str, ...], calculator: Calculator | None, progress: Progress) -> list[Frame]:
    from nnpcore.reference import label

    frames = [frame for path in paths for frame in read_dataset(path, progress=progress).frames]
    return frames if calculator is None else label(frames, calculator, progress)


# where they are kept


def keep(frames: list[Frame], folder: Path, path: str, name: str) -> Dataset:
    """Write frames to ``path``, or under a free name in ``folder``, and read them again."""
    target = Path(path).expanduser() if path else free_name_in(folder, name, ".extxyz")
    write_frames(target, frames)
    return read_dataset(target)


def free_name_in(folder: Path, name: str, suffix: str) -> Path:
    """Return a file in ``folder`` that does not exist yet: the name itself, else with a number."""
    number, found = 1, folder / f"{name}{suffix}"
    while found.exists():
        number += 1
        found = folder / f"{name}-{number}{suffix}"
    return found


def check_target(path: str, confirmed: str = "") -> None:
    """Raise SettingsError, naming the field "path", where a file must not be written there."""
    if not path:
        return
    target = Path(path).expanduser()
    if target.suffix.lower() not in (".extxyz", ".xyz"):
        raise SettingsError(
            f"{target.name} does not end in .extxyz", where="path", fix="Name it so, or leave the field empty"
        )
    if target.exists() and path != confirmed:
        raise SettingsError(
            f"{target.name} exists already", where="path",
            fix="Give another name, or confirm it with Choose",
        )  # fmt: skip
