"""What a run is, in rows and numbers: its potential, its data and split, its errors; nothing is computed."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from nnpcore.report.content import NOTHING, counted, significant
from nnpcore.training import RunFolder
from nnpcore.training.data_sources import ROLES, DataSource
from nnpcore.training.group_weights import sentence_on_weights
from nnpcore.training.history import EpochRecord, Rmse, best_record, of_kept_networks
from nnpcore.training.quantities import QUANTITIES, rmse_text
from nnpcore.training.stress_order import sentence_on_order

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nnpcore.potential import Potential
    from nnpcore.training import TrainSettings

Rows = list[tuple[str, str]]

_ORIGINS = {
    "given": "of isolated atoms, given",
    "frames": "of isolated atoms, from frames",
    "fitted": "fitted",
    "imported": "as the other program has them",
}
_SPLITS = {
    "frames": "",
    "blocks": " by blocks of time",
    "groups": " by groups of configurations",
    "files": " by files",
}
_RARE = 1000
"""So many ways to draw frames make it no chance that they lie in one piece."""


@dataclass(frozen=True)
class RunInfo:
    """What a run folder, or a potential's, says of itself.

    Attributes
    ----------
    rows : name and text, for a person.
    numbers : plain values by name, for a program.
    """

    rows: tuple[tuple[str, str], ...]
    numbers: dict[str, object]


def info_of_run(path: str | Path) -> RunInfo:
    """Return what a run is; of a folder that holds a potential only, what that is.

    Raises
    ------
    RunFolderError, PotentialError : neither, no potential yet, or a damaged file.
    """
    from nnpcore.potential import Potential

    potential = Potential.load(path)
    if not (Path(path) / "data.json").is_file():
        rows = [("Kind", "a potential without its run"), *potential_rows(potential)]
        return RunInfo((*rows, *_test_rows(potential, 0)), {"kind": "potential", **_numbers(potential, "")})
    folder = RunFolder.open(path)
    history = folder.read_history()
    kind = f"imported from {folder.imported}" if folder.imported else _trained_with(potential)
    rows = [("Kind", kind), *potential_rows(potential, folder.imported)]
    rows += [] if folder.imported else training_rows(folder.settings, history)
    n_test = sum(len(source.indices) for source in folder.sources if source.role == "test")
    errors = _error_rows(best_record(history), potential.info.get("best_epoch") or ())
    rows += [*_data_rows(folder), *errors, *_test_rows(potential, n_test)]
    return RunInfo(tuple(rows), _numbers(potential, folder.imported) | _run_numbers(folder, history))


def _trained_with(potential: Potential) -> str:
    version = potential.info.get("version")
    return f"trained with Eatlas {version}" if version else "trained with Eatlas"


# the potential ----------------------------------------------------------------------------------------
def potential_rows(potential: Potential, imported: str = "") -> Rows:
    """Return how a potential is made; ``imported`` names the program that made it, if not Eatlas."""
    energies = ", ".join(f"{e} {v:.4f} eV" for e, v in potential.element_energies.items())
    functions = ", ".join(f"{potential.functions.count(e)} for {e}" for e in potential.elements)
    return [
        ("Elements", ", ".join(potential.elements)),
        ("Symmetry functions", functions),
        ("Cutoff radius", f"{potential.cutoff:g} Å"),
        ("Networks", f"{potential.n_members} × {_layers(potential)}, {potential.weights.activation}"),
        ("Baseline", _baseline(potential)),
        ("Short range", "none" if potential.short_range is None else potential.short_range.text),
        ("Reference energies", f"{energies} ({_ORIGINS[origin_of_energies(potential, imported)]})"),
    ]


def origin_of_energies(potential: Potential, imported: str = "") -> str:
    """Return where the energies of elements come from: "given", "frames", "fitted" or "imported".

    Potentials of earlier versions do not say it: theirs are fitted.
    """
    origin = str(potential.info.get("atom_energies", "imported" if imported else "fitted"))
    return origin if origin in _ORIGINS else "fitted"


def _layers(potential: Potential) -> str:
    """Return the widths of the layers; those of the first element, followed by a mark where others differ."""
    shapes = [
        "-".join(str(width) for width in (layers[0][0].shape[1], *(w.shape[2] for w, _ in layers)))
        for layers in potential.weights.layers.values()
    ]
    return " / ".join(dict.fromkeys(shapes))


def _baseline(potential: Potential) -> str:
    kinds = ["linear"] if potential.weights.skip is not None else []
    kinds += [potential.nonlinear_baseline.kind] if potential.nonlinear_baseline is not None else []
    return " and ".join(kinds) or "none"


# the training -----------------------------------------------------------------------------------------
def time_taken(last: EpochRecord) -> str:
    """Return what the epochs up to a record took: by the clock, and of the processor where that is kept."""
    clock = f"{last.seconds:.1f} s by the clock"
    if last.cpu_seconds is None:
        return f"{clock} (CPU time was not kept by the version that trained it)"
    return f"{clock}, {last.cpu_seconds:.1f} s of CPU"


def training_rows(s: TrainSettings, history: Sequence[EpochRecord]) -> Rows:
    """Return how a potential was trained."""
    optimizer = history[-1].optimizer if history else s.optimizer
    reached = history[-1].epoch if history else 0
    epochs = f"{reached} of {s.epochs}" if s.epochs and s.epochs >= reached else str(reached)
    epochs += "" if history else ", none has ended yet: go on with --resume"
    best = [record.epoch for record in history if record.best]
    weights = sentence_on_weights(s.group_weights).partition(": ")[2]
    stresses = sentence_on_order(s).partition(": ")[2]
    return [
        (
            "Loss weights",
            f"energy {s.energy_weight:g}, force {s.force_weight:g}, stress {s.loss_weights[2]:g}",
        ),
        *((("Weights of groups", weights),) if weights else ()),
        *((("Stresses by group", stresses),) if stresses else ()),
        ("Optimizer", optimizer),
        ("Epochs", epochs + (f", best {best[-1]}" if best else "")),
        ("Training time", time_taken(history[-1]) if history else NOTHING),
        ("Seed", str(s.seed)),
    ]


# the data ---------------------------------------------------------------------------------------------
def how_split(sources: Sequence[DataSource], settings: TrainSettings, drawn: bool | None = None) -> str:
    """Return how frames of the same files came to training and to the rest; empty where none did.

    ``drawn``: whether settings did it. Older runs do not say, but frames drawn one by one do not lie in one
    piece each.
    """
    places = _places(sources)
    if not places:
        return ""
    pieces = settings.split == "frames" and not settings.folds and all(map(_in_one_piece, places))
    if drawn is False or (drawn is None and pieces):
        return "into one piece of the file each" if pieces else "as they were given"
    text = f"at random with seed {settings.seed}{_SPLITS[settings.split]}"
    return text + (f", fold {settings.fold} of {settings.folds} being put aside" if settings.folds else "")


def _places(sources: Sequence[DataSource]) -> list[list[bool]]:
    """Return which frames are for training, in their order, for each file of training and other frames."""
    files: dict[str, list[tuple[int, bool]]] = defaultdict(list)
    for source in sources:
        files[source.path] += [(index, source.role == "training") for index in source.indices]
    parts = ([is_training for _, is_training in sorted(own)] for own in files.values())
    return [part for part in parts if 0 < sum(part) < len(part)]


def _in_one_piece(is_training: Sequence[bool]) -> bool:
    """Return whether a file's training frames lie before or behind all others, as chance rarely has it."""
    switches = sum(a != b for a, b in pairwise(is_training))
    return switches == 1 and math.comb(len(is_training), sum(is_training)) > _RARE


def _data_rows(folder: RunFolder) -> Rows:
    if not folder.sources:
        return [("Data", "not recorded")]
    rows = [(role.capitalize(), _frames_of(folder.sources, role)) for role in ROLES]
    rows = [(role, text) for role, text in rows if text]
    split = how_split(folder.sources, folder.settings, folder.drawn)
    alone = "none: each role has files of its own" if len(rows) > 1 else "none: all frames are trained on"
    rows.append(("Split", split or alone))
    if folder.settings.left_out:
        rows.append(("Left out", counted(len(folder.settings.left_out), "frame")))
    return [*rows, ("Adds to", folder.parent)] if folder.parent else rows


def _frames_of(sources: Sequence[DataSource], role: str) -> str:
    """Return how many frames of which files have a role; empty without any."""
    counts: Counter[str] = Counter()
    for source in sources:
        if source.role == role:
            counts[source.path] += len(source.indices)
    return ", ".join(f"{counted(n, 'frame')} of {Path(path).name or 'no file'}" for path, n in counts.items())


# the errors -------------------------------------------------------------------------------------------
def _error_rows(record: EpochRecord | None, best_epochs: Sequence[int]) -> Rows:
    if record is None:
        return []
    kept = "of the networks as they are kept"
    after = f"of the weights after epoch {record.epoch}; networks of other epochs are kept, too"
    known, mapped = of_kept_networks(record, best_epochs)
    met = f"as met during epoch {record.epoch}, while the weights changed"
    texts = {
        "RMSE, training": (_means(record.train), met),
        "RMSE, validation": (_means(record.valid), kept if known else after),
    }
    rows = [(name, f"{text} {when}") for name, (text, when) in texts.items() if text]
    if record.mapping:
        each = ", ".join(f"{name} {significant(error)}" for name, error in record.mapping.items())
        scan = any("EOS rmse" in name for name in record.mapping)
        where = (
            "; of a crystal at the volumes of its scan: eatlas map judges between them, too" if scan else ""
        )
        rows.append(("Mapping errors", f"{each} meV/atom {kept if mapped else after}{where}"))
    return rows


def _means(rmses: Mapping[str, Rmse]) -> str:
    known = (quantity for name, quantity in QUANTITIES.items() if name in rmses)
    return ", ".join(f"{significant(rmses[q.name]['mean'])} {q.unit}" for q in known)


def _test_rows(potential: Potential, n_frames: int) -> Rows:
    test = potential.info.get("test")
    if isinstance(test, dict) and rmse_text(test):
        return [("RMSE, test", rmse_text(test))]
    return [("RMSE, test", "not looked at: the training was stopped, and may go on")] if n_frames else []


# for a program ----------------------------------------------------------------------------------------
def _numbers(potential: Potential, imported: str) -> dict[str, object]:
    test = potential.info.get("test")
    return {
        "elements": list(potential.elements),
        "n_members": potential.n_members,
        "cutoff": potential.cutoff,
        "atom_energies": {
            "origin": origin_of_energies(potential, imported), "ev": dict(potential.element_energies),
        },
        "test": test if isinstance(test, dict) else None,
    }  # fmt: skip


def _run_numbers(folder: RunFolder, history: Sequence[EpochRecord]) -> dict[str, object]:
    best, settings = best_record(history), folder.settings
    return {
        "kind": "imported" if folder.imported else "trained",
        "imported_from": folder.imported,
        "id": folder.id,
        "data": [
            {"role": s.role, "file": s.path, "n_frames": len(s.indices), "fingerprint": s.fingerprint}
            for s in folder.sources
        ],
        "split": {
            "text": how_split(folder.sources, settings, folder.drawn), "drawn": folder.drawn,
            "by": settings.split, "seed": settings.seed,
            "folds": settings.folds, "fold": settings.fold,
        },
        "epochs": history[-1].epoch if history else 0,
        "train_seconds": history[-1].seconds if history else None,
        "train_cpu_seconds": history[-1].cpu_seconds if history else None,
        "best": None if best is None else best.to_dict(),
    }  # fmt: skip
