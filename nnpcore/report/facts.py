"""What a report is made of: a run folder's content and its analyses, and why some of it may be missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from nnpcore.errors import AnalysisError, EatlasError, RunFolderError
from nnpcore.mapping import (
    EosCurve,
    EosReport,
    InvariantPoints,
    MappingMonitor,
    PcaResult,
    Reach,
    RegionError,
    RegionSet,
    RigidityStudy,
    Verdict,
    analyse_eos,
    connectivity,
    eos_curve,
    invariant_points,
    pca_of,
    reach_of,
    reference_fit,
    region_errors,
    rigidity_study,
    thinned,
    verdict,
    with_references,
)
from nnpcore.mapping.study import TRAINING, VALIDATION, prepare_study, study_bracket
from nnpcore.progress import Progress, Quiet
from nnpcore.report.mapping_folder import best_energy_rmse
from nnpcore.training import EpochRecord, RunFolder, TrainingValues

if TYPE_CHECKING:
    from nnpcore.mapping import Bracket, ConnectivityResult
    from nnpcore.potential import Potential
    from nnpcore.structures.frame import Frame

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
        where = f"{Path(error.where).name}: " if error.where else ""
        trouble[name] = where + error.what + (f". {error.fix}" if error.fix else "")
    return None


# analyses ---------------------------------------------------------------------------------------------
def analyse(facts: RunFacts, n_threads: int | None, progress: Progress) -> MappingFacts:
    """Do every analysis that the run's content allows."""
    found = MappingFacts(verdict(None, None))
    options: dict[str, Any] = {"n_threads": n_threads, "progress": Quiet(progress)}
    progress.report(0.1, "Equation of state")
    if facts.eos:
        _or_trouble(found.trouble, "eos", lambda: _crystal(facts, found, options))
    progress.report(0.2, "Mapping errors by region")
    crystal = None if found.curve is None else reference_fit(found.curve)[0]
    facts.regions = [_referenced(r, crystal.e0 if crystal else None) for r in facts.regions]
    for regions in facts.regions:
        name = _trouble_name(regions)
        errors = _or_trouble(
            found.trouble, name, lambda r=regions: region_errors(facts.potential, r, **options)
        )
        found.errors += errors or []
    progress.report(0.3, "Map of the training atoms")
    if facts.values is not None:
        _or_trouble(found.trouble, "map", lambda: _atoms(facts, found, options))
    if found.curve is not None:
        found.eos = analyse_eos(found.curve, found.bracket)
    found.verdict = verdict(best_energy_rmse(facts.history), found.eos, found.bracket, found.errors)
    progress.report(0.6, "Rigidity")
    _or_trouble(found.trouble, "rigidity", lambda: _rigidity(facts, found, options))
    return found


def _trouble_name(regions: RegionSet) -> str:
    return f"regions {regions.name}".strip()


def _referenced(regions: RegionSet, crystal_energy: float | None) -> RegionSet:
    """Return regions with the reference values that can be known, unless they have some already."""
    if any(region.reference is not None for region in regions.regions):
        return regions
    try:
        if regions.frame.exact_energies is not None:
            return with_references(regions)
        return with_references(regions, crystal_energy=crystal_energy)
    except AnalysisError:  # nothing tells; the table says so
        return regions


def _crystal(facts: RunFacts, found: MappingFacts, options: dict[str, Any]) -> None:
    found.points = invariant_points(facts.eos, facts.potential.functions, **options)
    found.curve = eos_curve(facts.potential, found.points, **options)


def _atoms(facts: RunFacts, found: MappingFacts, options: dict[str, Any]) -> None:
    """Put the training atoms, those of the regions and the crystal onto one map, and measure distances."""
    values, functions, metric = facts.values, facts.potential.functions, facts.potential.metric
    assert values is not None
    found.element = _element(facts, found)
    species = functions.elements.index(found.element)
    groups = _region_groups(facts, species, options)
    if found.points is not None and found.curve is not None:
        data = prepare_study(functions, metric, values, facts.eos, groups=groups, **options)
        found.scores, found.pca, found.reach = data.scores, data.pca, data.reach
        found.links, found.bracket = data.connectivity, study_bracket(data, found.curve)
        if data.connectivity is None:
            found.trouble["links"] = data.connectivity_message
        return
    mine = values.species == species
    raw = {
        TRAINING: values.values[mine & values.is_training],
        VALIDATION: values.values[mine & ~values.is_training],
        **groups,
    }
    raw = {name: v for name, v in raw.items() if len(v)}
    x = {name: metric.transform(v, np.full(len(v), species)) for name, v in raw.items()}
    found.pca = pca_of(raw[TRAINING])
    found.scores = {name: found.pca.transform(v) for name, v in raw.items()}
    frames = values.frame[mine & values.is_training]
    found.reach = _or_trouble(
        found.trouble, "reach", lambda: reach_of(x[TRAINING], x.get(VALIDATION), frames)
    )
    if len(x) > 1:
        found.links = _or_trouble(
            found.trouble, "links", lambda: connectivity(x, progress=options["progress"])
        )


def _element(facts: RunFacts, found: MappingFacts) -> str:
    """Return the crystal's element, or else the commonest of the training atoms."""
    elements, values = facts.potential.elements, facts.values
    assert values is not None
    counts = np.bincount(values.species[values.is_training], minlength=len(elements))
    if found.points is not None:
        if counts[elements.index(found.points.element)]:
            return found.points.element
        raise AnalysisError(f"the training set has no {found.points.element}, the element of the crystal")
    return elements[int(counts.argmax())]


def _region_groups(facts: RunFacts, species: int, options: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return the symmetry functions (n, n_descriptors) of every region's atoms of one element."""
    from nnpcore.descriptors import compute_descriptors

    groups: dict[str, np.ndarray] = {}
    for number, regions in enumerate(facts.regions, start=1):
        try:
            facts.potential.check_elements([regions.frame])
        except EatlasError:  # said where the errors of these regions would stand
            continue
        table = compute_descriptors([regions.frame], facts.potential.functions, derivatives=False, **options)
        for region in regions.regions:
            atoms = region.atoms[table.species[region.atoms] == species]
            name = f"{regions.title_of(region)} (region)"
            if len(atoms) and len(groups) < MAX_REGION_GROUPS:
                groups[name if name not in groups else f"{name} {number}"] = table.values[atoms]
    return groups


def _rigidity(facts: RunFacts, found: MappingFacts, options: dict[str, Any]) -> None:
    from nnpcore.descriptors import compute_descriptors

    sets = [r for r in facts.regions if _trouble_name(r) not in found.trouble]
    if found.points is None and not sets:
        found.trouble["rigidity"] = "it is computed at invariant points and in regions, and there are none"
        return
    frames = (facts.frames or {}).get(TRAINING, [])
    if not frames:
        why = facts.trouble.get("frames", "there are no training frames")
        found.trouble["rigidity"] = f"it is a property of the training data: {why}"
        return
    chosen = thinned(frames)
    found.n_rigidity = len(chosen), len(frames)
    table = compute_descriptors(chosen, facts.potential.functions, **options)
    found.rigidity = rigidity_study(
        facts.potential, table, chosen, points=found.points, region_sets=sets, **options
    )
