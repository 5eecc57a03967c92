"""A run's potential in our own format: the plain potential, how to use it, how it was made, its quality."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnpcore.errors import SettingsError
from nnpcore.exchange.program import Program
from nnpcore.figures import training_figure
from nnpcore.figures.drawing import save_figures
from nnpcore.files import all_or_nothing, write_atomically
from nnpcore.installation import filled
from nnpcore.training import EpochRecord, RunFolder
from nnpcore.training.history import best_record, history_csv
from nnpcore.training.quantities import QUANTITIES

if TYPE_CHECKING:
    from nnpcore.potential import Potential
    from nnpcore.training import TrainingValues


class OwnFormat(Program):
    """``potential.json`` and ``potential.safetensors``, which hold a whole ensemble."""

    name, title = "potential", "Eatlas potential"
    about = "potential.json and potential.safetensors with a README."
    marker = "potential.json"

    def write(
        self, potential: Potential, folder: Path, values: TrainingValues | None, scaling: str
    ) -> list[Path]:
        """See ``Potential.save``."""
        potential.save(folder)
        return [folder / "potential.json", folder / "potential.safetensors"]

    def read(self, paths: Sequence[Path], units: str | None = None, epoch: int | None = None) -> Potential:
        """See ``Potential.load``; SettingsError for more than one path."""
        from nnpcore.potential import Potential

        if len(paths) > 1:
            raise SettingsError(
                "a potential folder of Eatlas holds its whole ensemble",
                where=str(paths[1]),
                fix="Name only one",
            )
        return Potential.load(paths[0])

    def holds(self, path: Path) -> bool:
        """Whether this is a potential's folder, or a run's with one in it."""
        return super().holds(path) or super().holds(path / "potential")

    def readme(self, potential: Potential, history: Sequence[EpochRecord] = ()) -> str:
        """Return the text that explains an exported potential, with its errors where they are known."""
        layers = next(iter(potential.weights.layers.values()))
        widths = [layers[0][0].shape[1], *(w.shape[2] for w, _ in layers)]
        return filled("readme/potential.md", potential=potential, widths=widths, quality=_quality(history))


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
    own = OwnFormat()
    texts = {"README.md": own.readme(potential, history)}
    if settings_toml:
        texts["settings.toml"] = settings_toml
    if history:
        texts["history.csv"] = history_csv(history)
    with all_or_nothing(folder) as beside:
        files = own.write(potential, beside, None, "")
        for name, text in texts.items():
            write_atomically(beside / name, text.encode())
        files += [beside / name for name in texts]
        if history:
            files += save_figures(beside, {"training": training_figure(history)})
    return [folder / file.relative_to(beside) for file in files]


def _quality(history: Sequence[EpochRecord]) -> str:
    record = best_record(history)
    if record is None:
        return ""
    kind, rmses = ("validation", record.valid) if record.valid else ("training", record.train)
    values = [f"{name} {rmses[name]['mean']:.3g} {q.unit}" for name, q in QUANTITIES.items() if name in rmses]
    return f"RMSE on the {kind} frames (epoch {record.epoch}): {', '.join(values)}"
