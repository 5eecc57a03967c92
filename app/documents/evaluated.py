"""Something whose analyses the window shows: a run, or the data alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from nnpcore.analyses.graph import Analysis, Evaluation, Missing, found

T = TypeVar("T")


@dataclass(kw_only=True, eq=False)
class Evaluated:
    """Holds an evaluation (``nnpcore.analyses``) and in which epoch each of its results was computed."""

    evaluation: Evaluation = field(default_factory=Evaluation)
    epochs: dict[Analysis[object], int] = field(default_factory=dict)

    def result(self, analysis: Analysis[T]) -> T | None:
        """Return the latest result of an analysis, current or not; None while there is none."""
        return found(self.evaluation.known(analysis))

    def why(self, analysis: Analysis[object]) -> str:
        """Return why an analysis has no result; empty where it has one, or it only takes some time."""
        value = self.evaluation.known(analysis)
        return str(value) if isinstance(value, Missing) and not value.awaited else ""
