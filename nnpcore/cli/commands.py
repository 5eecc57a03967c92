"""The commands' frame: what they are called with, and the one place where their failures become messages.

Arguments are read first, by typer, from the signature of the one command that is called; then it runs.
Numerical libraries are loaded by the work, so that ``--help`` and mistakes in the arguments answer at once.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Sequence
from importlib import import_module

import typer

from nnpcore.cli import COMMANDS
from nnpcore.cli.gathered import Result, Work, expanded
from nnpcore.cli.terminal import Terminal, error_json, json_only_stdout, print_json
from nnpcore.errors import Cancelled, EatlasError

INTERRUPTED = 130
"""Exit status after Ctrl+C, as shells have it."""

HELP = """See what a neural-network potential has really learned.

Without a command, [bold]eatlas[/] opens the window, and [bold]eatlas FILE...[/] opens it with these files.
[bold]--example[/] loads the bundled silicon data, [bold]--train[/] starts training at once, [bold]--info[/]
prints versions and the graphics driver, [bold]--reset[/] forgets the window's settings, [bold]--version[/]
prints the version.
"""
HELP_OF = {
    "info": "Say what a trajectory contains: frames, elements, energies, forces, stresses, bad frames.",
    "train": "Train an ensemble of neural-network potentials; Ctrl+C stops it with everything kept.",
    "evaluate": "Compare a trained potential, or ASE calculators, with the energies, forces and stresses of "
    "files.",
    "map": "Check the atomic energies at invariant points: EOS, bracket, PCA, connectivity, verdict.\n\n"
    "With --calculator, which may be repeated: compare equations of state.",
    "predict": "Write files' structures with atomic energies, forces and their spread by a potential or "
    "calculator.",
    "export": "Write the potential to be passed on: with README and curves, or for n2p2, SIMPLE-NN, torch.",
    "import": "Make a read-only run of a potential from n2p2 or SIMPLE-NN, to map and evaluate it.",
    "report": "Write one page about a run: settings, data, curves, EOS, mapping errors, rigidity, verdict.",
    "demo": "Show on the bundled silicon data that good totals may hide wrong atomic energies.",
    "paper": "Show the paper's claims with our own numbers: figures, tables, claims.json and a report.",
}


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
        fix = "This is a mistake in Eatlas; please report the lines above"
        failure, status = EatlasError(what, fix=fix), 1
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
    for name, module in COMMANDS.items():
        called = _not_called
        if name in arguments[:1]:
            called = expanded(getattr(import_module(f"nnpcore.cli.{module}"), f"{name}_command"))
        app.command(name, help=HELP_OF[name])(called)
    try:
        app(list(arguments), prog_name="eatlas")
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else 1
        return status, found[0] if found else None
    return 0, found[0] if found else None


def _not_called() -> None:
    """Stand for a command whose options nobody needs."""
