"""Which optimizer a training takes, by a rule the user can read."""

from __future__ import annotations

from dataclasses import dataclass

from nnpcore.errors import SettingsError
from nnpcore.training.engines.packing import Packing
from nnpcore.training.settings import TrainSettings

SMALLEST_BLOCK = 60
"""Below so many weights a block of the Kalman filter knows too little of its neighbors."""

FRAMES_OF_A_TRAINING = {"kalman": 4_000, "adam": 120_000, "lbfgs": 0}
FEWEST_EPOCHS = {"kalman": 15, "adam": 200, "lbfgs": 500}
MOST_EPOCHS = {"kalman": 80, "adam": 1000, "lbfgs": 500}
"""What a training takes where the user gives no number of epochs: enough to settle on silicon data of 70 to
350 frames
for the Kalman filter; gradients need many times more."""


@dataclass(frozen=True)
class OptimizerChoice:
    """An optimizer and why it was taken.

    Attributes
    ----------
    optimizer : "kalman", "adam" or "lbfgs".
    block_size : of the Kalman filter, see ``KalmanSettings``; 0 for the others.
    sentence : the reason, for the user.
    """

    optimizer: str
    block_size: int
    sentence: str


def covariance_bytes(packing: Packing, n_members: int, block_size: int) -> int:
    """Return the memory of the Kalman filter's matrices, single precision."""
    return 4 * n_members * sum((b.stop - b.start) ** 2 for b in packing.blocks(block_size))


def choose_optimizer(settings: TrainSettings, packing: Packing) -> OptimizerChoice:
    """Choose the optimizer.

    "auto" means the Kalman filter with the wanted block size; where its matrices do not fit into
    ``memory_gb``, the block size is halved, down to 60 weights; where even that does not fit, Adam.

    Raises
    ------
    SettingsError : the Kalman filter was asked for by name and does not fit.
    """
    wanted = settings.optimizer
    if wanted in ("adam", "lbfgs"):
        name = {"adam": "Adam", "lbfgs": "L-BFGS"}[wanted]
        return OptimizerChoice(wanted, 0, f"{name}, as asked for")
    limit = settings.memory_gb * 1e9
    full = settings.kalman.block_size
    sizes, needed = [full], 0
    while sizes[-1] > SMALLEST_BLOCK:
        sizes.append(max(SMALLEST_BLOCK, sizes[-1] // 2))
    for size in sizes:
        needed = covariance_bytes(packing, settings.n_members, size)
        if needed <= limit:
            return OptimizerChoice("kalman", size, _kalman_sentence(packing, size, full, needed, settings))
    if wanted == "kalman":
        raise SettingsError(
            f"the Kalman filter of {packing.n_parameters:,} weights and {settings.n_members} members needs "
            f"{needed / 1e9:.1f} GB, more than {settings.memory_gb:g} GB",
            where="memory_gb",
            fix="Allow more memory, choose a smaller network, or take Adam",
        )
    return OptimizerChoice(
        "adam",
        0,
        f"Adam: the Kalman filter of {packing.n_parameters:,} weights and {settings.n_members} members "
        f"would need {needed / 1e9:.1f} GB, more than the {settings.memory_gb:g} GB it may take",
    )


def _kalman_sentence(packing: Packing, size: int, full: int, needed: int, settings: TrainSettings) -> str:
    largest = max(b.stop - b.start for b in packing.blocks(size))
    members = f"{settings.n_members} members" if settings.n_members > 1 else "one member"
    text = (
        f"Kalman filter: {packing.n_parameters:,} weights a member in blocks of up to {largest}, "
        f"{needed / 1e6:,.{0 if needed > 1e7 else 1}f} MB for {members}"
    )
    return (
        text
        if size == full
        else f"{text} (smaller blocks than {full}, to stay within {settings.memory_gb:g} GB)"
    )


def usual_epochs(optimizer: str, n_frames: int) -> int:
    """Return the number of epochs where the user gives none: fewer for more frames."""
    wanted = -(-FRAMES_OF_A_TRAINING[optimizer] // max(1, n_frames))
    return min(max(wanted, FEWEST_EPOCHS[optimizer]), MOST_EPOCHS[optimizer])
