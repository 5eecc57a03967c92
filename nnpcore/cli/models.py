"""``eatlas evaluate``, ``map``, ``predict``: trained runs and foreign calculators, alone or side by side."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nnpcore.cli import options
from nnpcore.cli.datasets import frames_by_name, read, read_frames
from nnpcore.cli.gathered import Result, gathers, keys
from nnpcore.cli.output import output_folder, refuse_to_replace_file
from nnpcore.cli.result_tables import comparison_table, group_tables, heading, mapping_table, rmse_table
from nnpcore.cli.terminal import Terminal
from nnpcore.errors import RunFolderError, SettingsError

if TYPE_CHECKING:
    from nnpcore.exchange.predicting import Predicted
    from nnpcore.potential import Potential
    from nnpcore.potential.external.model import CalculatorSpec
    from nnpcore.potential.model import AtomicEnergyModel
    from nnpcore.potential.spread_factors import SpreadFactors
    from nnpcore.structures import KeyNames
    from nnpcore.structures.frame import Frame


@gathers(keys=keys)
def evaluate_command(
    terminal: Terminal,
    *,
    given: options.RunOrFiles = None,
    calculator: options.Calculators = None,
    arguments: options.CalculatorArguments = None,
    python: options.CalculatorPython = None,
    device: options.Device = "auto",
    threads: options.Threads = None,
    group_key: options.GroupKey = None,
    skip_bad: options.SkipBad = False,
    keys: KeyNames | None = None,
) -> Result:
    """Show RMSEs by file and group: of a run's potential, or of calculators and of a run beside them.

    Without files those on the run's own training, validation and test frames.
    """
    from nnpcore.structures.groups import check_group_key
    from nnpcore.training import RunFolder, rmse_report
    from nnpcore.training.stress_order import stresses_in_order

    specs = specs_of(calculator, arguments, python)
    own = len(given or ()) == 1 and Path((given or [""])[0]).is_dir()
    run, data = (Path((given or [""])[0]), []) if own else _split_run(given, specs, "compare with")
    reports: Result = {}
    with open_models([] if run is None else [run], specs, terminal) as models:
        key = group_key or _group_key_of(run)
        frames = frames_by_name([read(path, skip_bad, terminal, keys) for path in data])
        if run is not None and own:
            folder = RunFolder.open(run)
            found = {role: part for role, part in folder.find_frames().items() if part}
            frames = {role: stresses_in_order(part, folder.settings) for role, part in found.items()}
        if group_key is not None:
            check_group_key([frame for part in frames.values() for frame in part], group_key)
        for model in models:
            with terminal.progress(f"Evaluating {model.name}" if specs else "Evaluating") as progress:
                found = rmse_report(
                    model, frames, device=device, n_threads=threads, progress=progress, group_key=key
                )
            reports[model.name if model.name not in reports else f"{model.name} ({len(reports) + 1})"] = found
            if specs:
                terminal.show(heading(model.name))
            terminal.show(rmse_table(found), *group_tables(found))
    return {"run": run, "models": reports} if specs else {"run": run, "data_sets": reports.popitem()[1]}


def _group_key_of(run: Path | None) -> str:
    """Return by what a run tells groups; a potential alone tells them as a run does by default."""
    from nnpcore.training import RunFolder, TrainSettings

    if run is None or not (run / "data.json").is_file():
        return TrainSettings().group_key
    return RunFolder.open(run).settings.group_key


@gathers(keys=keys)
def map_command(
    terminal: Terminal,
    *,
    output: options.Output,
    eos: options.Eos,
    run: options.MapRun = None,
    calculator: options.Calculators = None,
    arguments: options.CalculatorArguments = None,
    python: options.CalculatorPython = None,
    threads: options.Threads = None,
    overwrite: options.Overwrite = False,
    skip_bad: options.SkipBad = False,
    keys: KeyNames | None = None,
) -> Result:
    """Analyse the mapping of a run, write figures, tables and report.json, show the verdict."""
    from nnpcore.report.mapping_folder import eos_numbers, map_run, reference_numbers, summary, write_mapping

    specs = specs_of(calculator, arguments, python)
    if specs:
        frames = read(eos, skip_bad, terminal, keys).frames
        return _compare(terminal, run, specs, frames, output, threads, overwrite)
    if run is None:
        fix = "Name the folder of a training, or a calculator by --calculator"
        raise SettingsError("there is nothing to map", where="RUN", fix=fix)
    dataset = read(eos, skip_bad, terminal, keys)
    with terminal.progress("Mapping") as progress:
        mapping = map_run(run, dataset.frames, n_threads=threads, progress=progress)
    folder = output_folder(output, overwrite)
    files = write_mapping(mapping, folder)
    table = mapping_table(eos_numbers(mapping), reference_numbers(mapping))
    terminal.show(table, mapping.verdict.text, then=f"Figures and tables are in {folder}.")
    return {"run": run, **summary(mapping), "files": files}


def _compare(
    terminal: Terminal,
    run: Path | None,
    specs: Sequence[CalculatorSpec],
    frames: Sequence[Frame],
    output: Path,
    threads: int | None,
    overwrite: bool,
) -> Result:
    """Compare the equations of state of calculators, and of a run beside them."""
    from nnpcore.report.side_by_side import compare_eos, comparison_summary, write_comparison

    with (
        open_models([] if run is None else [run], specs, terminal) as models,
        terminal.progress("Mapping") as progress,
    ):
        found = compare_eos(models, frames, n_threads=threads, progress=progress)
    folder = output_folder(output, overwrite)
    files = write_comparison(found, folder)
    result = comparison_summary(found)
    terminal.show(comparison_table(result), then=f"Figures and tables are in {folder}.")
    for item in found:
        if item.note:
            terminal.warn(f"{item.name}: {item.note}")
    return {"run": run, **result, "files": files}


@gathers(keys=keys)
def predict_command(
    terminal: Terminal,
    *,
    output: options.PredictOutput,
    given: options.RunOrFiles = None,
    calculator: options.Calculators = None,
    arguments: options.CalculatorArguments = None,
    python: options.CalculatorPython = None,
    calibrated: options.Calibrated = False,
    threads: options.Threads = None,
    skip_bad: options.SkipBad = False,
    overwrite: options.Overwrite = False,
    scheduler: options.SchedulerOption = None,
    keys: KeyNames | None = None,
) -> Result:
    """Write files' frames with the atomic energies, forces and spreads of a run or of a calculator."""
    from nnpcore.cluster import open_executor
    from nnpcore.exchange.predicting import predict
    from nnpcore.exchange.structures_out import check_suffix, write_structures
    from nnpcore.potential import Potential

    specs = specs_of(calculator, arguments, python)
    run, data = _split_run(given, specs, "predict")
    if (run is not None) + len(specs) != 1:
        raise SettingsError("several models at once", where="predict", fix="Give one run or one calculator")
    check_suffix(output)
    refuse_to_replace_file(output, overwrite)
    model = specs[0] if run is None else named(Potential.load(run), run)
    factors = _factors_of(run) if calibrated else None
    frames = read_frames(data, skip_bad, terminal, keys)
    with (
        open_executor(scheduler, threads, terminal.warn) as executor,
        terminal.progress("Predicting") as progress,
    ):
        found = predict(model, frames, executor, progress, factors)
    write_structures(output, found.frames)
    return _predicted(found, output, factors, terminal)


def _predicted(found: Predicted, output: Path, factors: SpreadFactors | None, terminal: Terminal) -> Result:
    """Tell what was written, and what there is to know of it."""
    for line in found.messages:
        terminal.say(f"{found.name} says: {line}")
    with_atoms = "atomic_energies" in found.frames[0].arrays
    if not with_atoms:
        terminal.warn(f"{found.name} gives no energies of single atoms: totals and forces only")
    for note in found.notes:
        terminal.warn(f"{found.name}: {note}")
    if factors is not None:
        terminal.say(
            f"Spreads are multiplied: energies by {factors.energy:.3g}, forces by {factors.force:.3g}."
        )
    terminal.say(f"{len(found.frames)} frames are in {output}.")
    return {
        "model": found.name,
        "file": output,
        "n_frames": len(found.frames),
        "atomic_energies": with_atoms,
        "note": " ".join(found.notes),
        "spread_factors": None if factors is None else vars(factors),
    }


def _factors_of(run: Path | None) -> SpreadFactors:
    """Return the factors that a run keeps for its spreads; RunFolderError where there are none."""
    from nnpcore.training import RunFolder

    factors = None if run is None else RunFolder.open(run).spread_factors()
    if factors is None:
        fix = "Give a run, and calibrate it first: eatlas calibrate RUN --store"
        raise RunFolderError("no calibration of the spreads is kept", where=str(run or ""), fix=fix)
    return factors


def specs_of(
    calculators: Sequence[str] | None, arguments: Sequence[str] | None, pythons: Sequence[str] | None
) -> list[CalculatorSpec]:
    """Return what the options name, in their order; SettingsError where they cannot be understood."""
    from nnpcore.potential.external.model import CalculatorSpec

    paths, texts, others = list(calculators or ()), list(arguments or ()), list(pythons or ())
    if len(texts) > len(paths):
        raise SettingsError(
            f"there are {len(texts)} --arguments for {len(paths)} --calculator",
            where="--arguments",
            fix="Give each calculator its arguments, in the same order ({} for none)",
        )
    if len(others) > max(1, len(paths)) or (others and not paths):
        raise SettingsError(
            f"there are {len(others)} --python for {len(paths)} --calculator",
            where="--python",
            fix="Give one for all, or each calculator its own, in the same order",
        )
    texts += [""] * (len(paths) - len(texts))
    others = others * len(paths) if len(others) == 1 else others + [""] * (len(paths) - len(others))
    return [
        CalculatorSpec.from_text(path, text, python=other)
        for path, text, other in zip(paths, texts, others, strict=True)
    ]


@contextlib.contextmanager
def open_models(
    runs: Sequence[Path], specs: Sequence[CalculatorSpec], terminal: Terminal
) -> Iterator[list[AtomicEnergyModel]]:
    """Give runs' potentials and the calculators; their processes end with the context.

    What these have said then is shown.
    """
    from nnpcore.potential import Potential
    from nnpcore.potential.external.model import CalculatorModel

    with contextlib.ExitStack() as stack:
        models: list[AtomicEnergyModel] = []
        for run in runs:
            models.append(named(Potential.load(run), run))
        foreign = [stack.enter_context(CalculatorModel(spec)) for spec in specs]
        yield [*models, *foreign]
        for model in foreign:
            for line in model.messages:
                terminal.say(f"{model.name} says: {line}")


def named(potential: Potential, run: Path) -> Potential:
    """Return a potential that is called as its run's folder is."""
    return replace(potential, info=potential.info | {"name": run.absolute().name})


def _split_run(
    given: Sequence[str] | None, specs: Sequence[CalculatorSpec], what: str
) -> tuple[Path | None, list[str]]:
    """Tell a run's folder from the files behind it: with calculators it may be missing.

    Raises
    ------
    SettingsError : there are no files.
    RunFolderError : there is neither a run nor a calculator.
    """
    names = list(given or ())
    run = None
    if names and (not specs or Path(names[0]).is_dir()):
        run = Path(names.pop(0))
        if not specs and run.is_file():
            raise RunFolderError(
                "this is a file, not the folder of a training",
                where=str(run),
                fix="Name the folder first, or a calculator by --calculator",
            )
    if not names:
        raise SettingsError(f"there is no file to {what}", where="DATA", fix="Name at least one")
    return run, names
