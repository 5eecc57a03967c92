"""A training that is killed, or whose disk fails, at each of its file operations."""

from __future__ import annotations

import errno
import random
import resource
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

from nnpcore.errors import RunFolderError
from soak.faults import DEATH, Faults
from soak.forks import Ended, in_fork
from soak.small_training import SETTINGS, Reached, SmallTraining
from soak.tally import Tally

Begin = Callable[[SmallTraining, Path], object]

BEGINNINGS: dict[str, Begin] = {
    "a new training": lambda _small, _folder: None,
    "one over an older run": lambda small, folder: small.put_older(folder),
    "one that is resumed": lambda small, folder: small.trainer(folder, SETTINGS.replace(epochs=2)).run(),
}
ERRORS = {"full disk": errno.ENOSPC, "read-only disk": errno.EROFS, "broken disk": errno.EIO}


def train(small: SmallTraining, folder: Path, beginning: str) -> None:
    """Train to the end, from one of the beginnings, which has been made before."""
    trainer = (small.resumed if beginning == "one that is resumed" else small.trainer)(folder, SETTINGS)
    trainer.run()


def operations(small: SmallTraining, beginning: str, place: Path) -> list[str]:
    """Return the file operations of an undisturbed training."""
    folder = place / "run"
    BEGINNINGS[beginning](small, folder)

    def work() -> list[str]:
        with Faults(place).at_work() as faults:
            train(small, folder, beginning)
        return faults.done

    ended = in_fork(work)
    shutil.rmtree(folder)
    if ended.value is None:
        raise RuntimeError(ended.error)
    return ended.value


def die_everywhere(small: SmallTraining, place: Path, tally: Tally, until: float, step: int = 1) -> None:
    """Kill trainings at every file operation (every ``step``-th), of all beginnings."""
    for beginning in BEGINNINGS:
        known = len(operations(small, beginning, place))
        tally.of[f"death of {beginning}"] = known
        for number in range(0, known, step):
            if time.monotonic() > until:
                return
            tally.add(f"death of {beginning}", die(small, beginning, number, place))


def die(small: SmallTraining, beginning: str, number: int, place: Path) -> str:
    """Kill a training at one file operation, look at its folder and go on; return what is wrong."""
    folder = place / "run"
    BEGINNINGS[beginning](small, folder)
    faults = Faults(place, number, number, DEATH)

    def work() -> None:
        with faults.at_work():
            train(small, folder, beginning)

    ended = in_fork(work)
    fault = "" if ended.signal == signal.SIGKILL else f"operation {number} did not kill it: {ended}"
    return fault or _after(small, folder, f"operation {number}")


def kill_at_random(small: SmallTraining, place: Path, tally: Tally, rng: random.Random) -> None:
    """Kill a long training after a random time, whatever it does then."""
    folder, beginning = place / "run", rng.choice(list(BEGINNINGS))
    BEGINNINGS[beginning](small, folder)

    def work() -> None:
        signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGKILL))
        signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.001, 0.25))
        train(small, folder, beginning)

    in_fork(work)
    tally.add("kill at a random time", _after(small, folder, f"in {beginning}"))


def _after(small: SmallTraining, folder: Path, when: str) -> str:
    ended = in_fork(lambda: small.check(folder))
    shutil.rmtree(folder, ignore_errors=True)
    fault = ended.error or ended.value or (f"died by {ended.signal}" if ended.signal else "")
    return f"{when}: {fault}" if fault else ""


def fail_at_random(small: SmallTraining, place: Path, tally: Tally, until: float, rng: random.Random) -> None:
    """Let the disk fail from any file operation on: for one, for some or for all that follow."""
    known = {beginning: len(operations(small, beginning, place)) for beginning in BEGINNINGS}
    while time.monotonic() < until:
        beginning, kind = rng.choice(list(BEGINNINGS)), rng.choice(list(ERRORS))
        first, lasting = rng.randrange(known[beginning]), rng.choice((1, 7, 10_000))
        fault, refused = fail(small, beginning, kind, (first, first + lasting - 1), place)
        tally.add(f"{kind} under {beginning}", fault, refused=refused)


def fail(
    small: SmallTraining, beginning: str, kind: str, numbers: tuple[int, int], place: Path
) -> tuple[str, bool]:
    """Let some file operations fail; return what is wrong, and whether the training said it was not saved."""
    faults = Faults(place, *numbers, ERRORS[kind])
    return _disturbed(small, beginning, place, faults.start, str(numbers))


def limit_sizes(small: SmallTraining, place: Path, tally: Tally, rng: random.Random) -> None:
    """Let no file be larger than some random size, as the system's own limit has it."""
    beginning, size = rng.choice(list(BEGINNINGS)), int(10 ** rng.uniform(1, 5))

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    fault, refused = _disturbed(small, beginning, place, limit, f"{size} bytes")
    tally.add("limit of file sizes", fault, refused=refused)


def _disturbed(
    small: SmallTraining, beginning: str, place: Path, disturb: Callable[[], object], how: str
) -> tuple[str, bool]:
    """Train under a disturbance: to a whole folder, or to an error with everything still in memory."""
    folder, elsewhere = place / "run", place.parent / f"{place.name}-elsewhere"
    BEGINNINGS[beginning](small, folder)

    def work() -> str:
        resumes = beginning == "one that is resumed"
        trainer = (small.resumed if resumes else small.trainer)(folder, SETTINGS)
        disturb()
        try:
            trainer.prepare()
        except RunFolderError:
            return "refused before it began"
        try:
            trainer.run()
        except RunFolderError:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            trainer.save_to(elsewhere)
            return f"kept: {Reached.of(elsewhere).difference(small.undisturbed)}"
        return f"whole: {Reached.of(folder).difference(small.undisturbed)}"

    ended: Ended = in_fork(work)
    answer = ended.value or ""
    wrong = ended.error or (f"died by {ended.signal}" if ended.signal else "")
    if not wrong and answer.partition(": ")[2]:
        wrong = answer
    found = "" if answer.startswith("whole") else _after(small, folder, "afterwards")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(elsewhere, ignore_errors=True)
    fault = wrong or found
    return (f"{how}: {fault}" if fault else ""), not answer.startswith("whole")
