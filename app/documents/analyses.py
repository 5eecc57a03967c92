"""Results of the analyses as panels show them; Qt-free, immutable, made by ``app.session.scheduler``.

``RunDocument.analyses[kind]`` holds: "eos" -> :class:`EosAnalysis`, "pca" -> :class:`PcaAnalysis`,
"distance" -> :class:`DistanceAnalysis`, "connectivity" -> :class:`ConnectivityAnalysis`,
"predictions" -> :class:`FramePrediction`, "mapping" -> :class:`MappingAnalysis`,
"rigidity" -> :class:`RigidityAnalysis`, "rigidity_frame" -> :class:`FrameRigidity`,
"verdict" -> ``nnpcore.mapping.Verdict``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nnpcore.mapping import (
        Bracket,
        ConnectivityResult,
        EosCurve,
        EosReport,
        InvariantPoints,
        PcaResult,
        Reach,
        RegionError,
        RigidityStudy,
        Verdict,
    )
    from nnpcore.potential import Prediction
    from nnpcore.structures.frame import Frame


@dataclass(frozen=True)
class EosAnalysis:
    """The EOS of one data set by the run's potential at ``epoch``.

    ``frame_indices`` (n,) gives the frame of the data set for each point of ``curve`` (sorted by volume).
    """

    epoch: int
    dataset_id: str
    frame_indices: np.ndarray
    curve: EosCurve
    report: EosReport
    bracket: Bracket | None
    verdict: Verdict


@dataclass(frozen=True)
class AtomGroup:
    """Atoms of one data set in one role, with where each comes from.

    Attributes
    ----------
    name : shown in legends. dataset_id : "" where the data set is no longer open.
    role : "training", "validation", "eos" or "inspect". path : draw it as a path (invariant points).
    frame, atom : (n,) int32: where each point comes from, for selection and the viewer.
    scores : (n, n_components) principal components (PCA) or empty.
    values : per-point numbers to colour by: "atomic_energy", "atomic_energy_std" (eV), "distance".
    part : name of the region or temperature, where the data set is divided.
    """

    name: str
    dataset_id: str
    role: str
    color_index: int
    frame: np.ndarray
    atom: np.ndarray
    scores: np.ndarray
    path: bool = False
    values: dict[str, np.ndarray] = field(default_factory=dict)
    part: str = ""


@dataclass(frozen=True)
class PcaAnalysis:
    """PCA of the standardised G vectors of one element, fitted on the training atoms."""

    epoch: int
    element: str
    result: PcaResult
    groups: tuple[AtomGroup, ...]


@dataclass(frozen=True)
class DistanceAnalysis:
    """Which distances to the training set are usual, those of the invariant points, and the bracket.

    Attributes
    ----------
    dataset_id, element : of the invariant points; without any "" and the first element.
    points : the invariant points, or None.
    frame_indices, volumes, distances : (n,) of the points: frame in the data set, Å³/atom, whitened units.
    reaches : usual distances and their 99th percentile by element.
    """

    epoch: int
    dataset_id: str
    element: str
    points: InvariantPoints | None
    frame_indices: np.ndarray
    volumes: np.ndarray
    distances: np.ndarray
    bracket: Bracket
    reaches: dict[str, Reach]

    @property
    def valid_distances(self) -> np.ndarray:
        """Distances (m,) of the validation atoms of the points' element."""
        return self.reaches[self.element].distances


@dataclass(frozen=True)
class ConnectivityAnalysis:
    """Connectivity between groups; ``result.names[i]`` belongs to ``dataset_ids[i]`` ("" if none).

    ``available`` names all groups one can choose (by ``session.analyses.set_option``); ``origins[i]`` holds
    the frame and the index of every atom of group i, to find the atoms of a link.
    """

    epoch: int
    element: str
    result: ConnectivityResult
    dataset_ids: tuple[str, ...]
    color_indices: tuple[int, ...]
    available: tuple[str, ...]
    origins: tuple[tuple[np.ndarray, np.ndarray], ...] = ()
    grouping: str = "dataset"


@dataclass(frozen=True)
class FramePrediction:
    """The prediction for one frame that is shown."""

    epoch: int
    run_id: str
    dataset_id: str
    frame_index: int
    prediction: Prediction


@dataclass(frozen=True)
class RegionRow:
    """One region with its error: ``number`` of the region in the set ``set_id``, and its colour."""

    set_id: str
    number: int
    name: str
    color_index: int
    error: RegionError


@dataclass(frozen=True)
class MappingAnalysis:
    """Mapping errors of all regions by one run.

    Attributes
    ----------
    rows : a row per region.
    problems : set id -> why its reference values are missing.
    verdict : one sentence and its level.
    described : id(frame) -> (frame, symmetry functions, species of its atoms), to be computed once.
    crystal : (id(frames), eV/atom) of the crystal at its equilibrium volume, None where unknown.
    """

    epoch: int
    rows: tuple[RegionRow, ...]
    problems: dict[str, str]
    verdict: Verdict
    described: dict[int, tuple[Frame, np.ndarray, np.ndarray]] = field(default_factory=dict)
    crystal: tuple[int, float | None] = (0, None)


@dataclass(frozen=True)
class RigidityAnalysis:
    """How firmly the training data hold atomic energies, under three losses.

    Attributes
    ----------
    study : rigidities and errors of the invariant points, then of the regions.
    dataset_id : of the invariant points, "" without any. volumes, frame_indices : (n_points,) of them.
    colors : (n,) a colour number for each region after the points.
    n_frames, n_total : training frames used, and how many there are.
    """

    epoch: int
    study: RigidityStudy
    dataset_id: str
    volumes: np.ndarray
    frame_indices: np.ndarray
    colors: tuple[int, ...]
    n_frames: int
    n_total: int


@dataclass(frozen=True)
class FrameRigidity:
    """Rigidity of every atom (n_atoms,) of the frame shown, under the loss of the training ``loss``."""

    epoch: int
    run_id: str
    dataset_id: str
    frame_index: int
    loss: str
    values: np.ndarray
