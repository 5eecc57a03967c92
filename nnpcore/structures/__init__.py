"""Structures: reading, checking, data sets, splits and writing."""

from nnpcore.structures.checking import check_frame
from nnpcore.structures.dataset import (
    BadFramesError,
    Dataset,
    DatasetSummary,
    FrameProblem,
    Role,
    summarize,
)
from nnpcore.structures.examples import EXAMPLES, example_path
from nnpcore.structures.frame import Frame
from nnpcore.structures.reading import iter_frames, parse_path, read_dataset
from nnpcore.structures.splits import split_frames
from nnpcore.structures.writing import write_frames

__all__ = [
    "EXAMPLES",
    "BadFramesError",
    "Dataset",
    "DatasetSummary",
    "Frame",
    "FrameProblem",
    "Role",
    "check_frame",
    "example_path",
    "iter_frames",
    "parse_path",
    "read_dataset",
    "split_frames",
    "summarize",
    "write_frames",
]
