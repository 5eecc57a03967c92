"""``eatlas train``: from files to a run folder, with Ctrl+C as a clean stop."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, NamedTuple

from nnpcore.cli import options
from nnpcore.cli.curves import curves
from nnpcore.cli.datasets import read_frames
from nnpcore.cli.gathered import Result, gathers, keys, settings
from nnpcore.cli.keys import advice, stress_advice
from nnpcore.cli.output import refuse_to_replace
from nnpcore.cli.result_tables import epoch_text, group_tables, kept_text, rmse_table
from nnpcore.cli.terminal import Terminal
from nnpcore.errors import AnalysisError, RunFolderError, SettingsError, TrainingError

if TYPE_CHECKING:
    from nnpcore.analyses import MappingMonitor
    from nnpcore.cluster import Job
    from nnpcore.cure import Addition
    from nnpcore.potential import Potential
    from nnpcore.structures import Frame, KeyNames
    from nnpcore.training import EpochRecord, Trainer, TrainSettings

KEPT = "the training is kept"
STOPPED = 130
"""Exit status of a training that was stopped by Ctrl+C; what it has reached is kept."""


@gathers(changes=settings, keys=keys)
def train_command(
    terminal: Terminal,
    *,
    output: options.RunOutput,
    data: options.TrainData = None,
    valid: options.ValidFiles = None,
    test: options.TestFiles = None,
    config: options.Config = None,
    changes: dict[str, Any],
    weights: options.Weights = None,
    without: options.Without = None,
    resume: options.Resume = False,
    add: options.Add = None,
    count: options.Count = None,
    overwrite: options.Overwrite = False,
    skip_bad: options.SkipBad = False,
    keys: KeyNames | None = None,
    eos: options.TrainEos = None,
    scheduler: options.SchedulerOption = None,
) -> Result:
    """Train or go on; return what was reached. ``changes``: settings given as options, by path."""
    if count is not None and not add:
        raise SettingsError("--count says how many times added frames count", fix="Give --add, too")
    if resume and scheduler is not None:
        raise SettingsError("a training goes on where its folder is", where="--scheduler", fix="Leave it out")
    added: Result = {}
    changes = changes | changes_in(weights, without)
    read = partial(read_frames, skip_bad=skip_bad, terminal=terminal, keys=keys)
    if resume:
        given = bool(data or valid or test or add or eos or config is not None)
        trainer = _resumed(output, _settings_to_resume(output, changes, given=given), terminal)
    else:
        refuse_to_replace(output, overwrite, trains=True)
        files, found = _addition(data or (), [*(valid or ()), *(test or ())], add)
        settings = settings_of(config, changes, found)
        own = RoleFiles(files, valid or (), test or ())
        frames = _all_frames(own, settings, read, terminal.warn, found)
        see_that_weights_fit(frames, settings, weights, config)
        if found is None or found.parent is None or without is not None:
            settings = with_known_left_out(settings, frames, terminal.warn, without)
        crystal = [] if eos is None else read([eos])
        how = {"drawn": not own.valid} if found is None else _how_added(found, frames, count)
        trainer = _begun(settings, frames, crystal, run_folder=output, **how)
        added = {} if found is None else _what_was_added(found, trainer)
    train = _train if scheduler is None else partial(_train_elsewhere, scheduler=scheduler, output=output)
    reached = train(trainer, terminal)
    return {"run": output, **added, **_told(trainer, reached, output, terminal)}


def _told(trainer: Trainer, reached: Reached, output: Path, terminal: Terminal) -> Result:
    """Show errors, what is next, and the verdict of an ended training that followed a crystal."""
    from nnpcore.training import RunFolder

    stopped = reached.stopped
    shown = trainer.frames() if not stopped else {**trainer.frames(), "test": ()}
    result = _result(reached, shown, RunFolder.open(output).settings, terminal)
    then = f"The training is in {output}. Next: eatlas map {quote(str(output))} --eos FILE -o DIR"
    if stopped:
        then = f"Stopped. Go on with it by: eatlas train -o {quote(str(output))} --resume"
    sets = result["data_sets"]
    terminal.show(rmse_table(sets, kept_text(reached.history)), *group_tables(sets), then=then)
    if trainer.monitor is not None and not stopped:
        result |= _verdict(output, trainer.settings.n_threads, terminal)
    return {**result, "stopped": stopped, "exit_status": STOPPED if stopped else 0}


def _train(trainer: Trainer, terminal: Terminal) -> Reached:
    """Train to the end, with curves where there is a terminal."""
    from nnpcore.training import ControlState, TrainControl
    from nnpcore.training.compiling import compile_kernels, parts_of_training

    with terminal.progress("Preparing") as progress:
        compile_kernels(progress, parts_of_training(trainer.settings.optimizer))
        trainer.prepare(progress)
    control = TrainControl()
    stopping = terminal.stop_on_interrupt(control.stop, KEPT)
    with stopping, terminal.counter("Epoch", trainer.n_epochs) as update:
        tell = _teller(terminal.warn)
        tell(trainer.keeper.trouble)

        def on_epoch(record: EpochRecord, trainer: Trainer) -> None:
            update(record.epoch, epoch_text(record), partial(curves, trainer.history))
            for message in record.messages:
                terminal.warn(f"epoch {record.epoch}: {message.text}")
            tell(trainer.keeper.trouble)

        try:
            trainer.run(on_epoch, control)
            for note in trainer.keeper.take_notes():
                terminal.warn(note)
        except RunFolderError as error:
            kept = trainer.history
            raise (_rescued(error, trainer.keeper.name, trainer.save_to) if kept else error) from error
    return Reached(trainer.potential(), trainer.history, control.state is ControlState.STOPPING)


@dataclass(frozen=True, eq=False)
class Reached:
    """What a training has come to: its best weights, its history, whether it was stopped before its end."""

    potential: Potential
    history: Sequence[EpochRecord]
    stopped: bool


def _train_elsewhere(trainer: Trainer, terminal: Terminal, scheduler: str, output: Path) -> Reached:
    """Train on a cluster what a trainer here was made for, and write the run here."""
    from nnpcore.cluster import open_executor
    from nnpcore.potential import Potential
    from nnpcore.training import RunFolder
    from nnpcore.training.apart import reserved, write_run

    with (
        reserved(output),
        open_executor(scheduler, trainer.settings.n_threads, terminal.warn) as executor,
        terminal.progress("Training") as progress,
        terminal.stop_on_interrupt(executor.stop, KEPT),
    ):

        def heard(_: int, news: Mapping[str, Any]) -> None:
            record = news.get("record", {})
            for text in record.get("messages", ()):
                terminal.warn(f"epoch {record['epoch']}: {text}")

        values = next((o.taken() for o in executor.run([_job(trainer, output)], progress, heard)), None)
        if values is None:
            raise TrainingError("it was stopped before it began", fix="Start it again")
        try:
            write_run(output, values["files"])
        except RunFolderError as error:
            raise _rescued(error, output.name, partial(write_run, files=values["files"])) from error
    history = RunFolder.open(output).read_history()
    return Reached(Potential.load(output), history, values["reason"] == "stopped")


def _job(trainer: Trainer, output: Path) -> Job:
    """Return the job that does what a trainer was made for."""
    from nnpcore.analyses import MappingMonitor
    from nnpcore.analyses.monitored_training import train_monitored
    from nnpcore.cluster import Shared
    from nnpcore.training.apart import TrainingData, train, training_job

    monitor, parent = trainer.monitor, trainer.keeper.parent
    followed = isinstance(monitor, MappingMonitor)
    more = {"monitor": Shared(monitor.to_dict())} if isinstance(monitor, MappingMonitor) else {}
    return training_job(
        trainer.asked,
        TrainingData.of(trainer.train_frames, trainer.valid_frames, trainer.test_frames),
        output,
        function=train_monitored if followed else train,
        more=more,
        parent=str(parent or ""),
        counts=trainer.counts,
    )


def _verdict(output: Path, n_threads: int | None, terminal: Terminal) -> Result:
    """Say whether the mapping of what was monitored is right."""
    from nnpcore.analyses import required
    from nnpcore.analyses.verdict import VERDICT
    from nnpcore.report.facts import JUDGED, analyse, read_run

    with terminal.progress("Verdict") as progress:
        facts = read_run(output, None, (), progress)
        analyse(facts, n_threads, progress, JUDGED)
    verdict = required(facts.evaluation.value(VERDICT))
    terminal.show(verdict.text)
    return {"verdict": verdict.text, "verdict_level": verdict.level}


def settings_of(config: Path | None, changes: dict[str, Any], found: Addition | None = None) -> TrainSettings:
    """Return a new training's settings: of a file, else of the run that is added to, else the usual ones."""
    from nnpcore.training import TrainSettings

    usual = TrainSettings() if found is None else found.settings
    settings = usual if config is None else TrainSettings.from_toml(config)
    return settings.replace(**changes) if changes else settings


def changes_in(weights: Path | None, without: Path | None) -> dict[str, Any]:
    """Return the settings that stand in files of their own."""
    from nnpcore.training.group_weights import read_weights
    from nnpcore.training.leaving_out import read_left_out

    changes: dict[str, Any] = {} if weights is None else {"group_weights": read_weights(weights)}
    return changes if without is None else changes | {"left_out": read_left_out(without)}


def see_that_weights_fit(
    frames: RoleFrames, settings: TrainSettings, weights: Path | None, config: Path | None
) -> None:
    """Refuse groups told by a value that no frame has, and weights of groups that are not there, by the name
    of the file they are from.
    """
    from nnpcore.structures.groups import check_group_key
    from nnpcore.training.group_weights import SETTING, check_group_weights

    check_group_key([*frames.train, *frames.valid], settings.group_key)
    where = f"{config}, {SETTING}" if config is not None else SETTING
    check_group_weights(frames.train, frames.valid, settings, where if weights is None else str(weights))


def with_known_left_out(
    settings: TrainSettings, frames: RoleFrames, warn: Callable[[str], object], without: Path | None = None
) -> TrainSettings:
    """Return settings that leave out those frames that are there; ``warn`` is told of entries for no frame.

    SettingsError, by the name of their file where they have one, where no entry is for any frame.
    """
    from nnpcore.training.history import Severity
    from nnpcore.training.leaving_out import known_left_out

    where = "left_out" if without is None else str(without)
    settings, leaving = known_left_out(settings, *frames, where=where)
    for message in leaving.messages:
        if message.severity is not Severity.NOTE:
            warn(message.text)
    return settings


def _begun(settings: TrainSettings, frames: RoleFrames, crystal: Sequence[Frame], **options: Any) -> Trainer:
    """Return a new training of frames that follows a crystal, where one is given."""
    from nnpcore.analyses import MappingMonitor
    from nnpcore.training import Trainer

    monitor = MappingMonitor(crystal) if crystal else None
    return Trainer(settings, frames.train, frames.valid, test=frames.test, monitor=monitor, **options)


def _resumed(output: Path, settings: TrainSettings, terminal: Terminal) -> Trainer:
    """Return a training that goes on, with what it has monitored so far."""
    from nnpcore.training import Trainer

    return Trainer.resume(output, settings=settings, monitor=_monitored(output, terminal.warn))


def _how_added(found: Addition, frames: RoleFrames, count: float | None) -> dict[str, Any]:
    """Return the run before, and how many times each of all training frames counts."""
    counts = found.counts(len(frames.train) - len(found.added), count)
    return {"parent": found.parent, "counts": counts, "drawn": None}


def _what_was_added(found: Addition, trainer: Trainer) -> dict[str, Any]:
    """Return the run before, how many frames were added, and how many times each of them counts."""
    count = trainer.counts[-1] if trainer.counts else 1.0
    return {"parent": found.parent, "n_added": len(found.added), "count": count}


def _addition(
    data: Sequence[str], others: Sequence[str], add: Sequence[Path] | None
) -> tuple[Sequence[str], Addition | None]:
    """Return the files still to be read, and what is added to them or to a run's data."""
    if not add:
        return data, None
    from nnpcore.cure import addition

    parent = Path(data[0]) if data and Path(data[0]).is_dir() else None
    rest = data[1:] if parent is not None else data
    if parent is not None and (rest or others):
        raise SettingsError(
            "a run keeps its data", where=str(parent), fix="Give the run with --add alone, or files"
        )
    found = addition(add, parent)
    if rest:
        found = replace(found, train=(), valid=(), test=(), parent=None, old_counts=())
    return rest or found.data, found


def _all_frames(
    files: RoleFiles,
    settings: TrainSettings,
    read: Callable[..., list[Frame]],
    warn: Callable[[str], object],
    found: Addition | None,
) -> RoleFrames:
    """Return frames by role, those that are added behind the training frames."""
    if found is not None and found.parent is not None:
        return RoleFrames(found.train, found.valid, found.test)
    frames = frames_of(files, settings, read, warn)
    if found is None:
        return frames
    from nnpcore.cure import check_zero

    check_zero(frames.train, found.added)
    return frames._replace(train=[*frames.train, *found.added])


def _monitored(output: Path, warn: Callable[[str], object]) -> MappingMonitor | None:
    """Return what a run has monitored so far; ``warn`` is told where that cannot be read."""
    from nnpcore.analyses import MappingMonitor

    try:
        return MappingMonitor.load(output)
    except AnalysisError as error:
        warn(f"mapping errors are no longer monitored. {error}")
        return None


def _teller(warn: Callable[[str], object]) -> Callable[[RunFolderError | None], None]:
    """Return what warns once where a training cannot be written, and once it can be again."""
    told = ""

    def tell(trouble: RunFolderError | None) -> None:
        nonlocal told
        text = "" if trouble is None else str(trouble)
        if text and text != told:
            warn(f"{text} The training goes on in memory.")
        elif told and not text:
            warn("the training is written again")
        told = text

    return tell


def _rescued(error: RunFolderError, name: str, save: Callable[[Path], object]) -> RunFolderError:
    """Save an ended training that could not be written among temporary files; return what is to be said."""
    try:
        elsewhere = Path(tempfile.mkdtemp(prefix="eatlas-")) / (name or "run")
        save(elsewhere)
    except (RunFolderError, OSError):
        return error
    fix = f"The training is in {elsewhere}: copy it to where it is to stay"
    return RunFolderError(error.what, where=error.where, fix=fix)


class RoleFiles(NamedTuple):
    """Files to train on, to validate on and for the test."""

    data: Sequence[str]
    valid: Sequence[str] = ()
    test: Sequence[str] = ()


class RoleFrames(NamedTuple):
    """Frames to train on, to validate on and for the test."""

    train: Sequence[Frame]
    valid: Sequence[Frame]
    test: Sequence[Frame] = ()


def frames_of(
    files: RoleFiles,
    settings: TrainSettings,
    read: Callable[..., list[Frame]],
    warn: Callable[[str], object],
) -> RoleFrames:
    """Return frames by role: those of the validation and test files, or parts of the others.

    ``warn`` is told of files that do not fit together.
    """
    from nnpcore.structures.fitting_together import by_source, frames_in_both, misfits_of_all

    data = files.data
    if not data:
        raise TrainingError("there are no training frames", fix="Name at least one file with energies")
    _see_that_it_splits(settings, files, warn)
    frames = read(data)
    if not any(frame.energy is not None or frame.forces is not None for frame in frames):
        names, options = ", ".join(data), advice(frames)
        raise TrainingError(
            "no training frame has an energy or forces",
            where=names,
            fix=f"Say where they are: {options}" if options else "Give a file with reference energies",
        )
    for text in misfits_of_all(by_source(frames)):
        warn(text)
    if settings.stress_weight is None and (flag := stress_advice(frames)):
        warn(f"no stress is read; what looks like one counts, where it is right, by {flag}")
    parts = settings.split_of(frames, valid=not files.valid, test=not files.test)
    train, valid, test = ([frames[i] for i in part] for part in parts)
    if files.valid:
        valid = read(files.valid)
        n_both = frames_in_both(train, valid)
        if n_both:
            warn(f"{n_both} of the {len(valid)} validation frames are trained on as well")
    return RoleFrames(train, valid, read(files.test) if files.test else test)


def _see_that_it_splits(settings: TrainSettings, files: RoleFiles, warn: Callable[[str], object]) -> None:
    """Refuse a fold of no folds; warn of what a split is not asked for, since there are files for that."""
    if settings.folds is None and settings.fold != 1:
        raise SettingsError(
            f"there are no folds to take number {settings.fold} of",
            where="fold",
            fix="Say how many there are, such as --folds 5, or leave the fold out",
        )
    drawn = bool(settings.test_fraction) and not files.test
    given = {"--split": settings.split != "frames" and not drawn, "--folds": settings.folds is not None}
    unused = [name for name, is_given in given.items() if is_given]
    if files.valid and unused:
        warn(f"there are files for validation, so nothing is split: {' and '.join(unused)} not used")
    if files.test and settings.test_fraction:
        warn("there are files for the test, so nothing is put aside for it: --test-fraction not used")


def _settings_to_resume(output: Path, changes: dict[str, Any], *, given: bool) -> TrainSettings:
    """Return the run's settings with the changes; SettingsError where they, or data, cannot be given."""
    from nnpcore.training import RunFolder, TrainSettings
    from nnpcore.training.declared import declarations

    if given:
        raise SettingsError(
            "--resume takes its data and settings from the run folder",
            where=str(output),
            fix="Leave out DATA, --valid, --test, --add, --eos and --config; --epochs may set a new goal",
        )
    declared = [d for d in declarations(TrainSettings) if d.path in changes]
    fixed = [d.flag for d in declared if not d.setting.resumable]
    files = {"linear_ridge": "--linear-ridge", "group_weights": "--weights", "left_out": "--without"}
    fixed += [flag for name, flag in files.items() if name in changes]
    if fixed:
        raise SettingsError(
            f"{', '.join(sorted(fixed))} cannot change on the way",
            where=str(output),
            fix="Start a new training for that",
        )
    return RunFolder.open(output).settings.replace(**changes)


def _result(
    reached: Reached, frames: Mapping[str, Sequence[Frame]], settings: TrainSettings, terminal: Terminal
) -> Result:
    """Return what was reached: RMSEs of the best weights on frames by role, messages.

    ``settings`` : as the training has settled them.
    """
    from nnpcore.training import rmse_report
    from nnpcore.training.stress_order import stresses_in_order

    with terminal.progress("Evaluating") as progress:
        known = {name: stresses_in_order(part, settings) for name, part in frames.items() if part}
        data_sets = rmse_report(reached.potential, known, progress=progress, group_key=settings.group_key)
    last = reached.history[-1] if reached.history else None
    return {
        "epochs": last.epoch if last else 0,
        "optimizer": last.optimizer if last else "",
        "train_seconds": last.seconds if last else 0.0,
        "train_cpu_seconds": last.cpu_seconds if last else 0.0,
        "messages": [message.text for record in reached.history for message in record.messages],
        "data_sets": data_sets,
    }
