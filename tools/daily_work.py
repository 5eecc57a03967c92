"""Run what docs/daily_work.md shows, in a fresh folder and in order, and put its pictures into docs/images.

The page is the script: files are its blocks that begin with ``# NAME``, commands the lines of its ``sh``
blocks. Run at the project's top, about ten minutes of one processor::

    python tools/daily_work.py out/daily_work --threads 1

What a command says is shown and kept in ``FOLDER/said.txt``. ``--from 3`` goes on at the third command.
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
    parser.add_argument("--from", type=int, default=1, dest="first", help="number of the first command")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    if given.threads:
        os.environ |= {name: str(given.threads) for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")}
    for path in (DATA / "LICENSE", *DATA.glob("Si.*")):
        shutil.copy(path, given.folder)
    page = PAGE.read_text(encoding="utf-8")
    for name, text in files_of(page).items():
        (given.folder / name).write_text(text, encoding="utf-8")
    for words in commands_of(page)[given.first - 1 :]:
        run(words, given.folder)
    for made, shown in PICTURES.items():
        shutil.copy(given.folder / made, ROOT / "docs" / "images" / shown)


if __name__ == "__main__":
    main()
