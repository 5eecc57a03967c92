"""What a report is made of: a run folder's content and its analyses, and why some of it may be missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from nnpcore.analyses import MappingMonitor, Missing, evaluation_of, found
from nnpcore.analyses.calibration import CALIBRATION
from nnpcore.analyses.connectivity import CONNECTIVITY
from nnpcore.analyses.crystal import POINTS
from nnpcore.analyses.distance import REACH
from nnpcore.analyses.eos import EOS
from nnpcore.analyses.errors import GROUP_KEY, OUTLIERS, RUN_ERRORS, RUN_FRAMES, run_frames
from nnpcore.analyses.foretold import FORETOLD, LEARNED_FROM, learned_from
from nnpcore.analyses.graph import Analysis, Evaluation, Node
from nnpcore.analyses.inputs import N_REGION_GROUPS, TRAINING, TRAINING_FRAMES, TRAINING_VALUES, RunPart
from nnpcore.analyses.parity import COMPARED_FRAMES, ComparedFrames
from nnpcore.analyses.pca import PCA
from nnpcore.analyses.regions import REGION_ERRORS
from nnpcore.analyses.verdict import VERDICT
from nnpcore.errors import EatlasError, RunFolderError
from nnpcore.mapping import RegionSet
from nnpcore.progress import Progress
from nnpcore.training import EpochRecord, RunFolder, TrainingValues
from nnpcore.training.group_weights import counted_labels
from nnpcore.training.history import energy_rmse
from nnpcore.training.stress_order import stresses_in_order

if TYPE_CHECKING:
    from nnpcore.potential import Potential
    from nnpcore.structures.frame import Frame

REPORTED: tuple[Analysis[object], ...] = (
    EOS,
    REGION_ERRORS,
    PCA,
    REACH,
    CONNECTIVITY,
    FORETOLD,
    VERDICT,
    RUN_ERRORS,
    OUTLIERS,
    CALIBRATION,
)
"""What a report evaluates, in this order."""

JUDGED: tuple[Analysis[object], ...] = (EOS, REGION_ERRORS, FORETOLD, VERDICT)
"""What a verdict needs, in this order: without what is foretold it would be another one."""

MAX_REGION_GROUPS = 8
"""Regions on the map and in the matrix of connectivity; more could not be told apart."""

MOST_OUTLIER_SECONDS = 20.0
"""Seconds on one core that a report spends on outliers where nothing else asks what the data leave open."""

SECONDS_AN_ATOM, SECONDS_A_FUNCTION = 4.6e-4, 1.8e-5
"""What outliers take for a training atom, and more for each of its symmetry functions, as measured."""

_Found = TypeVar("_Found")


@dataclass(eq=False)
class RunFacts:
    """What is in a run folder, and its analyses. ``trouble`` says by name why something is not there.

    ``frames`` is None where the data cannot be found again, ``scan_name`` names the scan in ``eos`` where the
    run's own monitor has several.
    """

    folder: RunFolder
    potential: Potential
    history: list[EpochRecord]
    frames: dict[str, list[Frame]] | None = None
    eos: list[Frame] = field(default_factory=list)
    scan_name: str = ""
    regions: list[RegionSet] = field(default_factory=list)
    trouble: dict[str, str] = field(default_factory=dict)
    evaluation: Evaluation = field(default_factory=Evaluation)

    @property
    def name(self) -> str:
        """Name of the run: that of its folder."""
        return self.folder.path.name or "run"

    def found(self, node: Node[_Found]) -> _Found | None:
        """Return what an analysis has found, None where it has found nothing."""
        return found(self.evaluation.known(node))

    def why_missing(self, node: Node[object]) -> str:
        """Return why an analysis has found nothing; empty where it has, or was not evaluated."""
        value = self.evaluation.known(node)
        return text_of(value) if isinstance(value, Missing) else ""

    @property
    def has_targets(self) -> bool:
        """Whether there is an invariant point or a region whose spread can be foretold."""
        regions = self.found(REGION_ERRORS)
        return self.found(POINTS) is not None or bool(regions is not None and regions.found)


# what is in the folder --------------------------------------------------------------------------------
def evaluation_of_run(
    run: str | Path, eos: Sequence[Frame] | None = None, regions: Sequence[RegionSet] = ()
) -> Evaluation:
    """Return the analyses of a run folder, to be asked for by name (``ANALYSES``): errors by group, outliers,
    calibration, verdict. ``eos`` and ``regions``: what it monitored, where they are not given.

    Raises
    ------
    RunFolderError, PotentialError : there is no run, it has no potential yet, or no epoch has ended.
    """
    return read_run(Path(run), eos, regions, Progress()).evaluation


def read_run(
    run: Path, eos: Sequence[Frame] | None, regions: Sequence[RegionSet], progress: Progress
) -> RunFacts:
    """Read a run folder; crystal and regions come from what the run monitored where they are not given.

    Raises
    ------
    RunFolderError, PotentialError : there is no run, it has no potential yet, or no epoch has ended.
    """
    from nnpcore.potential import Potential

    folder = RunFolder.open(run)
    progress.report(0.0, f"Reading {folder.path.name}")
    potential, history = Potential.load(folder.path), folder.read_history()
    folder.refuse_unbegun(history)
    facts = RunFacts(folder, potential, history)
    values = _or_trouble(facts.trouble, "values", folder.training_values)
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
    facts.evaluation = _evaluation(facts, values)
    return facts


def _or_trouble(trouble: dict[str, str], name: str, work: Callable[[], _Found]) -> _Found | None:
    """Return what ``work`` finds; None where it cannot, with the reason kept."""
    try:
        return work()
    except RunFolderError as error:
        trouble[name] = error.what
    except EatlasError as error:
        trouble[name] = text_of(Missing.of(error))
    return None


def _evaluation(facts: RunFacts, values: TrainingValues | None) -> Evaluation:
    """Return the evaluation of a run's potential on what its folder has; nothing is computed yet."""
    evaluation = evaluation_of(
        facts.potential,
        values,
        rmse_energy_mev=energy_rmse(facts.history),
        eos_frames=facts.eos,
        region_sets=facts.regions,
    )
    evaluation.set(N_REGION_GROUPS, MAX_REGION_GROUPS)
    if "values" in facts.trouble:
        evaluation.set(TRAINING_VALUES, Missing(facts.trouble["values"]))
    frames = tuple((facts.frames or {}).get(TRAINING, []))
    why = facts.trouble.get("frames", "there are no training frames")
    settings = facts.folder.settings
    evaluation.set(LEARNED_FROM, learned_from(settings))
    evaluation.set(GROUP_KEY, settings.group_key)
    known = {role: stresses_in_order(own, settings) for role, own in (facts.frames or {}).items()}
    evaluation.set(RUN_FRAMES, run_frames(known) if known else Missing(why))
    frames = counted_labels(frames, settings)
    evaluation.set(TRAINING_FRAMES, frames or Missing(f"it is a property of the training data: {why}"))
    held_out = {role: own for role, own in known.items() if role != TRAINING and own}
    parts = [(RunPart(role, role, role, np.arange(len(own))), own) for role, own in held_out.items()]
    compared = tuple(ComparedFrames(part, own, len(own)) for part, own in parts)
    evaluation.set(COMPARED_FRAMES, compared or None)
    return evaluation


def analyse(
    facts: RunFacts,
    n_threads: int | None,
    progress: Progress,
    analyses: Sequence[Analysis[object]] = REPORTED,
) -> None:
    """Evaluate every analysis of some, in this order, that the run's content allows."""
    for k, analysis in enumerate(analyses):
        part = progress.part(0.1 + 0.7 * k / len(analyses), 0.1 + 0.7 * (k + 1) / len(analyses))
        if analysis is OUTLIERS and not facts.has_targets and (why := _too_much_for_outliers(facts)):
            facts.trouble["outliers"] = why
        elif analysis is not FORETOLD or facts.has_targets:
            facts.evaluation.value(analysis, n_threads=n_threads, progress=part)


def _too_much_for_outliers(facts: RunFacts) -> str:
    """Return why a report does not look for outliers; empty where that is quick."""
    n_atoms = sum(frame.n_atoms for frame in found(facts.evaluation.known(TRAINING_FRAMES)) or ())
    n_functions = facts.potential.functions.n_descriptors
    seconds = n_atoms * (SECONDS_AN_ATOM + SECONDS_A_FUNCTION * n_functions)
    if seconds <= MOST_OUTLIER_SECONDS:
        return ""
    return (
        "Outliers were not looked for: without a crystal or regions, which need the same, they take about "
        f"{seconds:.0f} s of one core for {n_atoms:,} training atoms. `eatlas outliers` lists them."
    )


def text_of(missing: Missing) -> str:
    """Return a reason with the name of the file it is about and what to do."""
    error = missing.as_error()
    where = f"{Path(error.where).name}: " if error.where else ""
    return where + error.what + (f". {error.fix}" if error.fix else "")
