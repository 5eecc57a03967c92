"""Giving potentials and predictions away: snapshots of runs in, files and one sentence out."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nnpcore.errors import SettingsError
from nnpcore.progress import Progress

if TYPE_CHECKING:
    from app.documents.run import RunDocument
    from nnpcore.mapping import AtomicEnergyModel
    from nnpcore.structures.frame import Frame
    from nnpcore.training import EpochRecord

EATLAS, STRUCTURES = "eatlas", "structures"
README = "The README there tells how to use it."


@dataclass(frozen=True, eq=False)
class ExportOrder:
    """What to write of a run as it is now, also while it trains, and where.

    Attributes
    ----------
    model : its potential, or a foreign calculator.
    folder : where it lies complete on the disk, None while it trains or where it has no folder.
    target : a folder, or a file for the format ``STRUCTURES``, which also needs ``frames``.
    """

    name: str
    model: AtomicEnergyModel
    history: tuple[EpochRecord, ...]
    settings_toml: str
    folder: Path | None
    format: str
    target: Path
    scaling: str
    frames: tuple[Frame, ...]

    @classmethod
    def of(
        cls, run: RunDocument, format: str, target: Path, scaling: str, frames: tuple[Frame, ...]
    ) -> ExportOrder:
        """Take a snapshot of a run that has a potential; on the main thread."""
        whole = run.folder is not None and not run.state.active and (run.folder / "data.json").is_file()
        assert run.potential is not None
        snapshot = run.name, run.potential, tuple(run.history), run.settings.to_toml()
        return cls(*snapshot, run.folder if whole else None, format, target, scaling, frames)


def check_order(order: ExportOrder, confirmed: str = "") -> None:
    """Raise SettingsError, naming the field, where an order cannot be carried out."""
    if order.format != STRUCTURES and not hasattr(order.model, "functions"):
        raise SettingsError(
            f"{order.name} is a calculator from elsewhere and cannot be written", where="format",
            fix="Export structures with its predictions instead",
        )  # fmt: skip
    if not order.target.name:
        raise SettingsError("no place is given", where="target", fix="Choose one")
    if order.format == STRUCTURES:
        _check_structures(order, confirmed)
    elif order.target.exists() and (not order.target.is_dir() or any(order.target.iterdir())):
        raise SettingsError(
            f"{order.target} is there already and not empty", where="target", fix="Give another name"
        )


def _check_structures(order: ExportOrder, confirmed: str) -> None:
    from nnpcore.exchange.structures_out import SUFFIXES

    if not order.frames:
        raise SettingsError("no data set is open", where="data", fix="Open the structures first")
    if order.target.suffix.lower() not in SUFFIXES:
        raise SettingsError(
            f"“{order.target.name}” says no format", where="target",
            fix=f"End the name in {', '.join(SUFFIXES)}",
        )  # fmt: skip
    if order.target.exists() and str(order.target) != confirmed:
        raise SettingsError(
            f"{order.target} exists already", where="target", fix="Give another name, or confirm by Choose"
        )


def export(order: ExportOrder, progress: Progress) -> str:
    """Write what is asked for, read it back where that can be done, and return what is to be said of it.

    Raises
    ------
    EatlasError : a format that cannot hold the potential, with the reason; a disk that is full; ...
    """
    from nnpcore.mapping.model_energies import is_potential

    progress.report(None, f"Writing {order.target.name}")
    if order.format == STRUCTURES:
        return _structures(order, progress)
    target, model = order.target, order.model
    assert is_potential(model)  # check_order has seen to it
    if order.format == EATLAS:
        from nnpcore.exchange import write_export

        write_export(model, list(order.history), order.settings_toml, target)
        return README
    if order.folder is not None:
        return _as_format(order.folder, order)
    with tempfile.TemporaryDirectory(prefix="eatlas-") as folder:
        model.save(Path(folder))
        return _as_format(Path(folder), order)


def _as_format(folder: Path, order: ExportOrder) -> str:
    from nnpcore.exchange import export_as

    done = export_as(folder, order.target, order.format, scaling=order.scaling)
    if done.difference is None:
        return README
    left_out = f" {done.left_out}." if done.left_out else ""
    return f"{README} Read back, atomic energies agree to {done.difference:.1e} eV.{left_out}"


def _structures(order: ExportOrder, progress: Progress) -> str:
    from nnpcore.exchange.structures_out import predict_frames, write_structures

    found = predict_frames(order.model, order.frames, n_threads=1, progress=progress)
    write_structures(order.target, found)
    kinds = "atomic energies" if "atomic_energies" in found[0].arrays else "no atomic energies"
    return f"{len(found)} frames with predictions ({kinds})."
