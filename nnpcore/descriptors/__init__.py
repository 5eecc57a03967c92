"""Symmetry functions, their derivatives, whitening.

Formulas: Behler, J. Chem. Phys. 134, 074106 (2011), in n2p2's conventions; all lengths in Å.
"""

from nnpcore.descriptors.auto import ChosenFunctions, choose_functions
from nnpcore.descriptors.compute import compute_descriptors, warm_up
from nnpcore.descriptors.descriptor_set import DescriptorSet
from nnpcore.descriptors.functions import G2, G4, G5, SymmetryFunction, SymmetryFunctions
from nnpcore.descriptors.neighbors import NeighborFinder, NeighborPairs, neighbor_pairs
from nnpcore.descriptors.whitening import Whitening

__all__ = [
    "G2",
    "G4",
    "G5",
    "ChosenFunctions",
    "DescriptorSet",
    "NeighborFinder",
    "NeighborPairs",
    "SymmetryFunction",
    "SymmetryFunctions",
    "Whitening",
    "choose_functions",
    "compute_descriptors",
    "neighbor_pairs",
    "warm_up",
]
