"""Every analysis, declared once: what it needs, how it is computed, and what a change makes out of date.

``nnpcore.analyses.catalogue`` lists them; ``Evaluation`` evaluates them for one potential.
"""

from nnpcore.analyses.graph import Analysis, Evaluation, Input, Missing, found, required
from nnpcore.analyses.monitor import MappingMonitor
from nnpcore.analyses.study import MappingStudy, evaluation_of, study

__all__ = [
    "Analysis",
    "Evaluation",
    "Input",
    "MappingMonitor",
    "MappingStudy",
    "Missing",
    "evaluation_of",
    "found",
    "required",
    "study",
]
