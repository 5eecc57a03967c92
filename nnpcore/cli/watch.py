"""``eatlas watch``: a training that another process does, followed in a terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from nnpcore.cli import options
from nnpcore.cli.curves import curves
from nnpcore.cli.gathered import Result, gathers
from nnpcore.cli.result_tables import epoch_text
from nnpcore.cli.terminal import PLAIN_INTERVAL, Terminal
from nnpcore.foreign_text import printable_line

if TYPE_CHECKING:
    from nnpcore.training.watching import Sight

_MESSAGES = 3
_BROKEN_OFF = "its process was ended from outside or broke off; it can go on by train --resume"
_PATIENCE = 3
"""Times in a row that a folder may be unreadable before that is an error."""


@gathers()
def watch_command(
    terminal: Terminal, *, run: options.RunFolder, every: options.Every = 1.0, once: options.Once = False
) -> Result:
    """Show curves and mapping errors as they grow, until the training or Ctrl+C ends it; write nothing."""
    from nnpcore.training.watching import RunWatch

    left = threading.Event()
    with terminal.stop_on_interrupt(left.set, "the training goes on"):
        sights = _sights(RunWatch(run).look, left, 0.0 if once else every)
        live = terminal.err.is_terminal and not terminal.json_only and not once
        last = _live(terminal, run, sights) if live else _lines(terminal, sights)
    if last.trouble is not None:
        raise last.trouble
    if not live:
        terminal.show(_picture(run, last, terminal.out.width))
    known = [record.to_dict() for record in last.records[-1:]]
    return {
        "run": run, "activity": last.activity, "writer": last.writer, "goal": last.goal,
        "quiet_for": round(last.quiet_for, 1), "broken_off": last.broken_off,
        "last": known[0] if known else None,
    }  # fmt: skip


def _sights(look: Callable[[], Sight], left: threading.Event, every: float) -> Iterator[Sight]:
    """Look again and again until the training has ended or the user has left; once where ``every`` is 0."""
    from nnpcore.training.watching import Activity

    failures = 0
    while True:
        sight = look()
        failures = failures + 1 if sight.activity is Activity.TROUBLE else 0
        yield sight
        if not every or sight.activity is Activity.ENDED or failures == _PATIENCE or left.wait(every):
            return


def _live(terminal: Terminal, run: Path, sights: Iterator[Sight]) -> Sight:
    """Draw each sight over the one before."""
    sight = next(sights)
    with Live(_picture(run, sight, terminal.err.width), console=terminal.err, auto_refresh=False) as live:
        for sight in sights:
            live.update(_picture(run, sight, terminal.err.width), refresh=True)
    return sight


def _lines(terminal: Terminal, sights: Iterator[Sight]) -> Sight:
    """Say now and then which epoch is reached, where there is no terminal to draw in."""
    sight, told, last = next(sights), 0, time.monotonic()
    for sight in sights:
        if sight.records and sight.records[-1].epoch != told and time.monotonic() - last > PLAIN_INTERVAL:
            told, last = sight.records[-1].epoch, time.monotonic()
            terminal.say(f"Epoch {told}  {epoch_text(sight.records[-1])}")
    return sight


def _picture(run: Path, sight: Sight, width: int) -> RenderableType:
    """Return all that is known of a training, for a terminal so wide."""
    shown: list[RenderableType] = [Text(printable_line(f"{run}: {_activity(sight)}"), style="bold")]
    if sight.replaced:
        shown.append(Text("Another training has taken this folder: these are its epochs.", style="yellow"))
    if sight.trouble is not None:
        shown.append(Text(printable_line(str(sight.trouble)), style="red"))
    if sight.records:
        shown.append(curves(sight.records, width))
        told = [(r.epoch, m) for r in sight.records for m in r.messages][-_MESSAGES:]
        shown += [
            Text(printable_line(f"epoch {epoch}: {message.text}"), style="yellow") for epoch, message in told
        ]
    return Group(*shown)


def _activity(sight: Sight) -> str:
    """Say in a few words what goes on."""
    reached = f"epoch {sight.records[-1].epoch}" if sight.records else "no epoch yet"
    goal = f" of {sight.goal}" if sight.goal and sight.records else ""
    state = {
        "training": f"training, {sight.writer}",
        "silent": sight.silence,
        "ended": _BROKEN_OFF if sight.broken_off else "no training writes here",
        "trouble": "cannot be read just now",
    }[sight.activity]
    return f"{reached}{goal}, {state}"
