"""What the command line shows: progress and errors on standard error, results on standard output.

With ``--json`` standard output carries one JSON object and nothing else, whatever any library prints.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from nnpcore.errors import EatlasError
from nnpcore.files import json_value
from nnpcore.progress import Progress

PLAIN_INTERVAL = 5.0
"""Seconds between two lines of progress where standard error is not a terminal."""


class Terminal:
    """One command's terminal.

    Parameters
    ----------
    json_only : write the result as JSON, and send everything else to standard error.
    """

    def __init__(self, *, json_only: bool = False) -> None:
        self.json_only = json_only
        self.err = Console(stderr=True, highlight=False)
        self.out = Console(highlight=False)

    def say(self, text: str) -> None:
        """Tell what has happened (standard error, so that results can be piped)."""
        self.err.print(escape(text), soft_wrap=True)

    def warn(self, text: str) -> None:
        """Tell what the user should know."""
        self.err.print(f"[yellow]Note:[/] {escape(text)}", soft_wrap=True)

    def fail(self, error: EatlasError) -> None:
        """Show an error: one line saying what, where and what to do."""
        self.err.print(f"[bold red]Error:[/] [red]{escape(str(error))}[/]", soft_wrap=True)

    @contextlib.contextmanager
    def progress(self, title: str) -> Iterator[Progress]:
        """Show a bar (a line now and then where there is no terminal) for one core call."""
        if not self.err.is_terminal:
            yield _plain_progress(self, title)
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[text]}"),
        )
        with Bars(*columns, console=self.err, transient=True) as bars:
            task = bars.add_task(title, total=1.0, text="")

            def report(fraction: float | None, text: str) -> None:
                bars.update(task, completed=fraction or 0.0, text=escape(text))

            yield Progress(report)

    @contextlib.contextmanager
    def counter(self, title: str, total: int, done: int = 0) -> Iterator[Counter]:
        """Show a bar that counts, such as epochs, with a text beside it."""
        if not self.err.is_terminal:
            yield Counter(self, title, total)
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}"),
        )
        with Bars(*columns, console=self.err) as bars:
            task = bars.add_task(title, total=total, completed=done, text="")
            yield Counter(
                self, title, total, lambda n, text: bars.update(task, completed=n, text=escape(text))
            )


class Counter:
    """A count that is shown; made by :meth:`Terminal.counter`."""

    def __init__(self, terminal: Terminal, title: str, total: int, show: Any = None) -> None:
        self._terminal, self._title, self._total, self._show = terminal, title, total, show
        self._last_line = -math.inf

    def update(self, done: int, text: str) -> None:
        """Show how many are done."""
        if self._show is not None:
            self._show(done, text)
        elif time.monotonic() - self._last_line > PLAIN_INTERVAL or done == self._total:
            self._last_line = time.monotonic()
            self._terminal.say(f"{self._title} {done}/{self._total}  {text}")


def _plain_progress(terminal: Terminal, title: str) -> Progress:
    started = last = time.monotonic()

    def report(fraction: float | None, text: str) -> None:
        nonlocal last
        if time.monotonic() - last > PLAIN_INTERVAL:
            last = time.monotonic()
            share = "" if fraction is None else f" {100 * fraction:.0f} %"
            terminal.say(f"{title}{share} after {last - started:.0f} s  {text}")

    return Progress(report)


@contextlib.contextmanager
def json_only_stdout() -> Iterator[None]:
    """Send everything written to standard output meanwhile, also by compiled code, to standard error."""
    sys.stdout.flush()
    kept_file, kept = sys.stdout, os.dup(1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        sys.stdout = kept_file
        os.dup2(kept, 1)
        os.close(kept)


def print_json(values: dict[str, Any]) -> None:
    """Write one JSON object to standard output; numbers that are not finite become null."""
    sys.stdout.write(json.dumps(json_value(values), indent=2, allow_nan=False) + "\n")
    sys.stdout.flush()


def error_json(error: BaseException) -> dict[str, Any]:
    """Return what ``--json`` says about a failure."""
    if isinstance(error, EatlasError):
        body = {"kind": type(error).__name__, "what": error.what, "where": error.where, "fix": error.fix}
    else:
        body = {"kind": type(error).__name__, "what": str(error), "where": "", "fix": ""}
    return {"error": body | {"message": str(error)}}
