"""How true trained maps are, and what that costs: trainings whose atomic energies are known, seed by seed."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from nnpcore.demo import split_example
from nnpcore.mapping import EosCurve, analyse_eos, atomic_energies, eos_curve, invariant_points
from nnpcore.paper.context import StudyContext
from nnpcore.paper.silicon_slab import relaxed_slab, slab_frames, slab_regions, cluster_frames
from nnpcore.structures import example_path, read_dataset
from nnpcore.structures.frame import Frame
from nnpcore.training import Trainer, TrainSettings, rmse_report
from nnpcore.units import MEV_PER_EV

N_SLAB = 100


def slab(settings: TrainSettings, folder: Path, temperature: float, n: int = N_SLAB) -> dict[str, Any]:
    context = StudyContext("maps", folder, quick=False, seed=0, n_threads=1)
    frames = slab_frames(context, temperature)
    trainer, row = train(settings, frames[:n], frames[-100:])
    regions = slab_regions(relaxed_slab(context))
    return row | map_of(trainer.potential(), regions)


def map_of(potential, regions) -> dict[str, Any]:
    energies = MEV_PER_EV * atomic_energies(potential, [regions.frame], n_threads=1)
    row = {}
    for region in regions.regions:
        members = energies[:, region.atoms].mean(axis=1) - MEV_PER_EV * region.reference
        row[region.name], row[f"{region.name}_std"] = float(members.mean()), float(members.std())
    errors = energies.mean(axis=0) - MEV_PER_EV * regions.frame.exact_energies
    row["atoms"] = float(np.abs(errors).mean())
    return row


def cluster(settings: TrainSettings, folder: Path) -> dict[str, Any]:
    context = StudyContext("maps", folder, quick=True, seed=0, n_threads=1)
    train_, valid = cluster_frames(context)
    trainer, row = train(settings, train_, valid)
    return row | map_of(trainer.potential(), slab_regions(relaxed_slab(context)))


def silicon_dft(settings: TrainSettings, folder: Path, data: str) -> dict[str, Any]:
    frames, valid = split_example(data, 0.3, settings.seed)
    trainer, row = train(settings, frames, valid)
    scan = read_dataset(str(example_path("eos"))).frames
    curve = eos_curve(trainer.potential(), invariant_points(scan), n_threads=1)
    errors = MEV_PER_EV * (curve.mean - curve.reference)
    shown = (curve.volumes > 19.5) & (curve.volumes < 21.8)
    near = (curve.volumes > 19.6) & (curve.volumes < 21.4)
    wide = (curve.volumes > 18.9) & (curve.volumes < 22.5)
    cut = EosCurve(
        *(
            getattr(curve, k)[..., wide] if isinstance(getattr(curve, k), np.ndarray) else getattr(curve, k)
            for k in curve.__dataclass_fields__
        )
    )
    fit = analyse_eos(cut)
    return row | {
        "eos": errors[shown].round(1).tolist(),
        "eos_rms": float(np.sqrt((errors[near] ** 2).mean())),
        "eos_std": (MEV_PER_EV * curve.std[shown]).round(1).tolist(),
        "slope": fit.slope_error_gpa,
        "b0": fit.mean_fit.b0_gpa if fit.mean_fit else float("nan"),
    }


def alloy_frames(n: int, seed: int = 0) -> list[Frame]:
    """Return 32-atom fcc cells of copper and gold in any composition, strained and shaken, labelled by EMT."""
    from ase.build import bulk
    from ase.calculators.emt import EMT

    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(n):
        part = rng.uniform(0.1, 0.9)
        a = (3.61 + (4.08 - 3.61) * part) * rng.uniform(0.97, 1.04)
        atoms = bulk("Cu", "fcc", a, cubic=True) * (2, 2, 2)
        symbols = np.where(rng.uniform(size=len(atoms)) < part, "Au", "Cu")
        atoms.set_chemical_symbols(list(symbols))
        atoms.set_cell(atoms.cell @ (np.eye(3) + rng.normal(0, 0.01, (3, 3))), scale_atoms=True)
        atoms.positions += rng.normal(0, rng.uniform(0.05, 0.2), (len(atoms), 3))
        atoms.calc = EMT()
        atoms.get_forces()
        frames.append(Frame.from_atoms(atoms))
    return frames


def alloy(settings: TrainSettings, folder: Path) -> dict[str, Any]:
    frames = alloy_frames(260)
    return train(settings, frames[:200], frames[200:])[1]


def speed(settings: TrainSettings, folder: Path) -> dict[str, Any]:
    from workload import load_workload

    goals = {"0.6": (0.6, 0.051), "0.31": (0.31, 0.035)}
    found: dict[str, Any] = {}

    def look(record, trainer) -> None:
        energy, force = (record.valid[q]["members"].max() for q in ("energy", "force"))
        for name, goal in goals.items():
            if energy <= goal[0] and force <= goal[1]:
                found.setdefault(name, record.epoch)
                found.setdefault(name + " s", round(record.seconds, 1))

    train_, valid = load_workload()
    return train(settings.replace(epochs=settings.epochs or 8), train_, valid, look)[1] | found


def train(settings: TrainSettings, frames, valid, look=None) -> tuple[Trainer, dict[str, Any]]:
    trainer = Trainer(settings, frames, valid)
    trainer.run(look)
    report = rmse_report(trainer.potential(), {"t": frames, "v": valid}, n_threads=1)
    record = trainer.history[-1]
    if len(trainer.history) <= 8:
        print(
            [
                (
                    round(float(r.valid["energy"]["members"].max()), 2),
                    round(float(r.valid["force"]["members"].max()), 3),
                )
                for r in trainer.history
            ],
            file=sys.stderr,
        )
    row = {
        "seconds": round(record.seconds, 1),
        "alive": int(record.alive.sum()),
        "best": [int(k) for k in trainer._best.epoch],
    }
    for name in "tv":
        row[f"e{name}"] = report[name]["rmse_energy_mev_per_atom"]["mean"]
        row[f"f{name}"] = report[name]["rmse_force_ev_per_ang"]["mean"]
    return trainer, row


CASES: dict[str, Callable[..., dict[str, Any]]] = {
    "1000": lambda s, f: slab(s, f, 1000.0),
    "300": lambda s, f: slab(s, f, 300.0),
    "100": lambda s, f: slab(s, f, 100.0),
    "1700": lambda s, f: slab(s, f, 1700.0),
    "cluster": cluster,
    "npt": lambda s, f: silicon_dft(s, f, "npt"),
    "nvt": lambda s, f: silicon_dft(s, f, "nvt"),
    "alloy": alloy,
    "speed": speed,
}


def parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="+")
    parser.add_argument("--folder", type=Path, default=Path("build/maps"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--label", default="")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    given = parser.parse_args()
    values: dict[str, Any] = {"n_threads": 1, "n_members": given.members, "device": "cpu"}
    for text in given.set:
        name, _, value = text.partition("=")
        head, _, tail = name.partition(".")
        if tail:
            values.setdefault(head, {})[tail] = parsed(value)
        else:
            values[name] = parsed(value)
    for case in given.cases:
        for seed in given.seeds:
            started = time.perf_counter()
            row = CASES[case](TrainSettings(**values, seed=seed), given.folder)
            row = {k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}
            print(
                given.label or " ".join(given.set),
                "|",
                case,
                seed,
                "|",
                json.dumps(row),
                f"{time.perf_counter() - started:.0f}s",
                flush=True,
            )


if __name__ == "__main__":
    main()
