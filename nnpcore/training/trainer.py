"""The training of an ensemble: preparation, epochs, best weights, checkpoints."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.descriptors.functions import USUAL_CUTOFF
from nnpcore.errors import Cancelled, RunFolderError, SettingsError, TrainingError
from nnpcore.installation import VERSION
from nnpcore.potential.network import NetworkWeights
from nnpcore.potential.storage import refuse_newer
from nnpcore.progress import Progress
from nnpcore.threads import default_threads, one_blas_thread
from nnpcore.training.baseline.fitting import BaselinePlan
from nnpcore.training.best import Best, KeptPredictions
from nnpcore.training.choosing import choice_for
from nnpcore.training.control import Pace, TrainControl
from nnpcore.training.data import Guide
from nnpcore.training.described import DescribedFrames, Scales, with_functions
from nnpcore.training.divergence import diverged_members, jumped_members, own_rms
from nnpcore.training.doubts import check_neighbors, check_predictable, why_diverged
from nnpcore.training.engines.engine import Engine, resolve_device
from nnpcore.training.engines.packing import Packing
from nnpcore.training.evaluate import monitored_score, rmse_report
from nnpcore.training.group_weights import counted_labels
from nnpcore.training.guidance import GuidancePlan
from nnpcore.training.guidance_posterior import Learned
from nnpcore.training.history import EpochRecord, Message, Severity, thin
from nnpcore.training.keeping import Keeper
from nnpcore.training.leaving_out import as_kept
from nnpcore.training.monitoring import Monitor, MonitorLike, epochs_without_gain, mapping_errors
from nnpcore.training.optimizers.base import ErrorSums, diverged
from nnpcore.training.optimizers.choice import choose_optimizer, usual_epochs
from nnpcore.training.run_folder import Checkpoint, RunFolder, TrainingValues
from nnpcore.training.settings import TrainSettings
from nnpcore.training.short_range import short_range_of
from nnpcore.training.spent_time import SpentTime
from nnpcore.training.storage import Describer, Storage
from nnpcore.training.stress import settled_stress
from nnpcore.training.stress_order import stresses_in_order
from nnpcore.training.used_frames import UsedFrames

if TYPE_CHECKING:
    from nnpcore.potential import Potential
    from nnpcore.potential.short_range import ShortRange
    from nnpcore.structures.frame import Frame


@dataclass(frozen=True, eq=False)
class TrainResult:
    """What a training has come to.

    Attributes
    ----------
    potential : the best weights of every member.
    history : one record an epoch, those before a resume included.
    reason : why it ended: "finished", "stopped", "no progress" or "converged".
    best_epoch : (n_members,) epoch of every member's best weights, 0 = the initial ones.
    messages : everything worth telling the user, in order.
    test : RMSEs on the test frames, see :func:`rmse_report`; None without any, or where it was stopped.
    """

    potential: Potential
    history: list[EpochRecord]
    reason: str
    best_epoch: np.ndarray
    messages: list[str]
    test: dict[str, Any] | None = None


def _refuse_fewer_epochs(goal: int | None, checkpoint: Checkpoint, folder: RunFolder) -> None:
    """Raise SettingsError where more epochs are done than a training is to go to."""
    try:
        done = int(checkpoint.state["history"][-1]["epoch"])
    except (LookupError, TypeError, ValueError):
        return  # none yet, or damaged, which is said where it is taken up
    if goal and goal < done:
        raise SettingsError(
            f"{done} epochs are done, more than the {goal} it is to go to",
            where=f"{folder.path}, epochs",
            fix=f"Give a goal above {done}",
        )


def _with_its_atom_energies(settings: TrainSettings, folder: RunFolder) -> TrainSettings:
    """Return settings with the energies of isolated atoms of a run; RunFolderError where they have others."""
    if settings.atom_energies != folder.settings.atom_energies:
        what = "the energies of isolated atoms are no longer those it was begun with"
        raise RunFolderError(what, where=str(folder.path), fix="Leave them out, or start a new training")
    begun_with_fitted = settings.atom_energies == "auto"
    return settings.replace(atom_energies="fitted") if begun_with_fitted else settings


class Trainer:
    """Trains an ensemble on frames.

    The constructor checks what can be checked at once; :meth:`prepare` chooses symmetry functions where they
    are left to the data, and computes the descriptors; :meth:`run` trains. :meth:`potential` may be called
    from any thread at any time after :meth:`prepare`.

    Parameters
    ----------
    settings : the user's choices; frames that they leave out are not trained on.
    train, valid : frames of any size and composition; values they lack do not count.
    run_folder : where to keep the run; None keeps it in memory only.
    monitor : asked after every epoch for the mapping errors of its weights (``EpochRecord.mapping``), a
        ``MappingMonitor`` or a function of the potential; kept in the run folder, but not by a resume.
    parent : the run whose data these frames add to; kept in the run folder.
    counts : how many times each training frame counts (see :mod:`nnpcore.training.counts`), once each where
        there are none; kept in the run folder.
    describer : what computes descriptors; by default a :class:`~nnpcore.training.storage.Storage` of its own.
    test : frames that no choice sees: looked at once, when the training has ended; kept in the run folder.
    drawn : whether ``valid`` was drawn by these settings (``settings.split_of``), not given; kept in the run
        folder, where reports say it.

    Attributes
    ----------
    asked : the settings as they were given; of a training that is resumed, those its folder has.
    settings : the same with what they left to the data: :meth:`prepare` puts in symmetry functions of the
        preset auto, the weight of the stress and its order.
    data : the frames with their descriptors, and what is learned from them; after :meth:`prepare`.
    history : one record an epoch.
    functions, choice : symmetry functions; the optimizer, with the reason in a sentence. With the preset
        auto there are some after :meth:`prepare` only.
    keeper : writes the run folder; its ``trouble`` says why the last state is not on disk.
    test_errors : RMSEs of the best weights on the test frames, once the training has ended.

    Raises
    ------
    TrainingError : no frames, nothing in them that the loss asks for, or counts that are none.
    DataError : a test frame among the others.
    SettingsError : a device that is not there, a filter that does not fit.
    """

    def __init__(
        self,
        settings: TrainSettings,
        train: Sequence[Frame],
        valid: Sequence[Frame],
        *,
        run_folder: str | Path | None = None,
        monitor: MonitorLike | None = None,
        parent: str | Path | None = None,
        counts: Sequence[float] = (),
        describer: Describer | None = None,
        test: Sequence[Frame] = (),
        drawn: bool | None = None,
    ) -> None:
        used = UsedFrames.of(settings, train, valid, test, counts)
        self.asked = self.settings = settings = used.settings
        self.train_frames, self.valid_frames, self.test_frames = used.train, used.valid, used.test
        self.counts = used.counts
        self.atom_energies = used.atom_energies
        self.monitor = monitor
        self.test_errors: dict[str, Any] | None = None
        self.device = resolve_device(settings.device)
        self.history: list[EpochRecord] = []
        self._describer = describer
        self._opening = list(used.messages)
        self.data: DescribedFrames
        self.keeper = Keeper(run_folder, parent, drawn)
        self._checkpoint: Checkpoint | None = None
        self._engine: Engine | None = None
        self._guide: Guide | None = None
        self._learned: Learned | None = None
        self._short_range: ShortRange | None = None
        self._bare_frames: Sequence[Frame] = self.train_frames  # less what lies below them
        self._spent = SpentTime()
        self._told: list[Message] = []  # in the epoch at hand
        self._running = threading.Lock()
        self._undecided = settings.descriptors.preset == "auto" and settings.descriptors.functions is None
        if self._undecided:
            check_neighbors(self.train_frames, settings.descriptors.cutoff or USUAL_CUTOFF)
        else:
            self._decide(settings)

    def _decide(self, settings: TrainSettings) -> None:
        """Lay out the networks for the symmetry functions of the settings."""
        settings, functions = with_functions(settings, self.train_frames)
        template = NetworkWeights.initial(
            functions, settings.hidden, settings.n_members, settings.seed, settings.activation
        )
        packing = Packing.of(template)
        choice = choose_optimizer(settings, packing)
        self.settings, self.functions = settings, functions
        self._template, self._packing, self.choice = template, packing, choice
        self._opening.insert(0, Message(choice.sentence, Severity.NOTE))
        self._baseline = BaselinePlan(settings, choice.optimizer)
        self._guidance = GuidancePlan(settings, choice.optimizer)
        self._best, self._kept = Best.start(packing.to_internal(template)), KeptPredictions()
        self._undecided = False

    def _choose_functions(self, progress: Progress) -> None:
        """Let the frames choose the symmetry functions; they then stand as a table in the settings.

        Frames of the validation that have the same elements count, too: so they do not hang on the split.
        """
        numbers = np.unique(np.concatenate([f.numbers for f in self.train_frames]))
        alike = [f for f in self.valid_frames if np.isin(f.numbers, numbers).all()]
        frames = counted_labels([*self.train_frames, *alike], self.settings)
        known = [f for f in frames if f.energy is not None or f.forces is not None]
        found = choice_for(known or frames, self.settings, progress)
        used = {
            "descriptors.functions": found.functions.to_dict(),
            "descriptors.cutoff": found.functions.cutoff,
        }
        self._decide(self.settings.replace(**used))
        self._opening.insert(0, Message(found.sentence, Severity.NOTE))

    @classmethod
    def resume(
        cls,
        run_folder: str | Path,
        settings: TrainSettings | None = None,
        *,
        train: Sequence[Frame] | None = None,
        valid: Sequence[Frame] | None = None,
        test: Sequence[Frame] | None = None,
        monitor: MonitorLike | None = None,
    ) -> Trainer:
        """Go on with the training in a run folder, exactly where its checkpoint is.

        Parameters
        ----------
        run_folder : of the training.
        settings : changed settings (more epochs, another number of threads); None = those of the folder.
        train, valid, test : the frames, where they came from no file or their files are gone; as the training
            was given them, or as its folder keeps them.
        monitor : as for a new training, ``MappingMonitor.load(run_folder)`` for the one it had.

        Raises
        ------
        RunFolderError : folder or checkpoint missing, damaged or foreign; data missing or changed.
        SettingsError : a new goal of fewer epochs than are done.
        """
        folder = RunFolder.open(run_folder)
        checkpoint = folder.read_checkpoint()
        refuse_newer(folder.potential_path)
        settings = folder.settings if settings is None else settings.filled_from(folder.settings)
        folder.refuse_changes(settings)
        _refuse_fewer_epochs(settings.epochs, checkpoint, folder)
        settings = _with_its_atom_energies(settings, folder)
        given = {"training": list(train or ()), "validation": list(valid or ()), "test": list(test or ())}
        frames = folder.find_frames() if train is None else as_kept(given, settings, folder)
        trainer = cls(
            settings,
            frames["training"],
            frames["validation"],
            run_folder=folder.path,
            monitor=monitor,
            parent=folder.parent or None,
            counts=folder.counts,
            test=frames["test"],
            drawn=folder.drawn,
        )
        trainer.keeper.folder = folder
        trainer._checkpoint = checkpoint
        return trainer

    @property
    def n_epochs(self) -> int:
        """Epochs this training goes to, those before a resume included."""
        return self.settings.epochs or usual_epochs(self.choice.optimizer, len(self.train_frames))

    def prepare(self, progress: Progress | None = None) -> None:
        """Begin the run folder, or take it up where it stopped; compute descriptors and reference energies.

        Where symmetry functions are left to the data, they are chosen before.

        Raises
        ------
        RunFolderError : the folder cannot be written, or its checkpoint does not fit.
        DataError, PotentialError : a frame that cannot be used, naming it.
        """
        if self._undecided:
            progress = progress or Progress()
            self._choose_functions(progress.part(0.0, 0.7))
            progress = progress.part(0.7, 1.0)
        self.keeper.begin(self)
        try:
            self._prepare(progress)
        except BaseException:
            self.keeper.end()
            raise

    def _prepare(self, progress: Progress | None) -> None:
        if self._checkpoint is not None and self.keeper.folder is not None:
            self._checkpoint = self.keeper.folder.read_checkpoint()  # now that nobody else writes
        progress = progress or Progress()
        check_predictable(self.test_frames, self.functions)
        valid = self._lay_below(progress.part(0.0, 0.05))
        describing, telling = progress.part(0.05, 0.8), progress.part(0.8, 1.0, "foretelling stresses")
        self.data = DescribedFrames.of(
            self.functions,
            self._bare_frames,
            valid,
            self._kept_scales(),
            floor=self.settings.input_floor,
            counts=self.counts,
            settings=self.settings,
            about=self.atom_energies.values,
            storage=self._describer
            or Storage(
                self.settings.derivatives,
                self.keeper.path,
                self.device,
                self.settings.n_threads,
            ),
            progress=describing,
        )
        if self._checkpoint is None:
            self._settle_stress(valid, telling)
        if self._baseline.epochs == 0:
            self._best = replace(self._best, baseline=self._baseline.from_start(self.data.train))
        self._engine = Engine(
            self.settings,
            self.choice,
            self._packing,
            self._best.last,
            *self.data.over(self._best.baseline),
            device=self.device,
            n_threads=self.settings.n_threads or default_threads(),
        )
        if isinstance(self.monitor, Monitor):
            self.monitor.prepare(self.functions, self.data.scales.whitening, self.data.values())
        if self._checkpoint is None:
            self.keeper.prepared(self)
        else:
            self._take_up(self._checkpoint)
            self.keeper.resumed(self)

    def _lay_below(self, progress: Progress) -> Sequence[Frame]:
        """Find the repulsion under the networks and take it off the labels; return those of validation."""
        frames = [*self.train_frames, *self.valid_frames]
        functions = self.functions
        self._short_range, sentence = short_range_of(
            frames, functions.elements, functions.cutoff, self.settings, progress
        )
        if self._short_range is None:
            return self.valid_frames
        if self._checkpoint is None:
            self._opening.append(Message(sentence, Severity.NOTE))
        self._bare_frames = self._short_range.taken_off(self.train_frames)
        return self._short_range.taken_off(self.valid_frames)

    def _settle_stress(self, valid: Sequence[Frame], progress: Progress) -> None:
        """Let the frames tell whether their stresses count; ``valid`` : less what lies below them."""
        threads, given = self.settings.n_threads or default_threads(), self.settings.stress_order
        settled = settled_stress(
            self.settings,
            self._bare_frames,
            self.data.train.descriptors,
            threads,
            progress,
            (*valid, *self.test_frames),
        )
        self._opening += settled.messages
        self._learned = settled.learned if self._guidance.epochs is not None else None
        if settled.settings != self.settings:
            self.settings = settled.settings
            self._baseline = BaselinePlan(self.settings, self.choice.optimizer)
            self._guidance = GuidancePlan(self.settings, self.choice.optimizer)
        if self.settings.stress_order != given:
            parts = (self._bare_frames, valid)
            self.data = self.data.with_stresses(*(stresses_in_order(p, self.settings) for p in parts))

    def run(
        self,
        on_epoch: Callable[[EpochRecord, Trainer], None] | None = None,
        control: TrainControl | None = None,
        progress: Progress | None = None,
    ) -> TrainResult:
        """Train until all epochs are done, progress ends, or the user stops it.

        Parameters
        ----------
        on_epoch : called in this thread after every epoch; ``keeper.trouble`` tells where the last state
            could not be written: the training goes on in memory, and writing is tried again.
        control : pause, resume, stop; heard within one batch of frames.
        progress : told the fraction within an epoch; may cancel.

        Raises
        ------
        TrainingError : all members have diverged.
        RunFolderError : at the end the folder cannot be written; :meth:`potential` and ``history`` keep what
            was reached, and :meth:`save_to` takes it elsewhere.
        Cancelled : by ``progress``.
        """
        if self._engine is None:
            self.prepare(progress)
        # members and frames are spread over threads: BLAS is held to one, and sums keep their order
        with self._running, one_blas_thread():
            self.keeper.begin(self)
            try:
                self.test_errors, pace = None, Pace(control, progress)
                reason = self._epochs(on_epoch, pace)
                self._test(reason, pace)
                self.keeper.write_last(self)
            finally:
                self.keeper.end()
        messages = [self.choice.sentence, *(m.text for r in self.history for m in r.messages)]
        best_epoch = self._best.epoch.copy()
        return TrainResult(
            self.potential(), list(self.history), reason, best_epoch, messages, self.test_errors
        )

    def _test(self, reason: str, pace: Pace) -> None:
        """Look at the test frames once the training has ended; one that was stopped may still go on."""
        if not self.test_frames or reason == "stopped":
            return
        self.keeper.write_last(self)  # whatever happens to the test

        def heard(*_: object) -> None:
            if not pace.go_on():
                progress.cancel()

        progress = Progress(heard)
        threads = self.settings.n_threads
        with suppress(Cancelled):
            found = rmse_report(
                self.potential(),
                {"test": stresses_in_order(self.test_frames, self.settings)},
                n_threads=threads,
                progress=progress,
            )
            self.test_errors = found["test"]

    def _epochs(self, on_epoch: Callable[[EpochRecord, Trainer], None] | None, pace: Pace) -> str:
        engine = self._need_engine()
        while (epoch := self._epoch) < self.n_epochs:
            if not pace.go_on():
                return "stopped"
            with self._spent.counting(pace, self.device):
                if epoch == self._baseline.epochs and self._best.baseline is None:
                    self._put_under()
                if epoch == self._guidance.epochs and self._guide is None and not self._begin_guidance(pace):
                    return "stopped"
                errors = engine.optimizer.run_epoch(epoch, pace)
            if errors is None:
                return "stopped"
            record = self._judge(epoch + 1, errors)
            self.history.append(record)
            thin(self.history)
            if not record.alive.any():
                with suppress(RunFolderError):  # the keeper's trouble tells
                    self.keeper.write_last(self)
                fix = f"{why_diverged(self.train_frames)}. The last good weights are kept"
                raise TrainingError("all members have diverged", fix=fix)
            self.keeper.write_now_and_then(self)
            if on_epoch is not None:
                on_epoch(record, self)
            patience = self.settings.patience
            if patience is not None and epochs_without_gain(self.history) >= patience:
                return "no progress"
            if engine.optimizer.finished:
                return "converged"
        return "finished"

    @property
    def _epoch(self) -> int:
        """The last epoch that ended, from 1; 0 before."""
        return self.history[-1].epoch if self.history else 0

    def _put_under(self) -> None:
        """Move the networks' atomic energies onto those of the baseline."""
        weights = self._packing.to_weights(self._best.last, self._template)
        self._best = self._best.onto(self._baseline.after_epochs(self.data.train, weights))
        self._retarget()

    def _begin_guidance(self, pace: Pace) -> bool:
        """Let the networks follow a posterior from now on; False where the user stops the training."""
        threads = self.settings.n_threads or default_threads()
        energies, record = self.data.scales.element_energies, self.history[-1]
        try:
            guide = self._guidance.guide(
                self._bare_frames, self.data.train, energies, record, threads, pace, self._learned
            )
            self._learned = None
        except Cancelled:
            if pace.go_on():
                raise
            return False
        if guide is not None:
            self._guide, self._best = guide, self._best.onto(None)
            self._retarget()
        return True

    def _retarget(self) -> None:
        """Give the optimizer what is left for the networks, and what they are to follow."""
        self._kept.forget()
        train, valid = self.data.over(self._best.baseline)
        self._need_engine().retarget(replace(train, guide=self._guide), valid)

    def _judge(self, epoch: int, train_errors: ErrorSums) -> EpochRecord:
        """Validate the weights after an epoch, keep the best ones, and write the record."""
        engine = self._need_engine()
        optimizer = engine.optimizer
        weights = np.where(optimizer.alive[:, None], optimizer.weights(), self._best.last)
        messages = self._take_messages()
        self._told = []
        found = engine.predict(weights)
        errors = engine.errors_of(found)
        score = self._score(train_errors, errors)
        for member in np.flatnonzero(optimizer.alive & ~np.isfinite(score)):
            optimizer.alive[member] = False
            messages.append(diverged(int(member)))
        best = self._best.after(epoch, weights, score, optimizer.alive)
        improved = best.epoch == epoch
        mixed = bool(improved.any() and not improved.all())
        kept = None
        if improved.any():
            values = self._kept.after(improved, found, lambda: engine.predict(best.weights))
            kept = engine.errors_of(values) if mixed else None
        self._best = best
        if epoch == 1:
            data_note = [Message(self.data.note, Severity.NOTE)] if self.data.note else []
            messages[:0] = [*self._opening, *data_note]
        record = EpochRecord(
            epoch=epoch,
            seconds=self._spent.seconds,
            cpu_seconds=self._spent.cpu_seconds,
            optimizer=self.choice.optimizer,
            train=train_errors.rmses(),
            valid={} if errors is None else errors.rmses(),
            kept={} if kept is None else kept.rmses(),
            alive=optimizer.alive.copy(),
            messages=tuple(messages),
            best=bool(improved.any()),
            mapping=mapping_errors(self.monitor, self.current_potential),
            kept_mapping=mapping_errors(self.monitor, self.potential) if mixed else {},
        )
        return self._without_diverged(record)

    def _without_diverged(self, record: EpochRecord) -> EpochRecord:
        """Stop members that have diverged by their training errors; return the record with that in it.

        Optimizers that go down a loss may start high, and with L2 errors may grow on purpose: only a filter's
        members are judged. A jump is told of any of them, and stops none.
        """
        alive = self._need_engine().optimizer.alive
        own = own_rms(self.data.train.targets, self.settings.loss_weights)
        jumped = jumped_members([*self.history, record], own, alive)
        record = replace(record, messages=(*record.messages, *jumped.values()))
        if self.choice.optimizer != "kalman":
            return record
        found = diverged_members([*self.history, record], own, alive)
        alive[list(found)] = False
        return replace(record, alive=alive.copy(), messages=(*record.messages, *found.values()))

    def _take_messages(self) -> list[Message]:
        """Return what has happened in the epoch at hand; it is remembered until the epoch has ended."""
        plans = (self._baseline, self._guidance, self._need_engine().optimizer)
        self._told += [message for plan in plans for message in plan.take_messages()]
        return list(self._told)

    def _score(self, train: ErrorSums, valid: ErrorSums | None) -> np.ndarray:
        """Return every member's score: of the validation, or of the training where that says nothing."""
        weights = self.settings.loss_weights
        score = None if valid is None else monitored_score(valid, weights)
        if score is None:
            score = monitored_score(train, weights)
        return np.zeros(self.settings.n_members) if score is None else score

    def _need_engine(self) -> Engine:
        if self._engine is None:
            raise RuntimeError("call prepare() first")
        return self._engine

    def potential(self) -> Potential:
        """Return the best weights so far as a potential; before the first epoch the initial ones."""
        return self._potential_of(self._best)

    def current_potential(self) -> Potential:
        """Return the weights after the last epoch, whether or not they are the best ones."""
        return self._potential_of(self._best, last=True)

    def _potential_of(self, best: Best, *, last: bool = False) -> Potential:
        """Return the best or the last weights as a potential, with what lies under them."""
        from nnpcore.potential import Potential

        info: dict[str, Any] = {
            "name": self.keeper.name,
            "version": VERSION,
            "units": {"length": "Å", "energy": "eV"},
            "settings": self.settings.model_dump(mode="json", exclude_none=True),
            "best_epoch": [int(e) for e in best.epoch],
        }
        scales = self.data.scales
        weights = self._packing.to_weights(best.last if last else best.weights, self._template)
        if self.test_errors is not None and not last:
            info["test"] = {"n_frames": len(self.test_frames)} | self.test_errors
        info["atom_energies"] = self.atom_energies.origin
        energies, below = dict(scales.element_energies), self._short_range
        if self.atom_energies.values:  # what is fitted beyond them is the networks'
            apart = {e: energies[e] - self.atom_energies.values[e] for e in energies}
            weights, energies = weights.shifted(apart), dict(self.atom_energies.values)
        found = Potential(self.functions, scales.whitening, weights, energies, info, short_range=below)
        under = best.baseline
        if under is None:
            return found
        return replace(found, weights=replace(weights, skip=under.skip), nonlinear_baseline=under.nonlinear)

    def save(self) -> None:
        """Write an ended training again that could not be written; RunFolderError where it still cannot."""
        with self._running:
            try:
                self.keeper.begin(self)
                self.keeper.write_last(self)
            finally:
                self.keeper.end()

    def save_to(self, path: str | Path) -> None:
        """Keep the run in another folder from now on; one that trains writes there after its epoch.

        Raises RunFolderError where an ended training cannot be written there.
        """
        self.keeper.move_to(Path(path))
        if self._running.acquire(blocking=False):
            try:
                self.keeper.write_last(self)
            finally:
                self.keeper.end()
                self._running.release()

    def frames(self) -> dict[str, Sequence[Frame]]:
        """Return the frames by role."""
        return {"training": self.train_frames, "validation": self.valid_frames, "test": self.test_frames}

    def training_values(self) -> TrainingValues:
        """Return the descriptors of all atoms, as a run folder keeps them."""
        return self.data.values()

    def checkpoint(self) -> Checkpoint:
        """Return all that is needed to go on exactly, between two epochs or where one was stopped."""
        arrays = {f"optimizer.{k}": v for k, v in self._need_engine().optimizer.state().items()}
        arrays |= {f"whitening.{k}": v for k, v in self.data.scales.whitening.to_arrays().items()}
        arrays |= self._best.to_arrays()
        if self._guide is not None:
            arrays |= {f"guide.{name}": value for name, value in self._guide.to_arrays().items()}
        state = {
            "optimizer": self.choice.optimizer,
            "block_size": self.choice.block_size,
            "element_energies": self.data.scales.element_energies,
            "atom_energies": self.atom_energies.origin,
            **self._spent.to_dict(),
            "settings": self.settings.model_dump(mode="json", exclude_none=True),
            "messages": [[message.text, message.severity] for message in self._take_messages()],
            "history": [record.to_dict() for record in self.history],
        }
        return Checkpoint(arrays, state)

    def _take_up(self, checkpoint: Checkpoint) -> None:
        """Put everything back as it was when the checkpoint was written."""
        state, shape = checkpoint.state, self._best.weights.shape
        try:
            if (state["optimizer"], state["block_size"]) != (self.choice.optimizer, self.choice.block_size):
                raise ValueError(f"it was made by {state['optimizer']} with blocks of {state['block_size']}")
            best = Best.from_arrays(checkpoint, self.settings.baseline, self.functions.elements)
            self._best = replace(best, baseline=best.baseline or self._best.baseline)
            if guide := checkpoint.named("guide."):
                self._guide = Guide.from_arrays(guide)
            self._retarget()
            self._need_engine().optimizer.restore(checkpoint.named("optimizer."))
            if self._best.weights.shape != shape:
                raise ValueError(f"weights {self._best.weights.shape} instead of {shape}")
            self.history = [EpochRecord.from_dict(values) for values in state["history"]]
            self._spent = SpentTime.from_dict(state)
            origin = str(state.get("atom_energies", self.atom_energies.origin))
            self.atom_energies = replace(self.atom_energies, origin=origin)
            if "messages" in state:  # version 0.2 did not keep those of an epoch that was cut off
                self._take_messages()
                self._told = [Message(str(text), Severity(severity)) for text, severity in state["messages"]]
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise self._misfit(error) from None

    def _kept_scales(self) -> Scales | None:
        """Return the scales the training was begun with; None for a new one."""
        if self._checkpoint is None:
            return None
        try:
            return Scales.of_checkpoint(self._checkpoint)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._misfit(error) from None

    def _misfit(self, error: Exception) -> RunFolderError:
        where = str(self.keeper.folder.checkpoint_path) if self.keeper.folder is not None else ""
        return RunFolderError(
            f"the checkpoint does not fit the settings of this run ({error})",
            where=where,
            fix="Take the settings the run was started with, or start a new training",
        )
