"""``python -m soak.openings FOLDER [N]``: data and a run opened and closed, and the memory after it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from soak.display import display
from soak.monkey import Monkey, anonymous_mb, grows

N_OPENINGS, EVERY = 200, 20
MOST_GROWTH = 5.0
"""MB in twenty openings, by the median, after the first forty."""


def main() -> int:
    """Open and close; print the memory with everything closed, every twenty times; 1 where it grows."""
    place, number = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else N_OPENINGS
    with display():
        return openings(Monkey(place, 0), number)


def openings(monkey: Monkey, number: int) -> int:
    """Open and close so often; 1 where the memory grows."""
    session, files = monkey.session, [str(path) for path in monkey.files[:2]]

    def wait(there: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not there() and time.monotonic() < end:
            monkey._live(0.02)

    run_folder = trained(monkey, files, wait)
    memory: list[float] = []
    for k in range(1, number + 1):
        session.data.open_paths(files)
        session.runs.open(run_folder)
        wait(lambda: len(session.data.datasets) >= 2 and len(session.runs.documents) == 1)
        wait(lambda: not session.tasks.tasks)
        if k % EVERY == 0:
            monkey.rest()
            memory.append(anonymous_mb())
        else:
            close(monkey)
    print(f"{number} openings; memory with everything closed, MB: {memory}")
    for fault in monkey.faults:
        print("fault:", fault)
    monkey.end()
    return int(grows(memory, 2) > MOST_GROWTH or bool(monkey.faults))


def close(monkey: Monkey) -> None:
    """Close all data and take the run off the list."""
    for run_id in list(monkey.session.runs.documents):
        monkey.session.runs.remove(run_id)
    for key in list(monkey.session.data.datasets):
        monkey.session.data.remove(key)
    monkey._live(0.05)


def trained(monkey: Monkey, files: list[str], wait: Callable[[Callable[[], bool]], None]) -> Path:
    """Train for some epochs and return the run's folder."""
    from nnpcore.training import TrainSettings

    session = monkey.session
    session.data.open_paths(files)
    wait(lambda: len(session.data.datasets) == 2)
    settings = TrainSettings.model_validate({"hidden": [4], "n_members": 2, "epochs": 5, "n_threads": 1})
    run = session.runs.documents[session.trainings.launch(settings)]
    wait(lambda: not session.trainings.active)
    assert run.folder is not None
    close(monkey)
    return run.folder


if __name__ == "__main__":
    sys.exit(main())
