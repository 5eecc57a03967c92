"""What the mapping analysis says about one potential: computed in one call, written as files in another."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.exchange.tables import (
    connectivity_table,
    distance_table,
    eos_parameters_table,
    eos_table,
    pca_components_table,
    pca_table,
    write_csv,
)
from nnpcore.files import write_atomically
from nnpcore.mapping import (
    Bracket,
    ConnectivityResult,
    EosCurve,
    EosReport,
    PcaResult,
    Verdict,
    analyse_eos,
    bracket,
    connectivity,
    eos_curve,
    invariant_points,
    pca_of,
    reach_of,
    reference_fit,
    verdict,
)
from nnpcore.progress import Progress

if TYPE_CHECKING:
    from nnpcore.potential import Potential
    from nnpcore.structures.frame import Frame
    from nnpcore.training import EpochRecord, TrainingValues

N_COMPONENTS = 6
"""Principal components that are written."""


@dataclass(frozen=True, eq=False)
class MappingReport:
    """What is known about the atomic energies of one potential at the invariant points of one crystal.

    Attributes
    ----------
    curve, eos, bracket, verdict : of the volume scan.
    pca : of the training atoms of the crystal's element.
    scores : by group, "training", "validation" and "eos": (n, n_components).
    connectivity : of the same groups, in whitened G space.
    """

    curve: EosCurve
    eos: EosReport
    bracket: Bracket
    verdict: Verdict
    pca: PcaResult
    scores: dict[str, np.ndarray]
    connectivity: ConnectivityResult

    def numbers(self) -> dict[str, Any]:
        """Return the figures of the EOS, None where there is none: Å³/atom, GPa, meV/atom."""
        fit = self.eos.mean_fit
        return {
            "v0": fit.v0 if fit else None,
            "b0_gpa": fit.b0_gpa if fit else None,
            "b0_prime": fit.b0_prime if fit else None,
            "slope_error_gpa": self.eos.slope_error_gpa,
            "slope_std_gpa": self.eos.slope_std_gpa,
            "eos_rmse_in_bracket_mev_per_atom": self.eos.rmse_in_bracket_mev,
            "eos_rmse_mev_per_atom": self.eos.rmse_mev,
            "eos_std_mev_per_atom": self.eos.std_in_bracket_mev,
            "bracket_volume": [self.bracket.low, self.bracket.high],
        }

    def summary(self) -> dict[str, Any]:
        """Return report.json's content: the figures, the reference, connectivity and the verdict."""
        links = {"names": list(self.connectivity.names), "matrix": self.connectivity.matrix.tolist()}
        return {
            **self.numbers(),
            "reference": self.reference(),
            "connectivity": links,
            "verdict": self.verdict.text,
            "verdict_level": self.verdict.level,
        }

    def reference(self) -> dict[str, Any]:
        """Return the reference's V0 (Å³/atom), B0 (GPa) and B0', None where there is no fit."""
        fit = self.eos.reference_fit
        names = ("v0", "b0_gpa", "b0_prime")
        return {name: getattr(fit, name) if fit else None for name in names}


def map_potential(
    potential: Potential,
    values: TrainingValues,
    eos_frames: Sequence[Frame],
    *,
    rmse_mev: float | None = None,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> MappingReport:
    """Analyse a potential at the invariant points of a volume scan.

    Parameters
    ----------
    potential : the trained ensemble.
    values : descriptors of its training and validation atoms, from its run folder.
    eos_frames : the crystal along its volume, with energies.
    rmse_mev : energy RMSE on the validation frames, meV/atom, for the verdict.

    Raises
    ------
    AnalysisError : frames that are no volume scan of a crystal, or too few atoms to compare with.
    """
    points = invariant_points(eos_frames, potential.functions, n_threads=n_threads, progress=progress)
    species = potential.elements.index(points.element)
    mine = values.species == species
    groups = {
        "training": values.values[mine & values.is_training],
        "validation": values.values[mine & ~values.is_training],
        "eos": points.values,
    }
    groups = {name: group for name, group in groups.items() if len(group)}
    x = {name: _whitened(potential, group, species) for name, group in groups.items()}
    curve = eos_curve(potential, points)
    found = _bracket(
        curve, x, points.mean_of(x["eos"].T).T, values.frame[mine & values.is_training], progress
    )
    eos = analyse_eos(curve, found)
    pca = pca_of(groups["training"])
    scores = {name: pca.transform(group) for name, group in groups.items()}
    links = connectivity(x, progress=progress)
    return MappingReport(curve, eos, found, verdict(rmse_mev, eos, found), pca, scores, links)


def _whitened(potential: Potential, values: np.ndarray, species: int) -> np.ndarray:
    return potential.whitening.transform(values, np.full(len(values), species, dtype=np.int32))


def _bracket(
    curve: EosCurve,
    x: dict[str, np.ndarray],
    points_x: np.ndarray,
    train_frames: np.ndarray,
    progress: Progress | None,
) -> Bracket:
    """Return the volumes in reach around the reference's V0 (without one: the ensemble's lowest energy)."""
    fit, _ = reference_fit(curve)
    v0 = fit.v0 if fit else float(curve.volumes[int(curve.mean.argmin())])
    reach = reach_of(x["training"], x.get("validation"), train_frames, progress=progress)
    return bracket(points_x, curve.volumes, v0, x["training"], reach)


def map_run(
    run: str | Path,
    eos_frames: Sequence[Frame],
    *,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> MappingReport:
    """Analyse the potential of a run folder; see :func:`map_potential`."""
    from nnpcore.potential import Potential
    from nnpcore.training import RunFolder

    folder = RunFolder.open(run)
    potential = Potential.load(folder.path)
    values = folder.training_values()
    rmse = best_energy_rmse(folder.read_history())
    return map_potential(potential, values, eos_frames, rmse_mev=rmse, n_threads=n_threads, progress=progress)


def best_energy_rmse(history: Sequence[EpochRecord]) -> float | None:
    """Return the best epoch's energy RMSE, meV/atom (on validation frames, if any)."""
    chosen = [record for record in history if record.best] or list(history[-1:])
    rmses = (chosen[-1].valid or chosen[-1].train) if chosen else {}
    return float(rmses["energy"]["mean"]) if "energy" in rmses else None


def write_mapping(mapping: MappingReport, folder: Path) -> list[Path]:
    """Write figures (PNG, SVG, PDF), tables (CSV) and report.json into a folder; return the files."""
    report = folder / "report.json"
    text = json.dumps(mapping.summary(), indent=1, ensure_ascii=False) + "\n"
    write_atomically(report, text.encode())
    return [report, *_write_tables(mapping, folder), *_write_figures(mapping, folder)]


def _write_tables(mapping: MappingReport, folder: Path) -> list[Path]:
    scores = {name: values[:, :N_COMPONENTS] for name, values in mapping.scores.items()}
    written = {
        "eos": eos_table(mapping.curve, mapping.eos, mapping.bracket),
        "eos_parameters": eos_parameters_table(mapping.eos),
        "distance": distance_table(mapping.bracket),
        "pca": pca_table(scores),
        "pca_components": pca_components_table(mapping.pca),
        "connectivity": connectivity_table(mapping.connectivity),
    }
    for name, columns in written.items():
        write_csv(folder / f"{name}.csv", columns)
    return [folder / f"{name}.csv" for name in written]
