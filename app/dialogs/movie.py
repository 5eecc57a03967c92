"""A movie of the structure: the trajectory, or a turn around one frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QCheckBox, QWidget

from app.dialogs.fields import choice, muted, number, whole
from app.dialogs.form import FormDialog, Job
from app.session.messages import Notification
from app.workers.movie import GET_FFMPEG, NO_FFMPEG, Movie, ffmpeg_program, write_movie
from nnpcore.errors import SettingsError

if TYPE_CHECKING:
    from app.session.session import Session

SIZES = ((1280, 720), (1920, 1080), (3840, 2160), (960, 540), (640, 360), (720, 720))
OWN = "own"
FORMATS = (("MP4 film", "mp4"), ("GIF animation", "gif"))
TRAJECTORY, TURN = "trajectory", "turn"
MOST_PICTURES = 20_000
SMALLEST, LARGEST = 64, 4096


@dataclass(frozen=True)
class MovieWish:
    """What the user wants.

    Attributes
    ----------
    turn : around the frame shown, ``n_pictures`` of it; else ``frames``, from 0, of the trajectory.
    size : (width, height) in pixels, both even. fps : pictures a second. bar, axes : on the pictures.
    """

    turn: bool
    n_pictures: int
    frames: tuple[int, ...]
    size: tuple[int, int]
    fps: int
    bar: bool
    axes: bool


class Source(Protocol):
    """What the dialog asks of the panel with the structure."""

    def movie_of(self, wish: MovieWish) -> Movie | None:
        """Return what the movie is drawn of, None where no structure is shown."""
        ...


class MovieDialog(FormDialog):
    """Which frames, how large, how fast, and as which kind of file."""

    title = "Movie"
    name = "movie"
    doing = "Making a movie"
    verb = "Save…"
    forgotten = frozenset({"first", "last", "every", "what"})

    def __init__(self, session: Session, source: Source, parent: QWidget | None = None) -> None:
        self.source = source
        self._path = Path()
        super().__init__(session, parent)

    def build(self) -> None:
        """Make the fields."""
        document = self.session.data.current
        n_frames = 1 if document is None else document.n_frames
        kinds = [("Frames of the trajectory", TRAJECTORY)] if n_frames > 1 else []
        what = self.section()
        kind = choice(self, [*kinds, ("A turn around the structure", TURN)])
        what.add("what", "Of", kind, wide=True)
        what.add("first", "From frame", whole(self, 1, 1, n_frames), "Counted from 1")
        what.add("last", "to frame", whole(self, n_frames, 1, n_frames))
        what.add("every", "Every", whole(self, 1, 1, max(n_frames, 1)), "1 takes every frame, 2 every other")
        what.add("seconds", "Lasts", number(self, 6.0, 0.5, 120.0, "s", 1), "Time of one turn")
        how = self.section()
        how.add("format", "Format", choice(self, FORMATS))
        how.add("fps", "Speed", whole(self, 25, 1, 60), "Pictures a second")
        sizes = [(f"{width} × {height}", f"{width}x{height}") for width, height in SIZES]
        how.add("size", "Size", choice(self, [*sizes, ("Other", OWN)]))
        how.add("width", "Width", whole(self, 1280, SMALLEST, LARGEST), "Pixels; odd ones become even")
        how.add("height", "Height", whole(self, 720, SMALLEST, LARGEST), "Pixels; odd ones become even")
        for name, label in (("bar", "Colour bar"), ("axes", "Axes")):
            box = QCheckBox(self)
            box.setChecked(True)
            how.add(name, label, box)
        self.note = muted(self)
        self.body.addWidget(self.note)
        self._ffmpeg = ffmpeg_program()

    def refresh(self) -> None:
        """Show what belongs to the choice, and how long the movie gets."""
        values = self.values()
        what, how = self.sections
        what.set_shown(["first", "last", "every"], values["what"] == TRAJECTORY)
        what.set_shown(["seconds"], values["what"] == TURN)
        how.set_shown(["width", "height"], values["size"] == OWN)
        wish = self.wish()
        n = wish.n_pictures if wish.turn else len(wish.frames)
        text = f"{n} pictures, {n / wish.fps:.1f} s. Colours keep the range that is shown now."
        if values["what"] == TRAJECTORY and self._leaves_groups_out():
            text += " Groups that are not shown are left out."
        missing = values["format"] == "mp4" and self._ffmpeg is None
        self.note.setText(f"{NO_FFMPEG}. {GET_FFMPEG}." if missing else text)

    def wish(self) -> MovieWish:
        """Return what the fields say."""
        values = self.values()
        size = (values["width"], values["height"])
        if values["size"] != OWN:
            width, _, height = values["size"].partition("x")
            size = int(width), int(height)
        frames = self._of_shown_groups(range(values["first"] - 1, values["last"], values["every"]))
        n_pictures = max(round(values["seconds"] * values["fps"]), 2)
        even = size[0] + size[0] % 2, size[1] + size[1] % 2
        turn = values["what"] == TURN
        return MovieWish(turn, n_pictures, frames, even, values["fps"], values["bar"], values["axes"])

    def _of_shown_groups(self, frames: range) -> tuple[int, ...]:
        """Return those frames whose group is not left out of the structure."""
        document = self.session.data.current
        shown = None if document is None else self.session.groups.shown_frames(document.id)
        if shown is None:
            return tuple(frames)
        kept = set(shown.tolist())
        return tuple(k for k in frames if k in kept)

    def _leaves_groups_out(self) -> bool:
        document = self.session.data.current
        return document is not None and self.session.groups.shown_frames(document.id) is not None

    def start(self) -> None:
        """Ask for the file, then make the movie."""
        if self.task is not None:
            return
        path = self.ask_where("structure", self.values()["format"])
        if path is not None:
            self._path = path
            super().start()

    def job(self) -> Job:
        """Return what draws and writes the movie."""
        wish, path = self.wish(), self._path
        if not wish.turn and not wish.frames:
            if self.values()["first"] <= self.values()["last"]:
                fix = "Take others, or show their groups by the button Groups of the structure"
                raise SettingsError("no group of these frames is shown", where="first", fix=fix)
            fix = "Let it end at a later frame"
            raise SettingsError("the last frame comes before the first", where="last", fix=fix)
        if max(wish.n_pictures, len(wish.frames)) > MOST_PICTURES:
            raise SettingsError(f"more than {MOST_PICTURES} pictures", where="every", fix="Take fewer frames")
        if path.suffix == ".mp4" and self._ffmpeg is None:
            raise SettingsError(NO_FFMPEG, where="format", fix=GET_FFMPEG)
        movie = self.source.movie_of(wish)
        if movie is None:
            raise SettingsError("no structure is shown", fix="Open a file first")
        return lambda progress: write_movie(movie, path, progress)

    def apply(self, value: Any) -> None:
        """Offer to look at it."""
        opened = ("Open", lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(value))))
        self.session.messages.notify(Notification("info", "Movie written", str(value), actions=(opened,)))
