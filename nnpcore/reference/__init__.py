"""Data without a DFT code: reference potentials with exactly known atomic energies, samplers and builders."""

from nnpcore.reference.calculators import (
    REFERENCES,
    CleriRosato,
    ReferenceCalculator,
    StillingerWeber,
    reference_calculator,
)
from nnpcore.reference.clusters import facet_planes, wulff_cluster
from nnpcore.reference.crystals import LATTICES, CrystalRange, crystal, crystal_scan, equilibrium_lattice
from nnpcore.reference.labels import label, label_all
from nnpcore.reference.relaxing import relax
from nnpcore.reference.sampling import SamplerSettings, sample
from nnpcore.reference.slabs import SILICON_LATTICE, SURFACES, faces_equivalent, slab
from nnpcore.reference.starts import Preview, StartStructure, preview

__all__ = [
    "LATTICES",
    "REFERENCES",
    "SILICON_LATTICE",
    "SURFACES",
    "CleriRosato",
    "CrystalRange",
    "Preview",
    "ReferenceCalculator",
    "SamplerSettings",
    "StartStructure",
    "StillingerWeber",
    "crystal",
    "crystal_scan",
    "equilibrium_lattice",
    "faces_equivalent",
    "facet_planes",
    "label",
    "label_all",
    "preview",
    "reference_calculator",
    "relax",
    "sample",
    "slab",
    "wulff_cluster",
]
