"""Elastic constants by finite strains, with ions relaxed."""

from __future__ import annotations

import numpy as np

from nnpcore.progress import Progress
from nnpcore.properties.asking import Asked, spread_of
from nnpcore.properties.crystal import Crystal
from nnpcore.properties.values import Found, Value
from nnpcore.units import GPA_PER_EV_PER_ANG3

Places = tuple[tuple[int, int], ...]
_CUBIC: dict[str, Places] = {
    "11": ((1, 1), (2, 2), (3, 3)),
    "12": ((1, 2), (1, 3), (2, 3)),
    "44": ((4, 4), (5, 5), (6, 6)),
}
_HEXAGONAL: dict[str, Places] = {
    "11": ((1, 1), (2, 2)),
    "12": ((1, 2),),
    "13": ((1, 3), (2, 3)),
    "33": ((3, 3),),
    "44": ((4, 4), (5, 5)),
}
_ORTHORHOMBIC: dict[str, Places] = {
    f"{i}{j}": ((i, j),) for i, j in ((1, 1), (2, 2), (3, 3), (1, 2), (1, 3), (2, 3), (4, 4), (5, 5), (6, 6))
}
INDEPENDENT: dict[str, dict[str, Places]] = {
    "cubic": _CUBIC,
    "hexagonal": _HEXAGONAL,
    "trigonal": _HEXAGONAL | {"14": ((1, 4),)},
    "tetragonal": _HEXAGONAL | {"66": ((6, 6),)},
    "orthorhombic": _ORTHORHOMBIC,
    "monoclinic": {f"{i}{j}": ((i, j),) for i in range(1, 7) for j in range(i, 7)},
}
"""Crystal family -> name of a constant -> the places of Voigt's matrix it is the mean of."""


def elastic_constants(asked: Asked, crystal: Crystal, progress: Progress) -> Found:
    """Elastic constants of a relaxed crystal, and Hill's mean moduli of its polycrystal.

    Voigt's matrix is C_ij = dσ_i/dε_j by central differences. Members' stresses are those of the mean's
    strained structures.
    """
    matrices = stiffness(asked, crystal, progress)
    mean = matrices.mean(axis=0)
    values = []
    for name, places in INDEPENDENT.get(crystal.family, INDEPENDENT["monoclinic"]).items():
        members = np.mean([matrices[:, i - 1, j - 1] for i, j in places], axis=0)
        values.append(Value(f"c{name}", f"C{name}", "GPa", float(members.mean()), spread_of(members)))
    lowest = float(np.linalg.eigvalsh(mean)[0])
    if lowest <= 0:
        note = f"the crystal is not stable against strain: the least eigenvalue of C is {lowest:.3g} GPa"
        return Found(tuple(values), notes=(note,))
    hill = np.array([_hill(one) for one in matrices])
    for k, (key, title) in enumerate((("bulk_modulus", "Bulk modulus"), ("shear_modulus", "Shear modulus"))):
        values.append(Value(key, title, "GPa", float(_hill(mean)[k]), spread_of(hill[:, k])))
    return Found(tuple(values))


def stiffness(asked: Asked, crystal: Crystal, progress: Progress) -> np.ndarray:
    """Return Voigt's matrix of every member, (n_members, 6, 6) GPa, symmetric.

    Raises
    ------
    AnalysisError : there is no stress, or a strained crystal does not come to rest.
    """
    delta = asked.settings.strain
    parts, columns = progress.split(12), []
    for j in range(6):
        sides = []
        for k, sign in enumerate((1.0, -1.0)):
            strained = crystal.atoms.copy()
            strained.set_cell(strained.cell.array @ (np.eye(3) + _strain(j, sign * delta)), scale_atoms=True)
            part = parts[2 * j + k]
            sides.append(asked.stress(asked.relaxed(strained, part), part))
        columns.append((sides[0] - sides[1]) / (2.0 * delta))
    matrices = GPA_PER_EV_PER_ANG3 * np.stack(columns, axis=2)
    return 0.5 * (matrices + matrices.transpose(0, 2, 1))


def _strain(j: int, size: float) -> np.ndarray:
    """Return the strain tensor (3, 3) of one of Voigt's components; shears are twice the tensor's."""
    strain = np.zeros((3, 3))
    a, b = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))[j]
    strain[a, b] = strain[b, a] = size if a == b else 0.5 * size
    return strain


def _hill(c: np.ndarray) -> tuple[float, float]:
    """Hill's bulk and shear modulus, the means of Voigt's and Reuss's (Proc. Phys. Soc. A 65, 349 (1952))."""
    s = np.linalg.inv(c)

    def parts(m: np.ndarray) -> tuple[float, float, float]:
        return (
            float(m[0, 0] + m[1, 1] + m[2, 2]),
            float(m[0, 1] + m[0, 2] + m[1, 2]),
            float(np.trace(m[3:, 3:])),
        )

    (d, o, t), (sd, so, st) = parts(c), parts(s)
    bulk = 0.5 * ((d + 2.0 * o) / 9.0 + 1.0 / (sd + 2.0 * so))
    shear = 0.5 * ((d - o + 3.0 * t) / 15.0 + 15.0 / (4.0 * sd - 4.0 * so + 3.0 * st))
    return bulk, shear
