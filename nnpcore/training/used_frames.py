"""Which frames a training uses, and how often each counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nnpcore.descriptors.functions import USUAL_CUTOFF
from nnpcore.structures.overlap import refuse_overlap
from nnpcore.training.atom_energies import AtomEnergies, atom_energies_of
from nnpcore.training.counts import checked_counts, sentence_on
from nnpcore.training.data import check_trainable
from nnpcore.training.doubts import check_comparable, notes_on, notes_on_split
from nnpcore.training.group_weights import check_something_counts, notes_on_weights
from nnpcore.training.history import Message, Severity
from nnpcore.training.leaving_out import Leaving
from nnpcore.training.settings import TrainSettings

if TYPE_CHECKING:
    from nnpcore.structures.frame import Frame


@dataclass(frozen=True, eq=False)
class UsedFrames:
    """The frames of a training by role, without those left out and without isolated atoms that are a zero.

    Attributes
    ----------
    settings : as given, with the energies of isolated atoms that were found.
    train, valid, test : frames by role.
    counts : how many times each training frame counts; nothing where all count once.
    atom_energies : what energies count from.
    messages : what is to be said of all this.
    """

    settings: TrainSettings
    train: tuple[Frame, ...]
    valid: tuple[Frame, ...]
    test: tuple[Frame, ...]
    counts: tuple[float, ...]
    atom_energies: AtomEnergies
    messages: tuple[Message, ...]

    @classmethod
    def of(
        cls,
        settings: TrainSettings,
        train: Sequence[Frame],
        valid: Sequence[Frame],
        test: Sequence[Frame],
        counts: Sequence[float],
    ) -> UsedFrames:
        """Choose of the frames given for each role.

        Raises
        ------
        TrainingError : no frames, nothing in them that the loss asks for, or counts that are none.
        DataError : a test frame among the others, with other elements, or no test frame with a label.
        SettingsError : energies of isolated atoms that do not belong to the frames.
        """
        counts = checked_counts(counts, len(train))
        leaving = Leaving.of(settings.left_out, train, valid, test)
        settings = settings.replace(left_out=leaving.used) if leaving.means_some else settings
        train, valid = [train[k] for k in leaving.kept_train], [valid[k] for k in leaving.kept_valid]
        counts = tuple(counts[k] for k in leaving.kept_train) if counts else ()
        energy, forces, stress = (weight > 0 for weight in settings.loss_weights)
        check_trainable(train, energy=energy, forces=forces, stress=stress)
        check_something_counts(train, settings)
        cutoff = settings.descriptors.cutoff or USUAL_CUTOFF
        energies = atom_energies_of(settings.atom_energies, train, cutoff)
        if energies.values:
            settings = settings.replace(atom_energies=energies.text)
        counts = tuple(counts[k] for k in energies.kept(train)) if counts else ()
        train, valid, test = (tuple(f[k] for k in energies.kept(f)) for f in (train, valid, test))
        check_comparable(test, train, settings)
        refuse_overlap(test, {"training": train, "validation": valid})
        said = [*leaving.messages, *energies.messages, *notes_on(train, settings)]
        said += notes_on_split(train, valid, settings.split)
        said += [Message(sentence_on(counts), Severity.NOTE)] if counts else []
        said += notes_on_weights(train, valid, settings)
        return cls(settings, train, valid, test, counts, energies, tuple(said))
