"""Sets larger than memory: 20,000 frames of 64 atoms, trained with their derivatives on disk or nowhere.

Every training runs in a process of its own. What was read from the disk is dropped from the system's cache
after every window, so that it is the disk that is measured. Anonymous memory is what the process has for
itself, files not counted (Linux only); it is sampled while frames are described and trained.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from bench_training import in_child_of

N_FRAMES = int(os.environ.get("BENCH_LARGE_FRAMES", "20000"))
_PER_EPOCH_IN_MEMORY = 500
_EPOCHS = 2


def large_frames(n: int) -> list[Any]:
    """Return ``n`` frames of 64 Si, strained and rattled, labelled by the Stillinger-Weber potential."""
    from dataclasses import replace

    from workload import load_workload

    from nnpcore.reference import label, reference_calculator

    calculator = reference_calculator("stillinger-weber")
    known = [frame for part in load_workload() for frame in part]
    rng = np.random.default_rng(11)
    found = []
    for k in range(n):
        frame = known[k % len(known)]
        strain = np.eye(3) * (1 + rng.uniform(-0.02, 0.02))
        moved = frame.positions @ strain + rng.normal(0, 0.05, frame.positions.shape)
        bare = replace(frame, positions=moved, cell=frame.cell @ strain, source="large", index=k)
        labelled = label(bare, calculator)
        found.append(replace(labelled, arrays={}))
    return found


def train(threads: int, where: str, n_frames: int) -> dict[str, Any]:
    """Train for two epochs with the derivatives in one place; return rates and memory."""
    from nnpcore.training import PRESET_26, Trainer, TrainSettings

    settings = TrainSettings(
        descriptors=PRESET_26,
        stress_weight=0.0,
        n_threads=threads,
        epochs=_EPOCHS,
        device="cpu",
        derivatives=where,
        guidance=0.0,
    )
    frames = large_frames(n_frames)
    n_valid = len(frames) // 20
    Trainer(settings.replace(epochs=1, derivatives="auto"), frames[:6], frames[6:8]).run()
    if where == "disk":
        drop_what_was_read()
    with Anonymous() as memory:
        started = time.perf_counter()
        trainer = Trainer(settings, frames[n_valid:], frames[:n_valid])
        trainer.prepare()
        prepared = time.perf_counter() - started
        seconds = [0.0]
        trainer.run(lambda record, _: seconds.append(record.seconds))
    n_train = len(frames) - n_valid
    return {
        "prepare": prepared,
        "rate": n_train / min(np.diff(seconds)),
        "start_mb": memory.start,
        "peak_mb": memory.peak,
        "curve_mb": memory.curve(40),
        "force": trainer.history[-1].valid["force"]["mean"],
    }


def learn(threads: int, n_frames: int) -> dict[str, Any]:
    """Condition a posterior on all frames; return processor seconds and memory."""
    from nnpcore.descriptors import SymmetryFunctions
    from nnpcore.posterior import Posterior

    frames, functions = large_frames(n_frames), SymmetryFunctions.preset("26", ["Si"])
    Posterior.fit(frames[:4], functions, n_threads=1)
    started = time.process_time()
    with Anonymous() as memory:
        Posterior.fit(frames, functions, n_threads=threads)
    seconds = time.process_time() - started
    return {"seconds": seconds, "start_mb": memory.start, "peak_mb": memory.peak}


def drop_what_was_read() -> None:
    """Let the system forget what windows have read from disk."""
    from nnpcore.training.windows import OnDisk

    usual = OnDisk.read

    def read(self: OnDisk, frames: np.ndarray) -> Any:
        found = usual(self, frames)
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self.file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return found

    OnDisk.read = read


class Anonymous:
    """Samples this process's anonymous memory, MB, ten times a second."""

    def __enter__(self) -> Anonymous:
        self._samples = [self.now()]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._ended.wait(0.1):
            self._samples.append(self.now())

    @staticmethod
    def now() -> float:
        """Now."""
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024

    @property
    def start(self) -> float:
        """Before."""
        return self._samples[0]

    @property
    def peak(self) -> float:
        """The largest."""
        return max(self._samples)

    def curve(self, n: int) -> list[float]:
        """Return ``n`` samples at most, evenly taken."""
        return self._samples[:: max(1, -(-len(self._samples) // n))]


def rows(threads: int = 2) -> list[dict[str, Any]]:
    """Measure the rate in memory, from disk and without keeping anything."""
    few = in_child_of(__file__, "memory", threads, _PER_EPOCH_IN_MEMORY)
    found = []
    for where, text in (("disk", "on disk"), ("recompute", "worked out anew")):
        many = in_child_of(__file__, where, threads, N_FRAMES)
        note = f"{many['rate']:.0f} frames/s against {few['rate']:.0f}; prepared in {many['prepare']:.0f} s"
        name = f"{N_FRAMES:,} frames of 64 atoms, derivatives {text}"
        found += [
            {"name": f"{name}: time of a frame, in memory = 1", "value": few["rate"] / many["rate"],
             "unit": "×", "aim": 2.0, "threads": threads, "note": note},
            {"name": f"{name}: anonymous memory", "value": many["peak_mb"], "unit": "MB",
             "aim": 4000.0, "threads": threads,
             "note": "curve, MB: " + " ".join(f"{x:.0f}" for x in many["curve_mb"])},
        ]  # fmt: skip
    for n, aim in ((350, 15.0), (N_FRAMES // 2, None)):
        learned = in_child_of(__file__, "posterior", threads, n)
        memory = f"anonymous memory {learned['start_mb']:.0f} MB before, {learned['peak_mb']:.0f} MB at most"
        found.append(
            {"name": f"{n:,} frames of 64 atoms into a posterior: CPU time", "value": learned["seconds"],
             "unit": "s", "aim": aim, "threads": threads, "note": memory}
        )  # fmt: skip
    return found


if __name__ == "__main__":
    given = int(sys.argv[2]), int(sys.argv[3])
    posterior = sys.argv[1] == "posterior"
    print(json.dumps(learn(*given) if posterior else train(given[0], sys.argv[1], given[1])))
