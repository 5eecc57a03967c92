"""The colours and the colour bar of the session's current frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from ase.data import chemical_symbols

from app.documents.atom_values import AtomValues, array_values, is_scalar, predicted_values
from app.documents.coloring import ALL_FRAMES, FRAME_GROUP, LABELS, PREDICTED_KINDS, Coloring
from app.look.colormaps import range_colors, to_rgb
from app.look.ink import ink, rgb_of
from app.viewer3d.color_bar import ColorBarSpec
from app.viewer3d.color_range import UNKNOWN, ColorRange, element_colors
from nnpcore.analyses.all_frames import ALL_FRAMES as ALL_PREDICTIONS
from nnpcore.analyses.all_frames import FramePredictions
from nnpcore.analyses.foretold import DATA_POSTERIOR
from nnpcore.analyses.prediction import PREDICTION
from nnpcore.progress import Progress
from nnpcore.structures.groups import group_of

if TYPE_CHECKING:
    from app.documents.dataset import DatasetDocument
    from app.session.session import Session
    from nnpcore.structures.frame import Frame

MAX_SEARCHED = 5_000_000
"""Values looked through at most for the range over all frames of a file's own array."""

RANGE_NOTES = {
    "auto": "",
    "frame": "this frame",
    "percentile": "2 to 98 %",
    "all": "all frames",
    "all_percentile": "all frames, 2 to 98 %",
    "locked": "locked",
}
MOVING_KINDS = tuple(kind for kind in PREDICTED_KINDS if kind != "run_difference")
"""What is predicted of any frame by the current run alone."""

Painter = Callable[["Frame", Progress], np.ndarray]
MOST_LISTED = 10
"""Elements in the legend at most."""
NO_EXACT = "The reference of this frame does not know<br>atomic energies."
NO_OTHER = "Open a second run to see the difference."
NO_RUN = "Train or open a run to colour by {}."
FIRST_EPOCH = "Colours appear after the first epoch."
NO_FORCES = "This frame has no forces to compare with."
NO_REGIONS = "This structure has no regions yet:<br>make some in the Mapping panel."
AFTER_TRAINING = "The spread is foretold when the training ends,<br>or now by Compute in the Foretold panel."
WORKING = "Going over the training data…"
NO_ARRAY = "This frame has no “{}”."
WAITING = "Predicting…"


@dataclass(frozen=True, eq=False)
class ShownColors:
    """Colours (n_atoms, 3) uint8, the colour bar (None: elements) and a message where values are missing."""

    colors: np.ndarray
    bar: ColorBarSpec | None = None
    message: str = ""


def element_legend(numbers: np.ndarray) -> str:
    """The elements with their colours and how many atoms there are of each, as rich text."""
    present, counts = np.unique(numbers, return_counts=True)
    lines = [
        f"{dot('#{:02x}{:02x}{:02x}'.format(*color))} {chemical_symbols[number]} {count}"
        for number, count, color in zip(present, counts, element_colors(present), strict=True)
    ]
    rest = [f"and {len(lines) - MOST_LISTED} more"] if len(lines) > MOST_LISTED else []
    return "<br>".join(lines[:MOST_LISTED] + rest)


def dot(color: str) -> str:
    """A disc of a colour as rich text."""
    return f"<span style='color:{color}'>●</span>"


class StructureColors:
    """Works out what the viewer shows; remembers colour ranges, so that they do not jump."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._range = ColorRange()
        self._searched: dict[tuple[int, str], np.ndarray | None] = {}
        self._everywhere: tuple[object, np.ndarray | None] | None = None
        self._last: tuple[Coloring, ColorBarSpec] | None = None
        self._elements: tuple[np.ndarray, ShownColors] | None = None
        """Of the last frame; frames of a file share their atoms' numbers."""

    def waiting(self) -> bool:
        """Whether a prediction for the current frame is on its way."""
        session = self._session
        run = session.runs.current
        return (
            session.coloring.current.kind in PREDICTED_KINDS
            and run is not None
            and run.potential is not None
            and session.runs.prediction is None
        )

    def shown(self, frame: Frame) -> ShownColors:
        """The colours of the current frame by the session's colouring."""
        coloring = self._session.coloring.current
        if coloring.kind == "element":
            if self._elements is None or frame.numbers is not self._elements[0]:
                message = element_legend(frame.numbers)
                self._elements = frame.numbers, ShownColors(element_colors(frame.numbers), message=message)
            return self._elements[1]
        if coloring.kind == "region":
            return self._by_region(frame)
        if coloring.kind == FRAME_GROUP:
            return self._by_group(frame)
        found = self._session.coloring.atom_values()
        if found is None:
            return self._without_values(frame, coloring)
        limits = self.limits(found, coloring)
        look = {"reverse": coloring.reverse, "name": coloring.map_name}
        colors = to_rgb(found.values, limits, coloring.diverging, unknown=UNKNOWN, **look)
        bar = ColorBarSpec(
            found.label,
            found.unit,
            limits,
            range_colors(limits, coloring.diverging, **look),
            self._range_note(coloring),
        )
        self._last = coloring, bar
        return ShownColors(colors, bar)

    def painter(self) -> Painter | None:
        """Return what colours any frame as the current one is shown, on any thread.

        The range stays that of the bar; None where the colours are known of the frame shown alone.
        """
        session = self._session
        coloring, frame, run = session.coloring.current, session.data.frame, session.runs.current
        if coloring.kind == "element":
            return lambda shot, _: element_colors(shot.numbers)
        if coloring.kind == FRAME_GROUP:
            key = session.groups.key
            inks = {name: rgb_of(f"series:{k}") for k, name in enumerate(session.groups.names)}
            return lambda shot, _: np.tile(inks.get(group_of(shot, key), UNKNOWN), (shot.n_atoms, 1))
        if frame is None or self._last is None or self._last[0] != coloring:
            return None
        bar = self._last[1]
        look = {"reverse": coloring.reverse, "name": coloring.map_name}

        def paint(found: AtomValues | None, n_atoms: int) -> np.ndarray:
            if found is None:
                return np.full((n_atoms, 3), UNKNOWN, np.uint8)
            return to_rgb(found.values, bar.limits, coloring.diverging, unknown=UNKNOWN, **look)

        if coloring.kind not in LABELS:
            return lambda shot, _: paint(array_values(shot, coloring.kind), shot.n_atoms)
        if coloring.kind not in MOVING_KINDS or run is None or run.potential is None:
            return None
        model, zero = run.potential, session.coloring.zero_for(frame)
        n_threads = session.settings.threads

        def predicted(shot: Frame, progress: Progress) -> np.ndarray:
            found = model.predict([shot], stress=False, members=False, n_threads=n_threads, progress=progress)
            return paint(predicted_values(shot, found, coloring, zero), shot.n_atoms)

        return predicted

    def _by_region(self, frame: Frame) -> ShownColors:
        """Colours of the regions, with their names in the corner."""
        known = self._session.regions.current()
        if known is None:
            return ShownColors(element_colors(frame.numbers), message=NO_REGIONS)
        colors = np.full((frame.n_atoms, 3), UNKNOWN, np.uint8)
        lines = []
        for region in known.regions:
            name = f"series:{region.color_index}"
            colors[region.atoms] = rgb_of(name)
            lines.append(f"{dot(ink(name).name())} {escape(region.name)}")
        return ShownColors(colors, message="<br>".join(lines))

    def _by_group(self, frame: Frame) -> ShownColors:
        """The color of the frame's group, with the groups of its file in the corner, its own in bold."""
        groups, document = self._session.groups, self._session.data.current
        mine = group_of(frame, groups.key)
        names = groups.names
        lines = []
        counts = Counter(groups.counts(document.id)) if document is not None else Counter([mine])
        for name, count in counts.most_common(MOST_LISTED):
            text = escape(f"{name} {count}")
            color = ink(f"series:{names.index(name)}").name() if name in names else "gray"
            lines.append(f"{dot(color)} {f'<b>{text}</b>' if name == mine else text}")
        rest = len(counts) - MOST_LISTED
        lines += [f"and {rest} more"] if rest > 0 else []
        color = rgb_of(f"series:{names.index(mine)}") if mine in names else UNKNOWN
        return ShownColors(np.tile(color, (frame.n_atoms, 1)).astype(np.uint8), message="<br>".join(lines))

    def _range_note(self, coloring: Coloring) -> str:
        """Say what the range covers, as far as that is known."""
        if coloring.range_mode in ALL_FRAMES and coloring.kind in PREDICTED_KINDS:
            found = self._predictions()
            if found is None:
                return "predicting all frames…"
            if len(found.frames) < found.n_available:
                rest = RANGE_NOTES[coloring.range_mode].removeprefix("all frames")
                return f"{len(found.frames)} of {found.n_available} frames{rest}"
        return RANGE_NOTES[coloring.range_mode]

    def _predictions(self) -> FramePredictions | None:
        """What the run predicts of all frames of the file shown, or None while that is not known."""
        run = self._session.runs.current
        found = None if run is None else run.result(ALL_PREDICTIONS)
        return found if found is not None and found.key == self._session.data.current_id else None

    def _predicted_everywhere(self) -> np.ndarray | None:
        """The values of all frames by their predictions; None where they are not known."""
        found, coloring = self._predictions(), self._session.coloring
        if found is None or coloring.current.kind == "run_difference":
            return None
        key = (found, coloring.current.kind, coloring.current.relative, coloring.current.baseline)
        if self._everywhere is None or self._everywhere[0] != key:
            pairs = zip(found.frames, found.predictions, strict=True)
            parts = [coloring.values_of(frame, prediction) for frame, prediction in pairs]
            known = [part.values for part in parts if part is not None]
            self._everywhere = key, np.concatenate(known) if known else None
        return self._everywhere[1]

    def limits(self, found: AtomValues, coloring: Coloring) -> tuple[float, float]:
        """The range of the colour map for the current frame's values."""
        values = found.values
        session = self._session
        run, shown, document = session.runs.current, session.runs.prediction, session.data.current
        predicted = coloring.kind in PREDICTED_KINDS
        return self._range.limits(
            values,
            coloring,
            key=(session.data.current_id, session.runs.current_id if predicted else None, found.label),
            floor=found.floor,
            version=run.epochs.get(PREDICTION)
            if predicted and run is not None and shown is not None
            else None,
            all_values=self._predicted_everywhere()
            if predicted and coloring.range_mode in ALL_FRAMES
            else None
            if predicted or document is None or coloring.kind in LABELS
            else self._all_values(document, coloring.kind),
        )

    def _without_values(self, frame: Frame, coloring: Coloring) -> ShownColors:
        name = LABELS.get(coloring.kind, coloring.kind)
        grey = np.full((frame.n_atoms, 3), UNKNOWN, np.uint8)
        if coloring.kind == "foretold":
            return self._without_foretold(frame, grey)
        if coloring.kind not in PREDICTED_KINDS:
            return ShownColors(grey, message=NO_ARRAY.format(name))
        run = self._session.runs.current
        why = "" if run is None else run.why(PREDICTION)
        if why:
            return ShownColors(grey, message=escape(f"{why[:1].upper()}{why[1:]}"))
        if self.waiting():
            same = self._last is not None and self._last[0] == coloring
            return ShownColors(grey, self._last[1] if self._last is not None and same else None, WAITING)
        if run is not None and run.potential is None and run.state.active:
            return ShownColors(element_colors(frame.numbers), message=FIRST_EPOCH)
        if run is None or run.potential is None:
            return ShownColors(
                element_colors(frame.numbers), message=NO_RUN.format(name[:1].lower() + name[1:])
            )
        if coloring.kind == "run_difference":
            other = self._session.coloring.taken_off()
            return ShownColors(grey, message=NO_OTHER if other is None else WAITING)
        return ShownColors(grey, message=NO_EXACT if coloring.kind == "reference_error" else NO_FORCES)

    def _without_foretold(self, frame: Frame, grey: np.ndarray) -> ShownColors:
        """Say why no spread is foretold yet."""
        session = self._session
        run = session.runs.current
        if run is None:
            return ShownColors(element_colors(frame.numbers), message=NO_RUN.format("foretold spread"))
        message = run.why(DATA_POSTERIOR)
        if message:
            return ShownColors(grey, message=escape(message))
        return ShownColors(grey, message=AFTER_TRAINING if session.trainings.active else WORKING)

    def _all_values(self, document: DatasetDocument, name: str) -> np.ndarray | None:
        """The array of all frames together; None where no frame has it or there are too many values."""
        key = (id(document.dataset), name)
        if key not in self._searched:
            arrays = [frame.arrays.get(name) for frame in document.frames]
            there = [array for array in arrays if array is not None and is_scalar(array)]
            fits = there and sum(map(len, there)) <= MAX_SEARCHED
            self._searched.clear()
            self._searched[key] = np.concatenate(there).astype(np.float64) if fits else None
        return self._searched[key]
