"""Frames that a user leaves out of a training, each with the reason; kept in the run's settings."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import numpy as np

from nnpcore.descriptors.functions import USUAL_CUTOFF
from nnpcore.errors import RunFolderError, SettingsError
from nnpcore.files import read_regular, write_atomically
from nnpcore.foreign_text import one_line
from nnpcore.structures.isolated import APART, is_isolated
from nnpcore.training.history import Message, Severity
from nnpcore.training.settings import LeftOut, TrainSettings, parsed_toml

if TYPE_CHECKING:
    from nnpcore.structures.frame import Frame
    from nnpcore.training.run_folder import RunFolder


_GRID = 1e-3
_OFFSET = 0.3719
"""Å and eV: contents are told apart by numbers on such a grid, which another text of the same numbers keeps.
It begins where no number of a crystal lies on an edge."""


def content_of(frame: Frame) -> str:
    """Return the beginning of a hash of a frame's structure and energy, whatever file it is in.

    Forces and stress do not count: whether they are there may depend on the names they were read under.
    """
    digest = hashlib.sha256()
    for values in (frame.numbers, frame.pbc):
        digest.update(np.ascontiguousarray(values, dtype="<i8").tobytes())
    energy = [] if frame.energy is None else [frame.energy]
    for values in (frame.positions, frame.cell, np.array(energy)):
        digest.update(np.floor(values / _GRID + _OFFSET).astype("<i8").tobytes())
    return digest.hexdigest()[:16]


def left_out(frame: Frame, why: str) -> LeftOut:
    """Return what names a frame, by its file, its index there and what it holds."""
    return LeftOut(file=_file(frame), frame=frame.index, fingerprint=content_of(frame), why=one_line(why))


def _file(frame: Frame) -> str:
    return PurePath(frame.source).name


@dataclass(frozen=True)
class Leaving:
    """What a list of frames to leave out means for the frames of a training.

    Attributes
    ----------
    used : an entry for each frame that is left out, by its file and index as they are now.
    kept_train, kept_valid : places of those that are not.
    in_test : test frames that an entry means; they stay there.
    unmatched : entries that mean no frame.
    messages : what the user should know of all this.
    """

    used: tuple[LeftOut, ...]
    kept_train: tuple[int, ...]
    kept_valid: tuple[int, ...]
    in_test: int
    unmatched: tuple[LeftOut, ...]
    messages: tuple[Message, ...]

    @property
    def means_some(self) -> bool:
        """Whether an entry is for one of these frames."""
        return bool(self.used or self.in_test)

    @classmethod
    def of(
        cls,
        named: Sequence[LeftOut],
        train: Sequence[Frame],
        valid: Sequence[Frame] = (),
        test: Sequence[Frame] = (),
    ) -> Leaving:
        """Find frames by what they hold, whatever their file is called; without a fingerprint by their place.

        Where no entry means any of these frames nothing is said of that: they may have been left out before.
        """
        if not named:
            return cls((), tuple(range(len(train))), tuple(range(len(valid))), 0, (), ())
        find = _Finder(named)
        found = [[find.entry(frame) for frame in part] for part in (train, valid, test)]
        meant = [one for part in found for one in part if one is not None]
        unmatched = tuple(one for one in named if not any(one is other for other in meant))
        pairs = [
            (one, frame)
            for part, entries in zip((train, valid), found, strict=False)
            for frame, one in zip(part, entries, strict=True)
            if one is not None
        ]
        pairs.sort(key=lambda pair: next(k for k, one in enumerate(named) if one is pair[0]))
        used = tuple(
            one.model_copy(update={"file": _file(frame), "frame": frame.index}) for one, frame in pairs
        )
        kept = [tuple(k for k, one in enumerate(part) if one is None) for part in found]
        in_test = len(test) - len(kept[2])
        messages = _said(named, pairs, unmatched, in_test, find.changed) if meant or find.changed else ()
        return cls(used, kept[0], kept[1], in_test, unmatched, tuple(messages))


class _Finder:
    """Finds the entry that means a frame; ``changed`` names frames that are in the place of another."""

    def __init__(self, named: Sequence[LeftOut]) -> None:
        self._by_all = {(one.file, one.frame, one.fingerprint): one for one in reversed(named)}
        self._by_content = {one.fingerprint: one for one in reversed(named) if one.fingerprint}
        self._places = {(one.file, one.frame) for one in named}
        self.changed: list[str] = []

    def entry(self, frame: Frame) -> LeftOut | None:
        place, content = (_file(frame), frame.index), content_of(frame)
        found = self._by_all.get((*place, content)) or self._by_content.get(content)
        found = found or self._by_all.get((*place, ""))
        if found is None and place in self._places:
            self.changed.append(frame.label(frame.index))
        return found


def _said(
    named: Sequence[LeftOut],
    pairs: Sequence[tuple[LeftOut, Frame]],
    unmatched: Sequence[LeftOut],
    in_test: int,
    changed: Sequence[str],
) -> list[Message]:
    """Say what is left out, and which entries of a list mean nothing."""
    messages = []
    for one, frame in pairs:
        why = f": {one.why}" if one.why else ""
        messages.append(Message(f"Left out: {_file(frame)}, frame {frame.index}{why}", Severity.NOTE))
    if in_test:
        are = "1 frame to leave out is a test frame" if in_test == 1 else f"{in_test} are test frames"
        messages.append(Message(f"{are}, and tested on all the same"))
    if unmatched:
        match = "matches" if len(unmatched) == 1 else "match"
        first = f"{unmatched[0].file}, frame {unmatched[0].frame}"
        text = f"{len(unmatched)} of {len(named)} entries to leave out {match} no frame, such as {first}"
        messages.append(Message(text))
    for label in changed if unmatched else ():
        messages.append(Message(f"{label} has another structure or energy than listed, and is not left out"))
    return messages


def known_left_out(
    settings: TrainSettings,
    train: Sequence[Frame],
    valid: Sequence[Frame] = (),
    test: Sequence[Frame] = (),
    where: str = "left_out",
) -> tuple[TrainSettings, Leaving]:
    """Return settings that leave out the frames there are, and what that means.

    ``where`` : the file of the list, for the message. SettingsError where no entry means any frame.
    """
    leaving = Leaving.of(settings.left_out, train, valid, test)
    if settings.left_out and not leaving.means_some:
        n, first = len(settings.left_out), settings.left_out[0]
        none = "the one entry matches no" if n == 1 else f"none of the {n} entries matches a"
        raise SettingsError(
            f"{none} frame of these data by structure and energy, such as {first.file}, frame {first.frame}",
            where=where,
            fix="Give the data that the list was made of, read as they were then, or leave the list out",
        )
    return settings.replace(left_out=leaving.used) if settings.left_out else settings, leaving


def without_unused(frames: Sequence[Frame], settings: TrainSettings) -> list[Frame]:
    """Return frames without isolated atoms and what settings leave out, as a run may keep them."""
    kept = [frames[k] for k in Leaving.of(settings.left_out, frames).kept_train]
    apart = max(APART, settings.descriptors.cutoff or USUAL_CUTOFF)
    return [frame for frame in kept if not is_isolated(frame, apart)]


def as_kept(
    given: Mapping[str, Sequence[Frame]], settings: TrainSettings, folder: RunFolder
) -> Mapping[str, Sequence[Frame]]:
    """Return frames by role as a run keeps them; RunFolderError unless given so, or as to its training."""
    try:
        folder.check_frames(given)
    except RunFolderError:
        frames = {role: without_unused(part, settings) for role, part in given.items()}
        folder.check_frames(frames)
        return frames
    return given


def read_left_out(path: str | os.PathLike[str]) -> tuple[LeftOut, ...]:
    """Read a file that :func:`write_left_out` has written, or settings; SettingsError where it is none."""
    try:
        values = parsed_toml(read_regular(Path(path)))
        return TrainSettings.model_validate({"left_out": values["left_out"]}).left_out
    except OSError as error:
        what = f"the list of frames cannot be read ({error.strerror})"
    except (ValueError, RecursionError, KeyError) as error:
        what = f"this is no list of frames to leave out ({error})"
    except SettingsError as error:
        raise SettingsError(error.what, where=f"{path}, {error.where}", fix=error.fix) from None
    raise SettingsError(what, where=str(path), fix="Choose a file of: eatlas outliers RUN --leave-out FILE")


def write_left_out(path: str | os.PathLike[str], frames: Iterable[LeftOut]) -> None:
    """Write frames to leave out as TOML: what they are and why, to be edited and given to a training."""
    import tomli_w

    entries = [one.model_dump(mode="json") for one in frames]
    write_atomically(Path(path), tomli_w.dumps({"left_out": entries}).encode())
