"""What the command line shows: progress and errors on standard error, results on standard output.

With ``--json`` standard output carries one JSON object and nothing else, whatever any library prints.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Protocol

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress

from nnpcore.errors import EatlasError
from nnpcore.files import json_value
from nnpcore.foreign_text import printable, printable_line
from nnpcore.progress import Progress


class Update(Protocol):
    """Moves a bar on."""

    def __call__(self, done: float, text: str, below: Callable[[int], RenderableType] | None = None) -> None:
        """Show what is done and a text; ``below`` makes what is drawn under it, so wide."""
        ...


class Bars(RichProgress):
    """Bars with something under them that grows while they do.

    Attributes
    ----------
    below : what is drawn there; None for nothing.
    """

    below: RenderableType | None = None

    def get_renderables(self) -> Iterator[RenderableType]:
        """Give the bars, and what is below them."""
        yield from super().get_renderables()
        if self.below is not None:
            yield self.below


PLAIN_INTERVAL = 5.0
"""Seconds between two lines of progress where standard error is not a terminal."""

DRAWING_INTERVAL = 1.0
"""Seconds between two pictures under a bar."""


class Terminal:
    """One command's terminal.

    Parameters
    ----------
    json_only : write the result as JSON, and send everything else to standard error.
    """

    def __init__(self, *, json_only: bool = False) -> None:
        self.json_only = json_only
        self.err = Console(stderr=True, highlight=False, emoji=False)
        self.out = Console(highlight=False, emoji=False)

    def show(self, *results: RenderableType, then: str = "") -> None:
        """Print results for a person, and tell something more; with ``--json`` nothing."""
        if self.json_only:
            return
        for result in results:
            shown = printable(result) if isinstance(result, str) else result
            self.out.print(shown, soft_wrap=isinstance(result, str))
        if then:
            self.say(then)

    def say(self, text: str) -> None:
        """Tell what has happened (standard error, so that results can be piped)."""
        self.err.print(escape(printable_line(text)), soft_wrap=True)

    def warn(self, text: str) -> None:
        """Tell what the user should know."""
        self.err.print(f"[yellow]Note:[/] {escape(printable_line(text))}", soft_wrap=True)

    def fail(self, error: EatlasError) -> None:
        """Show an error: one line saying what, where and what to do."""
        self.err.print(f"[bold red]Error:[/] [red]{escape(printable_line(str(error)))}[/]", soft_wrap=True)

    @contextlib.contextmanager
    def progress(self, title: str) -> Iterator[Progress]:
        """Show a bar (a line now and then where there is no terminal) for one core call."""
        started = last = time.monotonic()
        with self._bar(title, 1.0, TimeElapsedColumn(), transient=True) as bar:

            def report(fraction: float | None, text: str) -> None:
                nonlocal last
                if bar is not None:
                    bar(fraction or 0.0, text)
                elif time.monotonic() - last > PLAIN_INTERVAL:
                    last = time.monotonic()
                    share = "" if fraction is None else f" {100 * fraction:.0f} %"
                    self.say(f"{title}{share} after {last - started:.0f} s  {text}")

            yield Progress(report)

    @contextlib.contextmanager
    def counter(self, title: str, total: int) -> Iterator[Update]:
        """Show a bar that counts, such as epochs, with a text beside it; give what moves it on."""
        last = -math.inf
        columns = (MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        with self._bar(title, total, *columns) as bar:

            def update(done: float, text: str, below: Callable[[int], RenderableType] | None = None) -> None:
                nonlocal last
                if bar is not None:
                    bar(done, text, below)
                elif time.monotonic() - last > PLAIN_INTERVAL or done == total:
                    last = time.monotonic()
                    self.say(f"{title} {done}/{total}  {text}")

            yield update

    @contextlib.contextmanager
    def _bar(
        self, title: str, total: float, *columns: ProgressColumn, transient: bool = False
    ) -> Iterator[Update | None]:
        """Show a bar and give what moves it on; None where there is no terminal."""
        if not self.err.is_terminal:
            yield None
            return
        shown = (TextColumn("{task.description}"), BarColumn(), *columns, TextColumn("{task.fields[text]}"))
        with Bars(*shown, console=self.err, transient=transient) as bars:
            task = bars.add_task(escape(printable_line(title)), total=total, text="")
            drawn = -math.inf

            def update(done: float, text: str, below: Callable[[int], RenderableType] | None = None) -> None:
                nonlocal drawn
                if below is not None and (time.monotonic() - drawn > DRAWING_INTERVAL or done == total):
                    drawn, bars.below = time.monotonic(), below(self.err.width)
                bars.update(task, completed=done, text=escape(printable_line(text)))

            yield update

    @contextlib.contextmanager
    def stop_on_interrupt(self, stop: Callable[[], None], kept: str) -> Iterator[None]:
        """Let Ctrl+C (and a request to end) call ``stop`` and say what is kept; a second one gives up.

        Outside the main thread, where signals cannot be received, nothing changes.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        stopping = False

        def on_signal(number: int, frame: FrameType | None) -> None:
            nonlocal stopping
            if stopping:
                raise KeyboardInterrupt
            stopping = True
            stop()
            self.say(f"Stopping; {kept}. Ctrl+C again gives up at once.")

        before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


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


def error_json(error: EatlasError) -> dict[str, Any]:
    """Return what ``--json`` says about a failure."""
    body = {"kind": type(error).__name__, "what": error.what, "where": error.where, "fix": error.fix}
    return {"error": body | {"message": str(error)}}
