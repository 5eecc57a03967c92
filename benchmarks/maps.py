"""How true trained maps are, and what that costs: trainings whose atomic energies are known, seed by seed.

Not part of ``make bench``, which measures speed only: a case takes a quarter to two minutes. Run it from the
project's top, a line of JSON for every case and seed::

    python benchmarks/maps.py 1000 npt alloy --seeds 1 2 3
    python benchmarks/maps.py 1000 --set input_floor=0.01 guidance=0 kalman.noise=0 \\
        kalman.initial_covariance=100 kalman.forgetting=0.98

``energy`` (meV/atom) and ``force`` (eV/Å) are RMSEs on training and validation frames.

=============  =========================================================================================
100 ... 1700   100 frames of a silicon slab at so many K (Stillinger-Weber): errors of bulk and surface
               (meV/atom), the members' spread of them, mean absolute error of its atoms (meV)
cluster        the same slab by networks trained on clusters of 239 atoms
nvt, npt       bundled density-functional silicon: errors of the EOS between 19.6 and 21.7 Å³ (meV/atom),
               their root mean square within 4 % of V0, B0 (GPa)
alloy          32 atoms of copper and gold, 70 functions an element, 200 frames labelled by EMT
speed          epochs and seconds until every member has two accuracies on the reference workload
=============  =========================================================================================
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nnpcore.demo import split_example
from nnpcore.errors import AnalysisError
from nnpcore.mapping import RegionSet, atomic_energies, eos_curve, fit_eos, invariant_points
from nnpcore.paper.context import StudyContext
from nnpcore.paper.silicon_slab import cluster_frames, relaxed_slab, slab_frames, slab_regions
from nnpcore.potential import Potential
from nnpcore.structures import example_path, read_dataset
from nnpcore.structures.frame import Frame
from nnpcore.training import PRESET_26, EpochRecord, Trainer, TrainSettings, rmse_report
from nnpcore.units import MEV_PER_EV

Row = dict[str, Any]
N_SLAB = 100
GOALS = {"first": (0.6, 0.051), "final": (0.31, 0.035)}


def trained(
    settings: TrainSettings,
    frames: Sequence[Frame],
    valid: Sequence[Frame],
    look: Callable[[EpochRecord, Trainer], None] | None = None,
) -> tuple[Potential, Row]:
    """Train and return the potential with its RMSEs."""
    result = Trainer(settings, frames, valid).run(look)
    report = rmse_report(result.potential, {"training": frames, "validation": valid}, n_threads=1)
    row: Row = {"seconds": result.history[-1].seconds, "best epoch": result.best_epoch.tolist()}
    for name, rmses in report.items():
        row[f"{name} energy"] = rmses["rmse_energy_mev_per_atom"]["mean"]
        row[f"{name} force"] = rmses["rmse_force_ev_per_ang"]["mean"]
    return result.potential, row


# silicon by Stillinger-Weber --------------------------------------------------------------------------
def context_of(folder: Path, quick: bool = False) -> StudyContext:
    """Return where samples are kept."""
    return StudyContext("maps", folder, quick=quick, seed=0, n_threads=1)


def slab(settings: TrainSettings, folder: Path, temperature: float) -> Row:
    """Train on the slab at one temperature."""
    context = context_of(folder)
    frames = slab_frames(context, temperature)
    potential, row = trained(settings, frames[:N_SLAB], frames[-N_SLAB:])
    return row | slab_errors(potential, slab_regions(relaxed_slab(context)))


def cluster(settings: TrainSettings, folder: Path) -> Row:
    """Train on clusters and map the slab."""
    potential, row = trained(settings, *cluster_frames(context_of(folder, quick=True)))
    return row | slab_errors(potential, slab_regions(relaxed_slab(context_of(folder))))


def slab_errors(potential: Potential, regions: RegionSet) -> Row:
    """Return errors of regions and atoms."""
    energies = MEV_PER_EV * atomic_energies(potential, [regions.frame], n_threads=1)
    row: Row = {}
    for region in regions.regions:
        assert region.reference is not None
        members = energies[:, region.atoms].mean(axis=1) - MEV_PER_EV * region.reference
        row |= {region.name: members.mean(), f"{region.name} spread": members.std()}
    exact = regions.frame.exact_energies
    assert exact is not None
    return row | {"atoms": np.abs(energies.mean(axis=0) - MEV_PER_EV * exact).mean()}


def speed(settings: TrainSettings, folder: Path) -> Row:
    """Train on the reference workload until it is as accurate as wanted."""
    from workload import load_workload

    found: Row = {}

    def look(record: EpochRecord, _: Trainer) -> None:
        energy, force = (float(record.valid[name]["members"].max()) for name in ("energy", "force"))
        for name, (wanted_energy, wanted_force) in GOALS.items():
            if energy <= wanted_energy and force <= wanted_force and name not in found:
                found.update({name: record.epoch, f"{name} seconds": record.seconds})

    epochs = settings.epochs or 8
    return trained(settings.replace(epochs=epochs), *load_workload(), look)[1] | found


# silicon by density-functional theory -------------------------------------------------------------------
def silicon_dft(settings: TrainSettings, folder: Path, data: str) -> Row:
    """Train on bundled frames and compare the crystal's equation of state."""
    potential, row = trained(settings, *split_example(data, 0.3, settings.seed))
    scan = read_dataset(str(example_path("eos"))).frames
    curve = eos_curve(potential, invariant_points(scan), n_threads=1)
    assert curve.reference is not None
    volumes, errors = curve.volumes, MEV_PER_EV * (curve.mean - curve.reference)
    shown = (volumes > 19.5) & (volumes < 21.8)
    v0 = fit_eos(volumes, curve.reference).v0
    near = np.linspace(0.96 * v0, 1.04 * v0, 41)
    fine = np.polynomial.Polynomial.fit(volumes[shown], errors[shown], 4)(near)
    wide = (volumes > 19.2) & (volumes < 22.2)
    return row | {
        "EOS": errors[shown].round(1).tolist(),
        "EOS spread": (MEV_PER_EV * curve.std[shown]).round(1).tolist(),
        "EOS RMS": np.sqrt((fine**2).mean()),
        "B0": bulk_modulus(volumes[wide], curve.mean[wide]),
    }


def bulk_modulus(volumes: np.ndarray, energies: np.ndarray) -> float:
    """Return the bulk modulus, GPa; NaN without a minimum."""
    try:
        return fit_eos(volumes, energies).b0_gpa
    except AnalysisError:
        return float("nan")


# an alloy -----------------------------------------------------------------------------------------------
def alloy_frames(n: int, seed: int = 0) -> list[Frame]:
    """Return 32-atom fcc cells of copper and gold in any composition, strained and shaken, labelled by
    EMT."""
    from ase.build import bulk
    from ase.calculators.emt import EMT

    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(n):
        part = rng.uniform(0.1, 0.9)
        atoms = bulk("Cu", "fcc", (3.61 + 0.47 * part) * rng.uniform(0.97, 1.04), cubic=True) * (2, 2, 2)
        atoms.set_chemical_symbols(np.where(rng.uniform(size=len(atoms)) < part, "Au", "Cu").tolist())
        atoms.set_cell(atoms.cell @ (np.eye(3) + rng.normal(0, 0.01, (3, 3))), scale_atoms=True)
        atoms.positions += rng.normal(0, rng.uniform(0.05, 0.2), (len(atoms), 3))
        atoms.calc = EMT()
        atoms.get_forces()
        frames.append(Frame.from_atoms(atoms))
    return frames


def alloy(settings: TrainSettings, folder: Path) -> Row:
    """Train on the alloy."""
    frames = alloy_frames(260)
    return trained(settings, frames[:200], frames[200:])[1]


CASES: dict[str, Callable[[TrainSettings, Path], Row]] = {
    **{f"{t:g}": partial(slab, temperature=t) for t in (100.0, 300.0, 1000.0, 1700.0)},
    "cluster": cluster,
    "npt": partial(silicon_dft, data="npt"),
    "nvt": partial(silicon_dft, data="nvt"),
    "alloy": alloy,
    "speed": speed,
}


def settings_of(changes: Sequence[str], n_members: int) -> TrainSettings:
    """Return settings with changes such as ``kalman.noise=0``."""
    settings = TrainSettings(
        descriptors=PRESET_26, stress_weight=0.0, n_threads=1, n_members=n_members, device="cpu"
    )
    for text in changes:
        name, _, value = text.partition("=")
        try:
            settings = settings.replace(**{name: json.loads(value)})
        except json.JSONDecodeError:
            settings = settings.replace(**{name: value})
    return settings


def main() -> None:
    """Run the cases asked for."""
    parser = argparse.ArgumentParser(description="How true trained maps are, and what that costs.")
    parser.add_argument("cases", nargs="+", choices=CASES)
    parser.add_argument("--folder", type=Path, default=Path("build/maps"), help="for samples")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--label", default="")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    given = parser.parse_args()
    settings = settings_of(given.set, given.members)
    for case in given.cases:
        for seed in given.seeds:
            started = time.perf_counter()
            row = CASES[case](settings.replace(seed=seed), given.folder)
            row = {k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}
            row = row | {"label": given.label, "case": case, "seed": seed}
            print(json.dumps(row | {"wall": round(time.perf_counter() - started)}), flush=True)


if __name__ == "__main__":
    main()
