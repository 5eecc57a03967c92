"""What is known of a run, as one page or as a folder of figures and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnpcore.lazy import lazy_names

if TYPE_CHECKING:
    from nnpcore.report.compared_runs import ComparedRuns, compare_runs
    from nnpcore.report.facts import evaluation_of_run
    from nnpcore.report.mapping_folder import compared_figure, map_run, write_mapping
    from nnpcore.report.methods import Methods, methods_of_run
    from nnpcore.report.run_report import write_report
    from nnpcore.report.side_by_side import compare_eos, write_comparison

__all__ = [
    "ComparedRuns",
    "Methods",
    "compare_eos",
    "compare_runs",
    "compared_figure",
    "evaluation_of_run",
    "map_run",
    "methods_of_run",
    "write_comparison",
    "write_mapping",
    "write_report",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "compared_runs": ("ComparedRuns", "compare_runs"),
        "facts": ("evaluation_of_run",),
        "mapping_folder": ("compared_figure", "map_run", "write_mapping"),
        "methods": ("Methods", "methods_of_run"),
        "run_report": ("write_report",),
        "side_by_side": ("compare_eos", "write_comparison"),
    },
)
