"""What the studies of the silicon slab share: samples by temperature, trainings, mapping errors.

The reference is Stillinger-Weber silicon, whose atomic energies are known exactly, so that the regions'
values need no DFT. The slab is Si(100)-(2×2) of 16 layers, relaxed at 0 K; its atoms deeper than 6 Å are
bulk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase.build import bulk

from nnpcore.analyses import MappingMonitor
from nnpcore.mapping import RegionSet, atomic_energies, connectivity, depth_regions, with_references
from nnpcore.paper.context import StudyContext, TrainedRun
from nnpcore.progress import Progress
from nnpcore.reference import (
    SILICON_LATTICE,
    SamplerSettings,
    StillingerWeber,
    label,
    relax,
    slab,
    wulff_cluster,
)
from nnpcore.structures.frame import Frame
from nnpcore.training import PRESET_26, RunFolder, TrainSettings
from nnpcore.units import MEV_PER_EV

NETWORKS, SMOOTH = "networks alone", "with a smooth part"
KINDS = (NETWORKS, SMOOTH)
PAPER_TEMPERATURES = (100.0, 300.0, 500.0, 700.0, 1000.0)
"""K, those of the paper's Fig. 2."""

HOTTER = (1400.0, 1700.0)
"""K, beyond the paper: Stillinger-Weber silicon melts at 1690 K, and its bonds last longer than DFT's."""

SLAB_FILE = "si100-2x2"
SMOOTH_PART = {"baseline": "linear", "baseline_ridge": 1e-5}
"""Settings of the closed-form part. One ridge (eV²) for all temperatures, so that they differ by the data
only; about the largest that costs no validation error. Smaller ones let neighboring layers trade
electronvolts, larger ones bring the networks' own offsets back."""


@dataclass(frozen=True)
class Plan:
    """How much is sampled and trained for each temperature."""

    temperatures: tuple[float, ...]
    n_train: int
    n_valid: int
    epochs: int
    n_members: int = 5


def plan_of(context: StudyContext) -> Plan:
    """Return the size of a study of the slab."""
    if context.quick:
        return Plan((*PAPER_TEMPERATURES, HOTTER[-1]), 160, 40, 4, 4)
    return Plan((*PAPER_TEMPERATURES, *HOTTER), 200, 100, 10)


# structures and samples -------------------------------------------------------------------------------
def relaxed_slab(context: StudyContext) -> Frame:
    """Return Si(100)-(2×2), 64 atoms, relaxed at 0 K, with energy, forces and exact atomic energies."""

    def make() -> list[Frame]:
        calculator = StillingerWeber()
        relaxed = relax(slab("100"), calculator, fmax=0.002, progress=context.quiet())
        return [label(relaxed, calculator)]

    return context.samples(SLAB_FILE, {"surface": "100", "layers": 16, "fmax": 0.002}, make)[0]


def slab_regions(frame: Frame, exact: bool = False) -> RegionSet:
    """Return bulk and surface of the slab with their reference values.

    The bulk's is the crystal's energy per atom, the surface's is what remains of the total, as in the paper;
    ``exact`` takes the means of the exact atomic energies instead.
    """
    regions = depth_regions(frame)
    if exact:
        return with_references(regions)
    crystal = bulk("Si", "diamond", a=SILICON_LATTICE)
    crystal.calc = StillingerWeber()
    return with_references(regions, crystal_energy=float(crystal.get_potential_energy()) / len(crystal))


def slab_frames(context: StudyContext, temperature: float, replica: int = 0) -> list[Frame]:
    """Return frames of the slab's molecular dynamics at one temperature (NVT); a replica is another seed."""
    plan = plan_of(context)
    settings = SamplerSettings(
        temperatures=(temperature,),
        spacing_fs=60.0,
        n_frames=plan.n_train + plan.n_valid,
        seed=context.seed + 1000 * replica,
    )
    start = relaxed_slab(context).to_atoms
    return context.dynamics(f"{SLAB_FILE}-{temperature:g}K", start, StillingerWeber(), settings)


# trainings --------------------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class SlabRun:
    """One ensemble trained on the slab at one temperature.

    Attributes
    ----------
    temperature : K. kind : networks alone or with a smooth part. replica : number of the data set.
    run : the training. regions : of the relaxed slab, with references as in the paper.
    rmse_energy, rmse_force : of the mean prediction on validation frames, meV/atom and eV/Å.
    energies : (n_members, n_atoms) atomic energies of the relaxed slab, eV.
    connectivity : of bulk and surface atoms in the whitened G space of the training frames.
    """

    temperature: float
    kind: str
    replica: int
    run: TrainedRun
    regions: RegionSet
    rmse_energy: float
    rmse_force: float
    energies: np.ndarray
    connectivity: float

    def error(self, region: str) -> float:
        """Mapping error of a region, ensemble mean, meV/atom."""
        return float(self.members(region).mean())

    def members(self, region: str) -> np.ndarray:
        """Mapping error of a region by each member (n_members,), meV/atom."""
        chosen = self.regions.region(region)
        assert chosen.reference is not None
        return MEV_PER_EV * (self.energies[:, chosen.atoms].mean(axis=1) - chosen.reference)

    @property
    def largest(self) -> float:
        """Largest absolute mapping error of the two regions, meV/atom."""
        return max(abs(self.error("bulk")), abs(self.error("surface")))

    @property
    def cancelled(self) -> float:
        """Error of the slab's total energy, ensemble mean, meV/atom: what is left of the regions' errors."""
        reference = self.regions.frame.energy
        assert reference is not None
        return MEV_PER_EV * (float(self.energies.mean(axis=0).sum()) - reference) / self.energies.shape[1]

    @property
    def atom_mae(self) -> float:
        """Mean absolute error of all atomic energies against the exact ones, ensemble mean, meV."""
        return float(np.abs(self.atom_errors).mean())

    @property
    def atom_errors(self) -> np.ndarray:
        """Error of every atomic energy (n_atoms,) against the exact one, ensemble mean, meV."""
        exact = self.regions.frame.exact_energies
        assert exact is not None
        return MEV_PER_EV * (self.energies.mean(axis=0) - exact)

    @property
    def text(self) -> str:
        """What has come out, in a sentence."""
        errors = ", ".join(f"{name} {self.error(name):+.0f}" for name in ("bulk", "surface"))
        return (
            f"{self.temperature:g} K, {self.kind}: {errors} meV/atom at an RMSE of {self.rmse_energy:.2f}; "
            f"connectivity {self.connectivity:.2f}"
        )

    def row(self) -> dict[str, Any]:
        """Return one row of a table."""
        exact = {r.name: self.atom_errors[r.atoms] for r in self.regions.regions}
        return {
            "temperature (K)": self.temperature,
            "potential": self.kind,
            "data set": self.replica,
            "validation energy RMSE (meV/atom)": self.rmse_energy,
            "validation force RMSE (eV/Å)": self.rmse_force,
            "bulk error (meV/atom)": self.error("bulk"),
            "bulk spread of members (meV/atom)": float(self.members("bulk").std()),
            "surface error (meV/atom)": self.error("surface"),
            "surface spread of members (meV/atom)": float(self.members("surface").std()),
            "error of the slab's total (meV/atom)": self.cancelled,
            "bulk error against exact atomic energies (meV/atom)": float(exact["bulk"].mean()),
            "surface error against exact atomic energies (meV/atom)": float(exact["surface"].mean()),
            "mean absolute error of all atomic energies (meV)": self.atom_mae,
            "connectivity bulk-surface": self.connectivity,
        }


def training_settings(context: StudyContext, kind: str, epochs: int, n_members: int) -> TrainSettings:
    """Return the settings of a study's training: Kalman filter, with or without a smooth part."""
    settings = TrainSettings(
        descriptors=PRESET_26,
        stress_weight=0.0,
        seed=context.seed,
        n_members=n_members,
        epochs=epochs,
        baseline="none",
    )
    return settings if kind == NETWORKS else settings.replace(**SMOOTH_PART)


def train_pair(
    context: StudyContext,
    temperature: float,
    progress: Progress,
    *,
    replica: int = 0,
    study: str = "fig2",
) -> list[SlabRun]:
    """Train both kinds on the slab at one temperature, or take the runs there are.

    ``study`` is the one in whose folder the runs are.
    """
    regions = slab_regions(relaxed_slab(context))
    trained = [
        _train(context, temperature, kind, part, replica, study)
        for kind, part in zip(KINDS, progress.split(2), strict=True)
    ]
    one = trained[0][0]  # what follows is the same for both kinds: it is the data's
    groups = {
        name: one.potential.whitening.transform(values, np.zeros(len(values), dtype=np.int32))
        for name, values in training_groups(one.folder, regions).items()
    }
    joined = float(connectivity(groups).matrix[0, 1])
    runs = []
    for kind, (run, rmses) in zip(KINDS, trained, strict=True):
        energies = atomic_energies(run.potential, [regions.frame], n_threads=context.n_threads)
        runs.append(SlabRun(temperature, kind, replica, run, regions, *rmses, energies, joined))
        context.tell(runs[-1].text)
    return runs


def _train(
    context: StudyContext, temperature: float, kind: str, progress: Progress, replica: int, study: str
) -> tuple[TrainedRun, tuple[float, float]]:
    """Train one ensemble and return it with its RMSEs on the validation frames."""
    plan = plan_of(context)
    frames = slab_frames(context, temperature, replica)
    train, valid = frames[: plan.n_train], frames[plan.n_train :]
    label = f"{temperature:g}K-{'smooth' if kind == SMOOTH else 'networks'}"
    label += f"-{replica}" if replica else ""
    settings = training_settings(context, kind, plan.epochs, plan.n_members)
    monitor = MappingMonitor(None, [slab_regions(relaxed_slab(context))])
    run = context.train(
        label, settings, train, valid, monitor=monitor, progress=progress, study=study, reuse=True
    )
    return run, context.rmse(run.potential, valid)


def training_groups(folder: Path, regions: RegionSet) -> dict[str, np.ndarray]:
    """Symmetry functions (n, n_descriptors), not whitened, of each region's atoms in the training frames."""
    values = RunFolder.open(folder).training_values()
    chosen = values.values[values.is_training]
    by_frame = chosen.reshape(-1, regions.frame.n_atoms, chosen.shape[1])
    return {r.name: by_frame[:, r.atoms].reshape(-1, chosen.shape[1]) for r in regions.regions}


def session_of(context: StudyContext, runs: Sequence[SlabRun]) -> dict[str, Any]:
    """Return what the window opens: the relaxed slab, samples, runs and regions."""
    regions = runs[0].regions
    frames = [regions.frame, *(slab_frames(context, r.temperature, r.replica)[0] for r in runs)]
    return context.session((f.source for f in frames), (r.run for r in runs), [regions])


# the nanocluster --------------------------------------------------------------------------------------
CLUSTER_TEMPERATURES = (1000.0, 1200.0, 1450.0, 1700.0)


def cluster_frames(context: StudyContext) -> tuple[list[Frame], list[Frame]]:
    """Return training and validation frames of the 239-atom cluster's dynamics at 1000 to 1700 K.

    The last fifth of each temperature's frames is for validation.
    """
    n_frames = context.choose(60, 30)
    settings = SamplerSettings(
        temperatures=CLUSTER_TEMPERATURES, spacing_fs=60.0, n_frames=n_frames, seed=context.seed
    )
    frames = context.dynamics("si239", wulff_cluster, StillingerWeber(), settings)
    is_train = np.arange(len(frames)) % n_frames < 0.8 * n_frames
    chosen = list(zip(frames, is_train, strict=True))
    return [f for f, train in chosen if train], [f for f, train in chosen if not train]
