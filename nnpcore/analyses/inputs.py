"""What analyses are given: the potential, its training data, and what it is asked about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.analyses.graph import Input

if TYPE_CHECKING:
    from nnpcore.analyses.division import Grouping, Labels
    from nnpcore.descriptors import SymmetryFunctions, Whitening
    from nnpcore.mapping import RegionSet
    from nnpcore.mapping.model_energies import AtomicEnergyModel
    from nnpcore.structures.frame import Frame
    from nnpcore.training import TrainingValues

__all__ = [
    "CHOSEN_GROUPS", "CRYSTAL", "CRYSTAL_GROUP", "ELEMENT_CHOICE", "ENERGY_RMSE", "EOS_ROLE", "FUNCTIONS",
    "FURTHER_ATOMS", "GROUPING", "INSPECT", "LABELS", "LINKED_ROLES", "METRIC", "N_COMPONENTS",
    "N_REGION_GROUPS", "ONLOOKERS", "POTENTIAL", "REGION", "REGION_SETS", "SHOWN_FRAME", "SHOWN_FRAMES",
    "TEST", "TRAINING", "TRAINING_FRAMES", "TRAINING_PARTS", "TRAINING_VALUES", "VALIDATION", "FrameGroup",
    "RunPart", "ShownFrame",
]  # fmt: skip

TRAINING, VALIDATION, TEST = "training", "validation", "test"
EOS_ROLE, INSPECT, REGION = "eos", "inspect", "region"
"""Roles of groups of atoms: what the frames they come from are used for."""

CRYSTAL_GROUP = "EOS"
"""Name of the group of invariant points where their frames have none."""


@dataclass(frozen=True)
class FrameGroup:
    """Frames that are looked at together, of one file as a rule.

    ``key`` finds them again: results carry it beside the number of the frame and of the atom. ``numbers`` are
    those of the frames under the key, where they are not counted from 0.
    """

    key: str
    name: str
    role: str
    frames: tuple[Frame, ...]
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class RunPart:
    """Where some of the frames of a training come from: ``indices`` (n,) of the frames under ``key``.

    The parts of one role, laid end to end, are the frames that the training values count.
    """

    key: str
    name: str
    role: str
    indices: np.ndarray

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunPart) and (
            (self.key, self.name, self.role) == (other.key, other.name, other.role)
            and np.array_equal(self.indices, other.indices)
        )

    def __hash__(self) -> int:
        return hash((self.key, self.name, self.role))


@dataclass(frozen=True)
class ShownFrame:
    """One frame that somebody looks at, and where it is from."""

    key: str
    index: int
    frame: Frame


# the potential and what it was trained on
POTENTIAL: Input[AtomicEnergyModel] = Input("potential", "Potential", "there is no potential yet")
ENERGY_RMSE: Input[float] = Input("energy_rmse", "Energy RMSE", "the energy RMSE is not known")
"""Of the ensemble's mean by the record that describes the potential at hand, meV/atom
(``nnpcore.training.history.best_record``)."""

FUNCTIONS: Input[SymmetryFunctions] = Input(
    "functions", "Symmetry functions", "there are no symmetry functions to describe atoms by"
)
METRIC: Input[Whitening] = Input("metric", "Metric", "nothing tells how distances are measured")
TRAINING_VALUES: Input[TrainingValues] = Input(
    "training_values", "Training atoms", "the training atoms are not known"
)
TRAINING_PARTS: Input[tuple[RunPart, ...]] = Input(
    "training_parts", "Origin of the training atoms", "where the training atoms come from is not known"
)
TRAINING_FRAMES: Input[tuple[Frame, ...]] = Input(
    "training_frames", "Training frames", "there are no training frames"
)

# what it is asked about
CRYSTAL: Input[FrameGroup] = Input("crystal", "Volume scan", "there is no volume scan of a crystal")
REGION_SETS: Input[Mapping[str, RegionSet]] = Input("region_sets", "Regions", "there are no regions")
"""By a key each, under which their errors are found."""

ONLOOKERS: Input[tuple[FrameGroup, ...]] = Input("onlookers", "Other frames", "there are no other frames")
"""Frames beside those of the training."""

FURTHER_ATOMS: Input[Mapping[str, np.ndarray]] = Input(
    "further_atoms", "Further atoms", "there are no further groups of atoms"
)
"""Further groups of atoms of the analysed element: name -> symmetry functions (n, n_descriptors)."""

SHOWN_FRAMES: Input[FrameGroup] = Input("shown_frames", "Frames shown", "no frames are shown")
SHOWN_FRAME: Input[ShownFrame] = Input("shown_frame", "Frame shown", "no frame is shown")

# how it is looked at
ELEMENT_CHOICE: Input[str] = Input("element_choice", "Element", "no element was chosen")
N_COMPONENTS: Input[int] = Input("n_components", "Number of components", "all components are kept")
N_REGION_GROUPS: Input[int] = Input("n_region_groups", "Regions on the map", "regions are not shown")
"""Most regions that become groups of atoms of their own."""

GROUPING: Input[Grouping] = Input("grouping", "Grouping", "groups are not divided")
LABELS: Input[Labels] = Input("labels", "Regions and temperatures", "nothing divides the groups")
CHOSEN_GROUPS: Input[tuple[str, ...]] = Input("chosen_groups", "Groups", "no groups were chosen")
LINKED_ROLES: Input[tuple[str, ...]] = Input("linked_roles", "Roles that are linked", "all groups are linked")
"""Roles of the groups whose connectivity is computed where no groups were chosen."""
