"""``eatlas sweep``: trainings that differ in one setting, here or on a cluster, and which value is best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from nnpcore.cli import options
from nnpcore.cli.datasets import read_frames
from nnpcore.cli.gathered import Result, gathers, keys, settings
from nnpcore.cli.output import output_folder, refuse_to_replace
from nnpcore.cli.terminal import Terminal
from nnpcore.cli.train import (
    STOPPED,
    RoleFiles,
    RoleFrames,
    changes_in,
    frames_of,
    see_that_weights_fit,
    settings_of,
    with_known_left_out,
)
from nnpcore.errors import EatlasError, SettingsError

if TYPE_CHECKING:
    from nnpcore.cluster import Executor, Job
    from nnpcore.structures import Frame, KeyNames
    from nnpcore.training import TrainSettings
    from nnpcore.training.sweeping import SweepPlan, SweepPoint

TABLE = "sweep.csv"
HEADS = ("value", "epoch", "energy RMSE (meV/atom)", "force RMSE (eV/Å)", "mapping error (meV/atom)")


@gathers(changes=settings, keys=keys)
def sweep_command(
    terminal: Terminal,
    *,
    output: options.Output,
    setting: options.SweptName,
    values: options.SweptValues = None,
    data: options.TrainData = None,
    valid: options.ValidFiles = None,
    test: options.TestFiles = None,
    config: options.Config = None,
    changes: dict[str, Any],
    weights: options.Weights = None,
    without: options.Without = None,
    eos: options.TrainEos = None,
    scheduler: options.SchedulerOption = None,
    resume: options.ResumeSweep = False,
    overwrite: options.Overwrite = False,
    skip_bad: options.SkipBad = False,
    keys: KeyNames | None = None,
) -> Result:
    """Train once for every value and say which value the RMSE and which one the mapping error chooses."""
    from nnpcore.cluster import open_executor
    from nnpcore.training.folder_lock import Writer, one_writer

    base = settings_of(config, changes | changes_in(weights, without))
    plan = planned(setting, values, base)
    if not resume:
        refuse_to_replace(output, overwrite)

    read = cache(partial(read_frames, skip_bad=skip_bad, terminal=terminal, keys=keys))
    warn = cache(terminal.warn)  # each text once, not for every value
    crystal = [] if eos is None else read((eos,))
    files = RoleFiles(tuple(data or ()), tuple(valid or ()), tuple(test or ()))
    parts = [frames_of(files, s, read, warn) for s in plan.settings]
    for frames, own in zip(parts, plan.settings, strict=True):
        see_that_weights_fit(frames, own, weights, config)
    leaving = (
        with_known_left_out(s, part, warn, without) for s, part in zip(plan.settings, parts, strict=True)
    )
    plan = replace(plan, settings=tuple(leaving))
    folder = output_folder(output, overwrite=True)
    with (
        one_writer(folder, Writer.SWEEP),
        open_executor(scheduler, base.n_threads, terminal.warn) as executor,
    ):
        trainings = Trainings(plan, parts, folder, crystal, resume=resume)
        ended, errors = trained(trainings, executor, terminal)
    stopped = len(ended) + len(errors) < len(plan.values)
    return _told(plan, trainings.points(ended), errors, folder, stopped, terminal)


def planned(name: str, values: str | None, base: TrainSettings) -> SweepPlan:
    """Return the trainings; SettingsError where the setting or its values are none."""
    from nnpcore.training.sweeping import SETTINGS, plan_sweep, setting_named

    try:
        setting = setting_named(name.replace("-", "_"))
    except KeyError:
        known = ", ".join(one.name for one in SETTINGS)
        raise SettingsError(
            f"{name!r} cannot be swept", where="--setting", fix=f"Choose one of {known}"
        ) from None
    return plan_sweep(setting, values or setting.shown.values, base)


class Trainings:
    """The trainings of a sweep: their jobs, and what stands in their folders."""

    def __init__(
        self,
        plan: SweepPlan,
        parts: Sequence[RoleFrames],
        folder: Path,
        crystal: Sequence[Frame],
        *,
        resume: bool,
    ) -> None:
        from nnpcore.training.apart import ended_run
        from nnpcore.training.sweeping import value_text

        self.plan, self.parts, self._crystal = plan, parts, crystal
        self.texts = [value_text(value) for value in plan.values]
        self.folders = [folder / f"{plan.setting.name}={text}" for text in self.texts]
        jobs = zip(self.folders, plan.settings, parts, strict=True)
        self.left = [
            k for k, (path, s, part) in enumerate(jobs) if not resume or ended_run(path, s, *part) is None
        ]

    def jobs(self) -> list[Job]:
        """Return the jobs of those that are left to do; data are shared where they are the same."""
        from nnpcore.cluster import Shared
        from nnpcore.training.apart import TrainingData, train, training_job

        data: dict[tuple[int, ...], TrainingData] = {}
        more, function = {}, train
        if self._crystal:
            from nnpcore.analyses import MappingMonitor
            from nnpcore.analyses.monitored_training import train_monitored

            more = {"monitor": Shared(MappingMonitor(self._crystal).to_dict())}
            function = train_monitored
        jobs = []
        for k in self.left:
            key = tuple(id(frame) for part in self.parts[k] for frame in (None, *part))
            if key not in data:
                data[key] = TrainingData.of(*self.parts[k])
            jobs.append(
                training_job(self.plan.settings[k], data[key], self.folders[k], function=function, more=more)
            )
        return jobs

    def points(self, ended: set[int]) -> list[SweepPoint]:
        """Return what the trainings have reached, by what stands in their folders; some have ended."""
        from nnpcore.training import RunFolder
        from nnpcore.training.sweeping import SweepPoint, positions, reached

        setting, found = self.plan.setting, []
        places = positions(self.plan.values, setting.shown.logarithmic)
        for k, (folder, x) in enumerate(zip(self.folders, places, strict=True)):
            point = SweepPoint(folder.name, folder.name, self.texts[k], x, k in ended)
            try:
                run = RunFolder.open(folder)
                point = reached(point, run.read_history(), run.settings)
            except EatlasError:
                pass  # it was not begun
            found.append(point)
        return sorted(found, key=lambda point: point.x)


def trained(
    trainings: Trainings, executor: Executor, terminal: Terminal
) -> tuple[set[int], dict[int, EatlasError]]:
    """Train what is left; return the numbers of the values whose trainings have ended, and errors by number.

    Those that were stopped are in neither.
    """
    from nnpcore.training.apart import reserved, write_run

    errors: dict[int, EatlasError] = {}
    ended = set(range(len(trainings.folders))) - set(trainings.left)
    jobs = trainings.jobs()
    with (
        terminal.progress("Sweep") as progress,
        terminal.stop_on_interrupt(executor.stop, "what has been reached is kept"),
    ):
        for outcome in executor.run(jobs, progress) if jobs else ():
            k = trainings.left[outcome.index]
            folder = trainings.folders[k]
            try:
                found = outcome.taken()
                if not executor.here:
                    with reserved(folder):
                        write_run(folder, found["files"])
            except EatlasError as error:
                errors[k] = error
                terminal.warn(f"{folder.name}: {error}")
            else:
                ended |= {k} if found["reason"] != "stopped" else set()
    return ended, errors


def _told(
    plan: SweepPlan,
    points: Sequence[SweepPoint],
    errors: dict[int, EatlasError],
    folder: Path,
    stopped: bool,
    terminal: Terminal,
) -> Result:
    """Write and show the table."""
    from nnpcore.figures.tables import write_csv
    from nnpcore.training.sweeping import choose, sentence

    rows = [(p.text, p.epoch, p.energy, p.force, p.mapping) for p in points]
    columns: dict[str, list[Any]] = {head: [row[k] for row in rows] for k, head in enumerate(HEADS)}
    write_csv(folder / TABLE, columns)
    choice = choose(points)
    text = sentence(points)
    then = f"The trainings and {TABLE} are in {folder}."
    if stopped:
        then += " Stopped: the same command with --resume trains what is missing."
    terminal.show(_table(plan, rows, (choice.by_rmse, choice.by_mapping)), text, then=then)
    chosen = {"by_rmse": choice.by_rmse, "by_mapping": choice.by_mapping}
    return {
        "setting": plan.setting.name,
        "folder": folder,
        "trainings": [
            {**dict(zip(HEADS, row, strict=True)), "run": folder / p.name}
            for p, row in zip(points, rows, strict=True)
        ],
        "chosen": {name: None if k is None else points[k].text for name, k in chosen.items()},
        "sentence": text,
        "failed": {name: str(error) for name, error in _named(plan, errors).items()},
        "stopped": stopped,
        "exit_status": STOPPED if stopped else int(bool(errors)),
    }


def _named(plan: SweepPlan, errors: dict[int, EatlasError]) -> dict[str, EatlasError]:
    from nnpcore.training.sweeping import value_text

    return {value_text(plan.values[k]): error for k, error in errors.items()}


def _table(plan: SweepPlan, rows: Sequence[Sequence[Any]], chosen: Sequence[int | None]) -> Table:
    table = Table(title=plan.setting.shown.label, title_justify="left")
    for head in (*HEADS, "lowest"):
        table.add_column(head, justify="right")
    names = ("RMSE", "mapping error")

    def text(value: Any) -> str:
        if isinstance(value, str):
            return value
        return "-" if math.isnan(value) else f"{value:.4g}"

    for k, row in enumerate(rows):
        lowest = " and ".join(n for n, c in zip(names, chosen, strict=True) if c == k)
        table.add_row(*map(text, row), lowest)
    return table
