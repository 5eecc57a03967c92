"""Models for the commands: trained runs and foreign calculators, alone or side by side."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnpcore.cli.datasets import frames_by_name, read
from nnpcore.cli.output import output_folder
from nnpcore.cli.result_tables import comparison_table, rmse_table
from nnpcore.cli.terminal import Terminal
from nnpcore.errors import RunFolderError, SettingsError
from nnpcore.structures import KeyNames

if TYPE_CHECKING:
    from nnpcore.mapping.model_energies import AtomicEnergyModel
    from nnpcore.potential.external.model import CalculatorSpec


def specs_of(calculators: Sequence[str] | None, arguments: Sequence[str] | None) -> list[CalculatorSpec]:
    """Return what the options name, checked, in their order.

    Raises
    ------
    SettingsError
        When there are more arguments than calculators, or one of them cannot be understood.
    """
    from nnpcore.potential.external.model import CalculatorSpec

    paths, texts = list(calculators or ()), list(arguments or ())
    if len(texts) > len(paths):
        raise SettingsError(
            f"there are {len(texts)} --arguments for {len(paths)} --calculator",
            where="--arguments",
            fix="Give each calculator its arguments, in the same order ({} for none)",
        )
    texts += [""] * (len(paths) - len(texts))
    return [CalculatorSpec.from_text(path, text) for path, text in zip(paths, texts, strict=True)]


@contextlib.contextmanager
def open_models(run: Path | None, specs: Sequence[CalculatorSpec]) -> Iterator[list[AtomicEnergyModel]]:
    """Give a run's potential, if any, and the calculators; their processes end with the context."""
    from nnpcore.potential import Potential
    from nnpcore.potential.external.model import CalculatorModel

    with contextlib.ExitStack() as stack:
        models: list[AtomicEnergyModel] = []
        if run is not None:
            potential = Potential.load(run)
            models.append(replace(potential, info=potential.info | {"name": run.absolute().name}))
        models += [stack.enter_context(CalculatorModel(spec)) for spec in specs]
        yield models


def split_run(
    given: Sequence[str] | None, specs: Sequence[CalculatorSpec], what: str
) -> tuple[Path | None, list[str]]:
    """Tell a run's folder from the files behind it: with calculators it may be missing.

    Raises
    ------
    SettingsError
        When there are no files.
    RunFolderError
        When there is neither a run nor a calculator.
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


def compare_command(
    run: Path | None,
    specs: Sequence[CalculatorSpec],
    eos: str,
    output: Path,
    threads: int | None,
    overwrite: bool,
    keys: KeyNames | None,
    terminal: Terminal,
) -> dict[str, Any]:
    """Compare the equations of state of calculators, and of a run beside them."""
    from nnpcore.report.side_by_side import compare_eos, comparison_summary, write_comparison

    frames = read(eos, False, terminal, keys).frames
    with open_models(run, specs) as models, terminal.progress("Mapping") as progress:
        found = compare_eos(models, frames, n_threads=threads, progress=progress)
    folder = output_folder(output, overwrite)
    files = write_comparison(found, folder)
    result = comparison_summary(found)
    if not terminal.json_only:
        terminal.out.print(comparison_table(result))
        terminal.say(f"Figures and tables are in {folder}.")
    for item in found:
        if item.note:
            terminal.warn(f"{item.name}: {item.note}")
    return {"run": str(run) if run else None, **result, "files": [str(file) for file in files]}


def evaluate_models_command(
    given: Sequence[str] | None,
    specs: Sequence[CalculatorSpec],
    device: str,
    threads: int | None,
    skip_bad: bool,
    keys: KeyNames | None,
    terminal: Terminal,
) -> dict[str, Any]:
    """Show the RMSEs of calculators on each file, and of a run beside them."""
    from nnpcore.training import rmse_report

    run, data = split_run(given, specs, "compare with")
    frames = frames_by_name([read(path, skip_bad, terminal, keys) for path in data])
    reports: dict[str, Any] = {}
    with open_models(run, specs) as models:
        for model in models:
            with terminal.progress(f"Evaluating {model.name}") as progress:
                found = rmse_report(model, frames, device=device, n_threads=threads, progress=progress)
            reports[model.name if model.name not in reports else f"{model.name} ({len(reports) + 1})"] = found
            if not terminal.json_only:
                terminal.out.print(f"[bold]{model.name}[/]")
                terminal.out.print(rmse_table(found))
    return {"run": str(run) if run else None, "models": reports}


def predict_command(
    given: Sequence[str] | None,
    specs: Sequence[CalculatorSpec],
    output: Path,
    threads: int | None,
    skip_bad: bool,
    overwrite: bool,
    keys: KeyNames | None,
    terminal: Terminal,
) -> dict[str, Any]:
    """Write a file's frames with the model's atomic energies, forces and spreads."""
    from nnpcore.exchange.structures_out import check_suffix, predict_frames, write_structures

    run, data = split_run(given, specs, "predict")
    if (run is not None) + len(specs) != 1:
        raise SettingsError("several models at once", where="predict", fix="Give one run or one calculator")
    check_suffix(output)
    if output.exists() and not overwrite:
        raise RunFolderError(
            "there is such a file already", where=str(output), fix="Choose another, or --overwrite"
        )
    frames = [f for path in data for f in read(path, skip_bad, terminal, keys).frames]
    with open_models(run, specs) as models, terminal.progress("Predicting") as progress:
        found = predict_frames(models[0], frames, n_threads=threads, progress=progress)
        note = str(getattr(models[0], "note", ""))
    write_structures(output, found)
    with_atoms = "atomic_energies" in found[0].arrays
    if not with_atoms:
        terminal.warn(f"{models[0].name} gives no energies of single atoms: totals and forces only")
    if note:
        terminal.warn(f"{models[0].name}: {note}")
    terminal.say(f"{len(found)} frames are in {output}.")
    return {
        "model": models[0].name,
        "file": str(output),
        "n_frames": len(found),
        "atomic_energies": with_atoms,
        "note": note,
    }
