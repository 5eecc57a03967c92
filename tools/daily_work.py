"""Run what docs/daily_work.md shows, in a fresh folder and in order, and put its pictures into docs/images.

The page is the script: files are its blocks that begin with ``# NAME``, commands the lines of its ``sh``
blocks. Run at the project's top, about ten minutes of one processor::

    python tools/daily_work.py out/daily_work --threads 1

What a command says is shown and kept in ``FOLDER/said.txt``. Commands that have ended well stand in
``FOLDER/done.txt`` and are not run again: after a break the same line goes on where it was. What a
training that was broken off has left is taken away first. ``--from 3`` runs the third command and those
after it again.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "daily_work.md"
DATA = ROOT / "benchmarks" / "data" / "mlearn"
PICTURES = {
    "learning/learning-curve.png": "daily-learning.png",
    "calibration/calibration.png": "daily-calibration.png",
}
EATLAS = (sys.executable, "-c", "import sys; from nnpcore.cli import main; sys.exit(main())")
PROGRAMS = {"eatlas": EATLAS, "python": (sys.executable,)}


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """Yield language and text of the page's blocks of code."""
    for found in re.finditer(r"^```(\w+)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE):
        yield found[1], found[2]


def files_of(page: str) -> dict[str, str]:
    """Return the files that the page shows, by name."""
    named = ((re.match(r"# (\S+\.\w+)\n", text), text) for _, text in blocks(page))
    return {found[1]: text for found, text in named if found}


def commands_of(page: str) -> list[list[str]]:
    """Return the page's commands as words; remarks are left out."""
    lines = "".join(text for kind, text in blocks(page) if kind == "sh").replace("\\\n", " ").splitlines()
    commands = (shlex.split(line, comments=True) for line in lines)
    return [words for words in commands if words and words[0] in PROGRAMS]


def left_behind(words: list[str], folder: Path) -> list[Path]:
    """Return what a command that was broken off has written; a learning curve goes on with its own."""
    if "learning-curve" in words:
        return []
    named = [folder / b for a, b in pairwise(words) if a in ("-o", "--leave-out")]
    return [path for path in named if path.exists()]


def run(words: list[str], folder: Path) -> None:
    """Run a command in the folder; what it says is shown and kept. CalledProcessError where it fails."""
    with (folder / "said.txt").open("a", encoding="utf-8") as said:
        line = f"$ {shlex.join(words)}\n"
        said.write(line)
        print(line, end="", flush=True)
        command = [*PROGRAMS[words[0]], *words[1:]]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        with subprocess.Popen(
            command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            for line in process.stdout or ():
                said.write(line)
                print(line, end="", flush=True)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, words)


def main() -> None:
    """Run the page."""
    parser = argparse.ArgumentParser(description="Run the commands of docs/daily_work.md.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, help="processor threads of each command")
    parser.add_argument("--from", type=int, dest="first", help="number of the first command to run again")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    if given.threads:
        os.environ |= {name: str(given.threads) for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")}
    for path in (DATA / "LICENSE", *DATA.glob("Si.*")):
        shutil.copy(path, given.folder)
    page = PAGE.read_text(encoding="utf-8")
    for name, text in files_of(page).items():
        (given.folder / name).write_text(text, encoding="utf-8")
    commands, done = commands_of(page), given.folder / "done.txt"
    ended = done.read_text(encoding="utf-8").splitlines() if done.is_file() else []
    if given.first:
        again = {shlex.join(words) for words in commands[given.first - 1 :]}
        ended = [line for line in ended if line not in again]
        done.write_text("".join(f"{line}\n" for line in ended), encoding="utf-8")
    for words in commands:
        if (line := shlex.join(words)) in ended:
            continue
        for path in left_behind(words, given.folder):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        run(words, given.folder)
        with done.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
    for made, shown in PICTURES.items():
        shutil.copy(given.folder / made, ROOT / "docs" / "images" / shown)


if __name__ == "__main__":
    main()
