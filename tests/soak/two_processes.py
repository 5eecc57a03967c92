"""Two trainings that want one folder: one gets it, the other is told; the folder is that of the first."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

from nnpcore.errors import RunFolderError
from nnpcore.training import EpochRecord, Trainer
from soak.forks import in_fork
from soak.small_training import OLDER, SETTINGS, SmallTraining
from soak.tally import Tally


def meet(small: SmallTraining, place: Path, tally: Tally, rng: random.Random, *, killed: bool) -> None:
    """Let a second training begin, or go on, in the folder of one that trains or was killed."""
    folder = place / "run"
    first = _child(lambda: small.trainer(folder, SETTINGS).run(_slowly))
    checkpoint = folder / "checkpoint.safetensors"
    _wait(checkpoint.is_file)
    if killed:
        os.kill(first, signal.SIGKILL)
        os.waitpid(first, 0)
    resumes = rng.random() < 0.5

    def second() -> str:
        try:
            trainer = small.resumed(folder) if resumes else small.trainer(folder, OLDER)
            trainer.run()
        except RunFolderError as error:
            return str(error)
        return ""

    ended = in_fork(second)
    told, fault = ended.value or "", ended.error
    if not killed:
        os.waitpid(first, 0)
        if not fault and "another training writes into this folder" not in told:
            fault = f"the second one was not refused: {told!r}"
    elif told:
        fault = f"the lock of a killed training was not recognized: {told}"
    if not fault:
        fault = in_fork(lambda: small.check(folder)).value or ""
    tally.add("two trainings, one killed" if killed else "two trainings at once", fault, refused=not killed)
    shutil.rmtree(folder)


def _slowly(_record: EpochRecord, _trainer: Trainer) -> None:
    time.sleep(0.3)


def _child(function: Callable[[], object]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            function()
        finally:
            os._exit(0)
    return pid


def _wait(until: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not until() and time.monotonic() < end:
        time.sleep(0.01)
