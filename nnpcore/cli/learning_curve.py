"""``eatlas learning-curve``: trainings on ever more frames, and what more of the same data would bring."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from nnpcore.cli import options
from nnpcore.cli.datasets import read_frames
from nnpcore.cli.gathered import Result, gathers, keys, settings
from nnpcore.cli.output import output_folder, refuse_to_replace
from nnpcore.cli.result_tables import plain_table
from nnpcore.cli.terminal import Terminal
from nnpcore.cli.train import (
    STOPPED,
    RoleFrames,
    changes_in,
    see_that_weights_fit,
    settings_of,
    with_known_left_out,
)
from nnpcore.errors import SettingsError, TrainingError

if TYPE_CHECKING:
    from nnpcore.analyses import MappingMonitor
    from nnpcore.analyses.learning import LearningCurve
    from nnpcore.cluster import Executor
    from nnpcore.structures import Frame, KeyNames
    from nnpcore.training.learning_curve import LearningPlan, LearningPoint


@gathers(changes=settings, keys=keys)
def learning_curve_command(
    terminal: Terminal,
    *,
    output: options.Output,
    data: options.TrainData = None,
    valid: options.ValidFiles = None,
    test: options.TestFiles = None,
    points: options.Sizes = None,
    seeds: options.Seeds = 2,
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
    """Train on ever more frames, tell each error as it comes, and say what more would bring."""
    from nnpcore.cluster import open_executor
    from nnpcore.training.learning_curve import plan_learning

    if not resume:
        refuse_to_replace(output, overwrite)
    asked = settings_of(config, {"split": "blocks", **changes, **changes_in(weights, without)})
    frames, checked, tested = (
        read_frames(tuple(names or ()), skip_bad, terminal, keys) for names in (data, valid, test)
    )
    _see_that_they_are_labelled(frames, data or ())
    given = RoleFrames(frames, checked, tested)
    see_that_weights_fit(given, asked, weights, config)
    asked = with_known_left_out(asked, given, terminal.warn, without)
    plan = plan_learning(frames, asked, valid=checked, test=tested, sizes=_sizes(points), n_seeds=seeds)
    _tell_plan(plan, terminal)
    monitor = None if eos is None else _monitor(read_frames((eos,), skip_bad, terminal, keys))
    folder = output_folder(output, overwrite=True)
    with open_executor(scheduler, asked.n_threads, terminal.warn) as executor:
        curve = _learned(plan, folder, executor, monitor, resume, terminal)
    return _told(curve, terminal)


def _sizes(text: str | None) -> list[int]:
    """Return numbers of frames from their text; SettingsError where they are none."""
    try:
        return [int(word) for word in (text or "").replace(",", " ").split()]
    except ValueError:
        fix = "Write numbers of training frames, such as 10,20,40"
        raise SettingsError(f"{text!r} are no numbers of frames", where="--points", fix=fix) from None


def _see_that_they_are_labelled(frames: Sequence[Frame], names: Sequence[str]) -> None:
    if not frames:
        raise TrainingError("there are no training frames", fix="Name at least one file with energies")
    if not any(frame.energy is not None or frame.forces is not None for frame in frames):
        fix = "Give a file with reference energies"
        raise TrainingError("no frame has an energy or forces", where=", ".join(names), fix=fix)


def _monitor(frames: Sequence[Frame]) -> MappingMonitor:
    from nnpcore.analyses import MappingMonitor

    return MappingMonitor(frames)


def _tell_plan(plan: LearningPlan, terminal: Terminal) -> None:
    sizes = ", ".join(map(str, plan.sizes))
    trainings = f"{len(plan.trainings)} trainings on {sizes} frames, {len(plan.seeds)} of each size"
    others = f"{len(plan.valid)} frames choose the best epoch, errors are those on {len(plan.test)} others"
    terminal.say(f"{trainings}; {others}.")


def _learned(
    plan: LearningPlan,
    folder: Path,
    executor: Executor,
    monitor: MappingMonitor | None,
    resume: bool,
    terminal: Terminal,
) -> LearningCurve:
    """Train; every point is told as it comes, and Ctrl+C keeps those there are."""
    from nnpcore.analyses.learning import decided, learn
    from nnpcore.training.compiling import compile_kernels

    with terminal.progress("Preparing") as progress:
        if executor.here:
            compile_kernels(progress)
        plan = decided(plan, progress)
    with (
        terminal.progress("Learning curve") as progress,
        terminal.stop_on_interrupt(executor.stop, "what has been reached is kept"),
    ):
        return learn(
            plan,
            folder,
            executor,
            monitor=monitor,
            resume=resume,
            on_point=lambda point: terminal.say(_point_text(point)),
            progress=progress,
        )


def _point_text(point: LearningPoint) -> str:
    from nnpcore.training.learning_curve import NAMES, UNITS

    errors = ((name, getattr(point, name)) for name in NAMES)
    shown = [f"{name} {error:.3g} {UNITS[name]}" for name, error in errors if math.isfinite(error)]
    return f"{point.n} frames, seed {point.seed}: {', '.join(shown)}"


def _told(curve: LearningCurve, terminal: Terminal) -> Result:
    """Write picture and table, show the means and the sentence."""
    from nnpcore.figures.drawing import save_figures
    from nnpcore.figures.learning_curve import learning_curve_figure, learning_curve_table
    from nnpcore.figures.tables import write_tables
    from nnpcore.training.learning_curve import sentence, trends_of

    plan, points = curve.plan, curve.points
    text = sentence(points, len(plan.trainings))
    files: list[Path] = []
    if points:
        files = save_figures(curve.folder, {"learning-curve": learning_curve_figure(points)})
        files += write_tables(curve.folder, {"learning-curve": learning_curve_table(points)})
    for name, error in curve.errors.items():
        terminal.warn(f"{name}: {error}")
    then = f"Trainings, picture and table are in {curve.folder}."
    if curve.stopped:
        then += " Stopped: the same command with --resume trains what is missing."
    terminal.show(_means_table(points), text, then=then)
    return {
        "folder": curve.folder,
        "sizes": plan.sizes,
        "seeds": plan.seeds,
        "n_validation": len(plan.valid),
        "n_test": len(plan.test),
        "points": [point.to_dict() for point in points],
        "trends": [vars(trend) | {"says": trend.says} for trend in trends_of(points)],
        "sentence": text,
        "failed": {name: str(error) for name, error in curve.errors.items()},
        "stopped": curve.stopped,
        "files": files,
        "exit_status": STOPPED if curve.stopped else int(bool(curve.errors)),
    }


def _means_table(points: Sequence[LearningPoint]) -> Table:
    """Return errors and foretold spreads by number of frames, means of the seeds."""
    from nnpcore.training.learning_curve import NAMES, UNITS, means_of

    known = [name for name in NAMES if means_of(points, name)]
    heads = [f"{name}, {UNITS[name]}" for name in known]
    table = plain_table("Error on the test frames (foretold spread)", "training frames", *heads)
    for n in sorted({point.n for point in points}):
        cells = []
        for name in known:
            error, spread = (means_of(points, name, foretold=told).get(n) for told in (False, True))
            shown = "–" if error is None else f"{error:.3g}"
            cells.append(shown if spread is None else f"{shown} ({spread:.3g})")
        table.add_row(str(n), *cells)
    return table
