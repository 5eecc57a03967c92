"""Potentials of other programs, in and out: a folder for each program, what they share beside them."""

from nnpcore.exchange.export import Exported, export_as
from nnpcore.exchange.importing import Imported, import_run, read_foreign
from nnpcore.exchange.own_format import export_run, write_export
from nnpcore.exchange.program import Program
from nnpcore.exchange.programs import PROGRAMS, program_named
from nnpcore.exchange.structures_out import predict_frames, write_structures

__all__ = [
    "PROGRAMS",
    "Exported",
    "Imported",
    "Program",
    "export_as",
    "export_run",
    "import_run",
    "predict_frames",
    "program_named",
    "read_foreign",
    "write_export",
    "write_structures",
]
