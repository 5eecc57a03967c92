"""``eatlas properties``: what potentials say of a crystal, side by side and beside the reference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnpcore.cli import options
from nnpcore.cli.cure import calculator_of
from nnpcore.cli.datasets import read
from nnpcore.cli.gathered import Result
from nnpcore.cli.models import open_models, specs_of
from nnpcore.cli.output import output_folder, refuse_to_replace
from nnpcore.cli.result_tables import properties_table
from nnpcore.cli.terminal import Terminal
from nnpcore.errors import EatlasError, SettingsError

if TYPE_CHECKING:
    from nnpcore.potential.external.model import CalculatorModel
    from nnpcore.potential.model import AtomicEnergyModel
    from nnpcore.progress import Progress
    from nnpcore.properties import Crystal, KnownData, Properties, PropertySettings, Reference


def properties_command(
    terminal: Terminal,
    *,
    output: options.Output,
    runs: options.PropertyRuns = None,
    calculator: options.Calculators = None,
    arguments: options.CalculatorArguments = None,
    python: options.CalculatorPython = None,
    structure: options.PropertyStructure = None,
    reference: options.PropertyReference = None,
    only: options.PropertyParts = None,
    temperature: options.PropertyTemperature = 300.0,
    max_temperature: options.PropertyMaxTemperature = 3000.0,
    heating: options.PropertyHeating = 4.0,
    cell_length: options.PropertyCell = 10.0,
    threads: options.Threads = None,
    overwrite: options.Overwrite = False,
) -> Result:
    """Study each model and the reference, write tables and figures, show what came out."""
    from nnpcore.properties import PARTS, PropertySettings

    parts = tuple(PARTS) if only is None else tuple(p.strip() for p in only.split(",") if p.strip())
    settings = PropertySettings(
        parts=parts, temperature=temperature, max_temperature=max_temperature, heating_ps=heating,
        cell_length=cell_length,
    )  # fmt: skip
    specs = specs_of(calculator, arguments, python)
    folders = list(runs or ())
    if not folders and not specs:
        fix = "Name the folder of a training, or a calculator by --calculator"
        raise SettingsError("there is no model to study", where="RUN", fix=fix)
    if structure is None and not folders:
        fix = "Give its file by --structure"
        raise SettingsError("a calculator alone does not tell which crystal to study", fix=fix)
    refuse_to_replace(output, overwrite)
    with open_models(folders, specs, terminal) as models:
        known = [_training_data(folder, terminal) for folder in folders] + [None] * len(specs)
        with terminal.progress("Properties") as progress:
            crystal = _crystal(models[0], structure, known, settings, threads, terminal)
            studied, beside = _study(models, known, crystal, settings, reference, threads, progress)
    folder = output_folder(output, overwrite)
    files = _write(folder, studied, beside)
    _show(studied, beside, folder, terminal)
    return _result(studied, beside, files)


def _training_data(run: Path, terminal: Terminal) -> KnownData | None:
    """Return what a run was trained on; a note where that is gone."""
    from nnpcore.potential import Potential
    from nnpcore.properties import KnownData
    from nnpcore.training import RunFolder

    try:
        frames = RunFolder.open(run).find_frames()["training"]
    except EatlasError as error:
        terminal.warn(f"nothing can be said of reach: {error}")
        return None
    return KnownData(frames, Potential.load(run).functions) if frames else None


def _crystal(
    model: AtomicEnergyModel,
    structure: str | None,
    known: Sequence[KnownData | None],
    settings: PropertySettings,
    threads: int | None,
    terminal: Terminal,
) -> Crystal:
    from nnpcore.properties import find_crystal

    if structure is not None:
        frames = list(read(structure, None, terminal).frames)
    else:
        frames = [frame for data in known if data is not None for frame in data.frames]
    if not frames:
        raise SettingsError(
            "the run's training data are gone, so that there is no crystal", fix="Give one by --structure"
        )
    return find_crystal(frames, model, settings, n_threads=threads)


def _study(
    models: Sequence[AtomicEnergyModel],
    known: Sequence[KnownData | None],
    crystal: Crystal,
    settings: PropertySettings,
    reference: str | None,
    threads: int | None,
    progress: Progress,
) -> tuple[list[Properties], Reference | None]:
    from nnpcore.properties import Reference, read_reference, study_properties
    from nnpcore.properties.comparing import unique_names

    by_file = reference is not None and (Path(reference).exists() or reference.endswith(".json"))
    beside = read_reference(Path(reference)) if reference is not None and by_file else None
    other = None if reference is None or by_file else _reference_model(reference)
    everybody = [*models, *([] if other is None else [other])]
    found = []
    for k, (model, part) in enumerate(zip(everybody, progress.split(len(everybody)), strict=True)):
        data = known[k] if k < len(known) else None
        told = part.part(0.0, 1.0, model.name)
        found.append(study_properties(model, crystal, settings, known=data, n_threads=threads, progress=told))
    if other is not None:
        other.close()
        beside = Reference.of(found.pop())
    return unique_names(found), beside


def _reference_model(text: str) -> CalculatorModel:
    from nnpcore.potential.external.model import CalculatorModel
    from nnpcore.reference import reference_calculator

    chosen = calculator_of(text, "")
    if isinstance(chosen, str):
        return CalculatorModel(reference_calculator(chosen), name=chosen)
    return CalculatorModel(chosen)


def _write(folder: Path, studied: Sequence[Properties], beside: Reference | None) -> list[Path]:
    from nnpcore.figures.drawing import save_figures
    from nnpcore.figures.properties import property_figures
    from nnpcore.figures.tables import write_csv
    from nnpcore.files import all_or_nothing
    from nnpcore.properties import write_properties
    from nnpcore.properties.comparing import table_of
    from nnpcore.properties.values import FILE

    with all_or_nothing(folder) as new:
        files = save_figures(new, property_figures(studied, beside))
        write_csv(new / "properties.csv", table_of(studied, beside))
        write_properties(new / FILE, studied, beside)
        files += [new / "properties.csv", new / FILE]
    return [folder / file.name for file in files]


def _show(studied: Sequence[Properties], beside: Reference | None, folder: Path, terminal: Terminal) -> None:
    from nnpcore.properties.comparing import left_out, rows_of

    names = [model.name for model in studied]
    table = properties_table(
        studied[0].crystal, names, beside.name if beside else "", rows_of(studied, beside)
    )
    terminal.show(table)
    for line in left_out(studied):
        terminal.warn(line)
    for model in studied:
        for note in model.notes:
            terminal.warn(f"{model.name}: {note}")
    terminal.say(f"Tables and figures are in {folder}.")


def _result(studied: Sequence[Properties], beside: Reference | None, files: Sequence[Path]) -> Result:
    def values(model: Properties) -> dict[str, Any]:
        return {
            key: {name: v for name, v in vars(value).items() if name in ("value", "spread", "unit", "why")}
            for key, value in model.values.items()
        }

    models = {
        model.name: {"values": values(model), "notes": model.notes, "seconds": model.seconds}
        for model in studied
    }
    known = None if beside is None else {"name": beside.name, "values": dict(beside.values)}
    return {"crystal": studied[0].crystal, "models": models, "reference": known, "files": list(files)}
