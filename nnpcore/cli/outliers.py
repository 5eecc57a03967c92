"""``eatlas outliers``: frames and atoms of a run whose errors are larger than was foretold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnpcore.cli import options
from nnpcore.cli.gathered import Result
from nnpcore.cli.output import refuse_to_replace_file
from nnpcore.cli.result_tables import number, plain_table
from nnpcore.cli.terminal import Terminal
from nnpcore.units import MEV_PER_EV

if TYPE_CHECKING:
    from rich.table import Table

    from nnpcore.analyses.errors import Outlier, Outliers

TIMES, LISTED = 4.0, 20


def outliers_command(
    terminal: Terminal,
    *,
    run: options.RunFolder,
    most: options.MostOutliers = LISTED,
    times: options.Times = TIMES,
    leave_out: options.LeaveOut = None,
    overwrite: options.Overwrite = False,
    threads: options.Threads = None,
) -> Result:
    """List frames and atoms by their error against the foretold one; write what is to be left out."""
    from nnpcore.analyses import required
    from nnpcore.analyses.errors import OUTLIERS, RUN_ERRORS
    from nnpcore.report.facts import read_run
    from nnpcore.training.leaving_out import left_out, write_left_out

    if leave_out is not None:
        refuse_to_replace_file(leave_out, overwrite)
    with terminal.progress("Outliers") as progress:
        evaluation = read_run(run, None, (), progress).evaluation
        found = required(evaluation.value(OUTLIERS, n_threads=threads, progress=progress))
        errors = required(evaluation.value(RUN_ERRORS, n_threads=threads, progress=progress))
    frames = [one for one in found.frames if one.ratio >= times][:most]
    atoms = [one for one in found.atoms if one.ratio >= times][:most]
    titled = (("Frames by their energy", frames), ("Atoms by their force", atoms))
    tables = [_table(title, rows) for title, rows in titled if rows]
    sentence = found.sentence_of(times)
    terminal.show(sentence, *(tables or _largest(found)))
    result: Result = {
        "run": run,
        "sentence": sentence,
        "frames": [_numbers(one) for one in frames],
        "atoms": [_numbers(one) for one in atoms],
    }
    if leave_out is not None:
        reasons: dict[int, str] = {}
        for one in sorted([*frames, *atoms], key=lambda one: -one.ratio):
            atom = "" if one.atom is None else f"atom {one.atom}: "
            reasons.setdefault(one.place, atom + one.why)
        write_left_out(leave_out, [left_out(errors.frames[place], why) for place, why in reasons.items()])
        one = len(reasons) == 1
        are, them = ("1 frame is", "it") if one else (f"{len(reasons)} frames are", "them")
        then = f": look at {them}; then eatlas train --without {leave_out}" if reasons else ""
        terminal.say(f"{are} in {leave_out}{then}")
        result |= {"leave_out": leave_out, "n_left_out": len(reasons)}
    return result


def _largest(found: Outliers) -> list[str]:
    """Name the frame and the atom that are off most, where none is off enough to be listed."""
    return [f"None is listed. Off most: {rows[0].text}." for rows in (found.frames, found.atoms) if rows]


def _table(title: str, rows: Sequence[Outlier]) -> Table:
    """Return a row for each; the file stands above where all are of one. Only groups and files may break."""
    atoms, files = rows[0].atom is not None, list(dict.fromkeys(one.name for one in rows))
    factor, unit = (1.0, "eV/Å") if atoms else (MEV_PER_EV, "meV/atom")
    of = f", of {files[0]}" if len(files) == 1 else ""
    heads = [*(["Atom"] if atoms else []), "Error", "Foretold", "Times", "Role"]
    table = plain_table(f"{title}, {unit}{of}", "Frame", *heads, unbroken=True)
    for head in ("Group", *([] if of else ["File"])):
        table.add_column(head, overflow="fold")
    for one in rows:
        where = [str(one.index), *([str(one.atom)] if atoms else [])]
        sizes = number(factor * one.error), number(factor * one.foretold), f"{one.ratio:.1f}"
        table.add_row(*where, *sizes, one.role, one.group, *([] if of else [one.name]))
    return table


def _numbers(one: Outlier) -> Result:
    """Return an outlier for ``--json``: energies in meV/atom, forces in eV/Å."""
    factor, unit = (MEV_PER_EV, "mev_per_atom") if one.atom is None else (1.0, "ev_per_ang")
    found: Result = {"file": Path(one.key), "frame": one.index, "role": one.role, "group": one.group}
    found |= {} if one.atom is None else {"atom": one.atom}
    sizes = {f"error_{unit}": factor * one.error, f"foretold_{unit}": factor * one.foretold}
    return found | sizes | {"times": one.ratio}
