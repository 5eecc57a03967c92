"""The commands: what they take, and the one place where their failures become messages.

A command's function only reads the arguments and returns the work to be done; :func:`run` does it. Numerical
libraries are loaded by the work, so that ``--help`` and mistakes in the arguments answer at once.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import typer

from nnpcore.cli import options
from nnpcore.cli.terminal import Terminal, error_json, json_only_stdout, print_json
from nnpcore.errors import Cancelled, EatlasError, SettingsError

Result = dict[str, Any]
Job = Callable[[Terminal], Result]
INTERRUPTED = 130
"""Exit status after Ctrl+C, as shells have it."""

HELP = """See what a neural-network potential has really learned.

Without a command, [bold]eatlas[/] opens the window, and [bold]eatlas FILE...[/] opens it with these files.
[bold]--example[/] loads the bundled silicon data, [bold]--train[/] starts training at once, [bold]--info[/]
prints versions and the graphics driver, [bold]--reset[/] forgets the window's settings, [bold]--version[/]
prints the version.
"""


def info(
    data: options.File,
    energy_key: options.EnergyKey = None,
    forces_key: options.ForcesKey = None,
    stress_key: options.StressKey = None,
    units: options.FileUnits = None,
    json_: options.Json = False,
) -> Job:
    """Say what a trajectory contains: frames, elements, energies, forces, stresses, bad frames."""
    from nnpcore.cli.inspect import info_command
    from nnpcore.cli.keys import key_names

    return lambda terminal: info_command(data, key_names(energy_key, forces_key, stress_key, units), terminal)


def train(
    output: options.RunOutput,
    data: options.TrainData = None,
    valid: options.ValidFiles = None,
    config: options.Config = None,
    valid_fraction: options.ValidFraction = None,
    members: options.Members = None,
    epochs: options.Epochs = None,
    seed: options.Seed = None,
    hidden: options.Hidden = None,
    cutoff: options.Cutoff = None,
    optimizer: options.Optimizer = None,
    energy_weight: options.EnergyWeight = None,
    force_weight: options.ForceWeight = None,
    stress_weight: options.StressWeight = None,
    smooth: options.Smooth = None,
    smooth_ridge: options.SmoothRidge = None,
    smooth_epochs: options.SmoothEpochs = None,
    linear_ridge: options.LinearRidge = None,
    device: options.TrainDevice = None,
    threads: options.Threads = None,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    skip_bad: options.SkipBad = False,
    energy_key: options.EnergyKey = None,
    forces_key: options.ForcesKey = None,
    stress_key: options.StressKey = None,
    units: options.FileUnits = None,
    json_: options.Json = False,
) -> Job:
    """Train an ensemble of neural-network potentials; Ctrl+C stops it with everything kept."""
    from nnpcore.cli.keys import key_names
    from nnpcore.cli.train import TrainRequest, chosen, train_command

    files, valid_files = tuple(data or ()), tuple(valid or ())
    changes = chosen(
        valid_fraction=valid_fraction, n_members=members, epochs=epochs, seed=seed, hidden=hidden,
        cutoff=cutoff, optimizer=optimizer, energy_weight=energy_weight, force_weight=force_weight,
        stress_weight=stress_weight, baseline=smooth,
        baseline_ridge=smooth_ridge, baseline_epochs=smooth_epochs,
        linear_ridge=linear_ridge, device=device, n_threads=threads,
    )  # fmt: skip

    def job(terminal: Terminal) -> Result:
        keys = key_names(energy_key, forces_key, stress_key, units)
        request = TrainRequest(files, valid_files, output, config, changes, resume, overwrite, skip_bad, keys)
        return train_command(request, terminal)

    return job


def evaluate(
    given: options.RunOrFiles = None,
    calculator: options.Calculators = None,
    arguments: options.CalculatorArguments = None,
    device: options.Device = "auto",
    threads: options.Threads = None,
    skip_bad: options.SkipBad = False,
    energy_key: options.EnergyKey = None,
    forces_key: options.ForcesKey = None,
    stress_key: options.StressKey = None,
    units: options.FileUnits = None,
    json_: options.Json = False,
) -> Job:
    """Compare a trained potential, or ASE calculators, with the energies, forces and stresses of files."""
    from nnpcore.cli.foreign import evaluate_models_command, specs_of
    from nnpcore.cli.inspect import evaluate_command
    from nnpcore.cli.keys import key_names

    def job(terminal: Terminal) -> Result:
        keys, specs = key_names(energy_key, forces_key, stress_key, units), specs_of(calculator, arguments)
        if specs:
            return evaluate_models_command(given, specs, device, threads, skip_bad, keys, terminal)
        return evaluate_command(given, device, threads, skip_bad, keys, terminal)

    return job


def map_(
    output: options.Output,
    eos: options.Eos,
    run: options.MapRun = None,
    calculator: options.Calculators = None,
    arguments: options.CalculatorArguments = None,
    threads: options.Threads = None,
    overwrite: options.Overwrite = False,
    energy_key: options.EnergyKey = None,
    forces_key: options.ForcesKey = None,
    stress_key: options.StressKey = None,
    units: options.FileUnits = None,
    json_: options.Json = False,
) -> Job:
    """Check the atomic energies at invariant points: EOS, bracket, PCA, connectivity, verdict.

    With --calculator, which may be repeated: compare equations of state.
    """
    from nnpcore.cli.foreign import compare_command, specs_of
    from nnpcore.cli.inspect import map_command
    from nnpcore.cli.keys import key_names

    def job(terminal: Terminal) -> Result:
        keys, specs = key_names(energy_key, forces_key, stress_key, units), specs_of(calculator, arguments)
        if specs:
            return compare_command(run, specs, eos, output, threads, overwrite, keys, terminal)
        if run is None:
            fix = "Name the folder of a training, or a calculator by --calculator"
            raise SettingsError("there is nothing to map", where="RUN", fix=fix)
        return map_command(run, eos, output, threads, overwrite, keys, terminal)

    return job


def predict(
    output: options.PredictOutput,
    given: options.RunOrFiles = None,
    calculator: options.Calculators = None,
    arguments: options.CalculatorArguments = None,
    threads: options.Threads = None,
    skip_bad: options.SkipBad = False,
    overwrite: options.Overwrite = False,
    energy_key: options.EnergyKey = None,
    forces_key: options.ForcesKey = None,
    stress_key: options.StressKey = None,
    units: options.FileUnits = None,
    json_: options.Json = False,
) -> Job:
    """Write files' structures with atomic energies, forces and their spread by a potential or calculator."""
    from nnpcore.cli.foreign import predict_command, specs_of
    from nnpcore.cli.keys import key_names

    def job(terminal: Terminal) -> Result:
        keys, specs = key_names(energy_key, forces_key, stress_key, units), specs_of(calculator, arguments)
        return predict_command(given, specs, output, threads, skip_bad, overwrite, keys, terminal)

    return job


def export(
    run: options.RunFolder,
    output: options.Output,
    format: options.ExportFormat = None,
    scaling: options.Scaling = "center",
    check_with: options.CheckWith = None,
    check_data: options.CheckData = None,
    overwrite: options.Overwrite = False,
    json_: options.Json = False,
) -> Job:
    """Write the potential to be passed on: with README and curves, or for n2p2, SIMPLE-NN, torch."""
    from nnpcore.cli.export import ExportRequest, export_command

    request = ExportRequest(run, output, format, scaling, check_with, check_data, overwrite)  # type: ignore[arg-type]
    return partial(export_command, request)


def import_(
    sources: options.Sources,
    output: options.RunOutput,
    format: options.ImportFormat = "auto",
    data: options.ImportData = None,
    valid: options.ValidFiles = None,
    units: options.Units = None,
    epoch: options.Epoch = None,
    threads: options.Threads = None,
    overwrite: options.Overwrite = False,
    skip_bad: options.SkipBad = False,
    energy_key: options.EnergyKey = None,
    forces_key: options.ForcesKey = None,
    stress_key: options.StressKey = None,
    data_units: options.DataUnits = None,
    json_: options.Json = False,
) -> Job:
    """Make a read-only run of a potential from n2p2 or SIMPLE-NN, to map and evaluate it."""
    from nnpcore.cli.import_ import ImportRequest, import_command
    from nnpcore.cli.keys import key_names

    files, valid_files = tuple(data or ()), tuple(valid or ())

    def job(terminal: Terminal) -> Result:
        keys = key_names(energy_key, forces_key, stress_key, data_units, option="--data-units")
        request = ImportRequest(
            tuple(sources), output, format, files, valid_files, units, epoch, threads, overwrite, skip_bad,
            keys,
        )  # fmt: skip
        return import_command(request, terminal)

    return job


def report(
    run: options.RunFolder,
    output: options.ReportOutput,
    eos: options.ReportEos = None,
    regions: options.RegionsFile = None,
    threads: options.Threads = None,
    overwrite: options.Overwrite = False,
    energy_key: options.EnergyKey = None,
    forces_key: options.ForcesKey = None,
    stress_key: options.StressKey = None,
    units: options.FileUnits = None,
    json_: options.Json = False,
) -> Job:
    """Write one page about a run: settings, data, curves, EOS, mapping errors, rigidity, verdict."""
    from nnpcore.cli.keys import key_names
    from nnpcore.cli.report import ReportRequest, report_command

    def job(terminal: Terminal) -> Result:
        keys = key_names(energy_key, forces_key, stress_key, units)
        request = ReportRequest(run, output, eos, regions, threads, overwrite, keys)
        return report_command(request, terminal)

    return job


def demo(
    output: options.DemoOutput = None,
    headless: options.Headless = False,
    seed: options.Seed = None,
    threads: options.Threads = None,
    overwrite: options.Overwrite = False,
    json_: options.Json = False,
) -> Job:
    """Show on the bundled silicon data that good totals may hide wrong atomic energies."""
    from nnpcore.cli.demo import demo_command

    return partial(demo_command, output, headless, seed, threads, overwrite)


def paper(
    name: options.StudyName,
    output: options.Output,
    quick: options.Quick = False,
    seed: options.Seed = None,
    threads: options.Threads = None,
    docs: options.Docs = None,
    json_: options.Json = False,
) -> Job:
    """Show the paper's claims with our own numbers: figures, tables, claims.json and a report."""
    from nnpcore.cli.paper import paper_command

    return partial(paper_command, name, output, quick, seed, threads, docs)


def run(arguments: Sequence[str]) -> int:
    """Run one command; return 0, 1 for a failure, 2 for wrong arguments, 130 after Ctrl+C."""
    terminal = Terminal(json_only="--json" in arguments)
    with json_only_stdout() if terminal.json_only else contextlib.nullcontext():
        status, result = _run(arguments, terminal)
    if terminal.json_only:
        print_json(result)
    return status


def _run(arguments: Sequence[str], terminal: Terminal) -> tuple[int, Result]:
    """Return (exit status, result or what ``--json`` says about the failure)."""
    status, job = _parse(arguments)
    if job is None:
        return status, error_json(EatlasError("the arguments are wrong", fix="See standard error, or --help"))
    try:
        result = job(terminal)
    except EatlasError as error:
        failure, status = error, 1
    except OSError as error:
        failure, status = EatlasError(error.strerror or str(error), where=str(error.filename or "")), 1
    except (KeyboardInterrupt, Cancelled):
        failure, status = EatlasError("interrupted, nothing more was written"), INTERRUPTED
    except Exception as error:  # a mistake of ours: its traceback is what is needed to mend it
        traceback.print_exc()
        what = f"unexpected {type(error).__name__}: {error}"
        failure, status = (
            EatlasError(what, fix="This is a mistake in Eatlas; please report the lines above"),
            1,
        )
    else:
        return int(result.pop("exit_status", 0)), result
    terminal.fail(failure)
    return status, error_json(failure)


def _parse(arguments: Sequence[str]) -> tuple[int, Job | None]:
    """Return (exit status, the work to do), with no work after --help or wrong arguments."""
    jobs: list[Job] = []
    app = typer.Typer(
        name="eatlas",
        help=HELP,
        add_completion=False,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        result_callback=lambda job, **_: jobs.append(job),
    )
    for command in (info, train, evaluate, predict, map_, export, import_, report, demo, paper):
        app.command(command.__name__.rstrip("_"))(command)
    try:
        app(list(arguments), prog_name="eatlas")
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else 1
        return status, jobs[0] if jobs else None
    return 0, jobs[0] if jobs else None
