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

from nnpcore.cli.gathered import Result, Work, expanded
from nnpcore.cli.table import COMMANDS, HELP
from nnpcore.cli.terminal import Terminal, error_json, json_only_stdout, print_json
from nnpcore.errors import Cancelled, EatlasError

INTERRUPTED = 130
"""Exit status after Ctrl+C, as shells have it."""

HOMES = {"info": "datasets", "evaluate": "models", "predict": "models", "map": "models", "import": "import_"}
"""Where a command's function ``NAME_command`` is, unless in the module of its name."""


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
    for name, text in COMMANDS.items():
        called = _not_called
        if name in arguments[:1]:
            own = name.replace("-", "_")
            home = import_module(f"nnpcore.cli.{HOMES.get(name, own)}")
            called = expanded(getattr(home, f"{own}_command"))
        app.command(name, help=text)(called)
    try:
        app(list(arguments), prog_name="eatlas")
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else 1
        return status, found[0] if found else None
    return 0, found[0] if found else None


def _not_called() -> None:
    """Stand for a command whose options nobody needs."""
