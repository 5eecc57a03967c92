"""What the mapping analysis says about a potential, as plain numbers, tables and figures in a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnpcore.analyses import MappingStudy, study
from nnpcore.analyses.foretold import learned_from
from nnpcore.analyses.inputs import TRAINING
from nnpcore.errors import AnalysisError, EatlasError
from nnpcore.figures import EosSeries, connectivity_figure, distance_figure, eos_figure, map_figure
from nnpcore.figures.drawing import save_figures, series_color
from nnpcore.figures.tables import (
    connectivity_table,
    distance_table,
    eos_parameters_table,
    eos_table,
    pca_components_table,
    pca_table,
    write_tables,
)
from nnpcore.files import all_or_nothing, write_atomically
from nnpcore.mapping import Bracket, EosCurve, EosFit, fit_near_minimum
from nnpcore.mapping.eos import within
from nnpcore.progress import Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nnpcore.structures.frame import Frame

N_COMPONENTS = 6
"""Principal components that are written."""


def map_run(
    run: str | Path,
    eos_frames: Sequence[Frame],
    *,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> MappingStudy:
    """Analyse the potential of a run folder at the invariant points of a volume scan.

    Raises
    ------
    RunFolderError, PotentialError : the run is missing or damaged.
    AnalysisError : the frames are no crystal along its volume, or of an element the run does not know.
    """
    from nnpcore.potential import Potential
    from nnpcore.training import RunFolder
    from nnpcore.training.group_weights import counted_labels
    from nnpcore.training.history import energy_rmse

    folder = RunFolder.open(run)
    potential = Potential.load(folder.path)
    values = folder.training_values()
    try:
        frames = counted_labels(folder.find_frames()[TRAINING], folder.settings)
    except EatlasError:  # without its data the verdict knows the members' spread only
        frames = ()
    return study(
        potential,
        values,
        eos_frames,
        rmse_energy_mev=energy_rmse(folder.read_history()),
        training_frames=frames,
        kinds=learned_from(folder.settings),
        n_threads=n_threads,
        progress=progress,
    )


def eos_numbers(found: MappingStudy) -> dict[str, Any]:
    """Return the figures of the EOS, None where there is none: Å³/atom, GPa, meV/atom.

    V0 and B0 belong to the fit in the bracket or, where the energy has no minimum there, to a fit around the
    minimum it has elsewhere in the scan.
    """
    report = found.report
    fit = report.mean_fit or _fit_around_minimum(found.curve, found.bracket)
    return {
        **fit_numbers(fit),
        "slope_error_gpa": report.slope_error_gpa,
        "slope_std_gpa": report.slope_std_gpa,
        "eos_rmse_in_bracket_mev_per_atom": report.rmse_in_bracket_mev,
        "eos_rmse_mev_per_atom": report.rmse_mev,
        "eos_std_mev_per_atom": report.std_in_bracket_mev,
        "bracket_volume": [found.bracket.low, found.bracket.high],
    }


def _fit_around_minimum(curve: EosCurve, bracket: Bracket) -> EosFit | None:
    try:
        return within(fit_near_minimum(curve.volumes, curve.mean), bracket)
    except AnalysisError:
        return None


def reference_numbers(found: MappingStudy) -> dict[str, Any]:
    """Return the reference's V0 (Å³/atom), B0 (GPa) and B0', None where there is no fit."""
    return fit_numbers(found.report.reference_fit)


def fit_numbers(fit: EosFit | None) -> dict[str, Any]:
    """Return V0 (Å³/atom), B0 (GPa) and B0' of a fit, None where there is none, and why they are rough."""
    numbers = {name: getattr(fit, name) if fit else None for name in ("v0", "b0_gpa", "b0_prime")}
    return {**numbers, "doubt": fit.doubt if fit else ""}


def summary(found: MappingStudy) -> dict[str, Any]:
    """Return report.json's content: the figures, the reference, connectivity and the verdict."""
    links = found.connectivity
    matrix = {"names": list(links.names), "matrix": links.matrix.tolist()} if links else None
    return {
        **eos_numbers(found),
        "reference": reference_numbers(found),
        "connectivity": matrix,
        "verdict": found.verdict.text,
        "verdict_level": found.verdict.level,
        "messages": [
            m for m in (found.report.message, found.bracket.message, found.connectivity_message) if m
        ],
    }


def write_mapping(found: MappingStudy, folder: Path) -> list[Path]:
    """Write figures (PNG, SVG, PDF), tables (CSV) and report.json into a folder; return the files."""
    links = found.connectivity
    tables = {
        "eos": eos_table(found.curve, found.report, found.bracket),
        "eos_parameters": eos_parameters_table(found.report),
        "distance": distance_table(found.bracket),
        "pca": pca_table({name: values[:, :N_COMPONENTS] for name, values in found.scores.items()}),
        "pca_components": pca_components_table(found.pca),
    }
    figures = {
        "eos": compared_figure({"ensemble": found}),
        "pca": map_figure(found.scores, found.pca, most=None),
        "distance": distance_figure(found.curve.volumes, found.bracket, found.reach.distances),
    }
    if links is not None:
        tables["connectivity"] = connectivity_table(links)
        figures["connectivity"] = connectivity_figure(links)
    with all_or_nothing(folder) as beside:
        report = write_summary(summary(found), beside)
        files = [report, *write_tables(beside, tables), *save_figures(beside, figures)]
    return [folder / file.name for file in files]


def write_summary(content: Mapping[str, Any], folder: Path) -> Path:
    """Write report.json into a folder and return it."""
    path = folder / "report.json"
    write_atomically(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())
    return path


def compared_figure(studies: Mapping[str, MappingStudy]) -> Figure:
    """Draw the equations of state of several ensembles on one volume scan, as in the paper's Fig. 1."""
    series = [
        EosSeries(name, item.curve, item.report, item.bracket, series_color(i), dash=i)
        for i, (name, item) in enumerate(studies.items())
    ]
    return eos_figure(series)
