"""Stresses in the order that they were found to stand in, group by group; some are not used at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from nnpcore.structures.groups import groups_of
from nnpcore.structures.labels.foretold_stress import AS_GIVEN, LEFT_OUT, order_in_words, reordered

if TYPE_CHECKING:
    from nnpcore.structures.frame import Frame
    from nnpcore.training.settings import TrainSettings


def stresses_in_order(frames: Sequence[Frame], settings: TrainSettings) -> tuple[Frame, ...]:
    """Return the frames with stresses put right by ``settings.stress_order``; to be done once.

    Frames of groups that are not used have none.
    """
    if not settings.stress_order:
        return tuple(frames)
    orders = [settings.stress_order.get(name, AS_GIVEN) for name in groups_of(frames, settings.group_key)]
    return tuple(
        frame if order == AS_GIVEN else _put_right(frame, order)
        for frame, order in zip(frames, orders, strict=True)
    )


def _put_right(frame: Frame, order: str) -> Frame:
    if frame.stress is None or order == LEFT_OUT:
        return replace(frame, stress=None)
    return replace(frame, stress=reordered(frame.stress, order))


def sentence_on_order(settings: TrainSettings) -> str:
    """Return, for the user, which groups' stresses are put right or left out; "" where none is."""
    parts = []
    for group, order in settings.stress_order.items():
        left_out = order == LEFT_OUT
        parts.append(f"{group} not used" if left_out else f"{group} put right ({order_in_words(order)})")
    return f"Stresses by group: {'; '.join(parts)}" if parts else ""
