"""Does a potential hold in use: elasticity, surfaces, vacancies, phonons and dynamics of a crystal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnpcore.lazy import lazy_names

if TYPE_CHECKING:
    from nnpcore.properties.crystal import Crystal, bulk_frame, standardized
    from nnpcore.properties.settings import PARTS, PropertySettings
    from nnpcore.properties.study import KnownData, find_crystal, study_properties
    from nnpcore.properties.values import (
        Properties,
        Reference,
        Value,
        read_properties,
        read_reference,
        write_properties,
    )

__all__ = [
    "PARTS",
    "Crystal",
    "KnownData",
    "Properties",
    "PropertySettings",
    "Reference",
    "Value",
    "bulk_frame",
    "find_crystal",
    "read_properties",
    "read_reference",
    "standardized",
    "study_properties",
    "write_properties",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "crystal": ("Crystal", "bulk_frame", "standardized"),
        "settings": ("PARTS", "PropertySettings"),
        "study": ("KnownData", "find_crystal", "study_properties"),
        "values": (
            "Properties",
            "Reference",
            "Value",
            "read_properties",
            "read_reference",
            "write_properties",
        ),
    },
)
