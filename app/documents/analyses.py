"""Groups of atoms as the map shows them: scores, energies and colours, and where each atom comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from app.documents.dataset import DatasetDocument
from nnpcore.analyses.inputs import EOS_ROLE
from nnpcore.analyses.pca import AtomMap, MapEnergies


@dataclass(frozen=True)
class AtomGroup:
    """Atoms of one data set in one role, with where each comes from.

    Attributes
    ----------
    name : shown in legends. dataset_id : "" where the data set is not known.
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


def atom_groups(
    shown: AtomMap, energies: MapEnergies | None, datasets: Mapping[str, DatasetDocument]
) -> tuple[AtomGroup, ...]:
    """Return the groups of a map in the colours of their data sets, with their energies where known."""
    known = energies is not None and energies.map is shown
    found = []
    for k, (group, scores) in enumerate(zip(shown.groups, shown.scores, strict=True)):
        values = {}
        if known and energies is not None:
            values = {"atomic_energy": energies.mean[k], "atomic_energy_std": energies.std[k]}
        found.append(
            AtomGroup(
                name=group.name,
                dataset_id=group.key,
                role=group.role,
                color_index=color_of(group.key, datasets),
                frame=group.frame,
                atom=group.atom,
                scores=scores,
                path=group.role == EOS_ROLE,
                values=values,
            )
        )
    return tuple(found)


def color_of(dataset_id: str, datasets: Mapping[str, DatasetDocument]) -> int:
    """Return the palette number of a data set, the first where it is not open."""
    known = datasets.get(dataset_id)
    return 0 if known is None else known.color_index
