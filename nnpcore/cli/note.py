"""``eatlas note``: what a user says of a run."""

from __future__ import annotations

from dataclasses import replace

from rich.markup import escape

from nnpcore.cli import options
from nnpcore.cli.gathered import Result
from nnpcore.cli.terminal import Terminal
from nnpcore.foreign_text import printable


def note_command(
    terminal: Terminal,
    *,
    run: options.RunFolder,
    text: options.NoteText = None,
    star: options.Star = None,
) -> Result:
    """Show the note on a run, or change its text, its star, or both."""
    from nnpcore.training import RunFolder
    from nnpcore.training.notes import read_note, write_note

    before = read_note(RunFolder.open(run))
    note = replace(
        before, text=before.text if text is None else text, star=before.star if star is None else star
    )
    if note != before:
        write_note(run, note)
    shown = printable(("★ " if note.star else "") + (note.text or "(no note)"))
    terminal.show(escape(shown))
    return {"run": run, "note": note.text, "star": note.star}
