"""A run folder as something to pass on: the plain potential, how to use it, how it was made, its quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.errors import PotentialError, SettingsError
from nnpcore.exchange.lammps.readme import engine_readme
from nnpcore.exchange.n2p2 import read_n2p2, write_n2p2
from nnpcore.exchange.n2p2.writing import Scaling
from nnpcore.exchange.simple_nn.potential_saved import read_simple_nn, write_simple_nn
from nnpcore.figures import save_figure, training_figure
from nnpcore.files import write_atomically
from nnpcore.training import EpochRecord, RunFolder, TrainingValues
from nnpcore.training.history import best_record, history_csv

if TYPE_CHECKING:
    from nnpcore.potential import Potential

FORMATS = ("n2p2", "simple-nn", "torch", "potential")
"""What :func:`export_as` writes."""

MOST_DIFFERENT = 1e-7
"""Largest difference, eV an atom, that a written potential may have from the original when read back."""

_N_CHECKED = 300
UNITS = {"energy": "meV/atom", "force": "eV/Å", "stress": "GPa"}


def export_run(run: str | Path, folder: str | Path) -> list[Path]:
    """Write a run's potential with README, settings, history and training curves; return the files.

    Parameters
    ----------
    run : run folder, or a potential's folder (then without history and settings).
    folder : made where missing; files of the same names are replaced.

    Raises
    ------
    RunFolderError, PotentialError : the run is missing or damaged, or the folder cannot be written.
    """
    from nnpcore.potential import Potential

    target = Path(folder)
    potential = Potential.load(run)
    opened = RunFolder.open(run) if (Path(run) / "data.json").is_file() else None
    history = opened.read_history() if opened else []
    return write_export(potential, history, opened.settings.to_toml() if opened else "", target)


@dataclass(frozen=True)
class Exported:
    """Written files, and by how much atomic energies, eV, are off when read back; for torch also forces."""

    files: list[Path]
    difference: float


def export_as(run: str | Path, folder: str | Path, format: str, *, scaling: Scaling = "center") -> Exported:
    """Write a run's potential for another program, and read it back to check it.

    Parameters
    ----------
    run : run folder, or a potential's folder (then no minima and maxima of the training atoms are known).
    format : one of ``FORMATS``; see the modules of these names.
    scaling : of n2p2's inputs, see ``write_n2p2``.

    Raises
    ------
    PotentialError : the format cannot hold it, with the reason; or what was written is not the same.
    RunFolderError : the run is missing or damaged, or the folder cannot be written.
    """
    from nnpcore.potential import Potential

    if format not in FORMATS:
        raise SettingsError(f"there is no format {format!r}", where="format", fix=f"Use {', '.join(FORMATS)}")
    potential, target = Potential.load(run), Path(folder)
    values = _values_of(run)
    if format == "n2p2":
        files = write_n2p2(potential, target, values, scaling=scaling)
        worst = _difference(potential, read_n2p2(_folders(files), units="angstrom-ev"), values)
    elif format == "simple-nn":
        files = write_simple_nn(potential, target)
        worst = _difference(potential, read_simple_nn(_folders(files)), values)
    elif format == "torch":
        from nnpcore.exchange.torchscript.writing import read_back_difference, write_torch

        files = write_torch(potential, target)
        worst = read_back_difference(potential, files[0])
    else:
        potential.save(target)
        files = [target / "potential.json", target / "potential.safetensors"]
        worst = _difference(potential, Potential.load(target), values)
    if not worst <= MOST_DIFFERENT:
        raise PotentialError(
            f"read back, what was written differs by {worst:.2g} eV",
            where=potential.name,
            fix="Do not use it; please report this",
        )
    text = engine_readme(potential, format) if format != "potential" else readme(potential, [])
    write_atomically(target / "README.md", text.encode())
    return Exported([*files, target / "README.md"], worst)


def _values_of(run: str | Path) -> TrainingValues | None:
    """Return a run's training atoms, None where it has none."""
    if not (Path(run) / "data.json").is_file():
        return None
    folder = RunFolder.open(run)
    return folder.training_values() if folder.training_set_path.is_file() else None


def _folders(files: Sequence[Path]) -> list[Path]:
    return list(dict.fromkeys(file.parent for file in files))


def _difference(potential: Potential, back: Potential, values: TrainingValues | None) -> float:
    """Return the largest difference of atomic energies, eV, on training atoms or around the mean ones."""
    worst = 0.0
    rng = np.random.default_rng(0)
    for e, element in enumerate(potential.elements):
        functions = potential.functions.functions[element]
        rows = _rows_of(potential, values, e, rng)
        order = [functions.index(f) for f in back.functions.functions[element]]
        turned = np.zeros_like(rows)
        turned[:, : len(order)] = rows[:, order]
        species = np.full(len(rows), e)
        found = potential.atomic_energies_of(rows, species) - back.atomic_energies_of(turned, species)
        worst = float(np.maximum(worst, np.abs(found).max(initial=0.0)))  # NaN stays NaN
    return worst


def _rows_of(
    potential: Potential, values: TrainingValues | None, e: int, rng: np.random.Generator
) -> np.ndarray:
    if values is not None and (values.species == e).any():
        rows = values.values[values.species == e]
        return rows[rng.permutation(len(rows))[:_N_CHECKED]]
    rows = np.zeros((20, potential.functions.n_descriptors))
    n_f = potential.functions.count(potential.elements[e])
    mean = potential.whitening.mean[e, :n_f]
    rows[:, :n_f] = mean * (1 + 0.05 * rng.standard_normal((20, n_f)))
    return rows


def write_export(
    potential: Potential, history: Sequence[EpochRecord], settings_toml: str, folder: Path
) -> list[Path]:
    """Write what :func:`export_run` writes from what is in memory."""
    potential.save(folder)
    files = [folder / "potential.json", folder / "potential.safetensors"]
    write_atomically(folder / "README.md", readme(potential, history).encode())
    files.append(folder / "README.md")
    if settings_toml:
        write_atomically(folder / "settings.toml", settings_toml.encode())
        files.append(folder / "settings.toml")
    if history:
        write_atomically(folder / "history.csv", history_csv(history).encode())
        files.append(folder / "history.csv")
        figure = training_figure(history)
        for suffix in ("png", "svg", "pdf"):
            files.append(folder / f"training.{suffix}")
            save_figure(figure, files[-1])
    return files


def readme(potential: Potential, history: Sequence[EpochRecord]) -> str:
    """Return the text that explains an exported potential."""
    lines = [
        f"# Neural-network potential for {', '.join(potential.elements)}",
        "",
        f"An ensemble of {potential.n_members} Behler-Parrinello networks, made with Eatlas. The members' "
        "mean is the prediction, their standard deviation its uncertainty.",
        "",
        f"- Cutoff radius: {potential.cutoff:g} Å",
        f"- Symmetry functions: {_functions_text(potential)}",
        f"- Network: {_network_text(potential)}",
        "- Units: eV, Å, eV/Å, eV/Å³ (ASE's signs)",
        f"- Reference energies: {_energies_text(potential)}",
        *_quality_lines(history),
        "",
        "## Use",
        "",
        "```python",
        "from nnpcore import Potential",
        "",
        'atoms.calc = Potential.load("this folder").calculator()',
        "atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()",
        'atoms.calc.results["energies"]     # atomic energies, eV',
        'atoms.calc.results["energy_std"]   # spread of the ensemble, eV',
        "```",
        "",
        "`potential.json` describes the model in full (functions, layers, units), `potential.safetensors` "
        "holds its numbers. Both are needed.",
        "",
    ]
    return "\n".join(lines)


def _functions_text(potential: Potential) -> str:
    return ", ".join(f"{potential.functions.count(element)} for {element}" for element in potential.elements)


def _network_text(potential: Potential) -> str:
    weights = potential.weights
    layers = next(iter(weights.layers.values()))
    widths = [layers[0][0].shape[1], *(w.shape[2] for w, _ in layers)]
    skip = ", with a linear part" if weights.skip is not None else ""
    return f"{'-'.join(str(width) for width in widths)} for each element, {weights.activation}{skip}"


def _energies_text(potential: Potential) -> str:
    return ", ".join(f"{element} {value:.6f} eV" for element, value in potential.element_energies.items())


def _quality_lines(history: Sequence[EpochRecord]) -> list[str]:
    record = best_record(history)
    if record is None:
        return []
    kind, rmses = ("validation", record.valid) if record.valid else ("training", record.train)
    values = [f"{name} {rmses[name]['mean']:.3g} {unit}" for name, unit in UNITS.items() if name in rmses]
    return [f"- RMSE on the {kind} frames (epoch {record.epoch}): {', '.join(values)}"]
