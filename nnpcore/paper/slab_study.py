"""What the studies of the silicon slab share: samples by temperature, trainings, mapping errors.

The reference is Stillinger-Weber silicon, whose atomic energies are known exactly, so that the regions'
values need no DFT. The slab is Si(100)-(2×2) of 16 layers, relaxed at 0 K; its atoms deeper than 6 Å are
bulk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.paper.context import StudyContext, TrainedRun
from nnpcore.units import MEV_PER_EV

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

    from nnpcore.mapping import RegionSet
    from nnpcore.potential import Potential
    from nnpcore.structures.frame import Frame
    from nnpcore.training import TrainSettings

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
    from nnpcore.reference import StillingerWeber, label
    from nnpcore.reference.builders import relax, slab

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
    from nnpcore.mapping import depth_regions, with_references

    regions = depth_regions(frame)
    if exact:
        return with_references(regions, exact=frame.arrays["reference_energies"])
    return with_references(regions, crystal_energy=crystal_energy())


def crystal_energy() -> float:
    """Energy of the crystal at its equilibrium by the reference, eV/atom."""
    from ase.build import bulk

    from nnpcore.reference import StillingerWeber
    from nnpcore.reference.builders import SILICON_LATTICE

    crystal = bulk("Si", "diamond", a=SILICON_LATTICE)
    crystal.calc = StillingerWeber()
    return float(crystal.get_potential_energy()) / len(crystal)


def slab_frames(context: StudyContext, temperature: float, replica: int = 0) -> list[Frame]:
    """Return frames of the slab's molecular dynamics at one temperature (NVT); a replica is another seed."""
    from nnpcore.reference import SamplerSettings, StillingerWeber, sample

    plan = plan_of(context)
    start = relaxed_slab(context).to_atoms()
    settings = SamplerSettings(
        temperatures=(temperature,),
        spacing_fs=60.0,
        n_frames=plan.n_train + plan.n_valid,
        seed=context.seed + 1000 * replica,
    )
    label = f"{SLAB_FILE}-{temperature:g}K"
    return context.samples(
        label, vars(settings), lambda: sample(start, StillingerWeber(), settings, context.quiet())
    )


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
        exact = self.regions.frame.arrays["reference_energies"]
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
    from nnpcore.training import TrainSettings

    settings = TrainSettings(seed=context.seed, n_members=n_members, epochs=epochs, baseline="none")
    return settings if kind == NETWORKS else settings.replace(**SMOOTH_PART)


def train_pair(
    context: StudyContext,
    temperature: float,
    span: tuple[float, float],
    *,
    replica: int = 0,
    study: str = "fig2",
) -> list[SlabRun]:
    """Train both kinds on the slab at one temperature, or take the runs there are.

    ``span`` is the part of the study that this takes, ``study`` the one in whose folder the runs are.
    """
    middle = 0.5 * (span[0] + span[1])
    spans = ((span[0], middle), (middle, span[1]))
    trained = [
        _train(context, temperature, kind, part, replica, study)
        for kind, part in zip(KINDS, spans, strict=True)
    ]
    regions = slab_regions(relaxed_slab(context))
    joined = _connectivity(trained[0][0], regions)  # the same for both kinds: it is the data's
    runs = [
        SlabRun(
            temperature,
            kind,
            replica,
            run,
            regions,
            float(rmse["rmse_energy_mev_per_atom"]["mean"]),
            float(rmse["rmse_force_ev_per_ang"]["mean"]),
            atomic_energies_of(run.potential, regions.frame, context.n_threads),
            joined,
        )
        for kind, (run, rmse) in zip(KINDS, trained, strict=True)
    ]
    for found in runs:
        context.tell(found.text)
    return runs


def _train(
    context: StudyContext, temperature: float, kind: str, span: tuple[float, float], replica: int, study: str
) -> tuple[TrainedRun, dict[str, Any]]:
    """Train one ensemble and return it with its RMSEs on the validation frames."""
    from nnpcore.analyses import MappingMonitor
    from nnpcore.training import rmse_report

    plan = plan_of(context)
    frames = slab_frames(context, temperature, replica)
    train, valid = frames[: plan.n_train], frames[plan.n_train :]
    label = f"{temperature:g}K-{'smooth' if kind == SMOOTH else 'networks'}"
    label += f"-{replica}" if replica else ""
    run = context.train(
        label,
        training_settings(context, kind, plan.epochs, plan.n_members),
        train,
        valid,
        monitor=MappingMonitor(None, [slab_regions(relaxed_slab(context))]),
        progress=context.part(*span),
        study=study,
        reuse=True,
    )
    return run, rmse_report(run.potential, {"valid": valid}, n_threads=context.n_threads)["valid"]


def _connectivity(run: TrainedRun, regions: RegionSet) -> float:
    """Connectivity of bulk and surface atoms in the whitened G space of a run's training frames."""
    from nnpcore.mapping import connectivity

    whitening = run.potential.whitening
    groups = training_groups(run.folder, regions).items()
    x = {name: whitening.transform(v, np.zeros(len(v), dtype=np.int32)) for name, v in groups}
    return float(connectivity(x).matrix[0, 1])


def atomic_energies_of(potential: Potential, frame: Frame, n_threads: int | None) -> np.ndarray:
    """Atomic energies of a structure by every member (n_members, n_atoms), eV."""
    from nnpcore.mapping import atomic_energies

    return atomic_energies(potential, [frame], n_threads=n_threads)


def training_groups(folder: Path, regions: RegionSet) -> dict[str, np.ndarray]:
    """Symmetry functions (n, n_descriptors), not whitened, of each region's atoms in the training frames."""
    from nnpcore.training import RunFolder

    values = RunFolder.open(folder).training_values()
    chosen = values.values[values.is_training]
    by_frame = chosen.reshape(-1, regions.frame.n_atoms, chosen.shape[1])
    return {r.name: by_frame[:, r.atoms].reshape(-1, chosen.shape[1]) for r in regions.regions}


def session_of(context: StudyContext, runs: Sequence[SlabRun]) -> dict[str, Any]:
    """Return what the window opens: the relaxed slab, samples, runs and regions."""
    paths = [Path(runs[0].regions.frame.source)]
    paths += [Path(slab_frames(context, r.temperature, r.replica)[0].source) for r in runs]
    unique = list(dict.fromkeys(str(p) for p in paths))
    return {
        "data": [{"path": path, "role": "inspect"} for path in unique],
        "runs": [str(r.run.folder) for r in runs],
        "regions": [runs[0].regions.to_dict()],
    }


# the nanocluster --------------------------------------------------------------------------------------
CLUSTER_TEMPERATURES = (1000.0, 1200.0, 1450.0, 1700.0)


def cluster_frames(context: StudyContext) -> tuple[list[Frame], list[Frame]]:
    """Return training and validation frames of the 239-atom cluster's dynamics at 1000 to 1700 K.

    The last fifth of each temperature's frames is for validation.
    """
    from nnpcore.reference import SamplerSettings, StillingerWeber, sample
    from nnpcore.reference.builders import wulff_cluster

    n_frames = context.choose(60, 30)
    settings = SamplerSettings(
        temperatures=CLUSTER_TEMPERATURES, spacing_fs=60.0, n_frames=n_frames, seed=context.seed
    )
    frames = context.samples(
        "si239", vars(settings), lambda: sample(wulff_cluster(), StillingerWeber(), settings, context.quiet())
    )
    is_train = np.arange(len(frames)) % n_frames < 0.8 * n_frames
    chosen = list(zip(frames, is_train, strict=True))
    return [f for f, train in chosen if train], [f for f, train in chosen if not train]


# surface energies -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class SurfaceEnergies:
    """Surface energies of relaxed slabs by one calculator.

    Attributes
    ----------
    energies : by surface, J/m². lattice : relaxed lattice constant, Å. bulk : eV/atom of the crystal.
    max_forces : largest force left on an atom of each slab, eV/Å.
    """

    energies: Mapping[str, float]
    lattice: float
    bulk: float
    max_forces: Mapping[str, float]


def surface_energies(
    calculator: Calculator,
    *,
    surfaces: Sequence[str] = ("100", "110", "111"),
    n_layers: int = 12,
    fmax: float = 0.01,
    context: StudyContext | None = None,
) -> SurfaceEnergies:
    """Relax the crystal and the reconstructed slabs of silicon with a calculator; give the surface energies.

    The slabs take the lattice constant that the calculator itself prefers. A slab that is not relaxed after
    300 steps counts as it is; ``max_forces`` tells.
    """
    from ase.build import bulk

    from nnpcore.mapping.surface import face_area, surface_energy
    from nnpcore.progress import Progress
    from nnpcore.reference.builders import SILICON_LATTICE, relax, slab
    from nnpcore.structures.frame import Frame

    progress = context.quiet() if context else Progress()
    start = bulk("Si", "diamond", a=SILICON_LATTICE, cubic=True)
    crystal = relax(start, calculator, fmax=fmax, cell=True, strict=False, progress=progress)
    lattice = float(crystal.cell.lengths().mean())
    per_atom = float(crystal.get_potential_energy()) / len(crystal)
    energies, forces = {}, {}
    for surface in surfaces:
        ideal = slab(surface, lattice=lattice, n_layers=n_layers)
        relaxed = relax(ideal, calculator, fmax=fmax, max_steps=300, strict=False, progress=progress)
        energy, area = float(relaxed.get_potential_energy()), face_area(Frame.from_atoms(relaxed))
        energies[surface] = surface_energy(energy, len(relaxed), per_atom, area).j_per_m2
        forces[surface] = float(relaxed.info["max_force"])
    return SurfaceEnergies(energies, lattice, per_atom, forces)


def nnp_surface_energies(
    potential: Potential, *, n_threads: int | None = None, context: StudyContext | None = None, **options: Any
) -> SurfaceEnergies:
    """Do the same with a potential's ensemble mean; ``options`` as of :func:`surface_energies`."""
    from nnpcore.potential import EatlasCalculator

    calculator = EatlasCalculator(potential, n_threads=n_threads)
    return surface_energies(calculator, context=context, **options)


def reference_slabs(context: StudyContext, n_layers: int = 12) -> list[Frame]:
    """Return the three slabs and the crystal (last) as the reference relaxes them, with their energies."""
    from ase.build import bulk

    from nnpcore.reference import StillingerWeber, label
    from nnpcore.reference.builders import SILICON_LATTICE, SURFACES, relax, slab

    def make() -> list[Frame]:
        calculator = StillingerWeber()
        crystal = bulk("Si", "diamond", a=SILICON_LATTICE, cubic=True)
        relaxed = [relax(slab(s, n_layers=n_layers), calculator, progress=context.quiet()) for s in SURFACES]
        return [label(atoms, calculator) for atoms in (*relaxed, crystal)]

    return context.samples("si-slabs", {"layers": n_layers}, make)
