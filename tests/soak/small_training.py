"""One small training, to be disturbed, and what it comes to undisturbed."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from builders import build_functions
from training_data import silicon_frames

from nnpcore.errors import EatlasError, RunFolderError
from nnpcore.potential import Potential
from nnpcore.structures.frame import Frame
from nnpcore.training import RunFolder, Trainer, TrainSettings, keeping

SETTINGS = TrainSettings(
    descriptors={"functions": build_functions(["Si"]).to_dict()},  # type: ignore[arg-type]
    hidden=(3,),
    n_members=2,
    epochs=4,
    n_threads=1,
    device="cpu",
    baseline="linear",
    baseline_epochs=2,
)
OLDER = SETTINGS.replace(hidden=(4,), seed=7, epochs=2)
"""Of a training that was in the folder before."""
NAMES = {
    "settings.toml", "data.json", "potential", "potential/potential.json", "potential/potential.safetensors",
    "history.csv", "checkpoint.safetensors", "training_set.safetensors",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Reached:
    """What a training has come to: the arrays of its checkpoint, and its history but for the times."""

    arrays: dict[str, np.ndarray]
    history: list[dict[str, object]] = field(default_factory=list)

    @classmethod
    def of(cls, folder: Path) -> Reached:
        """Read it from a run folder."""
        checkpoint = RunFolder.open(folder).read_checkpoint()
        timeless = [{**record, "seconds": 0, "cpu_seconds": 0} for record in checkpoint.state["history"]]
        return cls(checkpoint.arrays, timeless)

    def difference(self, other: Reached) -> str:
        """Return where two differ, empty where they are bit-identical."""
        if self.arrays.keys() != other.arrays.keys():
            return f"arrays {sorted(self.arrays.keys() ^ other.arrays.keys())}"
        for name, values in self.arrays.items():
            if values.tobytes() != other.arrays[name].tobytes():
                return f"array {name}"
        return "" if self.history == other.history else "history"


class SmallTraining:
    """A training of some hundredths of a second that writes after every epoch."""

    def __init__(self, folder: Path) -> None:
        keeping.SECONDS_BETWEEN_CHECKPOINTS = 0.0
        keeping.SAVING_PART = 0.0
        self.frames: list[Frame] = silicon_frames(5)
        self.folder = folder
        self._older = folder / "older"
        self.trainer(self._older, OLDER).run()
        self.trainer(folder / "undisturbed").run()
        self.undisturbed = Reached.of(folder / "undisturbed")

    def trainer(self, folder: Path, settings: TrainSettings = SETTINGS) -> Trainer:
        """Return a new training in a folder."""
        return Trainer(settings, self.frames[:3], self.frames[3:], run_folder=folder)

    def resumed(self, folder: Path, settings: TrainSettings | None = None) -> Trainer:
        """Take up a training."""
        return Trainer.resume(folder, settings, train=self.frames[:3], valid=self.frames[3:])

    def put_older(self, folder: Path) -> None:
        """Let another training have been in a folder."""
        shutil.copytree(self._older, folder)

    def check(self, folder: Path) -> str:
        """Return what is wrong with a folder in which a training was cut off; empty where nothing is.

        It is whole or refused in words, it goes on to the same end as an undisturbed one, or begins anew, and
        nothing is left half-written.
        """
        opened = _opened(folder)
        if isinstance(opened, str):
            return opened
        belongs = opened is not None and opened.settings.hidden == SETTINGS.hidden
        if belongs and opened is not None and opened.checkpoint_path.is_file():
            self.resumed(folder, SETTINGS).run()
        else:
            self.trainer(folder).run()
        difference = Reached.of(folder).difference(self.undisturbed)
        if difference:
            return f"it ends elsewhere than an undisturbed one: {difference}"
        left = {str(path.relative_to(folder)) for path in folder.rglob("*")} - NAMES
        return f"left behind: {sorted(left)}" if left else ""


def _opened(folder: Path) -> RunFolder | str | None:
    """Open everything in a folder; None where there is no run yet, a text where it is not as it should be."""
    try:
        opened = RunFolder.open(folder)
    except RunFolderError:
        return None
    potential = None
    try:
        potential = Potential.load(folder)
    except EatlasError as error:
        if opened.checkpoint_path.is_file():
            return f"a run with a checkpoint whose potential is refused: {error}"
    try:
        epochs = [record.epoch for record in opened.read_history()]
        if opened.checkpoint_path.is_file():
            opened.read_checkpoint()
        if opened.training_set_path.is_file():
            opened.training_values()
    except EatlasError as error:
        return f"a file is refused: {error}"
    if potential is not None and potential.weights.hidden != opened.settings.hidden:
        return "the potential is of other settings"
    if epochs != list(range(1, len(epochs) + 1)):
        return f"epochs {epochs}"
    return opened
