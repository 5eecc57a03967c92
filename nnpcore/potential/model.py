"""What is asked of a model, whoever made it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from nnpcore.potential.prediction import Prediction

if TYPE_CHECKING:
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame


class AtomicEnergyModel(Protocol):
    """Anything that tells the energy of every atom: an Eatlas ensemble, or another code's potential."""

    @property
    def name(self) -> str:
        """What to call it."""
        ...

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols it knows."""
        ...

    @property
    def n_members(self) -> int:
        """Number of ensemble members, 1 for a single model."""
        ...

    def predict(
        self,
        frames: Sequence[Frame],
        *,
        forces: bool = True,
        stress: bool = True,
        members: bool = True,
        device: str = "cpu",
        n_threads: int | None = None,
        progress: Progress | None = None,
    ) -> Prediction:
        """Predict frames of any size and composition; see ``Potential.predict``."""
        ...
