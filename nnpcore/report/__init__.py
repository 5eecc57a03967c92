"""What is known of a run, as one page or as a folder of figures and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnpcore.lazy import lazy_names

if TYPE_CHECKING:
    from nnpcore.report.mapping_folder import compared_figure, map_run, write_mapping
    from nnpcore.report.run_report import write_report
    from nnpcore.report.side_by_side import compare_eos, write_comparison

__all__ = ["compare_eos", "compared_figure", "map_run", "write_comparison", "write_mapping", "write_report"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "mapping_folder": ("compared_figure", "map_run", "write_mapping"),
        "run_report": ("write_report",),
        "side_by_side": ("compare_eos", "write_comparison"),
    },
)
