"""``python -m soak.epochs FOLDER [N]``: many epochs of a tiny set, and the slope of the memory."""

from __future__ import annotations

import gc
import sys
import time
from pathlib import Path

import numpy as np

from soak.monkey import anonymous_mb

N_EPOCHS, MARKS = 100_000, 50
MOST_SLOPE = 50.0
"""kB in a thousand epochs: the history itself takes some ten."""


def main() -> int:
    """Train, print the memory at some epochs and its slope over the later half; 1 where it grows."""
    from training_data import silicon_frames

    from nnpcore.training import EpochRecord, Trainer, TrainSettings

    folder, number = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else N_EPOCHS
    settings = TrainSettings.model_validate(
        {
            "descriptors": {"cutoff": 4.0}, "hidden": [2], "n_members": 1, "epochs": number, "n_threads": 1,
            "optimizer": "adam", "guidance": 0.0,
        }
    )  # fmt: skip
    frames = silicon_frames(3)
    seen: list[tuple[int, float]] = []

    def look(record: EpochRecord, _: Trainer) -> None:
        if record.epoch % max(number // MARKS, 1) == 0:
            gc.collect()
            seen.append((record.epoch, anonymous_mb()))

    began = time.monotonic()
    result = Trainer(settings, frames[:2], frames[2:], run_folder=folder / "long").run(look)
    seconds = time.monotonic() - began
    epochs, memory = np.array(seen[len(seen) // 2 :]).T
    slope = 1024 * 1000 * float(np.polyfit(epochs, memory, 1)[0])
    print(f"{seen[-1][0]} epochs of {number} in {seconds:.0f} s, {len(result.history)} in the history")
    print("anonymous memory, MB:", " ".join(f"{e}:{m:.1f}" for e, m in seen[:: max(len(seen) // 10, 1)]))
    print(f"slope over the later half: {slope:+.1f} kB in a thousand epochs")
    return int(slope > MOST_SLOPE)


if __name__ == "__main__":
    sys.exit(main())
