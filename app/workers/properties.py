"""Studying what a run's potential says of a crystal, as a task: a snapshot in, properties out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnpcore.potential.model import AtomicEnergyModel
    from nnpcore.progress import Progress
    from nnpcore.properties import KnownData, Properties, PropertySettings, Reference
    from nnpcore.structures.frame import Frame


@dataclass(frozen=True, eq=False)
class StudyWish:
    """What to study.

    Attributes
    ----------
    models : run id -> its potential or calculator, and its training data where they are known.
    names : run id -> what to call it.
    structures : of which the crystal is chosen. settings : how to study it.
    reference : name of a reference potential, or empty. n_threads : of the processor.
    """

    models: dict[str, tuple[AtomicEnergyModel, KnownData | None]]
    names: dict[str, str]
    structures: tuple[Frame, ...]
    settings: PropertySettings
    reference: str = ""
    n_threads: int | None = None


@dataclass(frozen=True, eq=False)
class Studied:
    """What came out: run id -> properties, and the reference, if there is one."""

    properties: dict[str, Properties]
    reference: Reference | None


def study(wish: StudyWish, progress: Progress) -> Studied:
    """Study each model on the same crystal, and the reference behind them.

    Raises
    ------
    AnalysisError : there is no crystal among the structures, or it does not come to rest.
    """
    from nnpcore.potential.external.model import CalculatorModel
    from nnpcore.properties import Reference, find_crystal, study_properties
    from nnpcore.reference import REFERENCES, reference_calculator

    first = next(iter(wish.models.values()))[0]
    shares = progress.split(len(wish.models) + bool(wish.reference))
    crystal = find_crystal(
        wish.structures, first, wish.settings, n_threads=wish.n_threads, progress=progress.part(0.0, 0.0)
    )
    found = {}
    for (run_id, (model, known)), share in zip(wish.models.items(), shares, strict=False):
        name = wish.names[run_id]
        told = share.part(0.0, 1.0, name if len(wish.models) > 1 else "")
        found[run_id] = study_properties(
            model, crystal, wish.settings, known=known, n_threads=wish.n_threads, progress=told
        ).named(name)
    if not wish.reference:
        return Studied(found, None)
    title = REFERENCES[wish.reference].title
    beside = CalculatorModel(reference_calculator(wish.reference), name=title)
    told = shares[-1].part(0.0, 1.0, title)
    studied = study_properties(beside, crystal, wish.settings, n_threads=wish.n_threads, progress=told)
    return Studied(found, Reference.of(studied))
