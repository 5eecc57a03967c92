"""``eatlas train``: from files to a run folder, with Ctrl+C as a clean stop."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnpcore.cli.datasets import read_frames
from nnpcore.cli.interrupt import stop_once
from nnpcore.cli.keys import advice
from nnpcore.cli.output import refuse_to_replace
from nnpcore.cli.result_tables import epoch_text, rmse_table
from nnpcore.cli.terminal import Terminal
from nnpcore.errors import SettingsError, TrainingError
from nnpcore.structures import KeyNames, split_frames
from nnpcore.structures.frame import Frame
from nnpcore.training import ControlState, EpochRecord, RunFolder, TrainControl, TrainSettings
from nnpcore.training.declared import declarations

if TYPE_CHECKING:
    from nnpcore.training import Trainer, TrainResult

STOPPED = 130
"""Exit status of a training that was stopped by Ctrl+C; what it has reached is kept."""


@dataclass(frozen=True)
class TrainRequest:
    """What the user typed; ``changes`` holds the settings given as options, by path."""

    data: tuple[str, ...]
    valid: tuple[str, ...]
    output: Path
    config: Path | None
    changes: dict[str, Any]
    resume: bool
    overwrite: bool
    skip_bad: bool
    keys: KeyNames | None = None


def train_command(request: TrainRequest, terminal: Terminal) -> dict[str, Any]:
    """Train or go on with a training, show what it has reached and return it."""
    trainer = _resumed(request) if request.resume else _new(request, terminal)
    with terminal.progress("Preparing") as progress:
        trainer.prepare(progress)
    outcome, stopped = run_training(trainer, terminal)
    result = _result(request, trainer, outcome, stopped, terminal)
    if not terminal.json_only:
        terminal.out.print(rmse_table(result["data_sets"]))
        _say_what_next(request, trainer, stopped, terminal)
    return result


def settings_of(config: Path | None, changes: dict[str, Any]) -> TrainSettings:
    """Return the settings of the file (or the defaults) with the user's options on top."""
    settings = TrainSettings() if config is None else TrainSettings.from_toml(config)
    return settings.replace(**changes) if changes else settings


def _new(request: TrainRequest, terminal: Terminal) -> Trainer:
    settings = settings_of(request.config, request.changes)
    refuse_to_replace(request.output, request.overwrite)
    train, valid = _frames(request, settings, terminal)
    from nnpcore.training import Trainer  # only now: it loads torch

    return Trainer(settings, train, valid, run_folder=request.output)


def _frames(
    request: TrainRequest, settings: TrainSettings, terminal: Terminal
) -> tuple[list[Frame], list[Frame]]:
    """Return (training, validation) frames: those of the validation files, or a part of the others."""
    if not request.data:
        raise TrainingError("there are no training frames", fix="Name at least one file with energies")
    frames = read_frames(request.data, request.skip_bad, terminal, request.keys)
    if not any(frame.energy is not None or frame.forces is not None for frame in frames):
        names, options = ", ".join(request.data), advice(frames)
        raise TrainingError(
            "no training frame has an energy or forces",
            where=names,
            fix=f"Say where they are: {options}" if options else "Give a file with reference energies",
        )
    if request.valid:
        return frames, read_frames(request.valid, request.skip_bad, terminal, request.keys)
    train, valid = split_frames(frames, settings.valid_fraction, settings.seed)
    return [frames[i] for i in train], [frames[i] for i in valid]


def _resumed(request: TrainRequest) -> Trainer:
    if request.data or request.valid or request.config is not None:
        raise SettingsError(
            "--resume takes its data and settings from the run folder",
            where=str(request.output),
            fix="Leave out DATA, --valid and --config; --epochs may set a new goal",
        )
    declared = [d for d in declarations(TrainSettings) if d.path in request.changes]
    fixed = [d.flag for d in declared if not d.setting.resumable]
    fixed += ["--linear-ridge"] if "linear_ridge" in request.changes else []
    if fixed:
        raise SettingsError(
            f"{', '.join(sorted(fixed))} cannot change on the way",
            where=str(request.output),
            fix="Start a new training for that",
        )
    settings = RunFolder.open(request.output).settings.replace(**request.changes)
    from nnpcore.training import Trainer

    return Trainer.resume(request.output, settings=settings)


def run_training(trainer: Trainer, terminal: Terminal) -> tuple[TrainResult, bool]:
    """Run a prepared training with a bar; return (what it returned, whether Ctrl+C stopped it)."""
    control = TrainControl()
    with stop_on_interrupt(control, terminal), terminal.counter("Epoch", trainer.n_epochs) as counter:

        def on_epoch(record: EpochRecord, _: Trainer) -> None:
            counter.update(record.epoch, epoch_text(record))
            for message in record.messages:
                terminal.warn(f"epoch {record.epoch}: {message.text}")

        outcome = trainer.run(on_epoch, control)
    return outcome, control.state is ControlState.STOPPING


def stop_on_interrupt(control: TrainControl, terminal: Terminal) -> AbstractContextManager[None]:
    """Let Ctrl+C (and a request to end) stop the training cleanly; a second Ctrl+C gives up at once."""

    def stop() -> None:
        control.stop()
        terminal.say("Stopping; the training is kept. Ctrl+C again gives up at once.")

    return stop_once(stop, lambda: control.state is ControlState.STOPPING)


def _result(
    request: TrainRequest, trainer: Trainer, outcome: TrainResult, stopped: bool, terminal: Terminal
) -> dict[str, Any]:
    """Return what ``--json`` prints: RMSEs of the best weights on the training and validation frames."""
    from nnpcore.training import rmse_report

    frames = {"training": trainer.train_frames, "validation": trainer.valid_frames}
    with terminal.progress("Evaluating") as progress:
        known = {name: part for name, part in frames.items() if part}
        data_sets = rmse_report(trainer.potential(), known, progress=progress)
    last = trainer.history[-1] if trainer.history else None
    return {
        "run": str(request.output),
        "epochs": last.epoch if last else 0,
        "optimizer": last.optimizer if last else "",
        "train_seconds": last.seconds if last else 0.0,
        "stopped": stopped,
        "messages": [message.text for record in trainer.history for message in record.messages],
        "data_sets": data_sets,
        "exit_status": STOPPED if stopped else 0,
    }


def _say_what_next(request: TrainRequest, trainer: Trainer, stopped: bool, terminal: Terminal) -> None:
    if stopped:
        terminal.say(f"Stopped. Go on with it by: eatlas train -o {request.output} --resume")
    else:
        terminal.say(
            f"The training is in {request.output}. Next: eatlas map {request.output} --eos FILE -o DIR"
        )
