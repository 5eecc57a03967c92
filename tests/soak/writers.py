"""Everything that is written at once, while the disk fails or the process dies at each file operation.

What is there afterwards is what was there before, or all that was to be written; an error is one in words.
A writer is added to :data:`WRITERS`: a function that writes into a folder, of one content or another.
"""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from nnpcore.errors import RunFolderError
from soak.deaths import ERRORS
from soak.faults import DEATH, Faults
from soak.forks import in_fork
from soak.small_training import SETTINGS, SmallTraining
from soak.tally import Tally

Writer = Callable[[SmallTraining, Path, int], object]


def _session(_small: SmallTraining, place: Path, which: int) -> object:
    from app.documents import session_file
    from app.documents.session_file import SavedDataset, SavedSession

    saved = SavedDataset(f"{which}.extxyz", "training", 0)
    return session_file.write(place / "session.json", SavedSession([saved], [], ""))


def _settings(_small: SmallTraining, place: Path, which: int) -> object:
    return SETTINGS.replace(seed=which).to_toml(place / "settings.toml")


def _regions(_small: SmallTraining, place: Path, which: int) -> object:
    from builders import build_frame

    from nnpcore.mapping import RegionSet, indices_region, write_regions

    frame = build_frame("Si")
    region = indices_region(frame, f"some {which}", np.arange(3), 0)
    return write_regions(place / "regions.json", [RegionSet(frame, (region,), "cell")])


def _frames(small: SmallTraining, place: Path, which: int) -> object:
    from nnpcore.exchange.structures_out import write_structures

    return write_structures(place / "frames.extxyz", small.frames[which:])


def _tables(_small: SmallTraining, place: Path, which: int) -> object:
    from nnpcore.figures.tables import write_csv

    return write_csv(place / "table.csv", {"a": [which] * 50})


def _potential(small: SmallTraining, place: Path, which: int) -> object:
    from nnpcore.potential import Potential

    return Potential.load(_run(small, which)).save(place)


def _program(name: str) -> Writer:
    def write(small: SmallTraining, place: Path, which: int) -> object:
        from nnpcore.exchange.export import export_as

        return export_as(_run(small, which), place / "out", name)

    return write


def _own(small: SmallTraining, place: Path, which: int) -> object:
    from nnpcore.exchange import write_export
    from nnpcore.potential import Potential

    return write_export(Potential.load(_run(small, which)), [], SETTINGS.to_toml(), place / "out")


def _methods(small: SmallTraining, place: Path, which: int) -> object:
    from nnpcore.report.methods import methods_of_run

    return methods_of_run(_run(small, which)).save(place / "out")


def _candidates(small: SmallTraining, place: Path, which: int) -> object:
    from nnpcore.cure.candidates import Candidate
    from nnpcore.cure.writing import write_candidates

    made = [Candidate(frame, "file", f"{which}-{k}") for k, frame in enumerate(small.frames[:2])]
    return write_candidates(place / "out", made)


def _map(small: SmallTraining, place: Path, which: int) -> object:
    """As a map is written: tables, a figure and a summary beside one another."""
    from matplotlib.figure import Figure

    from nnpcore.figures.drawing import save_figures
    from nnpcore.figures.tables import write_tables
    from nnpcore.files import all_or_nothing
    from nnpcore.report.mapping_folder import write_summary

    with all_or_nothing(place / "out") as beside:
        write_summary({"which": which}, beside)
        write_tables(beside, {"eos": {"a": [which]}, "pca": {"b": [which]}})
        save_figures(beside, {"eos": Figure((1, 1))})
    return small


WRITERS: dict[str, Writer] = {
    "a session": _session, "settings of a training": _settings, "regions": _regions,
    "structures": _frames, "a table": _tables, "a potential": _potential, "an export": _own,
    "an export to n2p2": _program("n2p2"), "an export to SIMPLE-NN": _program("simple-nn"),
    "methods": _methods, "frames to compute": _candidates, "a map": _map,
}  # fmt: skip


_FIGURES = {".png", ".svg", ".pdf"}
"""Of files that hold the time at which they were written, only their names are compared."""


def _run(small: SmallTraining, which: int) -> Path:
    return small.folder / ("undisturbed", "older")[which]


def state_of(place: Path) -> object:
    """Return what is in a folder: potentials' weights, and all other files but those left half-written."""
    from nnpcore.potential import Potential

    found: dict[str, bytes] = {}
    for path in place.rglob("*"):
        name = str(path.relative_to(place))
        if ".part" in name:
            continue
        if path.name == "potential.safetensors":  # the order in its header is another one every time
            arrays = Potential.load(path.parent).weights.to_arrays()
            found |= {f"{name} {key}": values.tobytes() for key, values in arrays.items()}
        elif path.is_file() and path.name != "potential.json":
            found[name] = b"" if path.suffix in _FIGURES else path.read_bytes()
    return found


def attack(
    small: SmallTraining, place: Path, tally: Tally, rng: random.Random, until: float, step: int = 1
) -> None:
    """Let every writer die, and the disk fail, at every file operation (every ``step``-th)."""
    for name, writer in WRITERS.items():
        for older in (False, True):
            target = place / "target"
            before, after, n_operations = _references(small, writer, target, older=older)
            kind_of_death = f"death in writing {name}"
            tally.of[kind_of_death] = tally.of.get(kind_of_death, 0) + n_operations
            for number in range(rng.randrange(step), n_operations, step):
                if time.monotonic() > until:
                    return
                kind = rng.choice(list(ERRORS))
                for how, error in (("death", DEATH), (kind, ERRORS[kind])):
                    _begin(small, writer, target, older=older)
                    lasting = 0 if older or how == "death" else rng.choice((0, 3, 10_000))
                    faults = Faults(target, number, number + lasting, error)
                    fault = _disturbed(small, writer, target, faults, (before, after))
                    over = "over an older one" if older else "that is new"
                    told = f"{name}, {over}, operation {number} of {n_operations}: {fault}" if fault else ""
                    tally.add(f"{how} in writing {name}", told, refused=how != "death" and not fault)


def _begin(small: SmallTraining, writer: Writer, target: Path, *, older: bool) -> None:
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    if older:
        writer(small, target, 1)


def _references(
    small: SmallTraining, writer: Writer, target: Path, *, older: bool
) -> tuple[object, object, int]:
    """Return what is there before and after an undisturbed writing, and its number of file operations."""
    _begin(small, writer, target, older=older)
    before = state_of(target)
    with Faults(target).at_work() as faults:
        writer(small, target, 0)
    return before, state_of(target), len(faults.done)


def _disturbed(
    small: SmallTraining, writer: Writer, target: Path, faults: Faults, allowed: tuple[object, object]
) -> str:
    """Write under a disturbance; return what is wrong with what is there then, and after writing again."""

    def work() -> str:
        with faults.at_work():
            try:
                writer(small, target, 0)
            except RunFolderError:
                return "refused"
        return "written"

    ended = in_fork(work)
    if faults.error == DEATH and ended.signal != signal.SIGKILL:
        return f"it did not die: {ended}"
    if ended.error or (ended.signal and faults.error != DEATH):
        return ended.error or f"died by {ended.signal}"
    try:
        found = state_of(target)
        known = found in allowed
        if ended.value == "refused" and found != allowed[0] and not known:
            return "after an error in words neither what was there before nor what was to be written"
        if ended.value == "written" and found != allowed[1]:
            return "said to be written, and it is not"
        writer(small, target, 0)
    except Exception as error:
        return f"afterwards: {type(error).__name__}: {error}"
    return "" if state_of(target) == allowed[1] else "writing again does not mend it"
