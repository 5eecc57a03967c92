"""Surface energy of a symmetric slab: what its two faces cost beside the same atoms in the crystal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ase import units as ase_units

from nnpcore.errors import AnalysisError
from nnpcore.mapping.model_energies import AtomicEnergyModel

if TYPE_CHECKING:
    from nnpcore.posterior.posterior import Posterior
    from nnpcore.structures.frame import Frame

JOULE_PER_M2: float = ase_units._e * 1e20
"""1 eV/Å² in J/m² (16.02...)."""


@dataclass(frozen=True)
class SurfaceEnergy:
    """Energy of a surface.

    Attributes
    ----------
    ev_per_ang2, j_per_m2 : per area of one face.
    std_j_per_m2 : spread over the members of an ensemble, or what the data leave open, J/m²; 0 for a single
        number.
    message : what is odd about it, or empty.
    """

    ev_per_ang2: float
    j_per_m2: float
    std_j_per_m2: float = 0.0
    message: str = ""

    def error_percent(self, reference: SurfaceEnergy) -> float:
        """Return by how many per cent this is off a reference."""
        return 100.0 * (self.ev_per_ang2 / reference.ev_per_ang2 - 1.0)


def surface_energy(
    slab_energy: float | np.ndarray,
    n_atoms: int,
    bulk_energy: float | np.ndarray,
    area: float,
    *,
    n_faces: int = 2,
) -> SurfaceEnergy:
    """Return ``(E_slab - N E_bulk) / (n_faces A)``.

    Parameters
    ----------
    slab_energy : eV, total energy of the slab; or one for every member of an ensemble (n_members,).
    n_atoms : of the slab. bulk_energy : eV per atom of the crystal at its equilibrium, alike.
    area : Å², of one face. n_faces : 2 for a slab with two alike faces.

    Raises
    ------
    AnalysisError : no area, no atoms, or an energy that is no number.
    """
    if not (math.isfinite(area) and area > 0) or n_atoms < 1 or n_faces < 1:
        raise AnalysisError(
            f"a slab of {n_atoms} atoms and {n_faces} faces of {area:g} Å² has no surface energy",
            fix="Choose a slab whose cell has two vectors along its faces",
        )
    energies = (np.asarray(slab_energy) - n_atoms * np.asarray(bulk_energy)) / (n_faces * area)
    if not np.isfinite(energies).all():
        raise AnalysisError(
            "the energy of the slab or of the crystal is not known", fix="Compute both by the same model"
        )
    mean = float(energies.mean())
    message = "" if mean > 0 else "negative: the crystal's energy is not that of the same model, or too high"
    return SurfaceEnergy(mean, JOULE_PER_M2 * mean, float(JOULE_PER_M2 * energies.std()), message)


def surface_energy_of(
    model: AtomicEnergyModel,
    slab: Frame,
    bulk_energy: float | np.ndarray,
    *,
    axis: int = 2,
    n_threads: int | None = None,
) -> SurfaceEnergy:
    """Return the surface energy a model gives a relaxed slab with a vacuum along one cell vector.

    Parameters
    ----------
    bulk_energy : eV per atom of the crystal by the same model; or (n_members,).

    Raises
    ------
    AnalysisError : a slab without vacuum, or without faces.
    """
    from nnpcore.mapping.region_choice import slab_heights

    slab_heights(slab, axis)
    found = model.predict([slab], forces=False, stress=False, members=False, n_threads=n_threads)
    return surface_energy(found.energy_members[:, 0], slab.n_atoms, bulk_energy, face_area(slab, axis))


def surface_energy_by_data(
    posterior: Posterior, slab: Frame, crystal: Frame, *, axis: int = 2, n_threads: int | None = None
) -> SurfaceEnergy:
    """Return what training data say of a surface energy, and how far they determine it, without any network.

    The spread is that of the difference of slab and crystal: what both share is not counted twice.

    Parameters
    ----------
    posterior : of the training data; best fitted with the atoms of both structures among its targets.
    slab : with a vacuum along the cell vector ``axis`` and two alike faces. crystal : at its equilibrium,
        any number of atoms. Labels of both are not looked at.

    Raises
    ------
    AnalysisError : a slab without vacuum or faces, or with other shares of the elements than the crystal.
    """
    from nnpcore.mapping.region_choice import slab_heights
    from nnpcore.posterior.targets import Target

    slab_heights(slab, axis)
    area = 2.0 * face_area(slab, axis)
    counts = [np.bincount(f.numbers, minlength=120) / f.n_atoms for f in (slab, crystal)]
    if not area or np.abs(counts[0] - counts[1]).max() > 1e-9:
        raise AnalysisError(
            "slab and crystal differ in their shares of the elements",
            fix="Choose the crystal that the slab was cut from",
        )
    share = slab.n_atoms / area
    target = Target.mean(slab, name="surface").times(share).minus(Target.mean(crystal).times(share))
    mean, covariance = posterior.mean_and_covariance([target], n_threads=n_threads)
    energy = float(mean[0])
    message = "" if energy > 0 else "negative: the data do not tell the energy of this surface"
    spread = JOULE_PER_M2 * float(np.sqrt(covariance[0, 0]))
    return SurfaceEnergy(energy, JOULE_PER_M2 * energy, spread, message)


def face_area(slab: Frame, axis: int = 2) -> float:
    """Return the area, Å², of the face that the cell vectors other than ``axis`` span."""
    return float(np.linalg.norm(np.cross(slab.cell[(axis + 1) % 3], slab.cell[(axis + 2) % 3])))
