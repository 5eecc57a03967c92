"""``python -m soak.whole REPORT [--share 1.0]``: every number that the claim "nothing breaks it" rests on.

Some one and a half hours on a quiet machine; ``--share`` shortens it. The report is written as it grows: what
was run, what it said, and whether it found a fault.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> int:
    """Run all, one after the other; 1 where anything found a fault."""
    parser = argparse.ArgumentParser(prog="soak.whole", description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("--share", type=float, default=1.0, help="of the usual time and number of tries")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    options = parser.parse_args()
    faulty = 0
    options.report.write_text(f"seed {options.seed}, share {options.share}\n")
    with tempfile.TemporaryDirectory(prefix="eatlas-soak-") as folder:
        for number, command in enumerate(commands(options.seed, options.share)):
            place = Path(folder) / str(number)
            place.mkdir()
            faulty += run(command, place, options.report)
    with options.report.open("a") as file:
        file.write(f"\n{faulty} of the commands found faults\n")
    return int(faulty > 0)


def commands(seed: int, share: float) -> list[list[str]]:
    """Return the module and its arguments of every run; PLACE is a folder of its own."""
    minutes, many = f"{10 * share:g}", str(max(round(200 * share), 20))
    return [
        ["soak", "--minutes", minutes, "--seed", str(seed)],
        ["soak", "--minutes", minutes, "--seed", str(seed + 1)],
        ["soak", "--minutes", minutes, "--seed", str(seed + 2), "--only", "mutants"],
        ["soak", "--minutes", minutes, "--seed", str(seed + 3), "--only", "deaths"],
        ["soak", "--minutes", f"{5 * share:g}", "--seed", str(seed + 4), "--only", "disks", "--only", "two"],
        *(["soak.monkey", "PLACE", str(seed + 5 + k), f"{600 * share:g}"] for k in range(3)),
        ["soak.openings", "PLACE", many],
        ["soak.epochs", "PLACE", str(max(round(100_000 * share), 1000))],
    ]


def run(command: list[str], place: Path, report: Path) -> bool:
    """Run one, add what it said to the report, and return whether it found a fault."""
    words = [str(place) if word == "PLACE" else word for word in command]
    home = {"EATLAS_HOME": str(place / "home"), "PYTHONFAULTHANDLER": "1"}
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", *words],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **home},
    )
    said, told = done.stdout, place / "report.json"
    faulty = done.returncode != 0
    if told.is_file():
        said = told.read_text()
        faulty = faulty or '"faults": []' not in said
    with report.open("a") as file:
        took = (time.monotonic() - began) / 60
        file.write(
            f"\n## {' '.join(command)}: {'FAULTS' if faulty else 'clean'}, {took:.1f} min\n{said[-6000:]}\n"
        )
    return faulty


if __name__ == "__main__":
    sys.exit(main())
