"""Results as tables of columns, and writing them as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.errors import AnalysisError
from nnpcore.figures.names import TRAINING_DISTANCE, VOLUME, column_name
from nnpcore.files import write_atomically
from nnpcore.foreign_text import spreadsheet_cell
from nnpcore.training.quantities import QUANTITIES
from nnpcore.units import MEV_PER_EV

if TYPE_CHECKING:
    from nnpcore.analyses.errors import Outliers, RunErrors
    from nnpcore.cure import Cure
    from nnpcore.mapping import Bracket, ConnectivityResult, EosCurve, EosReport, PcaResult

Table = Mapping[str, Sequence[Any] | np.ndarray]
"""Column name with its unit -> values; all columns equally long."""


def write_csv(path: str | Path, columns: Table) -> None:
    """Write columns as CSV (UTF-8, comma, one header line), all or nothing. Missing numbers stay empty.

    Texts that a spreadsheet would take for a formula get an apostrophe in front.

    Raises
    ------
    AnalysisError
        When the columns are not equally long.
    RunFolderError
        When the file cannot be written.
    """
    write_atomically(Path(path), format_csv(columns).encode("utf-8"))


def write_tables(folder: Path, tables: Mapping[str, Table]) -> list[Path]:
    """Write tables by name into a folder; return the files. Errors as for one."""
    for name, columns in tables.items():
        write_csv(folder / f"{name}.csv", columns)
    return [folder / f"{name}.csv" for name in tables]


def format_csv(columns: Table, delimiter: str = ",") -> str:
    """Return columns as CSV text; numbers read back exactly. A tab between them suits a clipboard."""
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise AnalysisError(f"the columns of a table are not equally long: {lengths}")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", delimiter=delimiter)
    writer.writerow([spreadsheet_cell(name) for name in columns])
    lists = [values.tolist() if isinstance(values, np.ndarray) else values for values in columns.values()]
    writer.writerows([_cell(value) for value in row] for row in zip(*lists, strict=True))
    return text.getvalue()


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, np.generic):
        return _cell(value.item())
    if isinstance(value, str):
        return spreadsheet_cell(value)
    return repr(value) if isinstance(value, float) else value


def eos_table(
    curve: EosCurve, report: EosReport | None = None, found: Bracket | None = None
) -> dict[str, Any]:
    """Columns of an EOS: volume, reference, mean, spread, every member, error, distance and bracket."""
    columns: dict[str, Any] = {
        column_name(VOLUME): curve.volumes,
        "reference (eV/atom)": curve.reference,
        "mean (eV/atom)": curve.mean,
        "std (meV/atom)": MEV_PER_EV * curve.std,
    }
    if report is not None:
        columns["error (meV/atom)"] = report.error_mev
    if found is not None:
        columns[column_name(TRAINING_DISTANCE)] = found.distances
        columns["in bracket"] = found.contains(curve.volumes).astype(int)
    for m, energies in enumerate(curve.energies, start=1):
        columns[f"member {m} (eV/atom)"] = energies
    return columns


def eos_parameters_table(report: EosReport) -> dict[str, Any]:
    """Columns of the fitted parameters: one row for the reference, one for the ensemble mean."""
    fits = [("reference", report.reference_fit), ("ensemble mean", report.mean_fit)]
    rows = [(name, fit) for name, fit in fits if fit is not None]
    slopes = [report.slope_error_gpa if name != "reference" else None for name, _ in rows]
    return {
        "curve": [name for name, _ in rows],
        "V0 (Å³/atom)": [fit.v0 for _, fit in rows],
        "E0 (eV/atom)": [fit.e0 for _, fit in rows],
        "B0 (GPa)": [fit.b0_gpa for _, fit in rows],
        "B0'": [fit.b0_prime for _, fit in rows],
        "slope error (GPa)": slopes,
        "points": [fit.n_points for _, fit in rows],
    }


def distance_table(found: Bracket) -> dict[str, Any]:
    """Columns of the distance of invariant points to the training set."""
    return {
        column_name(VOLUME): found.volumes,
        column_name(TRAINING_DISTANCE): found.distances,
        "threshold": np.full(len(found.volumes), found.threshold),
        "in reach": found.in_reach.astype(int),
        "in bracket": found.contains(found.volumes).astype(int),
    }


def pca_table(scores: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Columns of principal-component scores: the group of each point, then its scores (n, n_components)."""
    names = [name for name, values in scores.items() for _ in range(len(values))]
    stacked = np.concatenate(list(scores.values())) if scores else np.zeros((0, 0))
    return {"group": names} | {f"PC{k + 1}": stacked[:, k] for k in range(stacked.shape[1])}


def pca_components_table(result: PcaResult) -> dict[str, Any]:
    """Columns of the components: explained share of the variance, then the loading of every function."""
    loadings = {f"function {k + 1}": result.components[:, k] for k in range(result.components.shape[1])}
    number = np.arange(1, len(result.components) + 1)
    return {"component": number, "explained variance": result.explained} | loadings


def connectivity_table(result: ConnectivityResult) -> dict[str, Any]:
    """Columns of the connectivity of every pair of groups, each pair once, and its weakest link."""
    links = sorted(result.links.items())
    names = result.names
    return {
        "group A": [names[i] for (i, _), _ in links],
        "group B": [names[j] for (_, j), _ in links],
        "connectivity": [link.connectivity for _, link in links],
        "bottleneck": [link.bottleneck for _, link in links],
        "median core distance": [link.median_core for _, link in links],
        "atoms A": [int(result.n_used[i]) for (i, _), _ in links],
        "atoms B": [int(result.n_used[j]) for (_, j), _ in links],
    }


def cure_table(cure: Cure) -> dict[str, Any]:
    """Columns of the frames of a cure, best first: what each is, costs, and leaves with those before it."""
    chosen = cure.chosen
    return {
        "rank": list(range(1, len(chosen) + 1)),
        "frame": [one.candidate.name for one in chosen],
        "kind": [one.candidate.kind for one in chosen],
        "atoms": [one.candidate.n_atoms for one in chosen],
        f"cost (atoms^{cure.cost_exponent:g})": [one.cost for one in chosen],
        "spread left (meV/atom)": [MEV_PER_EV * one.spread for one in chosen],
        "error left (meV/atom)": [None if one.error is None else MEV_PER_EV * one.error for one in chosen],
    }


def group_errors_table(errors: RunErrors) -> dict[str, list[object]]:
    """Return errors by role and group as columns; None where there is no reference value."""
    groups = errors.by_group
    table: dict[str, list[object]] = {
        "group": [one.group for one in groups],
        "role": [one.role for one in groups],
        "frames": [one.n_frames for one in groups],
    }
    for name, quantity in QUANTITIES.items():
        means = [one.rmses[name]["mean"] if name in one.rmses else None for one in groups]
        table[f"{name} RMSE ({quantity.unit})"] = list(means)
    return table


def outliers_table(found: Outliers) -> dict[str, list[object]]:
    """Return frames, then atoms, by their error against the foretold one, as columns."""
    rows = [*found.frames, *found.atoms]
    factors = [MEV_PER_EV if one.atom is None else 1.0 for one in rows]
    return {
        "file": [one.name for one in rows],
        "frame (from 0)": [one.index for one in rows],
        "atom (from 0)": [one.atom for one in rows],
        "role": [one.role for one in rows],
        "group": [one.group for one in rows],
        "quantity": ["energy (meV/atom)" if one.atom is None else "force (eV/Å)" for one in rows],
        "error": [factor * one.error for factor, one in zip(factors, rows, strict=True)],
        "foretold": [factor * one.foretold for factor, one in zip(factors, rows, strict=True)],
        "times": [one.ratio for one in rows],
    }
