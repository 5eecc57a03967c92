"""What the sweeps over optimizers, sizes and regularization share: data sets with known mapping errors.

Stillinger-Weber silicon: the (100) slab at 1000 K, whose inside and surface may be shifted against each other
(the data hardly hold them), and the crystal at 1000 K and zero pressure, whose equation of state they hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.build import bulk

from nnpcore.analyses.monitor import RANGE, MappingMonitor
from nnpcore.paper.context import StudyContext, TrainedRun
from nnpcore.paper.silicon_slab import relaxed_slab, slab_frames, slab_regions
from nnpcore.progress import Progress
from nnpcore.reference import SamplerSettings, StillingerWeber, crystal_scan
from nnpcore.structures.frame import Frame
from nnpcore.training import TrainSettings

TEMPERATURE = 1000.0
LATTICE_ANG = 5.431
SCAN_RANGE = (0.955, 1.055)
N_SCAN = 15


@dataclass(frozen=True, eq=False)
class Target:
    """Frames to train on and the one mapping error that is looked at.

    Attributes
    ----------
    name : of files. title : for a person. quantity : what the error is of.
    train, valid : frames. monitor : makes what is asked after every epoch. entry : the monitor's entry.
    """

    name: str
    title: str
    quantity: str
    train: list[Frame]
    valid: list[Frame]
    monitor: Callable[[], MappingMonitor]
    entry: str

    @property
    def files(self) -> list[str]:
        """Where the frames are."""
        return list(dict.fromkeys(f.source for f in (*self.train, *self.valid) if f.source))


def slab_target(context: StudyContext, n_train: int, n_valid: int) -> Target:
    """Return the slab's frames, shared with Fig. 2, and the mapping error of its inside."""
    frames = slab_frames(context, TEMPERATURE)
    regions = slab_regions(relaxed_slab(context))
    return Target(
        "slab",
        f"Si(100) slab, {TEMPERATURE:g} K",
        "bulk region",
        frames[:-n_valid][:n_train],
        frames[-n_valid:],
        lambda: MappingMonitor(None, [regions]),
        "bulk",
    )


def crystal_target(context: StudyContext, n_train: int, n_valid: int) -> Target:
    """Return frames of the crystal at zero pressure, and the error of its equation of state."""
    settings = SamplerSettings(
        temperatures=(TEMPERATURE,),
        ensemble="npt",
        spacing_fs=60.0,
        n_frames=n_train + n_valid,
        seed=context.seed,
    )

    def start() -> Atoms:
        return bulk("Si", "diamond", a=LATTICE_ANG, cubic=True).repeat(2)

    key = {"lattice": LATTICE_ANG, "sampler": settings}
    frames = context.dynamics("si-npt", start, StillingerWeber(), settings, key=key)
    ends = (SCAN_RANGE[0] * LATTICE_ANG, SCAN_RANGE[1] * LATTICE_ANG)

    def crystals() -> list[Frame]:
        return crystal_scan("Si", "diamond", StillingerWeber(), lattice_range=ends, n=N_SCAN)

    scan = context.samples("si-scan", {"ends": ends, "n": N_SCAN}, crystals)
    return Target(
        "crystal",
        f"Si crystal, NPT, {TEMPERATURE:g} K",
        "EOS in reach",
        frames[:n_train],
        frames[n_train:],
        lambda: MappingMonitor(scan),
        RANGE,
    )


@dataclass(frozen=True, eq=False)
class Curve:
    """The mapping error against the force RMSE while a training goes on.

    Attributes
    ----------
    rmse : (n_epochs,) eV/Å, validation. energy_rmse : (n_epochs,) meV/atom. error : (n_epochs,) meV/atom,
        absolute. run : the training, with its best weights.
    """

    rmse: np.ndarray
    energy_rmse: np.ndarray
    error: np.ndarray
    run: TrainedRun

    @property
    def lowest(self) -> float:
        """The lowest force RMSE reached, eV/Å."""
        return float(self.rmse.min())

    @property
    def best(self) -> int:
        """Index of the epoch with the lowest mean logarithm of both RMSEs: what a training would keep."""
        return int((np.log(self.rmse) + np.log(self.energy_rmse)).argmin())

    def at(self, levels: np.ndarray) -> np.ndarray:
        """Return the mapping error when the force RMSE first came down to these levels (n,), rising."""
        records = np.flatnonzero(self.rmse <= np.minimum.accumulate(self.rmse))[::-1]
        return np.interp(np.log(levels), np.log(self.rmse[records]), self.error[records])


def follow(
    context: StudyContext, target: Target, label: str, settings: TrainSettings, progress: Progress
) -> Curve:
    """Train on a target's frames and return the curve."""
    frames, monitor = (target.train, target.valid), target.monitor()
    run = context.train(f"{target.name}-{label}", settings, *frames, monitor=monitor, progress=progress)
    errors = np.abs([record.mapping.get(target.entry, np.nan) for record in run.history])
    return Curve(run.rmse_course("force"), run.rmse_course("energy"), errors, run)


def ratio_at_equal_rmse(first: Curve, second: Curve) -> float:
    """Return how many times larger the first's mapping error is at equal force RMSE, geometric mean.

    The levels run from the lowest RMSE both have reached to twice that.
    """
    low = 1.02 * max(first.lowest, second.lowest)
    levels = np.geomspace(low, 2.0 * low, 8)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(first.at(levels)) - np.log(second.at(levels))
    known = logs[np.isfinite(logs)]
    return float(np.exp(known.mean())) if len(known) else float("nan")
