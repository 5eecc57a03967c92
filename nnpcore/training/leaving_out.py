"""Frames that a user leaves out of a training, each with the reason; kept in the run's settings."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from nnpcore.descriptors.functions import USUAL_CUTOFF
from nnpcore.errors import SettingsError
from nnpcore.files import read_regular, write_atomically
from nnpcore.foreign_text import one_line
from nnpcore.structures.isolated import APART, is_isolated
from nnpcore.training.data_sources import fingerprint
from nnpcore.training.history import Message, Severity
from nnpcore.training.settings import LeftOut, TrainSettings, parsed_toml

if TYPE_CHECKING:
    from nnpcore.structures.frame import Frame


def left_out(frame: Frame, why: str) -> LeftOut:
    """Return what names a frame, by its file, its index there and what it holds."""
    return LeftOut(
        file=PurePath(frame.source).name,
        frame=frame.index,
        fingerprint=fingerprint([frame])[:16],
        why=one_line(why),
    )


def places_kept(frames: Sequence[Frame], named: Sequence[LeftOut]) -> tuple[list[int], list[Message]]:
    """Return which frames are not left out, and what the user should know of the others.

    A frame that has changed since it was named is kept, and said.
    """
    wanted = {(one.file, one.frame): one for one in named}
    kept, messages = [], []
    for k, frame in enumerate(frames):
        one = wanted.get((PurePath(frame.source).name, frame.index)) if wanted else None
        if one is None:
            kept.append(k)
        elif one.fingerprint and one.fingerprint != fingerprint([frame])[:16]:
            kept.append(k)
            text = f"{frame.label(k)} is no longer the one that was left out, and is trained on"
            messages.append(Message(text))
        else:
            why = f": {one.why}" if one.why else ""
            messages.append(Message(f"Left out: {one.file}, frame {one.frame}{why}", Severity.NOTE))
    return kept, messages


def without_unused(frames: Sequence[Frame], settings: TrainSettings) -> list[Frame]:
    """Return frames without isolated atoms and what settings leave out, as a run may keep them."""
    kept = [frames[k] for k in places_kept(frames, settings.left_out)[0]]
    apart = max(APART, settings.descriptors.cutoff or USUAL_CUTOFF)
    return [frame for frame in kept if not is_isolated(frame, apart)]


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
