"""Structures: reading, checking, data sets, splits and writing."""

from nnpcore.structures.checking import check_frame
from nnpcore.structures.dataset import Dataset, DatasetSummary, Role, summarize
from nnpcore.structures.examples import EXAMPLES, example_path
from nnpcore.structures.frame import Frame
from nnpcore.structures.groups import group_of, groups_of
from nnpcore.structures.labels.key_names import KeyMemory, KeyNames, KeyProposal, Question, propose_keys
from nnpcore.structures.labels.stress_kinds import StressKind
from nnpcore.structures.problems import BadFramesError, FrameProblem
from nnpcore.structures.reading import detect_key_names, iter_frames, parse_path, read_dataset
from nnpcore.structures.splits import split_frames
from nnpcore.structures.writing import write_frames

__all__ = [
    "EXAMPLES",
    "BadFramesError",
    "Dataset",
    "DatasetSummary",
    "Frame",
    "FrameProblem",
    "KeyMemory",
    "KeyNames",
    "KeyProposal",
    "Question",
    "Role",
    "StressKind",
    "check_frame",
    "detect_key_names",
    "example_path",
    "group_of",
    "groups_of",
    "iter_frames",
    "parse_path",
    "propose_keys",
    "read_dataset",
    "split_frames",
    "summarize",
    "write_frames",
]
