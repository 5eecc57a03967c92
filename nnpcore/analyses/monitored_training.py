"""A training as a job that follows mapping errors, see :mod:`nnpcore.training.apart`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nnpcore.analyses.monitor import MappingMonitor
from nnpcore.cluster import Hand
from nnpcore.training.apart import train_with


def train_monitored(given: Mapping[str, Any], hand: Hand) -> dict[str, Any]:
    """Train as a job, with ``given["monitor"]`` of :meth:`MappingMonitor.to_dict`."""
    return train_with(given, hand, lambda values: MappingMonitor.from_dict(values["monitor"]))
