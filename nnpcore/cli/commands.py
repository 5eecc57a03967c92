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
from nnpcore.errors import Cancelled, EatlasError

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


def info(data: options.File, json_: options.Json = False) -> Job:
    """Say what a trajectory contains: frames, elements, energies, forces, stresses, bad frames."""
    from nnpcore.cli.inspect import info_command

    return partial(info_command, data)


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
    linear_ridge: options.LinearRidge = None,
    device: options.TrainDevice = None,
    threads: options.Threads = None,
    resume: options.Resume = False,
    overwrite: options.Overwrite = False,
    skip_bad: options.SkipBad = False,
    json_: options.Json = False,
) -> Job:
    """Train an ensemble of neural-network potentials; Ctrl+C stops it with everything kept."""
    from nnpcore.cli.train import TrainRequest, train_command

    changes: dict[str, Any] = {
        "valid_fraction": valid_fraction,
        "n_members": members,
        "epochs": epochs,
        "seed": seed,
        "hidden": hidden,
        "cutoff": cutoff,
        "optimizer": optimizer,
        "energy_weight": energy_weight,
        "force_weight": force_weight,
        "stress_weight": stress_weight,
        "linear_ridge": linear_ridge,
        "device": device,
        "n_threads": threads,
    }
    given = {name: value for name, value in changes.items() if value is not None}
    files, valid_files = tuple(data or ()), tuple(valid or ())
    request = TrainRequest(files, valid_files, output, config, given, resume, overwrite, skip_bad)
    return partial(train_command, request)


def evaluate(
    run: options.RunFolder,
    data: options.Data,
    device: options.Device = "auto",
    threads: options.Threads = None,
    skip_bad: options.SkipBad = False,
    json_: options.Json = False,
) -> Job:
    """Compare a trained potential with the energies, forces and stresses of files."""
    from nnpcore.cli.inspect import evaluate_command

    return partial(evaluate_command, run, data, device, threads, skip_bad)


def map_(
    run: options.RunFolder,
    eos: options.Eos,
    output: options.Output,
    threads: options.Threads = None,
    overwrite: options.Overwrite = False,
    json_: options.Json = False,
) -> Job:
    """Check the atomic energies at invariant points: EOS, bracket, PCA, connectivity, verdict."""
    from nnpcore.cli.inspect import map_command

    return partial(map_command, run, eos, output, threads, overwrite)


def export(
    run: options.RunFolder,
    output: options.Output,
    overwrite: options.Overwrite = False,
    json_: options.Json = False,
) -> Job:
    """Write the potential with a README, its history and its curves, to be passed on."""
    from nnpcore.cli.inspect import export_command

    return partial(export_command, run, output, overwrite)


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
    json_: options.Json = False,
) -> Job:
    """Show the paper's claims with our own numbers: figures, tables and claims.json."""
    from nnpcore.cli.paper import paper_command

    return partial(paper_command, name, output, quick, seed, threads)


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
    for command in (info, train, evaluate, map_, export, demo, paper):
        app.command(command.__name__.rstrip("_"))(command)
    try:
        app(list(arguments), prog_name="eatlas")
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else 1
        return status, jobs[0] if jobs else None
    return 0, jobs[0] if jobs else None
