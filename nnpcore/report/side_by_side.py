"""Equations of state of several models side by side, foreign calculators among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.analyses import Evaluation, required
from nnpcore.analyses.crystal import POINTS
from nnpcore.analyses.eos import ENERGY_ZERO, EOS
from nnpcore.analyses.inputs import CRYSTAL, CRYSTAL_GROUP, EOS_ROLE, POTENTIAL, FrameGroup
from nnpcore.figures import EosSeries, eos_figure
from nnpcore.figures.drawing import save_figures, series_color
from nnpcore.figures.tables import eos_parameters_table, eos_table, write_tables
from nnpcore.files import all_or_nothing
from nnpcore.mapping import EosCurve, EosReport
from nnpcore.report.mapping_folder import fit_numbers, write_summary

if TYPE_CHECKING:
    from nnpcore.mapping.model_energies import AtomicEnergyModel
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame

OTHER_ZERO = 0.5
"""eV/atom: curves farther from the reference than this have another zero of energy, not a wrong mapping."""


@dataclass(frozen=True, eq=False)
class ModelEos:
    """One model's equation of state.

    Attributes
    ----------
    name : unique among those compared.
    curve, report : of its energies, less ``shift``.
    shift : eV/atom taken off its energies to meet the reference's lowest point; 0 where the zeros agree.
    note : what has to be known about its energies, or empty.
    """

    name: str
    curve: EosCurve
    report: EosReport
    shift: float
    note: str

    def numbers(self) -> dict[str, Any]:
        """Return its figures for report.json: Å³/atom, GPa, meV/atom."""
        report = self.report
        return {
            **fit_numbers(report.mean_fit),
            "slope_error_gpa": report.slope_error_gpa,
            "eos_rmse_mev_per_atom": report.rmse_mev,
            "shift_ev_per_atom": self.shift,
            "messages": [m for m in (report.message, self.note) if m],
        }


def compare_eos(
    models: Sequence[AtomicEnergyModel],
    eos_frames: Sequence[Frame],
    *,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> list[ModelEos]:
    """Evaluate models along one volume scan.

    Foreign calculators often count energies from another zero. A curve that is more than 0.5 eV/atom away
    from the reference is shifted onto the reference's lowest point: its shape can be compared, its height
    not.

    Raises
    ------
    AnalysisError : the frames are no crystals of one element along their volume.
    PotentialError : a model fails or does not know the element.
    """
    scan = Evaluation()
    scan.set(CRYSTAL, FrameGroup(CRYSTAL_GROUP, CRYSTAL_GROUP, EOS_ROLE, tuple(eos_frames)))
    required(scan.value(POINTS, n_threads=n_threads, progress=progress))
    found: list[ModelEos] = []
    for model in models:
        evaluation = scan.copy()
        evaluation.set(POTENTIAL, model)
        shift = _shift(required(evaluation.value(EOS, n_threads=n_threads, progress=progress)).curve)
        evaluation.set(ENERGY_ZERO, shift)
        eos = required(evaluation.value(EOS))
        note = str(getattr(model, "note", ""))
        if shift:
            moved = f"its energies count from another zero and were moved by {-shift:+.3f} eV/atom"
            note = f"{note}; {moved}" if note else moved
        name = _unique(model.name, [item.name for item in found])
        found.append(ModelEos(name, eos.curve, eos.report, shift, note))
    return found


def _shift(curve: EosCurve) -> float:
    known = np.flatnonzero(np.isfinite(curve.reference))
    if not len(known):
        return 0.0
    lowest = known[int(curve.reference[known].argmin())]
    away = float(curve.mean[lowest] - curve.reference[lowest])
    return away if abs(away) > OTHER_ZERO else 0.0


def _unique(name: str, taken: Sequence[str]) -> str:
    if name not in taken:
        return name
    return next(text for k in range(2, len(taken) + 3) if (text := f"{name} ({k})") not in taken)


def write_comparison(found: Sequence[ModelEos], folder: Path) -> list[Path]:
    """Write eos.png, .svg and .pdf of all, tables for each, and report.json; return the files."""
    series = [
        EosSeries(item.name, item.curve, item.report, None, series_color(k), dash=k)
        for k, item in enumerate(found)
    ]
    tables = {}
    for k, item in enumerate(found, start=1):
        tables[f"eos_{k}"] = eos_table(item.curve, item.report)
        tables[f"eos_parameters_{k}"] = eos_parameters_table(item.report)
    with all_or_nothing(folder) as beside:
        files = save_figures(beside, {"eos": eos_figure(series)}) + write_tables(beside, tables)
        files.append(write_summary(comparison_summary(found), beside))
    return [folder / file.name for file in files]


def comparison_summary(found: Sequence[ModelEos]) -> dict[str, Any]:
    """Return report.json's content: the reference's figures, then each model's by name."""
    return {
        "reference": fit_numbers(found[0].report.reference_fit if found else None),
        "models": {item.name: item.numbers() for item in found},
    }
