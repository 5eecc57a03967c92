"""Results as the command line shows them to a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from nnpcore.foreign_text import printable_line
from nnpcore.structures import DatasetSummary, FrameProblem
from nnpcore.training import EpochRecord
from nnpcore.training.history import energy_rmse
from nnpcore.training.quantities import QUANTITIES
from nnpcore.units import MEV_PER_EV

if TYPE_CHECKING:
    from nnpcore.analyses.calibration import Calibration
    from nnpcore.cure import Cure
    from nnpcore.properties.comparing import Row

_MAX_PROBLEMS = 10
_SHORT_NAME = 20
"""Names so short stay whole: where a table is too wide members go below the mean instead."""


class _Table(Table):
    """A table whose cells are plain text, whatever stands in them."""

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        """Add a row of texts."""
        plain = (escape(printable_line(cell)) if isinstance(cell, str) else cell for cell in cells)
        super().add_row(*plain, **options)


def heading(name: str) -> str:
    """Return a name, whatever stands in it, as it is shown above what belongs to it."""
    return f"[bold]{escape(printable_line(name))}[/]"


def number(value: float | None) -> str:
    """Return a number with three significant digits, or a dash where there is none."""
    return "–" if value is None or value != value else f"{value:#.3g}"


def rmse_table(data_sets: Mapping[str, Mapping[str, Any]], caption: str = "") -> Table:
    """Return RMSEs by data set: of the ensemble's mean, and from the best to the worst member."""
    heads = (f"{quantity.name.capitalize()}, {quantity.unit}" for quantity in QUANTITIES.values())
    short = max(map(len, data_sets), default=0) <= _SHORT_NAME
    table = plain_table("RMSE of the ensemble's mean (members)", "Data", *heads, unbroken=not short)
    table.columns[0].no_wrap = short
    table.caption, table.caption_justify = caption or None, "left"
    for name, report in data_sets.items():
        cells = (_rmse_cell(report.get(quantity.report_key)) for quantity in QUANTITIES.values())
        table.add_row(name, *cells)
    return table


def group_tables(data_sets: Mapping[str, Mapping[str, Any]]) -> list[Table]:
    """Return the RMSEs by group of each data set that has several groups, the worst forces first."""
    known = {name: report.get("groups") for name, report in data_sets.items()}
    return [_group_table(name, groups) for name, groups in known.items() if groups]


def _group_table(name: str, groups: Mapping[str, Mapping[str, Any]]) -> Table:
    heads = (f"{quantity.name.capitalize()}, {quantity.unit}" for quantity in QUANTITIES.values())
    table = plain_table(
        f"{name}, by group: RMSE of the ensemble's mean", "Group", "Frames", *heads, unbroken=True
    )
    force = QUANTITIES["force"].report_key
    for group, own in sorted(groups.items(), key=lambda one: -(one[1][force]["mean"] or 0.0)):
        means = ((own.get(quantity.report_key) or {}).get("mean") for quantity in QUANTITIES.values())
        table.add_row(group, str(own["n_frames"]), *map(number, means))
    return table


def kept_text(history: Sequence[EpochRecord]) -> str:
    """Say of which weights the RMSEs at a training's end are, and which one verdict and report name."""
    if energy_rmse(history) is None:
        return ""
    return "Of the potential as kept, every member at its own best epoch."


def plain_table(title: str, first: str, *heads: str, unbroken: bool = False) -> Table:
    """Return an empty table, its numbers to the right; ``unbroken``: none of them on two lines."""
    table = _Table(title=escape(printable_line(title)), title_justify="left")
    table.add_column(first, overflow="fold")
    for head in heads:
        table.add_column(escape(printable_line(head)), justify="right", no_wrap=unbroken)
    return table


def _rmse_cell(rmse: Mapping[str, Any] | None) -> str:
    if rmse is None or rmse["mean"] is None:
        return "no reference"
    members = [m for m in rmse["members"] if m is not None and m == m]
    if len(members) < 2:
        return number(rmse["mean"])
    return f"{number(rmse['mean'])} ({number(min(members))}–{number(max(members))})"


def summary_table(summary: DatasetSummary, elsewhere: Mapping[str, str] | None = None) -> Table:
    """Return what a data set contains, a line a fact.

    ``elsewhere`` : by quantity, in how many frames it stands under which other name.
    """
    rows = [
        ("Frames", str(summary.n_frames)),
        ("Composition", f"{summary.formula} ({', '.join(summary.elements)})"),
        ("Atoms a frame", _range(summary.n_atoms, "{:d}")),
        ("Periodic", " or ".join(summary.periodic)),
    ]
    counts = {
        ("Energies", "energy"): summary.n_energies,
        ("Forces", "forces"): summary.n_forces,
        ("Stresses", "stress"): summary.n_stresses,
    }
    for (title, quantity), count in counts.items():
        text = "all frames" if count == summary.n_frames else f"{count} of {summary.n_frames} frames"
        more = (elsewhere or {}).get(quantity)
        rows.append((title, f"{text}, {more}" if more else text))
    if summary.energy_per_atom is not None:
        rows.append(("Energy", _range(summary.energy_per_atom, "{:.4f}") + " eV/atom"))
    if summary.volume_per_atom is not None:
        rows.append(("Volume", _range(summary.volume_per_atom, "{:.3f}") + " Å³/atom"))
    rows.append(("Units", summary.units))
    if summary.other_keys and not summary.n_energies:
        rows.append(("Other numbers", ", ".join(summary.other_keys)))
    return facts_table(rows)


def facts_table(rows: Iterable[tuple[str, str]]) -> Table:
    """Return a line a fact: its name, and what it is."""
    table = _Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*row)
    return table


def _range(bounds: tuple[float, float], form: str) -> str:
    low, high = (form.format(bound) for bound in bounds)
    return low if low == high else f"{low} to {high}"


def problem_lines(problems: Sequence[FrameProblem]) -> list[str]:
    """Return a line for each bad frame, the first ten of them."""
    lines = [f"frame {p.index}: {p.what}. {p.fix}." for p in problems[:_MAX_PROBLEMS]]
    more = len(problems) - len(lines)
    return [*lines, f"and {more} more bad frames"] if more > 0 else lines


def epoch_text(record: EpochRecord) -> str:
    """Return what an epoch has reached, as it stands beside the bar."""
    rmses = record.valid or record.train
    known = (quantity for quantity in QUANTITIES.values() if quantity.name in rmses)
    return "  ".join(f"{q.name[0].upper()} {number(rmses[q.name]['mean'])} {q.unit}" for q in known)


def mapping_table(numbers: Mapping[str, Any], reference: Mapping[str, Any]) -> Table:
    """Return the equation of state of the ensemble beside the reference's."""
    table = plain_table("Crystal along its volume", "", "ensemble", "reference")
    low, high = numbers["bracket_volume"]
    bracket = "none" if low is None else f"{low:.2f} to {high:.2f}"
    table.add_row("V0, Å³/atom", _fitted(numbers, "v0", 3), _fitted(reference, "v0", 3))
    table.add_row("B0, GPa", _fitted(numbers, "b0_gpa", 1), _fitted(reference, "b0_gpa", 1))
    table.add_row("Slope error at V0, GPa", _digits(numbers["slope_error_gpa"], 2), "")
    table.add_row("Bracket, Å³/atom", bracket, "")
    table.add_row(
        "RMSE in the bracket, meV/atom", _digits(numbers["eos_rmse_in_bracket_mev_per_atom"], 2), ""
    )
    table.add_row("Spread in the bracket, meV/atom", _digits(numbers["eos_std_mev_per_atom"], 2), "")
    return table


def comparison_table(report: Mapping[str, Any]) -> Table:
    """Return the equations of state of several models beside the reference's, a row each."""
    heads = ("V0, Å³/atom", "B0, GPa", "slope error, GPa", "RMSE, meV/atom")
    table = plain_table("Crystal along its volume", "", *heads)
    reference = report["reference"]
    table.add_row("reference", _fitted(reference, "v0", 3), _fitted(reference, "b0_gpa", 1), "", "")
    for name, model in report["models"].items():
        fitted = (_fitted(model, "v0", 3), _fitted(model, "b0_gpa", 1))
        rmse = _digits(model["eos_rmse_mev_per_atom"], 2) + (" *" if model["shift_ev_per_atom"] else "")
        table.add_row(name, *fitted, _digits(model["slope_error_gpa"], 2), rmse)
    return table


def _fitted(numbers: Mapping[str, Any], name: str, digits: int) -> str:
    """Return a number of a fit; one that is rough has a ≈ before it."""
    return ("≈ " if numbers.get("doubt") else "") + _digits(numbers[name], digits)


def _digits(value: float | None, digits: int) -> str:
    return "–" if value is None or value != value else f"{value:.{digits}f}"


def demo_table(report: Mapping[str, Any], titles: Mapping[str, str]) -> Table:
    """Return the demonstration's three ensembles beside the reference, a column each."""
    heads = (titles.get(name, name) for name in report["runs"])
    table = plain_table("Silicon: the same totals, different atomic energies", "", *heads, "DFT")
    rows = (
        ("RMSE of energies, meV/atom", "rmse_energy_mev_per_atom", 2),
        ("RMSE of forces, eV/Å", "rmse_force_ev_per_ang", 3),
        ("V0, Å³/atom", "v0", 3),
        ("B0, GPa", "b0_gpa", 1),
        ("Slope error at V0, GPa", "slope_error_gpa", 2),
        ("EOS: RMSE in the bracket, meV/atom", "eos_rmse_in_bracket_mev_per_atom", 1),
        ("EOS: spread in the bracket, meV/atom", "eos_std_mev_per_atom", 1),
        ("Training, s", "train_seconds", 0),
    )
    for text, key, digits in rows:
        values = [_digits(run[key], digits) for run in report["runs"].values()]
        reference = report["reference"].get(key)
        table.add_row(text, *values, "" if reference is None else _digits(reference, digits))
    return table


def properties_table(crystal: str, names: Sequence[str], reference: str, rows: Sequence[Row]) -> Table:
    """Return the properties of models side by side, and of the reference behind them."""
    table = plain_table(crystal, "", *names, *((reference,) if reference else ()))
    for row in rows:
        cells = [row.text(k) for k in range(len(names))]
        table.add_row(row.name, *cells, *((row.reference_text,) if reference else ()))
    return table


def calibration_rows(found: Calibration) -> Table:
    """Return each spread with its factor, and its coverage before and after."""
    from nnpcore.mapping.calibration import WANTED

    wanted = " and ".join(f"{100 * share:.0f} %" for share in WANTED)
    heads = ("factor", "before, %", "after, %", "rank", "values")
    title = f"Spreads, and errors within 1 and 2 of them (wanted {wanted})"
    table = plain_table(title, "", *heads, unbroken=True)
    for one in found.spreads:
        low, high = one.bounds
        bounds = "" if low != low else f" ({low:.2g}–{high:.2g})"
        shares = (
            ", ".join(f"{100 * share:.0f}" for share in part.coverage) for part in (one.before, one.after)
        )
        whose = "foretold" if one.whose == "data" else one.whose
        name, rank = f"{one.quantity}, {whose}", _digits(one.rank, 2)
        table.add_row(name, f"{one.factor:.3g}{bounds}", *shares, rank, str(one.n))
    return table


def cure_rows(cure: Cure) -> Table:
    """Return the frames of a cure, best first, with what each leaves together with those before it."""
    known = any(one.error is not None for one in cure.chosen)
    heads = ("Atoms", "Cost", "Spread left, meV/atom", *(("Error left, meV/atom",) if known else ()))
    table = plain_table("Frames to add", "Frame", *heads)
    first = "–", "–", number(MEV_PER_EV * cure.spread)
    table.add_row("nothing", *first, *((_mev(cure.error),) if known else ()))
    for one in cure.chosen:
        cells = str(one.candidate.n_atoms), f"{one.cost:.3g}", number(MEV_PER_EV * one.spread)
        table.add_row(one.candidate.name, *cells, *((_mev(one.error),) if known else ()))
    return table


def _mev(energy: float | None) -> str:
    return number(None if energy is None else MEV_PER_EV * energy)
