"""The paper's studies and the cure's loop as examples: run once in the background, kept, opened."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnpcore.errors import RunFolderError
from nnpcore.files import FileFormat
from nnpcore.installation import RESOURCES
from nnpcore.progress import Progress
from nnpcore.structures import Role

if TYPE_CHECKING:
    from nnpcore.training import TrainingValues

MAX_COMPARED = 4
BUNDLED = RESOURCES / "examples"
PLACE, DATA_PLACE = "@EXAMPLE@", "@DATA@"
"""What stands in the files of a bundled example for its own folder, and for that of the bundled data."""

FORMAT = FileFormat("", 1, "a kept example", RunFolderError, "Run it again")


@dataclass(frozen=True)
class Example:
    """One study in the menu: its name for ``run_study``, its title, and what is to be seen.

    ``minutes``: what the quick size takes on two cores.
    """

    name: str
    title: str
    about: str
    minutes: float


EXAMPLES = (
    Example(
        "heal", "Train, Find, Label, Heal",
        "Silicon at one volume maps wrongly. Three candidates are found, labelled and trained on.", 1.0,
    ),
    Example(
        "heal_dft", "Healed by Three Frames of a Pool",
        "Of 95 frames at constant pressure the three that tell most heal a training at one volume.", 1.0,
    ),
    Example(
        "fig1", "NVT Against NPT (Fig. 1)",
        "One volume: good total energies, a wrong equation of state. Pressure or stress cures it.", 1.0,
    ),
    Example(
        "fig2", "Slab at 100 K and 1000 K (Fig. 2)",
        "At 100 K bulk and surface are islands in G space; at 1000 K they meet and map better.", 2.5,
    ),
    Example(
        "fig3", "Cluster Teaches Surfaces (Fig. 3)",
        "Trained on a silicon nanocluster, asked about slabs: RMSE settles long before the map.", 3.0,
    ),
    Example(
        "cluster", "Nickel Nanocluster",
        "Every atomic energy against the exact one, learned from total energies and forces.", 1.5,
    ),
    Example(
        "connectivity", "Connectivity and Mapping Error",
        "The better groups of atoms hang together in G space, the smaller their mapping error.", 1.5,
    ),
    Example(
        "surface", "Surface Energies",
        "Slabs relaxed by the network against the reference, at an early epoch and at the end.", 1.5,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class ToldClaim:
    """A claim of the paper beside our numbers, as lines of text; ``paper`` is "" where it is our own.

    ``numbers``: those that the lines tell, by their entries.
    """

    claim: str
    paper: str
    ours: str
    holds: bool
    numbers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ExampleSession:
    """What the window opens: files with roles, run folders, regions, and which runs to compare.

    ``claims``: what the study has measured.
    """

    data: dict[str, Role]
    runs: tuple[str, ...]
    regions: tuple[dict[str, Any], ...]
    compared: tuple[str, ...]
    claims: tuple[ToldClaim, ...] = ()


def session_path(folder: Path, name: str) -> Path:
    """Return where a study's session is kept."""
    return folder / name / "session.json"


def run_example(
    name: str, folder: Path, quick: bool, n_threads: int | None, progress: Progress
) -> ExampleSession:
    """Run a study and return what to open; RunFolderError where it leaves nothing to open."""
    from nnpcore.cure import example

    progress.report(0.0, "Preparing")
    if name in example.NAMES:
        example.play(name, folder, quick, n_threads, progress)
        return read_example(folder, name)
    from nnpcore.paper import run_study

    outcome = run_study(name, folder, quick, n_threads=n_threads, progress=progress)
    if outcome.session is None:
        raise RunFolderError("this study has nothing to open", where=str(folder / name))
    return read_example(folder, name)


def read_example(folder: Path, name: str) -> ExampleSession:
    """Read the session a study has left; RunFolderError where it is missing, damaged, or its files are."""
    path = session_path(folder, name)
    with FORMAT.reading(path) as content:
        data = {str(d["path"]): Role(d["role"]) for d in content["data"]}
        runs = tuple(str(run) for run in content["runs"])
        regions = tuple(dict(region) for region in content.get("regions", ()))
        compared = tuple(str(run) for run in content.get("compared", evenly_spaced(runs)))
        own = tuple(
            ToldClaim(str(c["claim"]), "", str(c["ours"]), c["holds"] is True)
            for c in content.get("claims", ())
        )
    missing = [p for p in (*data, *runs) if not Path(p.partition("@")[0]).exists()]
    if missing:
        raise RunFolderError("a part of the kept example is gone", where=missing[0], fix="Run it again")
    return ExampleSession(data, runs, regions, compared, own or read_claims(folder / name))


def read_claims(folder: Path) -> tuple[ToldClaim, ...]:
    """Return a study's claims; none where it has not kept any, or they are damaged."""
    from nnpcore.paper.claims import read_record
    from nnpcore.paper.page import measured

    try:
        record = read_record(folder)
    except RunFolderError:
        return ()
    claims = record.claims if record is not None else ()
    return tuple(ToldClaim(c.claim, c.paper, "\n".join(measured(c.ours)), c.holds, c.ours) for c in claims)


def is_bundled(name: str) -> bool:
    """Whether an example comes with the program."""
    return (BUNDLED / name / "session.json").is_file()


def unpack(folder: Path, name: str) -> None:
    """Copy a bundled example to where examples are kept, unless it is there; its paths become those there.

    The descriptors of its runs' training atoms are not bundled: :func:`describe` works them out.
    """
    target = folder / name
    if session_path(folder, name).is_file() or not is_bundled(name):
        return
    made = folder / f".{name}.part"
    shutil.rmtree(made, ignore_errors=True)
    shutil.copytree(BUNDLED / name, made)
    for path in made.rglob("*.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    places = {PLACE: _inside_json(target), DATA_PLACE: _inside_json(RESOURCES / "data")}
    for path in made.rglob("*.json"):
        text = path.read_text("utf-8")
        for place, value in places.items():
            text = text.replace(place, value)
        path.write_text(text, "utf-8")
    shutil.rmtree(target, ignore_errors=True)
    made.replace(target)


def describe(paths: Sequence[Path], progress: Progress) -> dict[Path, TrainingValues]:
    """Write the descriptors of training atoms into the runs that lack them, and return them by the folder.

    Same atoms and functions have the same ones.

    Raises
    ------
    EatlasError : a folder, or the data of a run, cannot be read or written.
    """
    from nnpcore.potential import Potential
    from nnpcore.training import RunFolder, TrainingValues

    known: list[tuple[object, TrainingValues]] = []
    found: dict[Path, TrainingValues] = {}
    for number, path in enumerate(paths):
        part = progress.part(number / len(paths), (number + 1) / len(paths))
        run = RunFolder.open(path)
        if run.training_set_path.is_file():
            found[path] = run.training_values()
            continue
        functions = Potential.load(path).functions
        asked = run.sources, functions
        values = next((values for of, values in known if of == asked), None)
        if values is None:
            frames = run.find_frames()
            both = frames["training"], frames["validation"]
            values = TrainingValues.of_frames(*both, functions, progress=part)
            known.append((asked, values))
        run.write_training_values(values)
        found[path] = values
    return found


def _inside_json(path: Path) -> str:
    return json.dumps(str(path))[1:-1]


def evenly_spaced(runs: tuple[str, ...]) -> tuple[str, ...]:
    """Return a few runs from the first to the last, to be compared."""
    if len(runs) <= MAX_COMPARED:
        return runs
    return tuple(runs[k * (len(runs) - 1) // (MAX_COMPARED - 1)] for k in range(MAX_COMPARED))
