"""Learning curves: trainings on ever more frames as jobs, their errors, and what their data foretell."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nnpcore.analyses.foretold import learned_from
from nnpcore.analyses.monitor import MappingMonitor
from nnpcore.analyses.monitored_training import train_monitored
from nnpcore.cluster import Executor, Hand, Job, Outcome, Shared, open_executor
from nnpcore.descriptors import SymmetryFunctions
from nnpcore.errors import EatlasError, RunFolderError
from nnpcore.files import FileFormat
from nnpcore.progress import Progress
from nnpcore.structures.as_values import frames_from_values, frames_to_values
from nnpcore.threads import default_threads
from nnpcore.training.apart import TrainingData, ended_run, reserved, train, training_job, write_run
from nnpcore.training.data_sources import fingerprint
from nnpcore.training.described import with_functions
from nnpcore.training.evaluate import rmse_report
from nnpcore.training.folder_lock import Writer, one_writer
from nnpcore.training.group_weights import counted_labels
from nnpcore.training.learning_curve import MAPPING, LearningPlan, LearningPoint
from nnpcore.training.leaving_out import without_unused
from nnpcore.training.run_folder import RunFolder
from nnpcore.training.settings import TrainSettings
from nnpcore.training.storage import Remembered, Storage
from nnpcore.training.stress import settled_stress
from nnpcore.units import MEV_PER_EV

if TYPE_CHECKING:
    from nnpcore.posterior import Posterior
    from nnpcore.potential import Potential
    from nnpcore.structures.frame import Frame

FILE = "learning-curve.json"
FORMAT = FileFormat(
    name="eatlas learning curve",
    version=1,
    noun="a learning curve",
    error=RunFolderError,
    fix="Choose another folder",
)
MOST_FORETOLD = 40
"""Test frames whose spreads are foretold; of more, as many evenly spread."""

_MOST_TELLING = 400
"""Frames that may be among those that tell whether stresses count."""

_FORETELL_COST = 0.2
"""Of foretelling what data leave open, where training on them costs one."""


@dataclass(eq=False)
class LearningCurve:
    """The points of a learning curve, and what is still to be done.

    Attributes
    ----------
    plan : what is trained. folder : where the trainings are. points : those done, by size and seed.
    errors : why a training has failed, by its folder's name. stopped : whether it was stopped before its end.
    """

    plan: LearningPlan
    folder: Path
    points: list[LearningPoint]
    errors: dict[str, EatlasError]
    stopped: bool = False


def decided(plan: LearningPlan, progress: Progress | None = None) -> LearningPlan:
    """Return a plan whose settings leave nothing to the data, so that all trainings have the same.

    Symmetry functions and the weight of the stress are chosen by all frames to train and validate on.
    """
    from nnpcore.training.choosing import choice_for

    frames, settings = [*plan.pool, *plan.valid], plan.settings
    progress = progress or Progress()
    choosing, telling = progress.part(0.0, 0.6), progress.part(0.6, 1.0)
    given = settings.descriptors
    if given.preset == "auto" and given.functions is None:
        functions = choice_for(frames, settings, choosing).functions
        used = {"descriptors.functions": functions.to_dict(), "descriptors.cutoff": functions.cutoff}
        settings = settings.replace(**used)
    elif given.functions is None:
        settings, functions = with_functions(settings, frames)
        settings = settings.replace(**{"descriptors.functions": functions.to_dict()})
    else:
        functions = SymmetryFunctions.from_dict(given.functions)
    if settings.stress_weight is None:
        settings = _with_stress(settings, frames, functions, telling)
    return replace(plan, settings=settings)


def _with_stress(
    settings: TrainSettings, frames: Sequence[Frame], functions: SymmetryFunctions, progress: Progress
) -> TrainSettings:
    """Return settings with the weight and the order of the stress that some of the frames confirm."""
    from nnpcore.descriptors import compute_descriptors

    bound = without_unused(frames, settings)
    some = [bound[k] for k in np.linspace(0, len(bound) - 1, min(len(bound), _MOST_TELLING)).astype(int)]
    threads = settings.n_threads or default_threads()
    found = compute_descriptors(
        some, functions, derivatives=False, n_threads=threads, progress=progress.part(0.0, 0.2)
    )
    return settled_stress(settings, some, found, threads, progress.part(0.2, 1.0), frames).settings


def learning_curve(
    plan: LearningPlan,
    folder: str | Path,
    *,
    scheduler: str = "",
    monitor: MappingMonitor | None = None,
    resume: bool = False,
    on_point: Callable[[LearningPoint], object] | None = None,
    progress: Progress | None = None,
) -> LearningCurve:
    """Decide what the settings leave to the data, and :func:`learn`.

    ``scheduler`` : where the trainings run, such as "local:4"; this process where it is empty.
    """
    told = progress or Progress()
    plan = decided(plan, told.part(0.0, 0.05))
    with open_executor(scheduler, plan.settings.n_threads) as executor:
        return learn(
            plan, Path(folder), executor,
            monitor=monitor, resume=resume, on_point=on_point, progress=told.part(0.05, 1.0),
        )  # fmt: skip


def learn(
    plan: LearningPlan,
    folder: Path,
    executor: Executor,
    *,
    monitor: MappingMonitor | None = None,
    resume: bool = False,
    on_point: Callable[[LearningPoint], object] | None = None,
    progress: Progress | None = None,
) -> LearningCurve:
    """Train, measure and foretell; what is done is kept in ``folder`` as it comes.

    Parameters
    ----------
    plan : with settings that leave nothing to the data, see :func:`decided`.
    folder : gets a run folder for each training and :data:`FILE`.
    executor : who trains; trainings are independent.
    monitor : what mapping errors are of, if anything.
    resume : take over what was done in the folder with the same plan.
    on_point : told every point, those taken over first.

    Raises
    ------
    RunFolderError : the folder holds another learning curve, is being written, or cannot be.
    AnalysisError : what is monitored is none. Cancelled : by ``progress``; what is done is kept.
    """
    with one_writer(folder, Writer.LEARNING_CURVE):
        return _Learning(plan, folder, executor, monitor, on_point).run(resume, progress or Progress())


class _Learning:
    """One learning curve in the making."""

    def __init__(
        self,
        plan: LearningPlan,
        folder: Path,
        executor: Executor,
        monitor: MappingMonitor | None,
        on_point: Callable[[LearningPoint], object] | None,
    ) -> None:
        self.plan, self.folder, self.executor, self.monitor = plan, folder, executor, monitor
        self.on_point = on_point
        self.curve = LearningCurve(plan, folder, [], {})
        self.done: dict[tuple[int, int], LearningPoint] = {}

    def run(self, resume: bool, progress: Progress) -> LearningCurve:
        plan = self.plan
        self._prepare_monitor()
        before = read_points(self.folder, plan) if resume else []
        for point in before:
            own = plan.frames_of(point.n, point.seed), plan.valid
            settings = plan.settings_of(point.seed)
            if (point.n, point.seed) in plan.trainings and self._is_there(point, settings, *own):
                self._put(point)
        left = [pair for pair in plan.trainings if pair not in self.done]
        self._write()
        jobs = [job for pair in left for job in self._jobs(*pair)]
        found: dict[tuple[int, int], LearningPoint] = {}
        for outcome in self.executor.run(jobs, progress) if jobs else ():
            pair = left[outcome.index // 2]
            point = found.get(pair, LearningPoint(*pair, plan.name_of(*pair)))
            updated = self._taken(point, outcome)
            if updated is None:
                continue
            found[pair] = updated
            if updated.run and updated.foretold:
                self._put(updated)
                self._write()
        self.curve.stopped = len(self.done) + len(self.curve.errors) < len(plan.trainings)
        return self.curve

    def _prepare_monitor(self) -> None:
        if self.monitor is not None:
            _, functions = with_functions(self.plan.settings, self.plan.pool)
            from nnpcore.descriptors import Whitening, compute_descriptors

            d = compute_descriptors(self.plan.pool[:1], functions, derivatives=False)
            self.monitor.prepare(functions, Whitening.fit(d.values, d.species, functions))

    def _is_there(
        self, point: LearningPoint, settings: TrainSettings, train: Sequence[Frame], valid: Sequence[Frame]
    ) -> bool:
        """Whether the training of a point is still in its folder, as it was."""
        if ended_run(self.folder / point.name, settings, train, valid) is None:
            return False
        return RunFolder.open(self.folder / point.name).id == point.run

    # jobs ---------------------------------------------------------------------------------------------
    def _jobs(self, n: int, seed: int) -> list[Job]:
        """Return the job of a training, and that of what its data foretell."""
        plan, frames = self.plan, self.plan.frames_of(n, seed)
        path, settings = self.folder / plan.name_of(n, seed), plan.settings_of(seed)
        monitored = {"monitor": Shared(self.monitor.to_dict())} if self.monitor is not None else {}
        job = training_job(
            settings,
            TrainingData.of(frames, plan.valid),
            path,
            function=train_monitored if monitored else train,
            more=monitored,
        )
        if self.executor.here:
            given = job.own()
            job = replace(job, given={**given, "describer": self._describer()})
        asked = {
            "frames": frames_to_values(counted_labels(frames, settings)),
            "functions": settings.descriptors.functions,
            "kinds": list(learned_from(settings)),
            "monitored": bool(monitored),
        }
        foretelling = Job(
            f"{path.name}, foretold", foretell, asked, {"test": self._test(), **monitored},
            cost=_FORETELL_COST * n,
        )  # fmt: skip
        return [replace(job, cost=float(n)), foretelling]

    def _describer(self) -> Remembered:
        if not hasattr(self, "_remembered"):
            settings = self.plan.settings
            self._remembered = Remembered(Storage(settings.derivatives, n_threads=settings.n_threads))
        return self._remembered

    def _test(self) -> Shared:
        if not hasattr(self, "_shared"):
            frames = self.plan.test
            chosen = np.linspace(0, len(frames) - 1, min(len(frames), MOST_FORETOLD)).round().astype(int)
            self._shared = Shared(frames_to_values([frames[k] for k in np.unique(chosen)]))
        return self._shared

    # results ------------------------------------------------------------------------------------------
    def _taken(self, point: LearningPoint, outcome: Outcome) -> LearningPoint | None:
        """Return a point with what a job has found; None where it has failed or was stopped."""
        try:
            values = outcome.taken()
            if outcome.index % 2:
                return replace(point, foretold=dict(values))
            if values["reason"] == "stopped":
                return None
            path = self.folder / point.name
            if not self.executor.here:
                with reserved(path):
                    write_run(path, values["files"])
            return self._measured(point, path)
        except EatlasError as error:
            self.curve.errors[point.name] = error
            return None

    def _measured(self, point: LearningPoint, path: Path) -> LearningPoint:
        from nnpcore.potential import Potential

        potential = Potential.load(path)
        run = RunFolder.open(path).id
        mapping = math.nan
        if self.monitor is not None:
            mapping = max(abs(error) for error in self.monitor.evaluate(potential).values())
        return replace(point, run=run, mapping=mapping, **errors_on(potential, self.plan.test))

    def _put(self, point: LearningPoint) -> None:
        self.done[point.n, point.seed] = point
        self.curve.points = [self.done[pair] for pair in sorted(self.done)]
        if self.on_point is not None:
            self.on_point(point)

    def _write(self) -> None:
        write_points(self.folder, self.plan, self.curve.points)


def errors_on(potential: Potential, frames: Sequence[Frame]) -> dict[str, float]:
    """Return the RMSE of the energies (meV/atom) and the forces (eV/Å) of frames; NaN without a reference."""
    report = rmse_report(potential, {"test": frames})["test"]
    found = (report["rmse_energy_mev_per_atom"]["mean"], report["rmse_force_ev_per_ang"]["mean"])
    energy, force = (math.nan if value is None else value for value in found)
    return {"energy": energy, "force": force}


def foretell(given: Mapping[str, Any], hand: Hand) -> dict[str, Any]:
    """Return, as a job, what training frames are foretold to leave open of others and of targets."""
    from nnpcore.descriptors import SymmetryFunctions, Whitening, compute_descriptors
    from nnpcore.posterior import Posterior

    frames, test = frames_from_values(given["frames"]), frames_from_values(given["test"])
    functions = SymmetryFunctions.from_dict(given["functions"])
    targets = {}
    if given["monitored"]:
        monitor = MappingMonitor.from_dict(given["monitor"])
        d = compute_descriptors(frames[:1], functions, derivatives=False)
        monitor.prepare(functions, Whitening.fit(d.values, d.species, functions), n_threads=hand.n_threads)
        targets = monitor.targets()
    posterior = Posterior.fit(
        frames,
        functions,
        targets=[target for some in targets.values() for target in some],
        kinds=given["kinds"] or ("energy", "forces"),
        n_threads=hand.n_threads,
        progress=hand.progress.part(0.0, 0.7),
    )
    energy, force = posterior.label_spreads(
        test, n_threads=hand.n_threads, progress=hand.progress.part(0.7, 1.0)
    )
    found = {"energy": MEV_PER_EV * _rms(energy), "force": _rms(force)}
    if targets:
        found[MAPPING] = MEV_PER_EV * max(_spread_of(posterior, some) for some in targets.values())
    return found


def _spread_of(posterior: Posterior, targets: Sequence[Any]) -> float:
    return _rms(posterior.spread(targets))


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


# keeping ----------------------------------------------------------------------------------------------
def write_points(folder: Path, plan: LearningPlan, points: Sequence[LearningPoint]) -> None:
    """Keep points with what they belong to; RunFolderError where they cannot be written."""
    content = _identity(plan) | {
        "n_valid": len(plan.valid),
        "n_test": len(plan.test),
        "sizes": list(plan.sizes),
        "seeds": list(plan.seeds),
        "points": [point.to_dict() for point in points],
    }
    FORMAT.write(folder / FILE, content)


def read_points(folder: Path, plan: LearningPlan) -> list[LearningPoint]:
    """Return the points kept in a folder; none without any.

    RunFolderError where they are damaged, or of another plan than this: other frames or settings.
    """
    path = folder / FILE
    if not path.is_file():
        return []
    with FORMAT.reading(path) as document:
        known = _identity(plan)
        others = [name for name in known if document[name] != known[name]]
        if others:
            names = " and ".join(name.replace("_", " ") for name in others)
            raise RunFolderError(
                f"the learning curve in this folder has other {names}",
                fix="Give the same as before, or choose another folder",
            )
        return [LearningPoint.from_dict(values) for values in document["points"]]


def read_any(folder: Path) -> tuple[list[LearningPoint], int]:
    """Return the points kept in a folder, whatever they are of, and how many trainings were planned.

    RunFolderError where they are damaged.
    """
    with FORMAT.reading(folder / FILE) as document:
        points = [LearningPoint.from_dict(values) for values in document["points"]]
        return points, len(document["sizes"]) * len(document["seeds"])


def _identity(plan: LearningPlan) -> dict[str, Any]:
    settings = plan.settings.replace(n_threads=None, seed=0)
    return {
        "settings": settings.model_dump(mode="json", exclude_none=True),
        "training_frames": fingerprint(plan.pool),
        "validation_frames": fingerprint(plan.valid),
        "test_frames": fingerprint(plan.test),
    }
