"""Training on the reference workload: an Adam epoch, and how long it takes to reach n2p2's accuracy.

That is measured with the usual settings of version 0.2, which the goals are set for, and with today's.
350 training and 150 validation frames of 64 Si atoms, preset 26, rc 6 Å, network 26-30-30-1, 5 members,
energy and force loss. Every training runs in a process of its own; kernels are compiled before the clock
starts, which covers descriptors, training and the validation after every epoch.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

GOALS = {"first": (0.6, 0.051), "final": (0.31, 0.035)}
"""Energy in meV/atom and force in eV/Å that every member has to reach on the validation frames."""

REFERENCES = {
    "first": "n2p2 110 s for one network, 550 s for five; SIMPLE-NN 243 s for one",
    "final": "n2p2 500 s for one network",
}
PRODUCTS = {"first": 90.0, "final": 200.0}
BEFORE = {"first": 145.0, "final": 384.0}
"""Goals in matrix products on one thread, and the middle of what version 0.2 took."""
MOST_EPOCHS = 40
PRODUCT_REPEATS = 15


def reach_goals(threads: int, today: bool = False) -> dict[str, Any]:
    """Train as version 0.2 did, or as today, until every member has reached the last goal.

    Returns
    -------
    CPU and wall seconds (``cpu_first`` ...) up to every goal, None where it was missed; ``system`` : CPU
    seconds that the system took to prepare, for fresh memory above all; ``peak_mb`` of the process.
    """
    from workload import load_workload

    from nnpcore.training import PRESET_26, EpochRecord, TrainControl, Trainer, TrainSettings
    from nnpcore.training.settings import AS_IN_VERSION_0_2

    train, valid = load_workload()
    settings = TrainSettings(
        descriptors=PRESET_26, stress_weight=0.0, n_threads=threads, epochs=MOST_EPOCHS, device="cpu"
    )
    if not today:
        settings = settings.replace(**AS_IN_VERSION_0_2)
    Trainer(settings.replace(epochs=1), train[:6], valid[:2]).run()
    result: dict[str, Any] = {f"{kind}_{goal}": None for goal in GOALS for kind in ("cpu", "wall", "epochs")}
    cpu, wall, system = time.process_time(), time.perf_counter(), _system_seconds()
    control = TrainControl()

    def look(record: EpochRecord, _: Trainer) -> None:
        for goal, (energy, force) in GOALS.items():
            rmses = record.valid
            reached = rmses["energy"]["members"].max() <= energy and rmses["force"]["members"].max() <= force
            if reached and result[f"cpu_{goal}"] is None:
                result[f"cpu_{goal}"] = time.process_time() - cpu
                result[f"wall_{goal}"] = time.perf_counter() - wall
                result[f"epochs_{goal}"] = record.epoch
        if result["cpu_final"] is not None:
            control.stop()

    trainer = Trainer(settings, train, valid)
    trainer.prepare()
    result["cpu_descriptors"] = time.process_time() - cpu
    result["system"] = _system_seconds() - system
    trainer.run(look, control)
    result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return result


def _system_seconds() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_stime


def adam_epoch(threads: int, repeats: int = 4) -> dict[str, Any]:
    """Return the fastest wall time of an epoch of Adam, seconds: every energy and force, all members.

    ``product`` is the time of a 1024³ matrix product on the same threads, beside it.
    """
    import bench_matmul
    import torch

    torch.set_num_threads(threads)
    from workload import load_workload

    from nnpcore.training import PRESET_26, Trainer, TrainSettings

    train, _ = load_workload()
    settings = TrainSettings(
        descriptors=PRESET_26,
        stress_weight=0.0,
        n_threads=threads,
        optimizer="adam",
        epochs=repeats,
        device="cpu",
    )
    Trainer(settings.replace(epochs=1), train[:6], []).run()
    trainer = Trainer(settings, train, [])
    seconds = [0.0]
    products = [bench_matmul.rows()[0].value]
    trainer.run(lambda record, _: seconds.append(record.seconds))
    products.append(bench_matmul.rows()[0].value)
    return {"seconds": min(b - a for a, b in pairwise(seconds)), "product": min(products)}


def reach_goals_today(threads: int) -> dict[str, Any]:
    """Do the same with today's settings."""
    return reach_goals(threads, today=True)


def product(threads: int) -> float:
    """Return the CPU seconds of a 1024³ matrix product; in a process of its own, since it loads torch."""
    import torch

    torch.set_num_threads(threads)
    a, b = (torch.randn(1024, 1024, generator=torch.Generator().manual_seed(0)) for _ in range(2))
    spent = []
    for _ in range(PRODUCT_REPEATS):
        started = time.process_time()
        a @ b
        spent.append(time.process_time() - started)
    return min(spent)


def in_child(name: str, threads: int) -> Any:
    """Run one of the functions above in a process of its own."""
    return in_child_of(__file__, name, threads)


def in_child_of(script: str, *arguments: str | int) -> dict[str, Any]:
    """Run a script in a process of its own; return what its last line says as JSON."""
    command = [sys.executable, str(Path(script)), *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def rows(threads: int = 2) -> list[dict[str, Any]]:
    """Measure on one thread and on ``threads``."""
    adam, *products = in_child("adam_epoch", threads), in_child("product", 1)
    single, today = in_child("reach_goals", 1), in_child("reach_goals_today", 1)
    products.append(in_child("product", 1))
    several = in_child("reach_goals", threads)
    beside = min(products)
    found = [
        _row(
            "Adam epoch, 350 frames, 5 members",
            adam["seconds"],
            "s",
            0.6,
            threads,
            "SIMPLE-NN 3.2 s, n2p2 40 s for one",
        ),
    ]
    per_product = adam["seconds"] / adam["product"]
    name = "the same in matrix products beside it"
    found.append(_row(name, per_product, "×", 9.0, threads) | {"before": 13.0})
    for goal, (energy, force) in GOALS.items():
        text = f"5 members at {energy} meV/atom and {force} eV/Å"
        reference, aim, before = REFERENCES[goal], PRODUCTS[goal], BEFORE[goal]
        found.append(
            _row(f"CPU until {text}", single[f"cpu_{goal}"], "s", None, 1, reference, _note(single, goal))
        )
        name = "the same in matrix products beside it"
        found.append(_row(name, _ratio(single, goal, beside), "×", aim, 1) | {"before": before})
        name = "the same with today's settings, CPU"
        found.append(_row(name, today[f"cpu_{goal}"], "s", None, 1, "", _note(today, goal)))
        name = "that in matrix products beside it"
        found.append(_row(name, _ratio(today, goal, beside), "×", None, 1))
        found.append(_row(f"wall until {text}", several[f"wall_{goal}"], "s", None, threads, reference))
    found.append(
        _row("peak memory of that training", several["peak_mb"], "MB", 1200.0, threads, "n2p2 1196 MB")
    )
    return found


def _note(found: dict[str, Any], goal: str) -> str:
    epochs, preparing, system = found[f"epochs_{goal}"], found["cpu_descriptors"], found["system"]
    return (
        f"epochs: {epochs}; preparing {preparing:.1f} s of it, of that {system:.1f} s the system for memory"
    )


def _ratio(found: dict[str, Any], goal: str, product: float) -> float | None:
    seconds = found[f"cpu_{goal}"]
    return None if seconds is None else seconds / product


def _row(
    name: str,
    value: float | None,
    unit: str,
    aim: float | None,
    threads: int,
    reference: str = "",
    note: str = "",
) -> dict[str, Any]:
    """Return a row; a goal that was missed counts as infinitely late."""
    reached = float("inf") if value is None else float(value)
    return {
        "name": name, "value": reached, "unit": unit, "aim": aim, "threads": threads,
        "reference": reference, "note": note,
    }  # fmt: skip


if __name__ == "__main__":
    functions = {f.__name__: f for f in (reach_goals, reach_goals_today, adam_epoch, product)}
    print(json.dumps(functions[sys.argv[1]](int(sys.argv[2]))))
