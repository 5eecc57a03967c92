"""Snapshots for the analyses: what each kind needs is taken on the main thread and bound into a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from app.documents.run import RunDocument
from app.session.data import Data
from app.session.regions import Regions
from app.session.trainings import Trainings
from app.settings import Settings
from app.workers import compute, compute_regions, compute_rigidity
from nnpcore.progress import Progress
from nnpcore.structures import Role

if TYPE_CHECKING:
    from app.documents.dataset import DatasetDocument
    from nnpcore.structures.frame import Frame

Job = Callable[[Progress], Any]

TITLES = {
    "groups": "Describing atoms",
    "predictions": "Predicting this frame",
    "eos": "Equation of state",
    "mapping": "Mapping errors",
    "distance": "Distance to the training set",
    "pca": "Principal components",
    "pca_values": "Atomic energies of the training set",
    "connectivity": "Connectivity",
    "rigidity": "Rigidity",
    "rigidity_frame": "Rigidity of this frame",
}


class Jobs:
    """Makes the function of each kind, or None where its data are missing."""

    def __init__(self, settings: Settings, data: Data, regions: Regions, trainings: Trainings) -> None:
        self._settings, self._data, self._regions, self._trainings = settings, data, regions, trainings
        self._groups: dict[str, compute.Groups] = {}
        self.options: dict[str, dict[str, Any]] = {}

    def make(self, kind: str, run: RunDocument) -> Job | None:
        """Return the function that computes a kind for a run as things stand now."""
        return getattr(self, f"_job_{kind}")(run)

    def keep_groups(self, run_id: str, groups: compute.Groups) -> None:
        """Remember the described atoms of a run."""
        self._groups[run_id] = groups

    def forget(self, run_id: str) -> None:
        """Forget the atoms of a run."""
        self._groups.pop(run_id, None)

    def _threads(self) -> int | None:
        return 1 if self._trainings.active else (self._settings.n_threads or None)

    def _groups_of(self, run: RunDocument) -> compute.Groups | None:
        return self._groups.get(run.id)

    def _crystal(self) -> compute.GroupSource | None:
        """Return the EOS reference: the one chosen, else the first."""
        chosen = self.options.get("eos", {}).get("dataset_id")
        found = self._data.of_role(Role.EOS)
        found.sort(key=lambda d: d.id != chosen)
        if not found:
            return None
        d = found[0]
        return compute.GroupSource(d.id, d.name, d.role.value, d.color_index, d.frames)

    # one function a kind ------------------------------------------------------------------------------
    def _job_groups(self, run: RunDocument) -> Job | None:
        if run.values is None or run.whitening is None or run.functions is None:
            return None
        mine = {dataset_id for refs in (run.train, run.valid) for dataset_id, _ in refs.parts}
        others = [
            compute.GroupSource(d.id, d.name, _role_of(d), d.color_index, d.frames)
            for d in self._data.datasets.values()
            if d.id not in mine or d.role == Role.EOS
        ]
        named = {d.id: (d.name, d.color_index) for d in self._data.datasets.values()}
        order = compute.GroupsOrder(
            run.values,
            run.train,
            run.valid,
            run.whitening,
            run.functions,
            tuple(others),
            named,
            self._threads(),
        )
        known = self._groups.get(run.id)
        return lambda progress: compute.groups(order, known, progress)

    def _job_pca(self, run: RunDocument) -> Job | None:
        groups, epoch, potential = self._groups_of(run), run.epoch, run.potential
        options = dict(self.options.get("pca", {}))
        if groups is None:
            return None
        return lambda progress: compute.pca(groups, potential, epoch, **options)

    def _job_pca_values(self, run: RunDocument) -> Job | None:
        groups, epoch, potential = self._groups_of(run), run.epoch, run.potential
        known = run.analyses.get("pca")
        if groups is None or potential is None or known is None:
            return None
        return lambda progress: compute.with_energies(known, groups, potential, epoch)

    def _job_distance(self, run: RunDocument) -> Job | None:
        groups, epoch, crystal = self._groups_of(run), run.epoch, self._crystal()
        if groups is None:
            return None
        return lambda progress: compute.distance(groups, crystal, epoch, progress)

    def _job_connectivity(self, run: RunDocument) -> Job | None:
        groups, epoch = self._groups_of(run), run.epoch
        options = dict(self.options.get("connectivity", {}))
        if groups is None:
            return None
        labels = self._regions.labels() if options.get("grouping", "dataset") != "dataset" else None
        return lambda progress: compute.connectivity_of(groups, epoch, progress, labels=labels, **options)

    def _job_eos(self, run: RunDocument) -> Job | None:
        potential, epoch, crystal = run.potential, run.epoch, self._crystal()
        if potential is None or crystal is None:
            return None
        distance = run.analyses.get("distance")
        rmse = run.best("energy")
        return lambda progress: compute.eos(potential, crystal, distance, epoch, rmse)

    def _job_mapping(self, run: RunDocument) -> Job | None:
        potential, epoch = run.potential, run.epoch
        sets = tuple(self._regions.sets.values())
        if potential is None or not sets:
            return None
        crystal, known = self._crystal(), run.analyses.get("mapping")
        threads, rmse = self._threads(), run.best("energy")
        eos = run.analyses.get("eos")
        return lambda progress: compute_regions.mapping(
            potential, sets, crystal, epoch, rmse, eos, known, threads, progress
        )

    def _job_predictions(self, run: RunDocument) -> Job | None:
        potential, epoch, frame = run.potential, run.epoch, self._data.frame
        if potential is None or frame is None or self._data.current_id is None:
            return None
        where = (run.id, self._data.current_id, self._data.frame_index)
        threads = self._threads()
        return lambda progress: compute.predict(potential, frame, where, epoch, threads, progress)

    def _job_rigidity(self, run: RunDocument) -> Job | None:
        potential = run.potential
        if potential is None:
            return None
        frames = self._train_frames(run)
        order = compute_rigidity.RigidityOrder(
            potential,
            tuple(frames),
            self._crystal(),
            tuple(self._regions.sets.values()),
            run.epoch,
            self._threads(),
        )
        return lambda progress: compute_rigidity.rigidity(order, progress)

    def _train_frames(self, run: RunDocument) -> list[Frame]:
        """Return the training frames of a run; [] where some of their files are not open."""
        datasets = self._data.datasets
        if not all(dataset_id in datasets for dataset_id, _ in run.train.parts):
            return []
        return [datasets[key].frames[k] for key, indices in run.train.parts for k in indices.tolist()]

    def _job_rigidity_frame(self, run: RunDocument) -> Job | None:
        known = run.analyses.get("rigidity")
        frame, dataset_id = self._data.frame, self._data.current_id
        if known is None or frame is None or dataset_id is None:
            return None
        where = (run.id, dataset_id, self._data.frame_index)
        threads = self._threads()
        return lambda progress: compute_rigidity.frame_rigidity(known, frame, where, threads, progress)


def _role_of(dataset: DatasetDocument) -> str:
    """Return the role a data set has for a run that does not train on it, whatever it is used for now."""
    return Role.EOS.value if dataset.role == Role.EOS else Role.INSPECT.value
