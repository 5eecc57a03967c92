"""Mapping errors while a training goes on: symmetry functions once, then only the networks are asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.analyses.crystal import POINTS, REFERENCE, equilibrium
from nnpcore.analyses.distance import DISTANCE
from nnpcore.analyses.graph import Evaluation, found, required
from nnpcore.analyses.study import evaluation_of
from nnpcore.errors import AnalysisError
from nnpcore.files import FileFormat
from nnpcore.mapping.frame_json import frame_of, plain_frame
from nnpcore.mapping.invariant import InvariantPoints
from nnpcore.mapping.model_energies import (
    AtomicEnergyModel,
    atomic_energies,
    is_potential,
    short_range_energies,
)
from nnpcore.mapping.regions import RegionSet
from nnpcore.posterior.targets import Target
from nnpcore.units import MEV_PER_EV

if TYPE_CHECKING:
    from nnpcore.descriptors import SymmetryFunctions, Whitening
    from nnpcore.potential.short_range import ShortRange
    from nnpcore.structures.frame import Frame
    from nnpcore.training import TrainingValues

FORMAT = FileFormat(
    name="eatlas monitor",
    version=1,
    noun="a record of what is monitored",
    error=AnalysisError,
    fix="Choose crystals and regions again",
)
MONITOR_FILE = "monitor.json"
"""Name of the file in which a run folder keeps what was monitored."""

RANGE = "EOS rmse in range"
AT_V0 = "E_at(V0)"
"""Names of the entries of a crystal; with several crystals theirs comes before it."""

USUAL_RANGE = 0.05
"""Share of V0 by which a volume may differ from it to count where the reach of the data is unknown."""

_SAME = 1e-8  # relative range of G below which one atom stands for all of a crystal


class MappingMonitor:
    """Invariant crystals and regions whose mapping errors are followed epoch by epoch.

    Parameters
    ----------
    crystals : crystals with energies along their volume, or several such scans by name; None for none.
    region_sets : structures whose regions have reference values; regions without one are left out.

    Each scan gives two entries: ``EOS rmse in range``, the RMSE over the volumes in reach of the training
    set (within 5 % of V0 where that is not known), and ``E_at(V0)``, the signed error at the reference's
    equilibrium. Each region gives one, the signed error of its mean. All are of the ensemble's mean, in
    meV/atom.

    Raises
    ------
    AnalysisError : nothing with a reference value, or two entries of the same name.
    """

    def __init__(
        self,
        crystals: Sequence[Frame] | Mapping[str, Sequence[Frame]] | None = None,
        region_sets: Sequence[RegionSet] = (),
    ) -> None:
        named = crystals if isinstance(crystals, Mapping) else {"": crystals or ()}
        self.crystals = {name: tuple(frames) for name, frames in named.items() if len(frames)}
        self.region_sets = tuple(region_sets)
        self._scans: dict[str, _Scan] = {}
        self._below: tuple[ShortRange | None, np.ndarray] | None = None  # what frames have of it
        self._functions: SymmetryFunctions | None = None
        regions = [s.title_of(r) for s in self.region_sets for r in s.regions if r.reference is not None]
        for name in regions:
            if regions.count(name) > 1:
                raise AnalysisError(f"two regions are called '{name}'", fix="Name their structures")
        if not regions and not any(f.energy is not None for c in self.crystals.values() for f in c):
            raise AnalysisError(
                "nothing to monitor: there is no crystal with an energy and no region with a reference value",
                fix="Add a crystal's volume scan (EOS role) or regions with known energies",
            )

    def prepare(
        self,
        functions: SymmetryFunctions,
        whitening: Whitening,
        values: TrainingValues | None = None,
        *,
        n_threads: int | None = None,
    ) -> None:
        """Compute symmetry functions and the range of volumes; called once, before the first epoch.

        Parameters
        ----------
        functions, whitening : of the potential to be followed.
        values : its training and validation atoms; they tell which volumes are in reach.

        Raises
        ------
        AnalysisError : a crystal that is no invariant point.
        PotentialError : an element without symmetry functions.
        """
        from nnpcore.descriptors import compute_descriptors

        self._scans, self._below = {}, None
        for name, frames in self.crystals.items():
            of_scan = evaluation_of(None, values, functions=functions, whitening=whitening, eos_frames=frames)
            points = required(of_scan.value(POINTS, n_threads=n_threads))
            if np.isfinite(points.reference).any():
                self._scans[name] = _Scan.of(points, of_scan)
        frames = [s.frame for s in self.region_sets]
        table = compute_descriptors(frames, functions, derivatives=False, n_threads=n_threads)
        parts = [*(scan.points for scan in self._scans.values()), table]
        start = np.cumsum([0, *(len(part.species) for part in parts)])
        alike = [_stand_in(scan.points) for scan in self._scans.values()]
        rows = [*alike, np.arange(table.n_atoms)]
        kept, self._rows = np.unique(
            np.concatenate([a + own for a, own in zip(start, rows, strict=False)]), return_inverse=True
        )
        self._functions = functions
        self._values = np.concatenate([part.values for part in parts])[kept]
        self._species = np.concatenate([part.species for part in parts])[kept]

    def evaluate(self, model: AtomicEnergyModel) -> dict[str, float]:
        """Return the mapping errors by name, meV/atom: of an Eatlas potential within milliseconds.

        RuntimeError where :meth:`prepare` has not been called.
        """
        if self._functions is None:
            raise RuntimeError("call prepare() first")
        frames = [f for s in self._scans.values() for f in s.points.frames]
        frames += [s.frame for s in self.region_sets]
        if is_potential(model) and model.functions == self._functions:
            mean = model.atomic_energies_of(self._values, self._species).mean(axis=0)[self._rows]
            if self._below is None or self._below[0] != model.short_range:
                self._below = model.short_range, short_range_energies(model, frames)
            mean = mean + self._below[1]
        else:
            mean = atomic_energies(model, frames).mean(axis=0)
        errors: dict[str, float] = {}
        start = 0
        for name, scan in self._scans.items():
            stop = start + len(scan.points.species)
            errors |= scan.errors(mean[start:stop], f"{name} " if name else "")
            start = stop
        for regions in self.region_sets:
            atoms = mean[start : start + regions.frame.n_atoms]
            start += regions.frame.n_atoms
            for region in regions.regions:
                if region.reference is not None:
                    error = float(atoms[region.atoms].mean()) - region.reference
                    errors[regions.title_of(region)] = MEV_PER_EV * error
        return errors

    def targets(self) -> dict[str, list[Target]]:
        """Return what each entry is an error of, by its name: a mean energy, or those of some volumes.

        RuntimeError where :meth:`prepare` has not been called.
        """
        if self._functions is None:
            raise RuntimeError("call prepare() first")
        found: dict[str, list[Target]] = {}
        for name, scan in self._scans.items():
            points = scan.points
            nearest = int(np.abs(points.volumes - scan.v0).argmin())
            prefix = f"{name} " if name else ""
            found[f"{prefix}{RANGE}"] = [Target.mean(points.frames[k]) for k in np.flatnonzero(scan.counted)]
            found[f"{prefix}{AT_V0}"] = [Target.mean(points.frames[nearest])]
        for one in self.region_sets:
            for region in one.regions:
                if region.reference is not None:
                    found[one.title_of(region)] = [Target.mean(one.frame, region.atoms)]
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold: what is monitored, not what was prepared."""
        return FORMAT.mark | {
            "crystals": {name: [plain_frame(f) for f in frames] for name, frames in self.crystals.items()},
            "region_sets": [s.to_dict() for s in self.region_sets],
        }

    def save(self, folder: str | Path) -> None:
        """Write ``monitor.json`` into a run folder; RunFolderError where it cannot be written."""
        from nnpcore.training.run_folder import id_of

        mark = {"run": id_of(folder)}
        FORMAT.write(Path(folder) / MONITOR_FILE, self.to_dict() | mark, indent=None)

    @classmethod
    def load(cls, folder: str | Path) -> MappingMonitor | None:
        """Read what a run folder monitored: None without such a file, AnalysisError where it is damaged."""
        from nnpcore.training.run_folder import id_of

        path = Path(folder) / MONITOR_FILE
        if not path.is_file():
            return None
        with FORMAT.reading(path) as document:
            if document.get("run", "") not in ("", id_of(folder)):
                raise AnalysisError("it is of another training, of which files have come into this folder")
            return cls.from_dict(document)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> MappingMonitor:
        """Rebuild a monitor from :meth:`to_dict`."""
        crystals = {str(n): [frame_of(f) for f in frames] for n, frames in values["crystals"].items()}
        return cls(crystals, [RegionSet.from_dict(s) for s in values["region_sets"]])


@dataclass(frozen=True, eq=False)
class _Scan:
    """A crystal's scan: its points, which of them count for the RMSE, and V0 (Å³/atom)."""

    points: InvariantPoints
    counted: np.ndarray
    v0: float

    @classmethod
    def of(cls, points: InvariantPoints, evaluation: Evaluation) -> _Scan:
        """Find the volumes in reach of the training set."""
        distances = found(evaluation.value(DISTANCE))
        v0 = equilibrium(points, found(evaluation.value(REFERENCE)))
        known = np.isfinite(points.reference)
        inside = known & (False if distances is None else distances.bracket.contains(points.volumes))
        if not inside.any():
            inside = (np.abs(points.volumes / v0 - 1.0) <= USUAL_RANGE) & known
        return cls(points, inside if inside.any() else known, v0)

    def errors(self, energies: np.ndarray, prefix: str) -> dict[str, float]:
        """Return the entries from the mean energies (n_atoms,), eV, of all atoms of the scan."""
        error = MEV_PER_EV * (self.points.mean_of(energies) - self.points.reference)
        known = np.isfinite(self.points.reference)
        return {
            f"{prefix}{RANGE}": float(np.sqrt(np.mean(error[self.counted] ** 2))),
            f"{prefix}{AT_V0}": float(np.interp(self.v0, self.points.volumes[known], error[known])),
        }


def _stand_in(points: InvariantPoints) -> np.ndarray:
    """Return which atom (n_atoms,) stands for each: of a perfect crystal the first for all."""
    sizes = np.diff(points.atom_start)
    alike = np.repeat(points.inequivalence <= _SAME, sizes)
    return np.where(alike, np.repeat(points.atom_start[:-1], sizes), np.arange(len(alike)))
