"""What a report is made of: a run folder's content and its analyses, and why some of it may be missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from nnpcore.analyses import MappingMonitor, Missing, evaluation_of, found, required
from nnpcore.analyses.connectivity import CONNECTIVITY
from nnpcore.analyses.crystal import POINTS
from nnpcore.analyses.distance import DISTANCE, REACH
from nnpcore.analyses.eos import EOS
from nnpcore.analyses.graph import Analysis, Evaluation, Node
from nnpcore.analyses.inputs import N_REGION_GROUPS, TRAINING, TRAINING_FRAMES, TRAINING_VALUES
from nnpcore.analyses.pca import PCA
from nnpcore.analyses.regions import REFERENCES, REGION_ERRORS
from nnpcore.analyses.rigidity import RIGIDITY
from nnpcore.analyses.verdict import VERDICT
from nnpcore.errors import EatlasError, RunFolderError
from nnpcore.mapping import (
    EosCurve,
    EosReport,
    InvariantPoints,
    PcaResult,
    Reach,
    RegionError,
    RegionSet,
    RigidityStudy,
    Verdict,
)
from nnpcore.progress import Progress
from nnpcore.training import EpochRecord, RunFolder, TrainingValues
from nnpcore.training.history import energy_rmse

if TYPE_CHECKING:
    from nnpcore.mapping import Bracket, ConnectivityResult
    from nnpcore.potential import Potential
    from nnpcore.structures.frame import Frame

REPORTED: tuple[Analysis[object], ...] = (EOS, REGION_ERRORS, PCA, REACH, CONNECTIVITY, VERDICT, RIGIDITY)
"""What a report evaluates, in this order."""

MAX_REGION_GROUPS = 8
"""Regions on the map and in the matrix of connectivity; more could not be told apart."""

_Found = TypeVar("_Found")


@dataclass(eq=False)
class RunFacts:
    """What is in a run folder. ``trouble`` says by name why something is not there.

    ``frames`` and ``values`` are None where the data cannot be found again, ``scan_name`` names the scan in
    ``eos`` where the run's own monitor has several.
    """

    folder: RunFolder
    potential: Potential
    history: list[EpochRecord]
    values: TrainingValues | None = None
    frames: dict[str, list[Frame]] | None = None
    eos: list[Frame] = field(default_factory=list)
    scan_name: str = ""
    regions: list[RegionSet] = field(default_factory=list)
    trouble: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the run: that of its folder."""
        return self.folder.path.name or "run"


@dataclass(eq=False)
class MappingFacts:
    """The analyses of a run; None where ``trouble`` says by name why there is none.

    ``element`` is that of the atoms in the map, the distances and the connectivity. ``n_rigidity`` counts the
    training frames that the rigidity was computed with, and all of them.
    """

    verdict: Verdict
    element: str = ""
    points: InvariantPoints | None = None
    curve: EosCurve | None = None
    eos: EosReport | None = None
    bracket: Bracket | None = None
    scores: dict[str, np.ndarray] = field(default_factory=dict)
    pca: PcaResult | None = None
    reach: Reach | None = None
    links: ConnectivityResult | None = None
    errors: list[RegionError] = field(default_factory=list)
    rigidity: RigidityStudy | None = None
    n_rigidity: tuple[int, int] = (0, 0)
    trouble: dict[str, str] = field(default_factory=dict)


# what is in the folder --------------------------------------------------------------------------------
def read_run(
    run: Path, eos: Sequence[Frame] | None, regions: Sequence[RegionSet], progress: Progress
) -> RunFacts:
    """Read a run folder; crystal and regions come from what the run monitored where they are not given.

    Raises
    ------
    RunFolderError, PotentialError : there is no run, or it has no potential yet.
    """
    from nnpcore.potential import Potential

    folder = RunFolder.open(run)
    progress.report(0.0, f"Reading {folder.path.name}")
    facts = RunFacts(folder, Potential.load(folder.path), folder.read_history())
    facts.values = _or_trouble(facts.trouble, "values", folder.training_values)
    if not folder.sources:
        facts.trouble["frames"] = "this potential was imported without its training data"
    else:
        facts.frames = _or_trouble(facts.trouble, "frames", folder.find_frames)
    monitor = _or_trouble(facts.trouble, "monitor", lambda: MappingMonitor.load(folder.path))
    facts.eos, facts.regions = list(eos or ()), list(regions)
    if monitor is not None:
        facts.regions = facts.regions or list(monitor.region_sets)
        if not facts.eos and monitor.crystals:
            facts.scan_name, scan = next(iter(monitor.crystals.items()))
            facts.eos = list(scan)
    return facts


def _or_trouble(trouble: dict[str, str], name: str, work: Callable[[], _Found]) -> _Found | None:
    """Return what ``work`` finds; None where it cannot, with the reason kept."""
    try:
        return work()
    except RunFolderError as error:
        trouble[name] = error.what
    except EatlasError as error:
        trouble[name] = _text_of(Missing.of(error))
    return None


# analyses ---------------------------------------------------------------------------------------------
def evaluation_of_run(facts: RunFacts) -> Evaluation:
    """Return the evaluation of a run's potential on what its folder has; nothing is computed yet."""
    evaluation = evaluation_of(
        facts.potential,
        facts.values,
        rmse_energy_mev=energy_rmse(facts.history),
        eos_frames=facts.eos,
        region_sets=facts.regions,
    )
    evaluation.set(N_REGION_GROUPS, MAX_REGION_GROUPS)
    if "values" in facts.trouble:
        evaluation.set(TRAINING_VALUES, Missing(facts.trouble["values"]))
    frames = tuple((facts.frames or {}).get(TRAINING, []))
    why = facts.trouble.get("frames", "there are no training frames")
    evaluation.set(TRAINING_FRAMES, frames or Missing(f"it is a property of the training data: {why}"))
    return evaluation


def analyse(facts: RunFacts, n_threads: int | None, progress: Progress) -> MappingFacts:
    """Evaluate every analysis that the run's content allows."""
    evaluation = evaluation_of_run(facts)
    for k, analysis in enumerate(REPORTED):
        part = progress.part(0.1 + 0.7 * k / len(REPORTED), 0.1 + 0.7 * (k + 1) / len(REPORTED))
        if analysis is not RIGIDITY or _has_targets(evaluation):
            evaluation.value(analysis, n_threads=n_threads, progress=part)
    return _read(facts, evaluation)


def _has_targets(evaluation: Evaluation) -> bool:
    """Whether there is an invariant point or a region whose rigidity can be told."""
    regions = found(evaluation.value(REGION_ERRORS))
    return found(evaluation.value(POINTS)) is not None or bool(regions is not None and regions.errors)


def _read(facts: RunFacts, evaluation: Evaluation) -> MappingFacts:
    """Read the results off an evaluation, with the reason where there is none."""
    trouble: dict[str, str] = {}
    given = {"eos": bool(facts.eos), "map": facts.values is not None}

    def of(node: Node[_Found], name: str = "") -> _Found | None:
        value = evaluation.known(node)
        if isinstance(value, Missing) and name and given.get(name, True):
            trouble.setdefault(name, _text_of(value))
        return found(value)

    points, eos, pca = of(POINTS, "eos"), of(EOS, "eos"), of(PCA, "map")
    regions, references, rigidity = of(REGION_ERRORS), of(REFERENCES), of(RIGIDITY, "rigidity")
    reaches, links, distances = of(REACH), of(CONNECTIVITY), of(DISTANCE)
    reach = reaches.of(pca.element) if reaches is not None and pca is not None else None
    if isinstance(reach, Missing):
        trouble["reach"] = _text_of(reach)
    if links is None and pca is not None and len(pca.groups) > 1:
        trouble["links"] = str(evaluation.known(CONNECTIVITY))
    for key, missing in regions.missing.items() if regions is not None else ():
        trouble[f"regions {facts.regions[int(key)].name}".strip()] = _text_of(missing)
    if not _has_targets(evaluation):
        trouble["rigidity"] = "it is computed at invariant points and in regions, and there are none"
    if references is not None:
        facts.regions = list(references.sets.values())
    return MappingFacts(
        verdict=required(evaluation.value(VERDICT)),
        element="" if pca is None else pca.element,
        points=points,
        curve=None if eos is None else eos.curve,
        eos=None if eos is None else eos.report,
        bracket=None if distances is None else distances.bracket,
        scores={} if pca is None else pca.by_name,
        pca=None if pca is None else pca.result,
        reach=found(reach),
        links=None if links is None else links.result,
        errors=[] if regions is None else list(regions.all),
        rigidity=None if rigidity is None else rigidity.study,
        n_rigidity=(0, 0) if rigidity is None else (rigidity.n_frames, rigidity.n_total),
        trouble=trouble,
    )


def _text_of(missing: Missing) -> str:
    """Return a reason with the name of the file it is about and what to do."""
    error = missing.as_error()
    where = f"{Path(error.where).name}: " if error.where else ""
    return where + error.what + (f". {error.fix}" if error.fix else "")
