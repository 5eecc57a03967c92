"""Which frames to add to a training set so that its map becomes right, and computing them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnpcore.lazy import lazy_names

if TYPE_CHECKING:
    from nnpcore.cure.aims import (
        Aim,
        aims_of_atoms,
        aims_of_frames,
        aims_of_regions,
        near_equilibrium,
        read_aims,
    )
    from nnpcore.cure.candidates import KINDS, Candidate, LeftOut, from_files
    from nnpcore.cure.exploring import Exploration, ExploreSettings, Look, explore
    from nnpcore.cure.finding import Chosen, Cure, CureOrder, find_cure, summary
    from nnpcore.cure.folder import Addition, addition, check_zero, write_cure
    from nnpcore.cure.labelling import Labelled, collect, label_with
    from nnpcore.cure.pool import PoolSettings, generate, kinds_of
    from nnpcore.cure.screening import Limits, Surroundings, reasons_text, usual_distance
    from nnpcore.cure.seeds import Seeds, seeds_of
    from nnpcore.cure.writing import write_candidates

__all__ = [
    "KINDS",
    "Addition",
    "Aim",
    "Candidate",
    "Chosen",
    "Cure",
    "CureOrder",
    "Exploration",
    "ExploreSettings",
    "Labelled",
    "LeftOut",
    "Limits",
    "Look",
    "PoolSettings",
    "Seeds",
    "Surroundings",
    "addition",
    "aims_of_atoms",
    "aims_of_frames",
    "aims_of_regions",
    "check_zero",
    "collect",
    "explore",
    "find_cure",
    "from_files",
    "generate",
    "kinds_of",
    "label_with",
    "near_equilibrium",
    "read_aims",
    "reasons_text",
    "seeds_of",
    "summary",
    "usual_distance",
    "write_candidates",
    "write_cure",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "aims": (
            "Aim",
            "aims_of_atoms",
            "aims_of_frames",
            "aims_of_regions",
            "near_equilibrium",
            "read_aims",
        ),
        "candidates": ("KINDS", "Candidate", "LeftOut", "from_files"),
        "exploring": ("Exploration", "ExploreSettings", "Look", "explore"),
        "finding": ("Chosen", "Cure", "CureOrder", "find_cure", "summary"),
        "folder": ("Addition", "addition", "check_zero", "write_cure"),
        "labelling": ("Labelled", "collect", "label_with"),
        "pool": ("PoolSettings", "generate", "kinds_of"),
        "screening": ("Limits", "Surroundings", "reasons_text", "usual_distance"),
        "seeds": ("Seeds", "seeds_of"),
        "writing": ("write_candidates",),
    },
)
