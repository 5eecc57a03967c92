"""The structure viewer with its frame bar, its colour bar and what is known about picked atoms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QMargins, QPoint, Qt, QTimer
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QLabel,
    QMenu,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app.dialogs.groups_menu import GroupsTool
from app.dialogs.range_menu import fill_range_menu
from app.dialogs.selecting import SelectionTools
from app.documents.atom_values import FRAME_MEAN
from app.look import theme
from app.look.ink import follow_font, font
from app.look.palette import LIGHT
from app.panels.base import OPEN, Drawing, Lack, Panel, Table
from app.panels.structure_colors import ShownColors, StructureColors
from app.session.messages import Notification
from app.viewer3d import atom_card, create_structure_view
from app.viewer3d.color_bar import WIDTH, ColorBar
from app.viewer3d.frame_bar import FrameBar
from app.viewer3d.picture import Trimmings, finished_rgba
from app.viewer3d.view_tools import ViewTools
from app.widgets.controls import filled, tool_button
from app.widgets.lasso import selection_mode
from app.widgets.overlay import OverlayGrid
from app.widgets.placeholder import Placeholder
from app.workers.movie import Movie, Shot, turned
from nnpcore import figures
from nnpcore.analyses.all_frames import ALL_FRAMES
from nnpcore.analyses.eos import EOS
from nnpcore.analyses.foretold import DATA_POSTERIOR, FRAME_FORETOLD
from nnpcore.analyses.graph import Analysis
from nnpcore.analyses.prediction import PREDICTION
from nnpcore.errors import SettingsError
from nnpcore.figures import FigureStyle
from nnpcore.structures import Role
from nnpcore.units import MEV_PER_EV

if TYPE_CHECKING:
    from app.dialogs.movie import MovieDialog, MovieWish
    from app.session.session import Session

INCHES = 3.6
"""Usual width of the structure's figure."""

MOST_SIDE = 8000
"""Pixels of the structure's picture along a side at most."""

ONE_FRAME = "these colours are known of the frame shown alone"
EMPTY = "Open a trajectory or drop a file here."
SHOWN_ANALYSES: tuple[Analysis[object], ...] = (PREDICTION, ALL_FRAMES, EOS, DATA_POSTERIOR, FRAME_FORETOLD)
QWIDGETSIZE_MAX = 16_777_215
PATIENCE_MS = 500
"""A new frame waits this long for its prediction, so that colours and positions change together."""


FRAME_KEYS: dict[Qt.Key, tuple[str, str, Callable[[FrameBar], object]]] = {
    Qt.Key.Key_Left: ("←", "The frame before", lambda frames: frames.step(-1)),
    Qt.Key.Key_Right: ("→", "The next frame", lambda frames: frames.step(1)),
    Qt.Key.Key_Space: ("Space", "Play or pause", lambda frames: frames.toggle()),
    Qt.Key.Key_Home: ("Home", "The first frame", lambda frames: frames.go(0)),
    Qt.Key.Key_End: ("End", "The last frame", lambda frames: frames.go(frames.n_frames - 1)),
}
"""Keys while the structure has the focus: name, what they do, and how."""


class StructurePanel(Panel):
    """Shows the session's current frame."""

    title = "Structure"
    name = "structure"
    legend_text = "Colour bar"
    has_axes = True
    tool_spacing = 1

    @classmethod
    def lacks(cls, session: Session) -> Lack | None:
        """Return that no file is open."""
        return None if session.data.datasets else Lack(EMPTY, OPEN)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._colors = StructureColors(session)
        self._shown_dataset: str | None = None
        self._movie: MovieDialog | None = None
        self._picked: list[int] = []
        self._zero: tuple[object, str] | None = None
        """What the atomic energies of the last picture were relative to."""
        self.shown = ShownColors(np.empty((0, 3), np.uint8))
        self._patience = QTimer(self, singleShot=True, interval=PATIENCE_MS)
        self._patience.timeout.connect(self._show_frame)
        for build in (self._build, self._add_view_tools, self._add_tools, self._connect, self._on_current):
            self.later(build)

    # building -----------------------------------------------------------------------------------------
    def _build(self) -> None:
        content = QWidget(self)
        self.view = create_structure_view(content)
        self.frames = FrameBar(self._is_ready, content)
        filled(QVBoxLayout(content), (self.view, 1), self.frames)
        self.stated = Placeholder(content, self)
        self.set_body(self.stated)
        self.session.closing.connect(self._on_closing)
        self._build_overlays()

    def _add_view_tools(self) -> None:
        self.tools = ViewTools(self.view, self)
        for button in self.tools.buttons:
            self.add_tool(button)

    def _add_tools(self) -> None:
        self.selecting = SelectionTools(self.session, self)
        self.add_tool(self.selecting.button)
        self.groups = GroupsTool(self.session, self)
        self.add_tool(self.groups.button)
        self.pictures = QMenu(self)
        self.pictures.addAction("Picture…", self.ask_export)
        self.pictures.addAction("Movie…", self.ask_movie)
        self.camera = tool_button(self, "Picture or movie", icon="camera", menu=self.pictures)
        self.add_tool(self.camera, at_end=True)

    def _build_overlays(self) -> None:
        """Texts in the corners of the view; the mouse goes through them."""
        self.info, self.card = QLabel(self.view), QLabel(self.view)
        self.message = QLabel(self.view)
        self.bar = ColorBar(self.view)
        for label in (self.info, self.card, self.message):
            follow_font(label)
            label.setTextFormat(Qt.TextFormat.RichText)
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
            label.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Maximum)
        self.message.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop)
        self.card.setObjectName("atom_card")
        self.info.setObjectName("frame_info")
        self.card.hide()
        self._overlays = grid = OverlayGrid(self.view)
        grid.setContentsMargins(10, 8, 10, 10)
        top_right = Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignRight
        grid.addWidget(self.info, 0, 0, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        grid.addWidget(self.message, 0, 1, top_right)
        grid.addWidget(self.bar, 1, 0, 1, 2, Qt.AlignmentFlag.AlignRight)
        grid.addWidget(self.card, 2, 0, 1, 2, Qt.AlignmentFlag.AlignBottom | Qt.AlignmentFlag.AlignRight)
        grid.setRowStretch(1, 2)
        grid.setRowStretch(2, 1)
        grid.setColumnStretch(0, 1)
        self._keep_free(2)

    def _keep_free(self, n_lines: int) -> None:
        """Leave the atoms their room beside the colour bar, where one is, and under the caption's lines."""
        self._n_lines, height = n_lines, n_lines * self.info.fontMetrics().height()
        self.view.set_insets(QMargins(8, height + 14, 8 if self.bar.isHidden() else WIDTH, 8))

    def _connect(self) -> None:
        session, view = self.session, self.view
        session.data.current_changed.connect(self._on_current)
        session.data.changed.connect(self._on_dataset_changed)
        session.data.found.connect(self._on_found)
        session.selection.changed.connect(self._show_selection)
        session.selection.hover_changed.connect(self._on_hover_changed)
        session.coloring.changed.connect(self._recolor)
        session.regions.changed.connect(self._recolor)
        session.groups.changed.connect(self._on_groups)
        session.analyses.changed.connect(self._on_analysis)
        for signal in (session.runs.current_changed, session.runs.removed):
            signal.connect(self._recolor)
        view.atom_picked.connect(self._on_picked)
        view.atom_hovered.connect(self._on_hovered)
        view.background_clicked.connect(lambda: session.selection.select([]))
        view.lassoed.connect(self._on_lassoed)
        view.drawn.connect(self._show_caption)
        view.drawn.connect(self.frames.on_drawn)
        self.frames.playing_changed.connect(self._on_playing)
        self.frames.frame_chosen.connect(self._on_frame_chosen)
        self.bar.menu_requested.connect(self._open_range_menu)
        theme.signals().changed.connect(self._on_theme)
        self._on_theme()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Step with the arrow keys, Home and End; play with the space bar."""
        plain = not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if plain and event.key() in FRAME_KEYS:
            FRAME_KEYS[Qt.Key(event.key())][2](self.frames)
        else:
            super().keyPressEvent(event)

    # frames -------------------------------------------------------------------------------------------
    def _show_place(self) -> None:
        """Let the bar say which frame of how many is shown."""
        session = self.session
        document = session.data.current
        shown = session.groups.shown_frames(document.id) if document else None
        self.frames.set_state(session.data.frame_index, document.n_found if document else 0, shown)

    def _on_found(self, dataset_id: str) -> None:
        if dataset_id == self.session.data.current_id:
            self._show_place()

    def _on_current(self) -> None:
        session = self.session
        self._show_place()
        frame = session.data.frame
        if frame is None:
            self._patience.stop()
            self._shown_dataset = None
            self.view.set_frame(None)
            self.stated.set_message(EMPTY)
            return
        self.stated.set_message("")
        before = self.view.frame
        same = before is not None and before.n_atoms == frame.n_atoms
        if same and self._shown_dataset == session.data.current_id and self._colors.waiting():
            if not self._patience.isActive():
                self._patience.start()
            return
        self._show_frame()

    def _show_frame(self) -> None:
        """Show the current frame with its colours, selection and facts."""
        self._patience.stop()
        frame, dataset_id = self.session.data.frame, self.session.data.current_id
        if frame is None:
            return
        shown = self._colors.shown(frame)
        if frame is not self.view.frame:
            self.tools.follow_frame(frame.n_atoms)
            self.view.set_frame(frame, shown.colors, keep_view=dataset_id == self._shown_dataset)
            self._shown_dataset = dataset_id
        self._put_colors(shown)
        self._show_selection()
        if self.view.picture is None or not self.frames.playing:  # else it still is that of the picture
            self._show_caption()

    def _show_caption(self) -> None:
        """Name the frame that is drawn, which may still be the one before."""
        picture = self.view.picture
        frame = self.view.frame if picture is None else picture.request.scene.frame
        if frame is None:
            return
        lines = self._lines_of(atom_card.frame_facts(frame))
        muted = theme.current().muted
        facts = "<br>".join(lines)
        text = f"<b>{atom_card.formula_of(frame)}</b><br><span style='color:{muted}'>{facts}</span>"
        if text != self.info.text():
            self.info.setText(text)
            self._keep_free(1 + max(len(lines), 1))

    def _lines_of(self, facts: list[str]) -> list[str]:
        """Put facts side by side, and into a further line where the view is too narrow."""
        metrics, room = self.info.fontMetrics(), self.view.width() - self.message.sizeHint().width() - 32
        lines: list[str] = []
        for fact in facts:
            longer = f"{lines[-1]} · {fact}" if lines else fact
            if lines and metrics.horizontalAdvance(longer) <= room:
                lines[-1] = longer
            else:
                lines.append(fact)
        return lines

    def _on_groups(self) -> None:
        """Leave frames of hidden groups out; one that is shown makes room for the next that is not hidden."""
        self._on_current()
        shown, index = self.frames.shown, self.frames.index
        if shown is not None and len(shown) and index not in shown:
            self.frames.step(1)
        self._recolor()

    def _on_frame_chosen(self, index: int) -> None:
        dataset_id = self.session.data.current_id
        if dataset_id is not None and index >= 0:
            self.session.data.show(dataset_id, index)

    def _on_dataset_changed(self, dataset_id: str) -> None:
        if dataset_id == self.session.data.current_id:
            self._on_current()

    def _is_ready(self) -> bool:
        """Whether the current frame is drawn, so that the next one may come."""
        return not (self._patience.isActive() or self.view.is_drawing)

    def _on_playing(self) -> None:
        """Let pictures get as simple as the rate needs."""
        playing, fps = self.frames.playing, self.frames.fps.value()
        self.view.seconds_a_frame = 1.0 / fps if playing else float("inf")

    def _on_closing(self) -> None:
        """Leave no thread and no timer behind."""
        self._patience.stop()
        self.frames.stop()
        self.view.close_drawing()

    # colours ------------------------------------------------------------------------------------------
    def _recolor(self, *_changed: object) -> None:
        """Bring colours and colour bar up to date."""
        frame = self.view.frame
        if frame is None or frame is not self.session.data.frame:
            return
        self._put_colors(self._colors.shown(frame))
        self._show_card()

    def _put_colors(self, shown: ShownColors) -> None:
        """Show colours and bar, and what is said of them."""
        self.shown = shown
        self._tell_of_zero()
        self.view.set_colors(self.shown.colors)
        self.bar.set_spec(self.shown.bar)
        self._keep_free(self._n_lines)
        muted = theme.current().muted
        text = f"<span style='color:{muted}'>{self.shown.message}</span>"
        if text != self.message.text():  # else a playing trajectory would have the view laid out anew
            self.message.setText(text)
            self._fit_message()
        self.message.setVisible(bool(self.shown.message))

    def _arrange(self) -> None:
        self._fit_message()

    def _fit_message(self) -> None:
        """Let the message take further lines where it would be wider than half of the view."""
        most = self.view.width() // 2
        self.message.setWordWrap(False)
        self.message.setMinimumWidth(0)
        self.message.setMaximumWidth(QWIDGETSIZE_MAX)
        if self.message.sizeHint().width() > most:
            self.message.setWordWrap(True)
            self.message.setFixedWidth(most)

    def _tell_of_zero(self) -> None:
        """Say so when atomic energies are no longer relative to the crystal, and nobody chose that."""
        bar, session = self.shown.bar, self.session
        if self._colors.waiting():
            return  # the bar is that of the run or the frame before
        now = (session.runs.current_id, session.data.current_id, session.coloring.current)
        label = "" if bar is None else bar.label
        gone = self._zero is not None and self._zero[0] == now and self._zero[1] != label == FRAME_MEAN
        if gone and self._awaits_crystal():
            return
        if gone:
            text = self._why_no_zero()
            title = "Colours are relative to each frame's mean now"
            session.messages.notify(Notification("warning", title, text))
        if label:
            self._zero = now, label

    def _why_no_zero(self) -> str:
        """Return why no crystal is the zero: there is none, or its curve has no minimum."""
        run, frame = self.session.runs.current, self.session.data.frame
        crystal = next(iter(self.session.data.of_role(Role.EOS)), None)
        if crystal is None or len(crystal.summary.elements) != 1:
            return "There is no crystal of one element to compare with any more."
        if frame is not None and not np.all(frame.numbers == crystal.frames[0].numbers[0]):
            return f"The frame is not made of the element of {crystal.name} alone."
        why = "" if run is None else run.why(EOS)
        if run is None or run.result(EOS) is None:
            return f"The energies of {crystal.name} are not known{f': {why}' if why else ' yet'}."
        return f"The curve of {crystal.name} has no minimum that could be fitted."

    def _awaits_crystal(self) -> bool:
        """Whether the crystal is there still and its energy is only being computed anew."""
        run, frame = self.session.runs.current, self.session.data.frame
        crystal = next(iter(self.session.data.of_role(Role.EOS)), None)
        if run is None or crystal is None or frame is None or len(crystal.summary.elements) != 1:
            return False
        one_element = bool(np.all(frame.numbers == crystal.frames[0].numbers[0]))
        return one_element and run.result(EOS) is None and not run.why(EOS)

    def _on_analysis(self, run_id: str, analysis: Analysis[object]) -> None:
        taken_off = self.session.coloring.taken_off()
        mine = (self.session.runs.current_id, None if taken_off is None else taken_off.id)
        if run_id not in mine or analysis not in SHOWN_ANALYSES:
            return
        if self._patience.isActive():
            if self.session.runs.prediction is not None:
                self._show_frame()
        else:
            self._recolor()

    def _open_range_menu(self, at: QPoint) -> None:
        bar = self.shown.bar
        if bar is not None:
            menu = QMenu(self)
            runs = [run for run in self.session.runs.documents.values() if run.potential is not None]
            others = [run.name for run in runs if run is not self.session.runs.current]
            fill_range_menu(menu, self.session.coloring, bar, others)
            menu.aboutToHide.connect(menu.deleteLater)
            menu.popup(at)

    def _on_theme(self) -> None:
        now = theme.current()
        self.card.setStyleSheet(
            f"QLabel#atom_card {{ background: {_translucent(now.panel)}; border: 1px solid {now.border};"
            " border-radius: 6px; padding: 5px 8px; }"
        )
        self.info.setStyleSheet(
            f"QLabel#frame_info {{ background: {_translucent(now.panel, 225)}; border-radius: 4px; }}"
        )
        if self.session.data.frame is not None:
            self._show_frame()

    # selection ----------------------------------------------------------------------------------------
    def _here(self, atom: int) -> tuple[str, int, int] | None:
        dataset_id = self.session.data.current_id
        return None if dataset_id is None else (dataset_id, self.session.data.frame_index, atom)

    def _on_picked(self, atom: int, modifiers: Qt.KeyboardModifier) -> None:
        here, mode = self._here(atom), selection_mode(modifiers)
        if here is None:
            return
        if mode == "add" and here in self.session.selection.current:
            mode = "remove"
        self._picked = [a for a in self._picked if a != atom] if mode != "replace" else []
        if mode != "remove":
            self._picked.append(atom)
        self.session.selection.select([here], mode)
        self._show_card()

    def _on_lassoed(self, atoms: np.ndarray, modifiers: Qt.KeyboardModifier) -> None:
        refs = [self._here(int(atom)) for atom in atoms]
        self.session.selection.select([ref for ref in refs if ref is not None], selection_mode(modifiers))

    def _on_hovered(self, atom: int) -> None:
        self.session.selection.set_hovered(self._here(atom) if atom >= 0 else None)

    def _on_hover_changed(self) -> None:
        hovered = self.session.selection.hovered
        here = hovered is not None and self._here(hovered.atom) == hovered
        self.view.set_hovered(hovered.atom if hovered is not None and here else -1)
        self._show_card()

    def selected_atoms(self) -> list[int]:
        """The selected atoms of the frame, in the order they were picked."""
        dataset_id = self.session.data.current_id or ""
        chosen = self.session.selection.current.in_frame(dataset_id, self.session.data.frame_index).tolist()
        self._picked = [atom for atom in self._picked if atom in chosen]
        known = set(self._picked)
        return self._picked + [atom for atom in chosen if atom not in known]

    def _show_selection(self) -> None:
        if self.view.frame is not None and self.view.frame is self.session.data.frame:
            self.view.set_selection(np.array(self.selected_atoms(), dtype=np.int64))
            self._show_card()

    def _show_card(self) -> None:
        """Say what is known about the atom under the mouse, else about the selected ones."""
        frame = self.view.frame
        title, rows = "", []
        if frame is not None and frame is self.session.data.frame:
            hovered, chosen = self.session.selection.hovered, self.selected_atoms()
            values = self.session.coloring.atom_values()
            if hovered is not None and self._here(hovered.atom) == hovered and hovered.atom < frame.n_atoms:
                chosen = [hovered.atom]
            if len(chosen) == 1:
                title = f"{atom_card.symbol(frame, chosen[0])} · atom {chosen[0] + 1}"
                rows = self._rows_of(chosen[0])
            elif chosen:
                title = f"{len(chosen)} atoms selected"
                rows = atom_card.several_rows(frame, chosen, values)
            if chosen and len(self.session.selection.current) > len(chosen):
                rows.append(("in all", self.session.selection.count_text()))
            elif not chosen and self.session.selection.current:
                title = f"{self.session.selection.count_text()} selected"
                rows = [("in this frame", "none")]
        self.card.setText(atom_card.as_html(title, rows, theme.current().muted) if title else "")
        self.card.setVisible(bool(title))

    def _rows_of(self, atom: int) -> atom_card.Rows:
        frame, found = self.view.frame, self.session.runs.prediction
        assert frame is not None
        prediction = found.prediction if found is not None else None
        crystal = self.session.coloring.crystal_energy()
        return atom_card.atom_rows(frame, atom, prediction, crystal, self.session.coloring.atom_values())

    # exporting ----------------------------------------------------------------------------------------
    def figure(self) -> Drawing | None:
        """Draw the structure on white at print size, with its colour bar."""
        return self.figure_for(FigureStyle())

    def figure_for(self, style: FigureStyle) -> Drawing | None:
        """Draw the structure with the pixels of a size, without rings, with the title of the bar alone."""
        view = self.view
        if view.scene is None or view.frame is not self.session.data.frame:
            return None
        own = INCHES, INCHES * view.height() / max(view.width(), 1)
        size, bar = style.inches(own), self.shown.bar if style.legend else None
        room = 0.0 if bar is None else figures.bar_room(style.font_size, bar.title)
        dpi = min(style.dpi, MOST_SIDE / max(size))
        pixels = max(round((size[0] - room) * dpi), 8), max(round(size[1] * dpi), 8)
        request = view.export_request(pixels, True, look=view.look(LIGHT))
        trimmings = Trimmings(None, style.axes, None, font(), LIGHT, view.options.axes_of_cell)
        scale = None if bar is None else figures.Scale(bar.colors, bar.limits, bar.title)
        return lambda: figures.structure_figure(
            finished_rgba(view.draw_now(request), trimmings), size, scale, room
        )

    def ask_movie(self) -> MovieDialog:
        """Open the dialog that makes a movie of the trajectory or of a turn, and return it."""
        from app.dialogs.movie import MovieDialog

        if self._movie is None or self._movie.ended:
            self._movie = MovieDialog(self.session, self, self.window())
        self._movie.show()
        self._movie.raise_()
        self._movie.activateWindow()
        return self._movie

    def movie_of(self, wish: MovieWish) -> Movie | None:
        """Return everything the wished movie is drawn of, or None where no structure is shown."""
        view, document = self.view, self.session.data.current
        if view.scene is None or view.frame is None or document is None:
            return None
        request = view.export_request(wish.size, False)
        bar = None if self.shown.bar is None or not wish.bar else replace(self.shown.bar, note="")
        colors, paint = self.shown.colors, self._colors.painter()
        if wish.turn:
            around = view.camera_around(wish.size)
            shots = tuple(Shot(view.frame, camera) for camera in turned(around, wish.n_pictures))
            paint = lambda _frame, _progress: colors  # noqa: E731
        else:
            shots = tuple(Shot(document.frames[k], request.camera) for k in wish.frames)
        if paint is None:
            raise SettingsError(ONE_FRAME, where="what", fix="Colour by something else, or choose a turn")
        trimmings = view.trimmings(False, axes=wish.axes, bar=bar)
        return Movie(shots, wish.fps, request, paint, trimmings, view.draw_now)

    def table(self) -> Table | None:
        """Return the frame's atoms: element, position, forces and what is predicted."""
        frame = self.session.data.frame
        if frame is None:
            return None
        columns: dict[str, list] = {
            "atom": list(range(frame.n_atoms)),
            "element": [atom_card.symbol(frame, atom) for atom in range(frame.n_atoms)],
        }
        _add_vectors(columns, "{} (Å)", frame.positions)
        if frame.forces is not None:
            _add_vectors(columns, "F{} (eV/Å)", frame.forces)
        found = self.session.runs.prediction
        if found is not None:
            prediction = found.prediction
            columns["atomic energy (eV)"] = prediction.atomic_energies.tolist()
            columns["atomic energy std (eV)"] = prediction.atomic_energies_members.std(axis=0).tolist()
            crystal = self.session.coloring.crystal_energy()
            if crystal is not None:
                relative = MEV_PER_EV * (prediction.atomic_energies - crystal)
                columns["atomic energy to the crystal (meV)"] = relative.tolist()
            if prediction.forces is not None:
                _add_vectors(columns, "predicted F{} (eV/Å)", prediction.forces)
        for name, values in frame.arrays.items():
            if values.ndim == 1 and values.dtype.kind in "fiub":
                columns[name] = values.tolist()
        return columns


def _add_vectors(columns: dict[str, list], head: str, vectors: np.ndarray) -> None:
    for k, axis in enumerate("xyz"):
        columns[head.format(axis)] = vectors[:, k].tolist()


def _translucent(color: str, alpha: int = 225) -> str:
    red, green, blue = (int(color[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {alpha})"
