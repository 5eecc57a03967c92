"""The loop played through: train, find the frames that heal, label them, train again; kept to be opened."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnpcore.cure.aims import Aim, aims_of_frames, near_equilibrium
from nnpcore.cure.candidates import Candidate, from_files
from nnpcore.cure.exploring import ExploreSettings, explore
from nnpcore.cure.finding import CureOrder, find_cure, kinds_of_settings
from nnpcore.cure.folder import addition, write_cure
from nnpcore.cure.labelling import label_with
from nnpcore.cure.pool import PoolSettings, generate
from nnpcore.cure.screening import Surroundings, usual_distance
from nnpcore.cure.seeds import seeds_of
from nnpcore.cure.writing import LABELLED
from nnpcore.files import write_atomically
from nnpcore.potential import Potential
from nnpcore.progress import Progress
from nnpcore.reference import SamplerSettings, StillingerWeber, crystal, crystal_scan, sample
from nnpcore.structures import example_path, read_dataset, split_frames, write_frames
from nnpcore.structures.frame import Frame
from nnpcore.training import PRESET_26, Trainer, TrainSettings
from nnpcore.units import MEV_PER_EV

HEALING, DFT = "heal", "heal_dft"
NAMES = (HEALING, DFT)
"""Silicon labelled by Stillinger-Weber with a pool made on the way; the bundled data with NPT as the pool."""

SESSION = "session.json"
CLAIM = "The healed run errs less near the crystal's equilibrium; its members differ at most half as much."
SHARE = 0.5
"""What the spread of the healed run's members may be of the one before at most."""


@dataclass(frozen=True, eq=False)
class _Start:
    """What an example begins with: files by what they are, candidates, and kinds to generate."""

    data: Path
    scan: Path
    pool: tuple[Candidate, ...]
    kinds: tuple[str, ...]
    frames: tuple[Frame, ...]


def play(name: str, folder: Path, quick: bool, n_threads: int | None, progress: Progress) -> dict[str, Any]:
    """Play the loop of an example through in ``folder/name``; return, and keep, what the window opens.

    Raises
    ------
    EatlasError : what the parts have against it.
    """
    own = folder / name
    preparing, training, finding, healing = progress.split([1, 3, 2, 3])
    start = (_stillinger_weber if name == HEALING else _bundled)(own, quick, preparing)
    # as many epochs as usual: after a few the crystal is still off by ten meV where frames were added
    settings = TrainSettings(
        descriptors=PRESET_26,
        stress_weight=0.0,
        valid_fraction=0.3,
        n_members=3,
        n_threads=n_threads,
        device="cpu",
    )
    train, valid = split_frames(start.frames, settings.valid_fraction, settings.seed)
    parts = [start.frames[k] for k in train], [start.frames[k] for k in valid]
    before, after, cured = own / "runs" / "before", own / "runs" / "healed", own / "cure"
    trainer = _trained(settings, *parts, before, None, training)
    aims, _ = near_equilibrium(aims_of_frames(read_dataset(start.scan).frames, "eos"))
    _find(start, aims, trainer, cured, n_threads, finding)
    added = addition([cured], before)
    counts = added.counts(len(added.train) - len(added.added))
    _trained(settings, added.train, added.valid, after, before, healing, counts)
    session = {
        "data": [
            {"path": str(start.data), "role": "inspect"},
            {"path": str(start.scan), "role": "eos"},
            {"path": str(cured / LABELLED), "role": "inspect"},
        ],
        "runs": [str(after), str(before)],
        "compared": [str(before), str(after)],
        "claims": [claim_of(aims, before, after)],
    }
    write_atomically(own / SESSION, json.dumps(session, indent=1).encode())
    return session


def _stillinger_weber(own: Path, quick: bool, progress: Progress) -> _Start:
    """Frames of a 64-atom cell at one volume, and crystals along their volume."""
    calculator = StillingerWeber()
    data, scan = own / "nvt.extxyz", own / "eos.extxyz"
    atoms = crystal("Si", "diamond", 5.431).repeat((2, 2, 2))
    settings = SamplerSettings((1000.0,), n_frames=60 if quick else 150, spacing_fs=40.0)
    write_frames(data, sample(atoms, calculator, settings, progress.part(0.0, 0.8)))
    write_frames(scan, crystal_scan("Si", "diamond", calculator, lattice_range=(5.3, 5.56), n=15))
    kinds = ("volumes", "shears", "rattled")
    return _Start(data, scan, (), kinds, read_dataset(data).frames)


def _bundled(own: Path, quick: bool, progress: Progress) -> _Start:
    """The density-functional frames at one volume; those at constant pressure are the pool, with labels."""
    del own, quick
    progress.report(0.0, "Reading")
    data, scan, pool = (example_path(name) for name in ("nvt", "eos", "npt"))
    candidates = tuple(from_files(read_dataset(pool).frames, "npt"))
    return _Start(Path(data), Path(scan), candidates, (), read_dataset(data).frames)


def _trained(
    settings: TrainSettings,
    train: Sequence[Frame],
    valid: Sequence[Frame],
    folder: Path,
    parent: Path | None,
    progress: Progress,
    counts: Sequence[float] = (),
) -> Trainer:
    trainer = Trainer(settings, train, valid, run_folder=folder, parent=parent, counts=counts)
    trainer.prepare(Progress(within=progress))

    def tell(record: Any, source: Trainer) -> None:
        progress.report(record.epoch / source.n_epochs, f"{folder.name}, epoch {record.epoch}")

    trainer.run(tell)
    return trainer


def error_of(run: Path, aims: Sequence[Aim]) -> float:
    """Return the root mean square error (meV/atom) of a run's networks over crystals of known energy."""
    frames = [aim.target.parts[0][0] for aim in aims]
    energies = Potential.load(run).predict(frames).energy / [frame.n_atoms for frame in frames]
    reference = np.array([aim.reference for aim in aims], dtype=float)
    return MEV_PER_EV * float(np.sqrt(np.mean((energies - reference) ** 2)))


def spread_of(run: Path, aims: Sequence[Aim]) -> float:
    """Return the root mean square spread (meV/atom) of a run's members over crystals."""
    found = Potential.load(run).predict([aim.target.parts[0][0] for aim in aims])
    n_atoms = [aim.target.parts[0][0].n_atoms for aim in aims]
    return MEV_PER_EV * float(np.sqrt(np.mean((found.energy_std / n_atoms) ** 2)))


def claim_of(aims: Sequence[Aim], before: Path, after: Path) -> dict[str, Any]:
    """Return what the example claims about two runs, measured, as its session keeps it."""
    (old, new), (open_, closed) = ([of(run, aims) for run in (before, after)] for of in (error_of, spread_of))
    ours = (
        f"error of the crystal within 5 % of its volume, by the study: {old:.3g} meV/atom before, "
        f"{new:.3g} healed\n"
        f"spread of the members: {open_:.3g} before, {closed:.3g} healed"
    )
    return {"claim": CLAIM, "ours": ours, "holds": new < old and closed <= SHARE * open_}


def _explored(
    frames: Sequence[Frame], potential: Potential, n_threads: int | None, progress: Progress
) -> list[Candidate]:
    """Return what dynamics by the potential meets when hotter, until an atom leaves what is known."""
    usual = usual_distance(frames, potential.functions, n_threads=n_threads)
    known = Surroundings(frames, potential.functions, n_threads=n_threads)
    settings = ExploreSettings(temperature=2000.0, n_steps=400, every=10, keep_every=10)
    found = explore(
        frames[-1],
        potential,
        settings,
        judge=lambda frame: (None, known.of_frame(frame) / usual),
        n_threads=n_threads,
        progress=progress,
    )
    return found.candidates("dynamics")


def _find(
    start: _Start,
    aims: Sequence[Aim],
    trainer: Trainer,
    folder: Path,
    n_threads: int | None,
    progress: Progress,
) -> None:
    """Find frames, keep them in ``folder``, and label them: by Stillinger-Weber, or as they are known."""
    potential = trainer.potential()
    pool = list(start.pool)
    if start.kinds:
        frames = [*(f for aim in aims for f in aim.target.frames), *start.frames]
        pool += generate(seeds_of(frames), PoolSettings(kinds=start.kinds), None, progress.part(0.0, 0.1))[0]
        pool += _explored(start.frames, potential, n_threads, progress.part(0.1, 0.4))
    order = CureOrder(
        trainer.train_frames, potential.functions, aims, pool,
        n=3, kinds=kinds_of_settings(trainer.settings), model=potential,
    )  # fmt: skip
    cure = find_cure(order, n_threads=n_threads, progress=progress.part(0.4, 0.9))
    write_cure(folder, cure, parent=str(trainer.keeper.path))
    chosen = [one.candidate.frame for one in cure.chosen]
    if start.kinds:
        chosen = list(label_with(chosen, "stillinger-weber", progress.part(0.9, 1.0)).frames)
    write_frames(folder / LABELLED, chosen)
