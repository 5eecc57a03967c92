"""Whether stress counts in a training whose settings leave that to the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nnpcore.structures.labels.trust import trust_in_stress
from nnpcore.training.history import Message, Severity

if TYPE_CHECKING:
    from nnpcore.structures.frame import Frame
    from nnpcore.training.settings import TrainSettings

USUAL_STRESS_WEIGHT = 0.3
"""Enough to get elastic constants right, and little enough to leave the forces as they are."""


def with_stress_weight(
    settings: TrainSettings, train: Sequence[Frame]
) -> tuple[TrainSettings, list[Message]]:
    """Return settings with a weight of the stress, and what the user should know about it.

    Where they give none, it is :data:`USUAL_STRESS_WEIGHT` if the stresses of the frames agree with their
    energies, else 0.
    """
    if settings.stress_weight is not None:
        return settings, []
    trust = trust_in_stress(train)
    if trust is None:
        return settings.replace(stress_weight=0.0), []
    if trust.trusted:
        text = f"The stresses count, with the weight {USUAL_STRESS_WEIGHT:g}: {trust.why}"
        return settings.replace(stress_weight=USUAL_STRESS_WEIGHT), [Message(text, Severity.NOTE)]
    text = f"The stresses are not used: {trust.why}. Where they are right, give them a weight"
    note = Message(f"{text}, such as {USUAL_STRESS_WEIGHT:g}", Severity.NOTE)
    return settings.replace(stress_weight=0.0), [note]
