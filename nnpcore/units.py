"""Unit conversions. Inside: Å, eV, eV/Å, eV/Å³ (ASE's); shown: meV/atom, eV/Å, GPa."""

from __future__ import annotations

from ase import units as _ase_units

GPA_PER_EV_PER_ANG3: float = 1.0 / _ase_units.GPa
"""1 eV/Å³ in GPa (160.2176...)."""

MEV_PER_EV: float = 1000.0
