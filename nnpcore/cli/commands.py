"""The commands: what they take, and the one place where their failures become messages.

A command's function only reads the arguments and returns the work to be done; :func:`run` does it. Numerical
libraries are loaded by the work, so that ``--help`` and mistakes in the arguments answer at once.
"""

from __future__ import annotations

import contextlib
import inspect
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

from nnpcore.cli import options
from nnpcore.cli.gathered import expanded, gathers, keys, settings
from nnpcore.cli.terminal import Terminal, error_json, json_only_stdout, print_json
from nnpcore.errors import Cancelled, EatlasError, SettingsError

if TYPE_CHECKING:
    from nnpcore.structures import KeyNames

Result = dict[str, Any]
Work = Callable[[Terminal], Result]
INTERRUPTED = 130
"""Exit status after Ctrl+C, as shells have it."""

HELP = """See what a neural-network potential has really learned.

Without a command, [bold]eatlas[/] opens the window, and [bold]eatlas FILE...[/] opens it with these files.
[bold]--example[/] loads the bundled silicon data, [bold]--train[/] starts training at once, [bold]--info[/]
prints versions and the graphics driver, [bold]--reset[/] forgets the window's settings, [bold]--version[/]
prints the version.
"""


@gathers(keys=keys)
def info(data: options.File, keys: KeyNames | None = None) -> Work:
    """Say what a trajectory contains: frames, elements, energies, forces, stresses, bad frames."""
    from nnpcore.cli.inspect import info_command

    return partial(info_command, data, keys)


@gathers(changes=settings, keys=keys)
def train(
    *,
    output: options.RunOutput,
    data: options.TrainData = None,
    valid: options.ValidFiles = None,
    config: options.Config = None,
    changes: dict[str, Any],
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    skip_bad: options.SkipBad = False,
    keys: KeyNames | None = None,
) -> Work:
    """Train an ensemble of neural-network potentials; Ctrl+C stops it with everything kept."""
    from nnpcore.cli.train import TrainRequest, train_command

    files, valid_files = tuple(data or ()), tuple(valid or ())
    request = TrainRequest(files, valid_files, output, config, changes, resume, overwrite, skip_bad, keys)
    return partial(train_command, request)


@gathers(keys=keys)
def evaluate(
    given: options.RunOrFiles = None,
    calculator: options.Calculators = None,
    arguments: options.CalculatorArguments = None,
    device: options.Device = "auto",
    threads: options.Threads = None,
    skip_bad: options.SkipBad = False,
    keys: KeyNames | None = None,
) -> Work:
    """Compare a trained potential, or ASE calculators, with the energies, forces and stresses of files."""
    from nnpcore.cli.foreign import evaluate_models_command, specs_of
    from nnpcore.cli.inspect import evaluate_command

    specs = specs_of(calculator, arguments)
    if specs:
        return partial(evaluate_models_command, given, specs, device, threads, skip_bad, keys)
    return partial(evaluate_command, given, device, threads, skip_bad, keys)


@gathers(keys=keys)
def map_(
    output: options.Output,
    eos: options.Eos,
    run: options.MapRun = None,
    calculator: options.Calculators = None,
    arguments: options.CalculatorArguments = None,
    threads: options.Threads = None,
    overwrite: options.Overwrite = False,
    keys: KeyNames | None = None,
) -> Work:
    """Check the atomic energies at invariant points: EOS, bracket, PCA, connectivity, verdict.

    With --calculator, which may be repeated: compare equations of state.
    """
    from nnpcore.cli.foreign import compare_command, specs_of
    from nnpcore.cli.inspect import map_command

    specs = specs_of(calculator, arguments)
    if specs:
        return partial(compare_command, run, specs, eos, output, threads, overwrite, keys)
    if run is None:
        fix = "Name the folder of a training, or a calculator by --calculator"
        raise SettingsError("there is nothing to map", where="RUN", fix=fix)
    return partial(map_command, run, eos, output, threads, overwrite, keys)


@gathers(keys=keys)
def predict(
    output: options.PredictOutput,
    given: options.RunOrFiles = None,
    calculator: options.Calculators = None,
    arguments: options.CalculatorArguments = None,
    threads: options.Threads = None,
    skip_bad: options.SkipBad = False,
    overwrite: options.Overwrite = False,
    keys: KeyNames | None = None,
) -> Work:
    """Write files' structures with atomic energies, forces and their spread by a potential or calculator."""
    from nnpcore.cli.foreign import predict_command, specs_of

    specs = specs_of(calculator, arguments)
    return partial(predict_command, given, specs, output, threads, skip_bad, overwrite, keys)


def export(
    run: options.RunFolder,
    output: options.Output,
    format: options.ExportFormat = None,
    scaling: options.Scaling = "center",
    check_with: options.CheckWith = None,
    check_data: options.CheckData = None,
    overwrite: options.Overwrite = False,
) -> Work:
    """Write the potential to be passed on: with README and curves, or for n2p2, SIMPLE-NN, torch."""
    from nnpcore.cli.export import export_command

    return partial(export_command, run, output, format, scaling, check_with, check_data, overwrite)


@gathers(keys=partial(keys, "data_units"))
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
    keys: KeyNames | None = None,
) -> Work:
    """Make a read-only run of a potential from n2p2 or SIMPLE-NN, to map and evaluate it."""
    from nnpcore.cli.import_ import import_command

    frames = data or (), valid or ()
    how = units, epoch, threads, overwrite, skip_bad, keys
    return partial(import_command, sources, output, format, *frames, *how)


@gathers(keys=keys)
def report(
    run: options.RunFolder,
    output: options.ReportOutput,
    eos: options.ReportEos = None,
    regions: options.RegionsFile = None,
    threads: options.Threads = None,
    overwrite: options.Overwrite = False,
    keys: KeyNames | None = None,
) -> Work:
    """Write one page about a run: settings, data, curves, EOS, mapping errors, rigidity, verdict."""
    from nnpcore.cli.report import report_command

    return partial(report_command, run, output, eos, regions, threads, overwrite, keys)


def demo(
    output: options.DemoOutput = None,
    headless: options.Headless = False,
    seed: options.Seed = None,
    threads: options.Threads = None,
    overwrite: options.Overwrite = False,
) -> Work:
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
) -> Work:
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
    try:
        status, work = _parse(arguments)
        if work is None:
            return status, error_json(
                EatlasError("the arguments are wrong", fix="See standard error, or --help")
            )
        result = work(terminal)
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


def _parse(arguments: Sequence[str]) -> tuple[int, Work | None]:
    """Return (exit status, the work to do), with no work after --help or wrong arguments."""
    found: list[Work] = []
    app = typer.Typer(
        name="eatlas",
        help=HELP,
        add_completion=False,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        result_callback=lambda work, **_: found.append(work),
    )
    for command in (info, train, evaluate, predict, map_, export, import_, report, demo, paper):
        name = command.__name__.rstrip("_")
        called = expanded(command) if name in arguments[:1] else _not_called
        app.command(name, help=inspect.getdoc(command))(called)
    try:
        app(list(arguments), prog_name="eatlas")
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else 1
        return status, found[0] if found else None
    return 0, found[0] if found else None


def _not_called() -> None:
    """Stand for a command whose options nobody needs."""
