"""Mutated files of every format: what is read is frames or an error in plain words, in time and memory.

``fuzz(n, seed)`` makes ``n`` mutants and returns a table by format; ``python tests/fuzz_readers.py N SEED``
prints it. Files that are only cut are held to more: whatever is read from them is what the whole file has.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from format_samples import BY_ASE, SAMPLES

from nnpcore.errors import EatlasError
from nnpcore.structures import Frame, KeyNames, propose_keys, read_dataset

MAX_SECONDS, MAX_BYTES = 10.0, 500_000_000
_NUMBERS = (b"NaN", b"Infinity", b"-1", b"0", b"1e400", b"9" * 400, b"4611686018427387904", b"4294967310")
_NUMBERS += (b"14.7", b"********", b"1_0", b"0x10", b"+-1", b"1d5", "١٢".encode())
_WORDS = (b"banana", b"T F", b"\0", b"\xff\xfe", b"[[[[", b'"', b"'", b"=", b"{}", b"\x1b[31m", b"a" * 5000)
Content = bytes
Mutation = Callable[[random.Random, Content], Content]


def cut(rng: random.Random, text: Content) -> Content:
    """Break the file off."""
    return text[: rng.randrange(len(text))]


def flip(rng: random.Random, text: Content) -> Content:
    """Change some bytes."""
    found = bytearray(text)
    for _ in range(rng.choice((1, 1, 2, 8))):
        found[rng.randrange(len(found))] = rng.randrange(256)
    return bytes(found)


def number(rng: random.Random, text: Content) -> Content:
    """Put something else in the place of a number or word."""
    words = text.split(b" ")
    places = [k for k, word in enumerate(words) if word] or [0]
    words[rng.choice(places)] = rng.choice(_NUMBERS + _WORDS)
    return b" ".join(words)


def line(rng: random.Random, text: Content) -> Content:
    """Drop, double, empty or exchange lines."""
    lines = text.split(b"\n")
    k = rng.randrange(len(lines))
    kind = rng.randrange(4)
    if kind == 0:
        del lines[k]
    elif kind == 1:
        lines.insert(k, lines[rng.randrange(len(lines))])
    elif kind == 2:
        lines[k] = b""
    else:
        m = rng.randrange(len(lines))
        lines[k], lines[m] = lines[m], lines[k]
    return b"\n".join(lines)


def piece(rng: random.Random, text: Content) -> Content:
    """Drop or repeat a piece."""
    a, b = sorted((rng.randrange(len(text)), rng.randrange(len(text))))
    return text[:a] + text[b:] if rng.random() < 0.5 else text[:b] + text[a:b] * rng.choice((2, 3)) + text[b:]


def grow(rng: random.Random, text: Content) -> Content:
    """Put in a very long run, or a deep nesting."""
    at = rng.randrange(len(text))
    run = rng.choice(
        (b"[" * 20_000, b"9" * 20_000, b"a.b" * 20_000, b" " * 200_000, b"\n" * 20_000, b"(" * 9000)
    )
    return text[:at] + run + text[at:]


MUTATIONS: tuple[Mutation, ...] = (cut, cut, flip, flip, number, number, number, line, line, piece, grow)


@dataclass
class Tally:
    """What became of the mutants of a format."""

    tries: int = 0
    read: int = 0
    refused: int = 0
    slowest: float = 0.0
    slow_by: str = ""
    largest: int = 0
    faults: list[str] = field(default_factory=list)


def _same(found: Frame, frame: Frame) -> bool:
    names = ("energy", "forces", "stress", "positions", "cell", "numbers", "pbc")
    pairs = [(getattr(found, name), getattr(frame, name)) for name in names]
    return all((a is None) == (b is None) and (a is None or np.array_equal(a, b)) for a, b in pairs)


def _try(path: Path, keys: KeyNames | None, whole: tuple[Frame, ...] | None, tally: Tally) -> str:
    """Read one file; return what is wrong with what came of it."""
    tally.tries += 1
    try:
        frames = read_dataset(path, on_bad="skip", keys=keys).frames
        propose_keys(frames)
    except EatlasError as error:
        tally.refused += 1
        named = path.name in str(error) or path.name in error.where or path.parent.name in str(error)
        return "" if named and error.what else f"no place in: {error}"
    except BaseException as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    tally.read += 1
    if whole is not None:
        for frame in frames:
            if frame.index >= len(whole) or not _same(frame, whole[frame.index]):
                return f"frame {frame.index} of a cut file is not what it was"
    return ""


def _mutable(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def fuzz(n: int, seed: int, formats: tuple[str, ...] = (), keep: Path | None = None) -> dict[str, Tally]:
    """Make and read ``n`` mutants; faults are listed, and their files kept in ``keep``."""
    rng = random.Random(seed)
    known = SAMPLES | BY_ASE
    names = formats or tuple(known)
    tallies = {name: Tally() for name in names}
    with tempfile.TemporaryDirectory() as folder:
        seeds = {}
        for name in names:
            home = Path(folder) / name
            home.mkdir()
            keys = KeyNames(types="Si") if name == "mtp-cfg" else None
            path = known[name](home)
            seeds[name] = (path, keys, read_dataset(path, keys=keys).frames)
        for k in range(n):
            name = names[k % len(names)]
            _one(rng, name, *seeds[name], tallies[name], keep)
    return tallies


def _one(
    rng: random.Random,
    name: str,
    path: Path,
    keys: KeyNames | None,
    whole: tuple[Frame, ...],
    tally: Tally,
    keep: Path | None,
) -> None:
    target = rng.choice(_mutable(path))
    original = target.read_bytes()
    mutations = [rng.choice(MUTATIONS) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    content = original
    for mutation in mutations:
        content = mutation(rng, content or b" ")
    only_cut = mutations == [cut] and name in SAMPLES and name not in ("xyz", "ase-db")
    target.write_bytes(content)
    tracemalloc.start()
    started = time.perf_counter()
    fault = _try(path, keys, whole if only_cut else None, tally)
    seconds, memory = time.perf_counter() - started, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    if seconds > tally.slowest:
        tally.slowest, tally.slow_by = seconds, "+".join(m.__name__ for m in mutations)
    tally.largest = max(tally.largest, memory)
    if seconds > MAX_SECONDS:
        fault = fault or f"{seconds:.0f} s"
    if memory > MAX_BYTES:
        fault = fault or f"{memory / 1e6:.0f} MB"
    if fault:
        tally.faults.append(f"{'+'.join(m.__name__ for m in mutations)}: {fault}")
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            shutil.copy(target, keep / f"{name}-{len(tally.faults)}-{target.name}")
    target.write_bytes(original)


def table(tallies: dict[str, Tally]) -> str:
    """Return the tallies as a table, faults below."""
    head = (
        f"{'format':16} {'mutants':>8} {'read':>6} {'refused':>8} {'slowest s':>10} {'MB':>6} {'faults':>7}"
    )
    rows = [
        f"{name:16} {t.tries:8} {t.read:6} {t.refused:8} {t.slowest:10.2f} {t.largest / 1e6:6.1f}"
        f" {len(t.faults):7}   {t.slow_by}"
        for name, t in tallies.items()
    ]
    total = sum(t.tries for t in tallies.values())
    rows.append(f"{'all':16} {total:8} {'':33} {sum(len(t.faults) for t in tallies.values()):7}")
    counts = {name: Counter(t.faults) for name, t in tallies.items() if t.faults}
    faults = [f"{name}: {n} × {text}" for name, found in counts.items() for text, n in found.most_common(6)]
    return "\n".join([head, *rows, *faults])


if __name__ == "__main__":
    sys.stdout.write(
        table(fuzz(int(sys.argv[1]), int(sys.argv[2]), tuple(sys.argv[4:]), Path(sys.argv[3]))) + "\n"
    )
