"""How well chosen frames heal maps, seed by seed: NVT silicon with a pool of NPT frames, and a slab.

``python benchmarks/cures.py nvt|slab FOLDER [--seeds 1 2 3] [--members 3]`` prints one JSON line a training.
Each case trains networks on the old data alone, with the chosen frames, and with frames drawn at random; what
is added counts by the same rule everywhere.
``foretold`` is the spread that the posterior has with the same frames: draws of five differ by half of it, so
that a few of them need not be usual ones.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from nnpcore.cure import (
    Aim,
    Candidate,
    CureOrder,
    PoolSettings,
    aims_of_frames,
    aims_of_regions,
    find_cure,
    from_files,
    generate,
    seeds_of,
)
from nnpcore.descriptors import SymmetryFunctions
from nnpcore.mapping import atomic_energies, depth_regions, with_references
from nnpcore.posterior import Posterior
from nnpcore.reference import SamplerSettings, StillingerWeber, label, relax, sample, slab
from nnpcore.structures import example_path, read_dataset, write_frames
from nnpcore.structures.frame import Frame
from nnpcore.training import PRESET_26, Trainer, TrainSettings
from nnpcore.training.counts import usual_count
from nnpcore.units import MEV_PER_EV

VOLUMES = (19.6, 21.7)
"""Å³/atom, between which the equation of state is asked for."""

N_NVT, N_SLAB = 60, 100
FUNCTIONS = SymmetryFunctions.preset("26", ["Si"])
Case = tuple[str, list[Frame]]


def nvt_case(draws: Sequence[int]) -> tuple[list[Frame], list[Frame], list[Aim], Iterator[Case]]:
    """Return training and validation frames, what is asked, and the sets of frames that are added."""
    nvt, npt = (list(read_dataset(example_path(name)).frames) for name in ("nvt", "npt"))
    scan = [
        f for f in read_dataset(example_path("eos")).frames if VOLUMES[0] < f.volume / f.n_atoms < VOLUMES[1]
    ]
    train, valid, aims = nvt[:N_NVT], nvt[N_NVT:], aims_of_frames(scan, "eos")
    order = CureOrder(train, FUNCTIONS, aims, from_files(npt, "npt"), n=2, cost_exponent=1.0)
    cure = find_cure(order, n_threads=1)
    print(cure.sentence(), [one.candidate.name for one in cure.chosen], flush=True)

    def cases() -> Iterator[Case]:
        yield "nothing", []
        yield "two chosen", [one.candidate.frame for one in cure.chosen]
        for k in draws:
            drawn = np.random.default_rng(k).choice(len(npt), 5, replace=False)
            yield f"five at random, {k}", [npt[i] for i in drawn]

    return train, valid, aims, cases()


def slab_case(folder: Path) -> tuple[list[Frame], list[Frame], list[Aim], Iterator[Case]]:
    """Do the same for the slab at 300 K; chosen frames of at most 64 atoms together are added."""
    calculator = StillingerWeber()
    relaxed = label(relax(slab("100"), calculator, fmax=0.002), calculator)
    cold = _sampled(folder / "cold.extxyz", relaxed, (300.0,), N_SLAB + 20)
    hot = _sampled(folder / "hot.extxyz", relaxed, (1000.0, 1700.0), 20)
    regions = with_references(depth_regions(relaxed))
    pool, _ = generate(seeds_of([relaxed]), PoolSettings(kinds=("volumes", "shears", "rattled", "slabs")))
    pool += from_files(hot, "hot slab") + _other_slabs(relaxed)
    train, valid, aims = cold[:N_SLAB], cold[N_SLAB:], aims_of_regions(regions)
    cure = find_cure(CureOrder(train, FUNCTIONS, aims, pool, n=8, cost_exponent=1.0), n_threads=1)
    print(cure.sentence(), [one.candidate.name for one in cure.chosen], flush=True)
    labelled = [label(one.candidate.frame, calculator) for one in cure.chosen]
    fits = int((np.cumsum([f.n_atoms for f in labelled]) <= 64).sum())

    def cases() -> Iterator[Case]:
        yield "nothing", []
        yield "first chosen", labelled[:1]
        yield f"{fits} chosen", labelled[:fits]
        yield "one hot slab frame", [hot[-1]]

    return train, valid, aims, cases()


def _sampled(path: Path, start: Frame, temperatures: tuple[float, ...], n: int) -> list[Frame]:
    if not path.is_file():
        settings = SamplerSettings(temperatures, spacing_fs=60.0, n_frames=n)
        write_frames(path, sample(start, StillingerWeber(), settings))
    return list(read_dataset(path).frames)


def _other_slabs(relaxed: Frame) -> list[Candidate]:
    found = [
        Candidate(Frame.from_atoms(slab("100", n_layers=n)), "file", f"slab of {n} layers")
        for n in (12, 20, 24)
    ]
    for strain in (-0.03, -0.015, 0.015, 0.03):
        move = np.diag([1 + strain, 1 + strain, 1.0])
        frame = Frame(relaxed.numbers, relaxed.positions @ move, relaxed.cell @ move, relaxed.pbc)
        found.append(Candidate(frame, "file", f"slab strained by {strain:g}"))
    return found


def errors_of(trainer: Trainer, aims: Sequence[Aim]) -> list[float]:
    """Return the errors of the aims, meV/atom."""
    potential, found = trainer.potential(), []
    for aim in aims:
        (frame, weights), *_ = aim.target.parts
        energies = atomic_energies(potential, [frame], n_threads=1).mean(axis=0)
        found.append(MEV_PER_EV * (float(energies @ weights) - (aim.reference or 0.0)))
    return found


def foretold_by(train: list[Frame], aims: Sequence[Aim]) -> Callable[[list[Frame]], float]:
    """Return what tells the root mean square spread (meV/atom) of the aims once frames are added."""
    targets = [aim.target for aim in aims]
    kinds = ("energy", "forces")
    posterior = Posterior.fit(train, FUNCTIONS, targets=targets, kinds=kinds, n_threads=1)

    def foretold(added: list[Frame]) -> float:
        known = posterior.with_frames(added, n_threads=1) if added else posterior
        return MEV_PER_EV * float(np.sqrt(np.mean(known.spread(targets) ** 2)))

    return foretold


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=("nvt", "slab"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--draws", type=int, nargs="*", default=[0, 1, 2, 3, 4, 5], help="of five NPT frames")
    parser.add_argument("--count", type=float, help="of each added frame; by default the usual one")
    parser.add_argument("--only", nargs="+", help="beginnings of names of cases")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    case = nvt_case(options.draws) if options.case == "nvt" else slab_case(options.folder)
    train, valid, aims, cases = case
    foretold = foretold_by(train, aims)
    for name, added in list(cases):
        if options.only and not name.startswith(tuple(options.only)):
            continue
        for seed in options.seeds:
            settings = TrainSettings(
                descriptors=PRESET_26,
                stress_weight=0.0,
                seed=seed,
                n_members=options.members,
                epochs=options.epochs,
                n_threads=1,
                device="cpu",
            )
            count = usual_count(len(train), len(added)) if options.count is None else options.count
            counts = [1.0] * len(train) + [count] * len(added)
            trainer = Trainer(settings, [*train, *added], valid, counts=counts)
            trainer.run()
            errors = errors_of(trainer, aims)
            rms = float(np.sqrt(np.mean(np.square(errors))))
            row = {"added": name, "seed": seed, "foretold": round(foretold(added), 1), "rms": round(rms, 2)}
            print(json.dumps(row | {"errors": [round(e, 1) for e in errors]}), flush=True)


if __name__ == "__main__":
    main()
