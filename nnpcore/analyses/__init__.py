"""Every analysis, declared once: what it needs, how it is computed, and what a change makes out of date.

``nnpcore.analyses.catalogue`` lists them; ``Evaluation`` evaluates them for one potential.
"""

from typing import TYPE_CHECKING

from nnpcore.analyses.graph import Analysis, Evaluation, Input, Missing, found, required
from nnpcore.analyses.monitor import MappingMonitor
from nnpcore.analyses.study import MappingStudy, evaluation_of, study
from nnpcore.lazy import lazy_names

if TYPE_CHECKING:
    from nnpcore.analyses.calibrating import calibrate_run
    from nnpcore.analyses.learning import LearningCurve, learning_curve

__all__ = [
    "Analysis",
    "Evaluation",
    "Input",
    "LearningCurve",
    "MappingMonitor",
    "MappingStudy",
    "Missing",
    "calibrate_run",
    "evaluation_of",
    "found",
    "learning_curve",
    "required",
    "study",
]

__getattr__, __dir__ = lazy_names(
    __name__, {"calibrating": ("calibrate_run",), "learning": ("LearningCurve", "learning_curve")}
)
