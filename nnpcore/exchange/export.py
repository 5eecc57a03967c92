"""A run folder as something to pass on: the plain potential, how to use it, how it was made, its quality."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnpcore.exchange.figures import save_figure, training_figure
from nnpcore.files import write_atomically
from nnpcore.training import EpochRecord, RunFolder
from nnpcore.training.history import history_csv

if TYPE_CHECKING:
    from nnpcore.potential import Potential

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
    best = [record for record in history if record.best] or list(history[-1:])
    if not best:
        return []
    record = best[-1]
    kind, rmses = ("validation", record.valid) if record.valid else ("training", record.train)
    values = [f"{name} {rmses[name]['mean']:.3g} {unit}" for name, unit in UNITS.items() if name in rmses]
    return [f"- RMSE on the {kind} frames (epoch {record.epoch}): {', '.join(values)}"]
