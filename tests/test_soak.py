"""A short slice of the soak suite, in a process of its own; ``make soak`` runs all of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from soak.monkey import grows

ROOT = Path(__file__).parents[1]


def soak(*arguments: str) -> str:
    paths = f"{ROOT / 'tests'}{os.pathsep}{ROOT}"
    done = subprocess.run(
        [sys.executable, "-m", "soak", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_growth_of_memory_is_told_from_what_one_analysis_takes() -> None:
    assert grows([200, 400, 600, 600, 610, 590, 600, 610, 1500], 3) < 30
    assert grows([200, 400, 600, 640, 690, 730, 780, 820, 870], 3) > 30


def test_a_slice_of_the_attacks_finds_no_fault() -> None:
    found = soak("--slice", "--seed", "11")
    kinds = ("mutant of run: checkpoint", "death of a new training", "full disk", "two trainings at once")
    assert all(kind in found for kind in kinds), found
