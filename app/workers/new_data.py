"""New training sets and new invariant points as tasks: the calculator opened and closed, the frames kept."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from app.settings import data_folder
from app.workers.foreign import CalculatorChoice
from nnpcore.errors import SettingsError
from nnpcore.potential.external.calculator import ProcessCalculator
from nnpcore.progress import Progress
from nnpcore.structures import Dataset, read_dataset, write_frames

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

    from nnpcore.reference import CrystalRange, SamplerSettings, StartStructure
    from nnpcore.structures.frame import Frame


def make_training_set(
    start: StartStructure,
    calculator: CalculatorChoice,
    settings: SamplerSettings,
    relax_first: bool,
    path: Path | None,
    progress: Progress,
) -> Dataset:
    """Build, relax, run the dynamics, write the frames (see :func:`keep`); return them as read again.

    Raises
    ------
    EatlasError : whatever the builders, the calculator, the sampler or the disk have against it.
    """
    from nnpcore.reference.starts import check_elements, check_ensemble, name_of, relaxed_samples

    progress.report(0.0, "Building the structure")
    with calculator.opened(progress) as opened:
        assert opened is not None
        atoms = start.build(opened, progress)
        check_ensemble(atoms, settings.ensemble == "npt")
        if isinstance(opened, ProcessCalculator):
            opened.learn(atoms)
        else:
            check_elements(atoms, calculator.reference)
        frames = relaxed_samples(atoms, opened, settings, relax_first, progress)
    return keep(frames, path, name_of(start, atoms.get_chemical_formula(), settings))


def make_invariant_points(
    crystals: CrystalRange | tuple[str, ...],
    calculator: CalculatorChoice,
    path: Path | None,
    progress: Progress,
) -> Dataset:
    """Build crystals or read them from files, label them, check that their atoms are equivalent, keep them.

    The calculator may be none: crystals without energies.

    Raises
    ------
    AnalysisError : crystals that are none, with how far their atoms differ; and what the calculator raises.
    """
    from nnpcore.mapping.invariant import require_invariant

    with calculator.opened(progress) as opened:
        if isinstance(crystals, tuple):
            frames = _read_crystals(crystals, opened, progress)
        else:
            if isinstance(opened, ProcessCalculator):
                opened.learn(crystals.first_look())
            frames = crystals.frames(opened, progress)
    require_invariant(frames, n_threads=1, progress=progress)
    return keep(frames, path, _title(crystals))


def _title(crystals: CrystalRange | tuple[str, ...]) -> str:
    if not isinstance(crystals, tuple):
        return f"{crystals.element}-{crystals.lattice}-eos"
    return f"{Path(crystals[0].partition('@')[0]).stem.removesuffix('eos').rstrip('-_')}-eos".lstrip("-")


def _read_crystals(paths: tuple[str, ...], calculator: Calculator | None, progress: Progress) -> list[Frame]:
    from nnpcore.reference import label_all

    frames = [frame for path in paths for frame in read_dataset(path, progress=progress).frames]
    return frames if calculator is None else label_all(frames, calculator, progress)


def keep(frames: list[Frame], path: Path | None, name: str) -> Dataset:
    """Write frames to ``path``, or under a free name in the data folder, and read them again."""
    names = (data_folder() / (f"{name}-{k}.extxyz" if k > 1 else f"{name}.extxyz") for k in count(1))
    target = path or next(file for file in names if not file.exists())
    write_frames(target, frames)
    return read_dataset(target)


def checked_target(path: str, confirmed: str = "") -> Path | None:
    """Return the file to write to, None for "": SettingsError, naming the field "path", where it must not."""
    if not path:
        return None
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
    return target
