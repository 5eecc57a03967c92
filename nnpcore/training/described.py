"""The frames of a training, described and scaled: all that is learned from them before the first epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.descriptors import DescriptorSet, SymmetryFunctions, Whitening
from nnpcore.descriptors.functions import USUAL_CUTOFF
from nnpcore.training.data import FitSet, Targets, fit_element_energies
from nnpcore.training.doubts import check_neighbors
from nnpcore.training.group_weights import counted_labels, weights_of
from nnpcore.training.run_folder import Checkpoint, TrainingValues
from nnpcore.training.storage import Describer, Storage
from nnpcore.training.stress_order import stresses_in_order
from nnpcore.training.windows import Windows

if TYPE_CHECKING:
    from nnpcore.progress import Progress
    from nnpcore.structures.frame import Frame
    from nnpcore.training.baseline.baseline import Baseline
    from nnpcore.training.settings import TrainSettings


def with_functions(
    settings: TrainSettings, train: Sequence[Frame]
) -> tuple[TrainSettings, SymmetryFunctions]:
    """Return settings, with the cutoff they have, and symmetry functions; the preset is a fixed one.

    Raises
    ------
    DataError : a frame that cannot be used, or no atom has a neighbor.
    """
    from ase.data import chemical_symbols

    given = settings.descriptors
    if given.functions is not None:
        functions = SymmetryFunctions.from_dict(given.functions)
    else:
        elements = [chemical_symbols[z] for z in np.unique(np.concatenate([f.numbers for f in train]))]
        functions = SymmetryFunctions.preset(given.preset, elements, given.cutoff or USUAL_CUTOFF)
        settings = settings.replace(**{"descriptors.cutoff": functions.cutoff})
    check_neighbors(train, functions.cutoff)
    return settings, functions


@dataclass(frozen=True, eq=False)
class Scales:
    """What makes network inputs of descriptors, and what is taken off the energies (eV per atom)."""

    whitening: Whitening
    element_energies: dict[str, float]

    @classmethod
    def of_checkpoint(cls, checkpoint: Checkpoint) -> Scales:
        """Take them from a checkpoint; KeyError, TypeError or AttributeError where it is damaged."""
        own = checkpoint.named("whitening.")
        energies = {str(k): float(v) for k, v in checkpoint.state["element_energies"].items()}
        return cls(Whitening.from_arrays({name: own[name] for name in ("mean", "matrix")}), energies)


@dataclass(frozen=True, eq=False)
class DescribedFrames:
    """Training and validation frames, ready for the engine; the latter may be None.

    Attributes
    ----------
    scales : learned from the training frames, or given.
    train, valid : descriptors with float32 derivatives, network inputs and targets.
    note : where the derivatives are, where that is not memory.
    """

    scales: Scales
    train: FitSet
    valid: FitSet | None
    note: str = ""

    @classmethod
    def of(
        cls,
        functions: SymmetryFunctions,
        train: Sequence[Frame],
        valid: Sequence[Frame],
        scales: Scales | None = None,
        *,
        floor: float,
        counts: Sequence[float] = (),
        settings: TrainSettings | None = None,
        about: Mapping[str, float] | None = None,
        storage: Describer | None = None,
        progress: Progress | None = None,
    ) -> DescribedFrames:
        """Compute the descriptors of all frames in one go, so that both sets share the memory.

        ``floor`` is that of the whitening, where ``scales`` do not bring one; ``counts`` says how many times
        each training frame counts, once where there are none; ``settings`` have the weights of groups, none
        where not given; ``about`` : energies of isolated atoms;
        ``storage`` says where derivatives are kept. What scales are learned from is every
        frame once, but energies of no weight.

        Raises
        ------
        TrainingError : the derivatives do not fit where they were to be kept.
        DataError, PotentialError : a frame that cannot be used, naming it.
        """
        frames = [*train, *valid]
        found, windows, note = (storage or Storage()).describe(frames, functions, progress)
        train_set = found.select(0, len(train))
        valid_set = found.select(len(train), found.n_frames) if valid else None
        if scales is None:
            whitening = Whitening.fit(train_set.values, train_set.species, functions, floor)
            counted = train if settings is None else counted_labels(train, settings)
            scales = Scales(whitening, fit_element_energies(counted, functions.elements, about))

        def fit_set(
            descriptors: DescriptorSet,
            frames: Sequence[Frame],
            own: Windows | None,
            counts: Sequence[float] = (),
        ) -> FitSet:
            weights = None if settings is None else weights_of(frames, settings)
            labelled = frames if settings is None else stresses_in_order(frames, settings)
            targets = Targets.of(labelled, functions.elements, scales.element_energies, counts, weights)
            return FitSet.of(descriptors, scales.whitening, targets, own)

        after = None if windows is None else windows.after(len(train))
        fitted = None if valid_set is None else fit_set(valid_set, valid, after)
        return cls(scales, fit_set(train_set, train, windows, counts), fitted, note)

    def with_stresses(self, train: Sequence[Frame], valid: Sequence[Frame]) -> DescribedFrames:
        """Return the same frames with the stresses that these copies of them have."""
        own = replace(self.train, targets=self.train.targets.with_stresses(train))
        if self.valid is None:
            return replace(self, train=own)
        return replace(
            self, train=own, valid=replace(self.valid, targets=self.valid.targets.with_stresses(valid))
        )

    def over(self, baseline: Baseline | None) -> tuple[FitSet, FitSet | None]:
        """Return what the networks are fitted to and judged by: the targets less what lies under them."""
        if baseline is None:
            return self.train, self.valid
        return baseline.taken_off(self.train), self.valid and baseline.taken_off(self.valid)

    def values(self) -> TrainingValues:
        """Return the descriptors of all atoms, as a run folder keeps them."""
        parts = [data.descriptors for data in (self.train, self.valid) if data is not None]
        return TrainingValues(
            values=np.concatenate([p.values for p in parts]),
            species=np.concatenate([p.species for p in parts]),
            frame=np.concatenate([p.frames_of_atoms for p in parts]).astype(np.int32),
            is_training=np.repeat([True, False][: len(parts)], [p.n_atoms for p in parts]),
        )
