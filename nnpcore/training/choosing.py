"""The preset auto: symmetry functions from the data, or preset 26 where short trainings find those better.

No set of functions is the best for all data: narrow ones of a short cutoff suit bonds, the wide ones of
preset 26 what is smooth. So a few sets are tried: one network of each learns some of the frames for a few
epochs, and what it leaves on others decides. That takes seconds; on the published and made data of
``benchmarks/fits.py`` the order that it finds is that of full trainings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from ase.data import chemical_symbols

from nnpcore.descriptors import SymmetryFunctions, choose_functions
from nnpcore.descriptors.auto import of_each_kind
from nnpcore.descriptors.functions import USUAL_CUTOFF
from nnpcore.descriptors.pool import SMALLEST_CUTOFF
from nnpcore.potential.network import NetworkWeights
from nnpcore.progress import Progress
from nnpcore.structures.frame import Frame
from nnpcore.threads import default_threads, one_blas_thread
from nnpcore.training.control import Pace
from nnpcore.training.described import DescribedFrames
from nnpcore.training.engines.engine import Engine
from nnpcore.training.engines.packing import Packing
from nnpcore.training.evaluate import monitored_score
from nnpcore.training.optimizers.choice import choose_optimizer
from nnpcore.training.settings import TrainSettings
from nnpcore.training.storage import Storage

FEWEST_FRAMES = 30
"""With fewer nothing can be told apart: preset 26."""

_MOST_FRAMES = 90
_MOST_ATOMS = 6000
_HELD_OUT = 3
"""Every third frame is held out."""

_EPOCHS = 10
_NEARER = 0.75
"""The second cutoff, in units of the one that the distances suggest."""

_CLEARLY = 1.1
"""By such a factor another set must be better than that of the usual cutoff."""

_WORST = 30.0
"""What a training scores that has no finite error left, a logarithm."""


@dataclass(frozen=True, eq=False)
class Choice:
    """Symmetry functions and, in a sentence, why these.

    Attributes
    ----------
    functions : those chosen.
    sentence : for the user.
    """

    functions: SymmetryFunctions
    sentence: str


@dataclass(frozen=True, eq=False)
class _Set:
    functions: SymmetryFunctions
    name: str
    sentence: str


def choice_for(frames: Sequence[Frame], settings: TrainSettings, progress: Progress | None = None) -> Choice:
    """Choose symmetry functions for frames, the same for any order of them.

    Parameters
    ----------
    frames : all that the training will see, those of its validation included, so that the functions do not
        hang on the split.
    settings : their cutoff, where they have one, and the weights of energies and forces count (where there
        is only stress in the loss, the usual ones), and the number of threads, which does not change the
        choice.

    Raises
    ------
    DataError : a frame that cannot be used, or no atom has a neighbor. Cancelled : by ``progress``.
    """
    progress = progress or Progress()
    usable = [f for f in frames if f.forces is not None or f.energy is not None]
    if len(usable) < FEWEST_FRAMES:
        own = _preset(frames, settings.descriptors.cutoff)
        return Choice(own.functions, f"{own.sentence}: {len(usable)} frames are too few to choose others by")
    making, trying = progress.part(0.0, 0.4), progress.part(0.4, 1.0)
    some = of_each_kind(usable, _MOST_FRAMES, _MOST_ATOMS)
    some = [some[k] for k in np.random.default_rng(0).permutation(len(some))]
    rest = [frame for k, frame in enumerate(some) if k % _HELD_OUT]
    with one_blas_thread():
        sets = list(_sets(frames, settings, making))
        scores = np.array(
            [
                _score(own.functions, rest, some[::_HELD_OUT], settings, part)
                for own, part in zip(sets, trying.split(len(sets)), strict=True)
            ]
        )
    best = int(np.argmin(scores))
    taken = best if scores[best] < scores[0] - np.log(_CLEARLY) else 0
    left = ", ".join(
        f"{np.exp(min(score - scores[taken], 9.0)):.2f} times that with {own.name}"
        for k, (own, score) in enumerate(zip(sets, scores, strict=True))
        if k != taken
    )
    tried = f"Short trainings on {len(rest)} frames leave an error on {len(some) - len(rest)} others of"
    return Choice(sets[taken].functions, f"{sets[taken].sentence}. {tried} 1.00, {left}")


def _preset(frames: Sequence[Frame], cutoff: float | None) -> _Set:
    elements = [chemical_symbols[z] for z in np.unique(np.concatenate([f.numbers for f in frames]))]
    functions = SymmetryFunctions.preset("26", elements, cutoff or USUAL_CUTOFF)
    name = f"preset 26, {functions.cutoff:g} Å"
    return _Set(functions, name, f"Symmetry functions of {name}")


def _sets(frames: Sequence[Frame], settings: TrainSettings, progress: Progress) -> Iterator[_Set]:
    """Yield the sets to try: from the data at the usual cutoff and at a shorter one, and preset 26."""
    given, n_threads = settings.descriptors.cutoff, settings.n_threads
    usual = choose_functions(frames, given, n_threads=n_threads, progress=progress.part(0.0, 0.6))
    yield _Set(usual.functions, f"others from the data, {usual.functions.cutoff:g} Å", usual.sentence)
    near = max(round(_NEARER * usual.functions.cutoff, 1), SMALLEST_CUTOFF)
    if given is None and near < usual.functions.cutoff:
        own = choose_functions(frames, near, n_threads=n_threads, progress=progress.part(0.6, 1.0))
        yield _Set(own.functions, f"others from the data, {near:g} Å", own.sentence)
    yield _preset(frames, given)


def _score(
    functions: SymmetryFunctions,
    train: Sequence[Frame],
    valid: Sequence[Frame],
    settings: TrainSettings,
    progress: Progress,
) -> float:
    """Return the mean logarithm of the errors that a short training leaves on frames it has not seen."""
    usual = TrainSettings(n_members=1, guidance=0.0, stress_weight=0.0, device="cpu")
    energy, force, _ = settings.loss_weights
    own = usual.replace(energy_weight=energy, force_weight=force) if energy or force else usual
    template = NetworkWeights.initial(functions, own.hidden, 1, own.seed, own.activation)
    packing = Packing.of(template)
    storage = Storage("memory", None, "cpu", settings.n_threads)
    part = progress.part(0.0, 0.3, "trying symmetry functions")
    data = DescribedFrames.of(functions, train, valid, floor=own.input_floor, storage=storage, progress=part)
    start, choice = packing.to_internal(template), choose_optimizer(own, packing)
    n_threads = settings.n_threads or default_threads()
    engine = Engine(own, choice, packing, start, *data.over(None), n_threads=n_threads)
    for epoch in range(_EPOCHS):
        progress.report(0.3 + 0.7 * epoch / _EPOCHS, "trying symmetry functions")
        engine.optimizer.run_epoch(epoch, Pace(None, Progress(within=progress)))
    errors = engine.validate(engine.optimizer.weights())
    score = None if errors is None else monitored_score(errors, own.loss_weights)
    return float(np.nan_to_num(score[0], nan=_WORST, posinf=_WORST)) if score is not None else 0.0
