"""Files of every format that is read, damaged by chance: refused in words, or read; never anything else.

A reader is added to :func:`formats`: how a good file is written, and a function that reads it. Where the file
has a checksum of ours, ``same`` says what of it must not change: a damaged one that is read then has this.
"""

from __future__ import annotations

import os
import random
import shutil
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from nnpcore.errors import EatlasError
from soak.forks import in_fork
from soak.small_training import SmallTraining
from soak.tally import Tally

SECONDS_EACH = 10.0
"""A reader that takes longer hangs."""
_TOKENS = (
    "nan", "inf", "-inf", "1e400", "1e-400", "-1", "0", "99999999999999999999", str(2**31), str(2**63), "",
    "[]", "{}", "null", "true", '"', "'", ",", "\n", "\t", "\0", "é", "[" * 3000, "{\"a\":" * 3000, "9" * 400,
    "*****", "1.0E", "--1", "Xx", "Si Si", "=" * 50, "0x10", "1_000", "٣",
)  # fmt: skip


@dataclass(frozen=True)
class Format:
    """A format that is read.

    Attributes
    ----------
    name : as in the table.
    file : a good file.
    read : reads the file it is given, and returns what :attr:`same` compares.
    beside : files and folders that must lie beside it; copied once.
    same : whether what a damaged file gives must be what the good one gives.
    """

    name: str
    file: Path
    read: Callable[[Path], Any]
    beside: Path | None = None
    same: bool = False


def formats(place: Path, small: SmallTraining) -> list[Format]:
    """Return all formats with good files, written into ``place``."""
    return [*_structures(place), *_of_runs(place, small), *_of_programs(place), *_of_window(place)]


def _structures(place: Path) -> Iterator[Format]:
    from format_samples import BY_ASE, SAMPLES

    from nnpcore.structures import KeyNames, propose_keys, read_dataset

    def read(path: Path) -> int:
        keys = KeyNames(types="Si") if path.suffix == ".cfg" else None
        frames = read_dataset(path, on_bad="skip", keys=keys).frames
        propose_keys(frames)
        return len(frames)

    for name, make in (SAMPLES | BY_ASE).items():
        home = place / "samples" / name
        home.mkdir(parents=True)
        path = make(home)
        for file in [path] if path.is_file() else sorted(path.rglob("*.*")):
            if file.is_file():
                yield Format(f"{name}: {file.name}" if path.is_dir() else name, file, read, home)


def _of_runs(place: Path, small: SmallTraining) -> Iterator[Format]:
    from builders import build_frame

    from nnpcore.analyses import MappingMonitor
    from nnpcore.mapping import RegionSet, indices_region, read_regions, write_regions
    from nnpcore.potential import Potential
    from nnpcore.training import RunFolder, TrainSettings

    run = place / "run"
    small.trainer(run).run()
    crystal = [build_frame("Si", scale=1 + 0.01 * k) for k in range(-2, 3)]
    labelled = [_with_energy(frame, -40.0 + k * k) for k, frame in enumerate(crystal)]
    MappingMonitor(labelled).save(run)

    def plain(arrays: dict[str, np.ndarray]) -> dict[str, bytes]:
        return {name: values.tobytes() for name, values in arrays.items()}

    def checkpoint(path: Path) -> Any:
        found = RunFolder.open(path.parent).read_checkpoint()
        return plain(found.arrays), found.state

    def history(path: Path) -> Any:
        return [record.to_dict() for record in RunFolder.open(path.parent).read_history()]

    def potential(path: Path) -> Any:
        found = Potential.load(path.parent.parent)
        return plain(found.weights.to_arrays()), found.element_energies, found.functions.to_dict(), found.info

    def values(path: Path) -> Any:
        return plain(vars(RunFolder.open(path.parent).training_values()))

    def data(path: Path) -> Any:
        found = RunFolder.open(path.parent)
        return found.id, [(s.role, s.indices, s.fingerprint) for s in found.sources]

    def settings(path: Path) -> Any:
        opened = RunFolder.open(path.parent)
        return TrainSettings().replace(**{"hidden": opened.settings.hidden}).changed(opened.settings)

    yield Format("run: checkpoint", run / "checkpoint.safetensors", checkpoint, run, same=True)
    yield Format("run: history.csv", run / "history.csv", history, run, same=True)
    yield Format("run: training set", run / "training_set.safetensors", values, run, same=True)
    yield Format("run: data.json", run / "data.json", data, run, same=True)
    yield Format("run: settings.toml", run / "settings.toml", settings, run, same=True)
    yield Format(
        "run: monitor.json", run / "monitor.json", lambda p: bool(MappingMonitor.load(p.parent)), run
    )
    for name in ("potential.json", "potential.safetensors"):
        yield Format(f"run: {name}", run / "potential" / name, potential, run, same=True)
    regions = place / "regions.json"
    frame = build_frame("Si")
    write_regions(regions, [RegionSet(frame, (indices_region(frame, "some", np.arange(3), 0),), "cell")])
    yield Format("regions.json", regions, lambda path: len(read_regions(path)))


def _with_energy(frame: Any, energy: float) -> Any:
    from dataclasses import replace

    return replace(frame, energy=energy)


def _of_programs(place: Path) -> Iterator[Format]:
    from nnpcore.exchange.export import export_as
    from nnpcore.exchange.importing import read_foreign

    for program in ("n2p2", "simple-nn"):
        folder = place / program
        export_as(place / "run", folder, program)
        member = folder if not (folder / "member-1").is_dir() else folder / "member-1"
        for path in sorted(path for path in member.iterdir() if path.is_file()):
            if path.name in ("input.nn", "scaling.data", "weights.014.data", "potential_saved"):
                read = lambda p: read_foreign([p.parent])[1]  # noqa: E731
                yield Format(f"{program}: {path.name}", path, read, member)


def _of_window(place: Path) -> Iterator[Format]:
    from app import settings
    from app.documents import session_file
    from app.documents.session_file import SavedDataset, SavedSession

    session = place / "session.json"
    session_file.write(session, SavedSession([SavedDataset("a.extxyz", "training", 0)], ["/run"], "a.extxyz"))
    yield Format("session.json", session, session_file.read)
    kept = place / "settings.json"
    os.environ["EATLAS_HOME"] = str(place)
    settings.Settings(recent_files=["a", "b"], dialogs={"a": {"b": 1}}).save()

    def read(path: Path) -> settings.Settings:
        os.environ["EATLAS_HOME"] = str(path.parent)
        return settings.load()

    yield Format("settings.json", kept, read)


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Return a content damaged in one of the ways files are."""
    size = len(content)
    at, end = sorted((rng.randrange(size + 1), rng.randrange(size + 1)))
    token = rng.choice(_TOKENS).encode()
    kind = rng.randrange(10)
    if kind == 0:
        return content[:at]
    if kind == 1:
        return content[:at] + content[min(at + rng.randint(1, 8), size) :]
    if kind == 2 and size:
        at = rng.randrange(size)
        return content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :]
    if kind == 3:
        return content[:at] + rng.randbytes(rng.randint(1, 16)) + content[at:]
    if kind == 4:
        return content[:at] + content[at:end] + content[at:end] + content[end:] if size < 2_000_000 else b""
    if kind == 5:
        return content[:at] + content[end:]
    if kind == 6:
        return b"\n".join(_lines(content.split(b"\n"), rng))
    if kind == 7:
        return content[:at] + token + content[at:]
    return _other_number(content, token, rng)


def _lines(lines: list[bytes], rng: random.Random) -> list[bytes]:
    """Lose, repeat or exchange a line."""
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    kind = rng.randrange(3)
    if kind == 0:
        return lines[:a] + lines[a + 1 :]
    if kind == 1:
        return lines[:a] + lines[a : a + 1] * rng.randint(2, 4) + lines[a + 1 :]
    lines[a], lines[b] = lines[b], lines[a]
    return lines


def _other_number(content: bytes, token: bytes, rng: random.Random) -> bytes:
    """Put something else in the place of a number or a word."""
    word = (string.digits + ".+-eE" if rng.random() < 0.7 else string.ascii_letters + "_").encode()
    places = [
        k for k in (rng.randrange(max(len(content), 1)) for _ in range(40)) if content[k : k + 1] in word
    ]
    places = [k for k in places if content[k : k + 1]]
    if not places:
        return content + token
    start = end = places[0]
    while start > 0 and content[start - 1] in word:
        start -= 1
    while end < len(content) and content[end] in word:
        end += 1
    return content[:start] + token + content[end:]


def attack(wanted: Format, place: Path, seeds: range, tally: Tally) -> None:
    """Read mutants of one format, each made from its seed; those that hang or die are known by it, too."""
    left, good = seeds, in_fork(lambda: _value(wanted, wanted.file)).value if wanted.same else None
    content = wanted.file.read_bytes()
    place.mkdir(exist_ok=True)
    while left:
        progress = place / "progress"
        batch = left

        def work(batch: range = batch, progress: Path = progress) -> list[tuple[str, bool]]:
            target = _lay_out(wanted, place / "mutant")
            found = []
            for seed in batch:
                progress.write_text(str(seed))
                found.append(_one(wanted, content, seed, target, good))
            return found

        ended = in_fork(work, seconds=SECONDS_EACH * max(1, len(batch) / 50))
        if isinstance(ended.value, list):
            for fault, refused in ended.value:
                tally.add(f"mutant of {wanted.name}", fault, refused=refused)
            return
        died = int(progress.read_text())
        how = f"died by signal {ended.signal}" if ended.signal else ended.error
        tally.add(f"mutant of {wanted.name}", f"seed {died}: {how}")
        for seed in range(left.start, died):  # these were well, as far as one knows
            tally.add(f"mutant of {wanted.name}", "" if seed != died else how)
        left = range(died + 1, left.stop)


def _lay_out(wanted: Format, folder: Path) -> Path:
    """Copy what a format needs into a folder; return where the mutants go."""
    shutil.rmtree(folder, ignore_errors=True)
    if wanted.beside is None:
        folder.mkdir(parents=True)
        return folder / wanted.file.name
    shutil.copytree(wanted.beside, folder)
    return folder / wanted.file.relative_to(wanted.beside)


def _one(wanted: Format, content: bytes, seed: int, target: Path, good: object) -> tuple[str, bool]:
    """Read one mutant; return what is wrong with that, and whether it was refused."""
    rng = random.Random(seed)
    mutant = content
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        mutant = mutate(mutant, rng)
    target.write_bytes(mutant)
    try:
        found = _value(wanted, target)
    except EatlasError:
        return "", True
    except MemoryError:
        return f"seed {seed}: asks for too much memory", False
    except Exception as error:
        return f"seed {seed}: {type(error).__name__}: {str(error)[:200]}", False
    if wanted.same and mutant != content and found != good:
        return f"seed {seed}: a damaged file was taken for a good one", False
    return "", False


def _value(wanted: Format, path: Path) -> object:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return wanted.read(path)


def numbers(start: int, size: int) -> Iterator[range]:
    """Yield ranges of seeds without end."""
    for k in count():
        yield range(start + k * size, start + (k + 1) * size)
