"""What a study gets to work with: its folders, its size, its progress, its samples and its trainings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from nnpcore.errors import EatlasError
from nnpcore.paper.claims import Claim, write_json
from nnpcore.paper.columns import DEFAULT, column_settings
from nnpcore.progress import Progress

if TYPE_CHECKING:
    from ase import Atoms
    from matplotlib.figure import Figure

    from nnpcore.mapping import RegionSet
    from nnpcore.potential import Potential
    from nnpcore.reference import ReferenceCalculator, SamplerSettings
    from nnpcore.structures.frame import Frame
    from nnpcore.training import EpochRecord, Trainer, TrainSettings
    from nnpcore.training.monitoring import MonitorLike

DATA = "data"
RUNS = "runs"
SESSION = "session.json"

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class StudyOutcome:
    """What a study has come to.

    Attributes
    ----------
    claims : the paper's claims beside our numbers.
    figures, tables : files written.
    session : what the window opens: ``{"data": [{"path", "role"}], "runs": [path], "regions": [...]}``.
    """

    claims: list[Claim]
    figures: list[Path] = field(default_factory=list)
    tables: list[Path] = field(default_factory=list)
    session: dict[str, Any] | None = None

    def __add__(self, more: StudyOutcome) -> StudyOutcome:
        """Return this outcome with the claims, figures and tables of another."""
        figures, tables = [*self.figures, *more.figures], [*self.tables, *more.tables]
        return StudyOutcome([*self.claims, *more.claims], figures, tables, self.session)


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """A finished training: its folder, the ensemble of best weights, one record an epoch."""

    folder: Path
    potential: Potential
    history: list[EpochRecord]

    def rmse_course(self, quantity: str) -> np.ndarray:
        """Return the RMSE (n_epochs,) of the mean prediction on the validation frames; units as below."""
        return np.array([float(record.valid[quantity]["mean"]) for record in self.history])

    def best_rmse(self, quantity: str = "energy") -> float:
        """Return the RMSE of the mean prediction at the last epoch that was the best of some member.

        meV/atom, eV/Å or GPa, on the validation frames where there are any; NaN without such a value.
        """
        chosen = [record for record in self.history if record.best] or self.history[-1:]
        rmses = (chosen[-1].valid or chosen[-1].train) if chosen else {}
        return float(rmses[quantity]["mean"]) if quantity in rmses else float("nan")


@dataclass(frozen=True)
class StudyContext:
    """Where and how one study is run.

    Attributes
    ----------
    name : of the study.
    folder : of all studies; this one writes into :attr:`own` and shares samples in ``folder/data``.
    quick : whether to show the effect in a minute or two instead of measuring it well.
    seed : of everything random.
    n_threads : processor threads; None = all that this process may use.
    progress : told the part of this study that is done; may cancel.
    on_text : told sentences worth keeping on the screen.
    networks : the column that is run: which settings are usual, see ``columns``.
    resume : take trainings that are there already where they are just what is wanted.
    """

    name: str
    folder: Path
    quick: bool = False
    seed: int = 0
    n_threads: int | None = None
    progress: Progress = field(default_factory=Progress)
    on_text: Callable[[str], None] | None = None
    networks: str = DEFAULT
    resume: bool = False

    @property
    def own(self) -> Path:
        """The study's own folder."""
        return self.folder / self.name

    def tell(self, text: str) -> None:
        """Say a sentence to the user."""
        self.progress.check()
        if self.on_text is not None:
            self.on_text(f"{self.name}: {text}")

    def report(self, fraction: float, text: str) -> None:
        """Say how much of the study is done and what comes now; raises Cancelled where it should stop."""
        self.progress.report(fraction, text)

    def quiet(self) -> Progress:
        """Return a progress that cancels with the study but does not report: for a part of unknown size."""
        return Progress(within=self.progress)

    def part(self, start: float, end: float, text: str = "") -> Progress:
        """Return a progress whose 0 to 1 is ``start`` to ``end`` of the study."""
        return self.progress.part(start, end, text)

    def choose(self, full: _Value, quick: _Value) -> _Value:
        """Return the value of the size this study is run in."""
        return quick if self.quick else full

    def save_figure(self, figure: Figure, name: str) -> list[Path]:
        """Write a figure as PNG, SVG and PDF into the study's folder; return the three files."""
        from nnpcore.figures.drawing import save_figures

        return save_figures(self.own, {name: figure})

    def write_table(self, name: str, rows: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Path:
        """Write ``name.csv`` into the study's folder: columns by name, or one mapping a row."""
        from nnpcore.figures.tables import write_csv

        if not isinstance(rows, Mapping):
            heads = list(dict.fromkeys(head for row in rows for head in row))
            rows = {head: [row.get(head) for row in rows] for head in heads}
        path = self.own / f"{name}.csv"
        write_csv(path, rows)
        return path

    def samples(
        self, label: str, settings: Mapping[str, Any], make: Callable[[], Sequence[Frame]]
    ) -> list[Frame]:
        """Return frames from ``folder/data``, made and kept there when they are first asked for.

        Parameters
        ----------
        label : the file's name.
        settings : all that decides about the frames; other settings give another file. JSON values, or
            anything whose ``repr`` says it all.
        make : called where there is no such file yet.

        Returns
        -------
        frames : read back from the file, so that a run folder can find them again.
        """
        from nnpcore.structures import read_dataset, write_frames

        path = self.sample_path(label, settings)
        if path.is_file():
            try:
                return list(read_dataset(str(path)).frames)
            except EatlasError:
                self.tell(f"{path.name} is damaged and is made again")
        write_frames(path, make())
        write_json(path.with_suffix(".json"), json.loads(_text(settings)))
        return list(read_dataset(str(path)).frames)

    def sample_path(self, label: str, settings: Mapping[str, Any]) -> Path:
        """Return the file that :meth:`samples` keeps these frames in; a folder tells equal names apart."""
        key = hashlib.sha256(_text(settings).encode()).hexdigest()[:10]
        shared = self.folder if self.networks == DEFAULT else self.folder.parent
        return shared / DATA / key / f"{label}.extxyz"

    def dynamics(
        self,
        label: str,
        start: Callable[[], Atoms],
        calculator: ReferenceCalculator,
        settings: SamplerSettings,
        *,
        key: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
    ) -> list[Frame]:
        """Return frames of molecular dynamics, kept as by :meth:`samples`.

        Parameters
        ----------
        label, key : as for :meth:`samples`; the sampler's settings by default.
        start : makes the structure to start from, where the frames are not there yet.
        progress : told how much of the dynamics is done.
        """
        from nnpcore.reference import sample

        def make() -> list[Frame]:
            return sample(start(), calculator, settings, progress or self.quiet())

        return self.samples(label, vars(settings) if key is None else key, make)

    def rmse(self, potential: Potential, frames: Sequence[Frame]) -> tuple[float, float]:
        """Return the RMSE of the mean prediction on frames: energies in meV/atom, forces in eV/Å."""
        from nnpcore.training import rmse_report

        found = rmse_report(potential, {"frames": frames}, n_threads=self.n_threads)["frames"]
        return float(found["rmse_energy_mev_per_atom"]["mean"]), float(found["rmse_force_ev_per_ang"]["mean"])

    def session(
        self, data: Iterable[str], runs: Iterable[TrainedRun], region_sets: Iterable[RegionSet] = ()
    ) -> dict[str, Any]:
        """Return what the window opens: files to look at, run folders, regions."""
        return {
            "data": [{"path": path, "role": "inspect"} for path in dict.fromkeys(data) if path],
            "runs": [str(run.folder) for run in runs],
            "regions": [region_set.to_dict() for region_set in region_sets],
        }

    def run_path(self, label: str, study: str | None = None) -> Path:
        """Return the run folder of a training of this study or another."""
        return self.folder / (study or self.name) / RUNS / label

    def train(
        self,
        label: str,
        settings: TrainSettings,
        train: Sequence[Frame],
        valid: Sequence[Frame],
        *,
        monitor: MonitorLike | None = None,
        on_epoch: Callable[[EpochRecord, Trainer], None] | None = None,
        progress: Progress | None = None,
        study: str | None = None,
        reuse: bool = False,
    ) -> TrainedRun:
        """Train an ensemble in ``folder/NAME/runs/LABEL`` and return it.

        Parameters
        ----------
        label : name of the run folder; a run that is there already is given up.
        settings : as they are, but with this study's number of threads, on the CPU.
        train, valid : frames; read from files, so that the window can open the run with its data.
        monitor : of the mapping, asked after every epoch.
        on_epoch : called after every epoch.
        progress : told the part of this training that is done; may cancel.
        study : whose folder to train in, this study's by default.
        reuse : take the run that is there where it was made from the same frames with the same settings.
        """
        from nnpcore.training import Trainer

        folder = self.run_path(label, study)
        settings = column_settings(settings, self.networks)
        settings = settings.replace(n_threads=self.n_threads, device="cpu")
        if (reuse or self.resume) and (found := _finished(folder, settings, train, valid)) is not None:
            return found
        progress = progress or self.quiet()
        trainer = Trainer(settings, train, valid, run_folder=folder, monitor=monitor)
        trainer.prepare(Progress(within=progress))

        def after(record: EpochRecord, source: Trainer) -> None:
            progress.report(record.epoch / trainer.n_epochs, f"{label}, epoch {record.epoch}")
            if on_epoch is not None:
                on_epoch(record, source)

        trainer.run(after, progress=Progress(within=progress))
        return TrainedRun(folder, trainer.potential(), list(trainer.history))


def _text(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True, default=repr)


def _finished(
    folder: Path, settings: TrainSettings, train: Sequence[Frame], valid: Sequence[Frame]
) -> TrainedRun | None:
    """Return the run in ``folder`` if it is just the one that is wanted and has ended."""
    from nnpcore.potential import Potential
    from nnpcore.training.apart import ended_run

    history = ended_run(folder, settings, train, valid)
    try:
        return None if history is None else TrainedRun(folder, Potential.load(folder), history)
    except EatlasError:
        return None
