"""``eatlas cure``: which frames to add, structures ready to compute, and computing them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nnpcore.cli import options
from nnpcore.cli.datasets import read, read_frames
from nnpcore.cli.gathered import Result, gathers, keys
from nnpcore.cli.output import output_folder, refuse_to_replace
from nnpcore.cli.result_tables import cure_rows
from nnpcore.cli.terminal import Terminal
from nnpcore.errors import RunFolderError, SettingsError

if TYPE_CHECKING:
    from ase.calculators.calculator import BaseCalculator

    from nnpcore.cluster import Executor
    from nnpcore.cure import Aim, Candidate, Cure
    from nnpcore.descriptors import SymmetryFunctions
    from nnpcore.potential import Potential
    from nnpcore.potential.external.model import CalculatorSpec
    from nnpcore.progress import Progress
    from nnpcore.structures import Frame, KeyNames

GENERATED = "volumes,shears,rattled"
"""What is generated where no pool is named."""


@gathers(keys=keys)
def cure_command(
    terminal: Terminal,
    *,
    given: options.RunOrTrainData,
    targets: options.Targets,
    output: options.Output,
    pool: options.Pool = None,
    generate: options.Generate = None,
    n: options.CureNumber = 10,
    cost_exponent: options.CostExponent = 2.0,
    volume_range: options.VolumeRange = 5.0,
    dynamics: options.DynamicsBy = None,
    template: options.InputTemplate = None,
    label_with: options.LabelWith = None,
    arguments: options.LabelArguments = None,
    threads: options.Threads = None,
    overwrite: options.Overwrite = False,
    skip_bad: options.SkipBad = False,
    scheduler: options.SchedulerOption = None,
    keys: KeyNames | None = None,
) -> Result:
    """Rank the frames of a pool, write them ready to be computed, and compute them where that is asked."""
    from nnpcore.cluster import open_executor
    from nnpcore.cure import CureOrder, find_cure
    from nnpcore.cure.writing import Template

    kinds = _kinds(generate, pool)
    labeller = None if label_with is None else calculator_of(label_with, arguments)
    mover = None if dynamics is None else calculator_of(dynamics, "")
    if template is not None:
        Template.read(template)
    refuse_to_replace(output, overwrite)
    known = _known(given, skip_bad, terminal, keys)
    aims = _aims(targets, volume_range, skip_bad, terminal, keys)
    with open_executor(scheduler, threads, terminal.warn) as executor:
        with terminal.progress("Looking for a cure") as progress:
            making = progress.part(0.0, 0.3)
            candidates, notes = _pool(known, aims, pool or (), kinds, mover, terminal, making)
            order = CureOrder(
                known.frames, known.functions, aims, candidates,
                n=n, cost_exponent=cost_exponent, kinds=known.kinds, model=known.potential,
            )  # fmt: skip
            cure = find_cure(order, n_threads=threads, progress=progress.part(0.3, 1.0), executor=executor)
        folder = output_folder(output, overwrite)
        result = _written(cure, known, notes, folder, template, terminal)
        if labeller is not None and cure.chosen:
            result |= _label(cure, labeller, folder, executor, terminal)
    _say_next(terminal, folder, labelled="labelled" in result)
    return result


def _written(
    cure: Cure,
    known: Known,
    notes: Sequence[str],
    folder: Path,
    template: str | None,
    terminal: Terminal,
) -> Result:
    """Write structures, picture and table of a cure, and show what it is."""
    from nnpcore.cure import reasons_text, summary, write_cure
    from nnpcore.figures import cure_figure
    from nnpcore.figures.drawing import save_figures
    from nnpcore.figures.tables import cure_table, write_csv
    from nnpcore.files import all_or_nothing

    data = [str(path) for path in known.data]
    with all_or_nothing(folder) as beside:
        files = write_cure(beside, cure, parent=str(known.run or ""), data=data, template=template)
        files += save_figures(beside, {"spread": cure_figure(cure)})
        write_csv(beside / "ranking.csv", cure_table(cure))
    files = [folder / path.relative_to(beside) for path in files]
    notes = [*notes, *cure.notes]
    for note in notes:
        terminal.warn(note)
    if cure.left_out:
        terminal.warn(f"{len(cure.left_out)} candidates were left out: {reasons_text(cure.left_out)}")
    terminal.show(cure_rows(cure), cure.sentence(), then=f"Structures, picture and table are in {folder}.")
    files.append(folder / "ranking.csv")
    return {"run": known.run, **summary(cure), "notes": notes, "files": files}


def _label(
    cure: Cure, calculator: str | CalculatorSpec, folder: Path, executor: Executor, terminal: Terminal
) -> Result:
    """Compute the chosen frames and keep them; those that fail are told of."""
    from nnpcore.cure import label_with
    from nnpcore.cure.writing import LABELLED
    from nnpcore.structures import write_frames

    with terminal.progress("Computing") as progress:
        found = label_with([one.candidate.frame for one in cure.chosen], calculator, progress, executor)
    write_frames(folder / LABELLED, found.frames)
    for number, why in found.failures:
        terminal.warn(f"{cure.chosen[number].candidate.name} was not computed: {why}")
    failed = [{"name": cure.chosen[k].candidate.name, "why": why} for k, why in found.failures]
    return {"labelled": folder / LABELLED, "n_labelled": len(found.frames), "failed": failed}


def _say_next(terminal: Terminal, folder: Path, *, labelled: bool) -> None:
    then = f"eatlas train --add {folder} -o NEW_RUN"
    terminal.say(f"Next: {then}" if labelled else f"Compute them in {folder}, then: {then}")


@dataclass(frozen=True, eq=False)
class Known:
    """What the cure is for: a run's training frames, symmetry functions and potential; or files."""

    frames: list[Frame]
    functions: SymmetryFunctions
    kinds: tuple[str, ...]
    potential: Potential | None = None
    run: Path | None = None
    data: tuple[str, ...] = ()


def _known(given: Sequence[str], skip_bad: bool, terminal: Terminal, keys: KeyNames | None) -> Known:
    """Read the run, or the files."""
    from nnpcore.cure.finding import kinds_of_settings
    from nnpcore.training import TrainSettings

    if Path(given[0]).is_dir():
        if len(given) > 1:
            raise SettingsError("a run and files at once", where=given[1], fix="Give a run, or files")
        return _known_run(Path(given[0]), terminal)
    frames = read_frames(given, skip_bad, terminal, keys)
    from ase.data import chemical_symbols

    from nnpcore.descriptors import SymmetryFunctions

    elements = [
        chemical_symbols[n] for n in sorted({int(n) for f in frames for n in set(f.numbers.tolist())})
    ]
    functions = SymmetryFunctions.preset("26", elements)
    data = tuple(str(Path(path).absolute()) for path in given)
    return Known(frames, functions, kinds_of_settings(TrainSettings()), data=data)


def _known_run(path: Path, terminal: Terminal) -> Known:
    from nnpcore.cure.finding import kinds_of_settings
    from nnpcore.potential import Potential
    from nnpcore.training import RunFolder
    from nnpcore.training.group_weights import counted_labels

    run = RunFolder.open(path)
    potential = Potential.load(path)
    with terminal.progress("Reading the training data"):
        frames = run.find_frames()["training"]
    if not frames:
        raise RunFolderError(
            "this run has no training data", where=str(path), fix="Import it with --data, or name the files"
        )
    counted = list(counted_labels(frames, run.settings))
    return Known(counted, potential.functions, kinds_of_settings(run.settings), potential, run.path)


def _aims(
    targets: Sequence[str], volume_range: float, skip_bad: bool, terminal: Terminal, keys: KeyNames | None
) -> list[Aim]:
    """Read the targets, crystals within ``volume_range`` (%) of their equilibrium; of others is told."""
    from nnpcore.cure import near_equilibrium, read_aims

    found = []
    for path in targets:
        frames = None if path.endswith(".json") else read(path, skip_bad, terminal, keys).frames
        found += read_aims(path, frames)
    aims, n_far = near_equilibrium(found, volume_range / 100.0)
    if n_far:
        terminal.warn(f"{n_far} crystals are no targets, being more than {volume_range:g} % off equilibrium")
    return aims


def _kinds(generate: str | None, pool: Sequence[str] | None) -> tuple[str, ...]:
    from nnpcore.cure import kinds_of

    text = generate if generate is not None else ("" if pool else GENERATED)
    return kinds_of(text)


def _pool(
    known: Known,
    aims: Sequence[Aim],
    files: Sequence[str],
    kinds: tuple[str, ...],
    mover: str | CalculatorSpec | None,
    terminal: Terminal,
    progress: Progress,
) -> tuple[list[Candidate], list[str]]:
    """Read and generate candidates."""
    import contextlib

    from nnpcore.cure import PoolSettings, from_files, generate, seeds_of
    from nnpcore.potential.calculator import EatlasCalculator

    found = []
    for path in files:
        dataset = read(path, True, terminal)
        found += from_files(dataset.frames, Path(dataset.name.partition("@")[0]).stem)
    if not kinds:
        return found, []
    seeds = seeds_of([*(f for aim in aims for f in aim.target.frames), *known.frames])
    with contextlib.ExitStack() as stack:
        calculator: BaseCalculator | None = None
        if mover is not None and "md" in kinds:
            calculator = stack.enter_context(_opened(mover, progress))
        elif known.potential is not None:
            calculator = EatlasCalculator(known.potential)
        made, notes = generate(seeds, PoolSettings(kinds=kinds), calculator, progress)
    return found + made, notes


def _opened(calculator: str | CalculatorSpec, progress: Progress):
    """A context that gives the calculator."""
    import contextlib

    if isinstance(calculator, str):
        from nnpcore.reference import reference_calculator

        return contextlib.nullcontext(reference_calculator(calculator))
    from nnpcore.potential.external.calculator import opened

    return opened(calculator, progress)


def calculator_of(text: str, arguments: str | None) -> str | CalculatorSpec:
    """Return the name of a reference potential, or the calculator at an import path."""
    from nnpcore.potential.external.model import CalculatorSpec
    from nnpcore.reference import REFERENCES

    if text in REFERENCES:
        return text
    if ":" not in text:
        names = " or ".join(REFERENCES)
        raise SettingsError(
            f"there is no calculator {text!r}",
            where="calculator",
            fix=f"Write {names}, or package.module:Name",
        )
    return CalculatorSpec.from_text(text, arguments or "")
