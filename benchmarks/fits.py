"""How well networks fit by default, and in how many seconds: published data and alloys, seed by seed.

Not part of ``make bench``: a case takes a quarter to one minute. Run it from the project's top; a line of
JSON for every case and seed, then a table::

    python benchmarks/fits.py Si Mo --seeds 0 1 2
    python benchmarks/fits.py Si metal --members 3 --set descriptors.preset=26 --json fits.json

The stress of Si and Mo stands under another name; it is read as ``eatlas train`` advises, and
``--set stress_weight=0`` leaves it out.

``energy`` (meV/atom) and ``force`` (eV/Å) are mean absolute errors of the ensemble's mean on the test set;
``overfit`` the larger of the two ratios of validation RMSE to training RMSE, means over members; ``CPU``
seconds of the processor from the frames to the potential. Elastic constants in GPa, atoms relaxed.

=========  =============================================================================================
Si, Mo     density-functional data of Zuo et al., J. Phys. Chem. A 124, 731 (2020), its own test sets
metal      copper and gold by EMT, any composition       } 210 frames for training and validation, 60 to
oxide      magnesium oxide, ions in pairs, antisites     } test: cells of 2 to 32 atoms, a third of them
carbide    silicon carbide by Tersoff, antisites         } triclinic
=========  =============================================================================================
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nnpcore.files import write_atomically
from nnpcore.potential import Potential
from nnpcore.structures import KeyNames, read_dataset, split_frames
from nnpcore.structures.frame import Frame
from nnpcore.training import Trainer, TrainSettings, rmse_report
from nnpcore.units import MEV_PER_EV

Row = dict[str, Any]
STRESS = KeyNames(stress="virial_raw", stress_kind="pressure:kbar")
MLEARN = Path(__file__).parent / "data" / "mlearn"
N_FRAMES, N_TEST = 210, 60
COLUMNS = ("case", "seed", "energy", "force", "overfit", "functions", "CPU", "C11", "C12", "C44")
GPA = 160.21766208


def frames_of(case: str) -> tuple[list[Frame], list[Frame]]:
    """Return the frames to train on and those to test with."""
    if case in ("Si", "Mo"):
        train, test = (str(MLEARN / f"{case}.{role}.extxyz.xz") for role in ("training", "test"))
        return list(read_dataset(train, keys=STRESS).frames), list(read_dataset(test).frames)
    from alloys import frames_of as made

    frames = made(case, N_FRAMES + N_TEST)
    return frames[:N_FRAMES], frames[N_FRAMES:]


def fitted(settings: TrainSettings, frames: Sequence[Frame]) -> tuple[Potential, Row]:
    """Train as the command does; return the potential with what it took."""
    train, rest = split_frames(frames, settings.valid_fraction, settings.seed)
    parts = [[frames[k] for k in train], [frames[k] for k in rest]]
    started = time.process_time()
    trainer = Trainer(settings, *parts)
    result = trainer.run()
    seconds = time.process_time() - started
    report = rmse_report(result.potential, dict(zip(("train", "valid"), parts, strict=True)), n_threads=1)
    ratios = [
        np.mean(report["valid"][name]["members"]) / np.mean(report["train"][name]["members"])
        for name in ("rmse_energy_mev_per_atom", "rmse_force_ev_per_ang")
    ]
    functions = result.potential.functions
    row: Row = {
        "CPU": seconds,
        "overfit": max(ratios),
        "functions": functions.n_descriptors,
        "cutoff": functions.cutoff,
        "epochs": len(result.history),
        "messages": list(dict.fromkeys(result.messages)),
    }
    for role, values in report.items():
        row |= {
            f"{role} {name.split('_')[1]}": v["mean"]
            for name, v in values.items()
            if name.startswith("rmse_") and v["mean"] is not None
        }
    return result.potential, row


def tested(potential: Potential, frames: Sequence[Frame]) -> Row:
    """Return mean absolute errors and RMSEs on the test set."""
    found = potential.predict(frames, forces=True, n_threads=1)
    assert found.forces is not None
    energies = np.array([(found.energy[k] - (f.energy or 0.0)) / f.n_atoms for k, f in enumerate(frames)])
    forces = found.forces - np.concatenate([f.forces for f in frames if f.forces is not None])
    return {
        "energy": MEV_PER_EV * np.abs(energies).mean(),
        "force": np.abs(forces).mean(),
        "energy RMSE": MEV_PER_EV * np.sqrt((energies**2).mean()),
        "force RMSE": np.sqrt((forces**2).mean()),
    }


def elastic_constants(potential: Potential, case: str) -> Row:
    """Return lattice and elastic constants of the cubic crystal, atoms relaxed in the strained cells."""
    from ase.build import bulk
    from ase.filters import FrechetCellFilter
    from ase.optimize import BFGS

    crystal = bulk(case, cubic=True)
    crystal.calc = potential.calculator(n_threads=1)
    BFGS(FrechetCellFilter(crystal, hydrostatic_strain=True), logfile=None).run(fmax=1e-4, steps=200)

    def stress(strain: np.ndarray) -> np.ndarray:
        atoms = crystal.copy()
        atoms.set_cell(crystal.cell @ (np.eye(3) + strain), scale_atoms=True)
        atoms.calc = potential.calculator(n_threads=1)
        BFGS(atoms, logfile=None).run(fmax=1e-3, steps=200)
        return GPA * atoms.get_stress()

    step = 0.005
    pull, shear = np.zeros((3, 3)), np.zeros((3, 3))
    pull[0, 0], shear[1, 2], shear[2, 1] = step, 0.5 * step, 0.5 * step
    along = (stress(pull) - stress(-pull)) / (2 * step)
    across = (stress(shear) - stress(-shear)) / (2 * step)
    return {"a": crystal.cell[0, 0], "C11": along[0], "C12": along[1:3].mean(), "C44": across[3]}


def settings_of(changes: Sequence[str], n_members: int) -> TrainSettings:
    """Return settings with changes such as ``l2=1e-6``."""
    settings = TrainSettings(n_threads=1, n_members=n_members, device="cpu")
    for text in changes:
        name, _, value = text.partition("=")
        try:
            settings = settings.replace(**{name: json.loads(value) if "preset" not in name else value})
        except json.JSONDecodeError:
            settings = settings.replace(**{name: value})
    return settings


def table(rows: Sequence[Row]) -> str:
    """Return the means over the seeds as lines of a Markdown table."""
    shown = [name for name in COLUMNS if any(name in row for row in rows)]
    lines = ["| " + " | ".join(shown) + " |", "|---" * len(shown) + "|"]
    for case in dict.fromkeys(row["case"] for row in rows):
        own = [row for row in rows if row["case"] == case]
        texts = [case, " ".join(str(row["seed"]) for row in own)]
        for name in shown[2:]:
            values = [row[name] for row in own if name in row]
            texts.append(f"{np.mean(values):.3g}" if values else "")
        lines.append("| " + " | ".join(texts) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run the cases asked for."""
    parser = argparse.ArgumentParser(description="How well networks fit by default, and how fast.")
    parser.add_argument("cases", nargs="*", default=["Si", "Mo", "metal", "oxide", "carbide"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--label", default="")
    parser.add_argument("--json", type=Path, help="write all rows, too")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    given = parser.parse_args()
    settings, rows = settings_of(given.set, given.members), []
    for case in given.cases:
        train, test = frames_of(case)
        for seed in given.seeds:
            potential, row = fitted(settings.replace(seed=seed), train)
            row |= tested(potential, test)
            if case in ("Si", "Mo"):
                row |= elastic_constants(potential, case)
            row = {k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}
            rows.append({"case": case, "seed": seed, "label": given.label} | row)
            print(json.dumps(rows[-1]), flush=True)
    print(table(rows))
    if given.json:
        write_atomically(given.json, json.dumps(rows, indent=1).encode())


if __name__ == "__main__":
    main()
