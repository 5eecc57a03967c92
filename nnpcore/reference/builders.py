"""Structures to start from, in one place: slabs, clusters, and their relaxation."""

from nnpcore.reference.clusters import facet_planes, nanocluster, wulff_cluster
from nnpcore.reference.relaxing import relax
from nnpcore.reference.slabs import SILICON_LATTICE, SURFACES, faces_equivalent, slab

__all__ = [
    "SILICON_LATTICE",
    "SURFACES",
    "faces_equivalent",
    "facet_planes",
    "nanocluster",
    "relax",
    "slab",
    "wulff_cluster",
]
