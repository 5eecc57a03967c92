"""``eatlas note``: what a user says of a run."""

from __future__ import annotations

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
    from nnpcore.training.notes import change_note

    note = change_note(run, text, star)
    shown = printable(("★ " if note.star else "") + (note.text or "(no note)"))
    terminal.show(escape(shown))
    return {"run": run, "note": note.text, "star": note.star}
