"""What a panel shows, for a paper: its figure set as wished and looked at first, and its numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from PySide6.QtCore import QMimeData, QSignalBlocker, QSize, Qt, QTimer
from PySide6.QtGui import QColor, QFontDatabase, QGuiApplication, QImage, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QCheckBox, QFileDialog, QHBoxLayout, QVBoxLayout, QWidget

from app.dialogs.fields import Section, choice, muted, number, set_value, whole
from app.dialogs.form import FormDialog, Job, push_button
from app.look import theme
from app.look.ink import font
from app.session.messages import Notification
from app.widgets.controls import filled
from app.workers.drawing_figures import Drawing, Preview, picture, preview, write_figure
from app.workers.tasks import DRAW
from nnpcore.errors import EatlasError, SettingsError
from nnpcore.figures import FigureStyle, StyleSheet, read_style
from nnpcore.figures.drawing import DPI, FONT
from nnpcore.figures.style import MM_PER_INCH
from nnpcore.figures.tables import Table, format_csv, write_csv
from nnpcore.foreign_text import one_line

if TYPE_CHECKING:
    from app.session.session import Session

FORMATS = (("PNG picture", "png"), ("SVG drawing", "svg"), ("PDF drawing", "pdf"), ("CSV numbers", "csv"))
UNITS = {"mm": "mm", "in": "inches", "px": "pixels"}
DECIMALS = {"mm": 1, "in": 3, "px": 0}
PICTURE_FIELDS = (
    "width", "height", "unit", "dpi", "font_size", "legend", "axes", "transparent", "sheet"
)  # fmt: skip
EMPTY, DRAWING = "There is nothing to export yet.", "Drawing the preview…"
PAUSE_MS = 150
ROWS = 14
"""Of the numbers that are shown."""

LEAST_PREVIEW = QSize(330, 300)
CHECKS = 8
"""Pixels of a square behind a transparent picture."""


class Source(Protocol):
    """What a dialog asks of a panel."""

    title: ClassVar[str]
    name: ClassVar[str]
    legend_text: ClassVar[str]
    has_axes: ClassVar[bool]

    def figure_for(self, style: FigureStyle) -> Drawing | None:
        """Return what draws the figure, None where there is none."""
        ...

    def table(self) -> Table | None:
        """Return the numbers, None where there are none."""
        ...

    def export_formats(self) -> tuple[str, ...]:
        """Return the suffixes of the files there can be."""
        ...


class FigureDialog(FormDialog):
    """Size, letters, legend and format of a panel's figure, with a preview that follows; its numbers, too."""

    name = "figure"
    verb = "Save…"

    def __init__(self, session: Session, source: Source, parent: QWidget | None = None) -> None:
        self.source = source
        self.title = f"Export {source.title}"
        self.doing = f"Exporting {source.title}"
        self._path = Path()
        self._preview_key = f"preview {id(self)}"
        self._drawing = self._stale = False
        super().__init__(session, parent)
        self.resize(self.sizeHint())
        self._timer = QTimer(self, singleShot=True, interval=PAUSE_MS)
        self._timer.timeout.connect(self._draw_preview)
        for signal in (session.analyses.changed, session.runs.current_changed, session.coloring.changed,
                       session.data.current_changed):  # fmt: skip
            signal.connect(self.ask_preview)
        self.ask_preview()

    # fields -------------------------------------------------------------------------------------------
    def build(self) -> None:
        """Make the fields, beside them the preview."""
        known = self.source.export_formats()
        section = Section("", self.form)
        self.sections.append(section)
        formats = [(text, suffix) for text, suffix in FORMATS if suffix in known]
        section.add("format", "Format", choice(self, formats), wide=True)
        self._add_size(section)
        tip = "Of the axis titles, in points; all other text in proportion"
        section.add("font_size", "Font size", number(self, FONT, 3.0, 40.0, "pt", 1), tip)
        self._add_looks(section)
        sheet_tip = "Fonts, colours, lines and grid by a style sheet of matplotlib; nothing in it is run"
        self.add_place(section, "sheet", "Style sheet", self._ask_sheet, sheet_tip, "none (.mplstyle)")
        self.note = muted(self)
        side = filled(QVBoxLayout(), section, self.note, spacing=12)
        side.addStretch(1)
        self.preview = PreviewBox(self)
        self.copy_picture = push_button(self, self.copy_figure, "Copy Picture")
        self.copy_table = push_button(self, self.copy_numbers, "Copy Numbers")
        copies = filled(QHBoxLayout(), self.copy_picture, self.copy_table, spacing=8)
        copies.addStretch(1)
        shown = filled(QVBoxLayout(), (self.preview, 1), copies, spacing=8)
        self.body.addLayout(filled(QHBoxLayout(), (shown, 1), side, spacing=20))
        self.copy_picture.setVisible("png" in known)
        self.copy_table.setVisible("csv" in known)

    def _add_size(self, section: Section) -> None:
        for name, label in (("width", "Width"), ("height", "Height")):
            field = number(self, 0.0, 0.0, 20_000.0, "", 3)
            field.setSpecialValueText("as drawn")
            section.add(name, label, field)
        section.add("unit", "Unit", choice(self, [(text, unit) for unit, text in UNITS.items()]))
        section.add("dpi", "Resolution", whole(self, DPI, 30, 2400), "Dots per inch of pictures")
        section.widgets["dpi"].setProperty("suffix", " dpi")
        self._unit = "mm"

    def _add_looks(self, section: Section) -> None:
        boxes = {
            "legend": (self.source.legend_text, True, "Names of what is drawn, and tables beside it"),
            "axes": ("Axes", True, "The directions of x, y, z or a, b, c"),
            "transparent": ("Transparent", False, "Without a background"),
        }
        for name, (label, on, tip) in boxes.items():
            box = QCheckBox(self)
            box.setChecked(on)
            section.add(name, label, box, tip)
        section.set_shown(["axes"], self.source.has_axes)

    def _ask_sheet(self) -> str:
        start = self.kept.get("sheet") or str(Path.home())
        path, _ = QFileDialog.getOpenFileName(
            self, "Style sheet of matplotlib", start, "Style sheets (*.mplstyle);;All files (*)"
        )
        return path

    def refresh(self) -> None:
        """Show what belongs to the format; keep the size where the unit changes."""
        values = self.values()
        picture = values["format"] != "csv"
        (section,) = self.sections
        shown = [name for name in PICTURE_FIELDS if name != "axes" or self.source.has_axes]
        section.set_shown(shown, picture)
        self._convert(values)

    def _convert(self, values: dict[str, Any]) -> None:
        """Show the same size in another unit."""
        unit = values["unit"]
        if unit == self._unit:
            return
        before, self._unit = self._unit, unit
        for name in ("width", "height"):
            inches = _inches(values[name], before, values["dpi"])
            self._put(name, _in_unit(inches, unit, values["dpi"]))

    def _put(self, name: str, value: float) -> None:
        widget = self.widgets[name]
        with QSignalBlocker(widget):
            set_value(widget, round(value, DECIMALS[self._unit]))

    # memory -------------------------------------------------------------------------------------------
    @property
    def kept(self) -> dict[str, Any]:
        """What was remembered; the size is each panel's own."""
        kept = dict(super().kept)
        sizes = kept.get("sizes")
        own = sizes.get(self.source.name) if isinstance(sizes, dict) else None
        if isinstance(own, dict):
            kept |= own
        return kept

    def restore(self, values: dict[str, Any]) -> None:
        """Fill in what was remembered, the unit before the numbers in it."""
        self._unit = values["unit"] if values.get("unit") in UNITS else self._unit
        super().restore(values)

    def remember(self) -> None:
        """Keep the values for the next time, the size for this panel."""
        values = self.values()
        kept = self.session.settings.dialogs.get(self.name, {})
        size = {name: values.pop(name) for name in ("width", "height", "unit")}
        sizes = kept.get("sizes") if isinstance(kept.get("sizes"), dict) else {}
        folder = kept.get("folder", "")
        self.session.settings.dialogs[self.name] = {
            **values, "folder": folder, "sizes": {**sizes, self.source.name: size}
        }  # fmt: skip

    # style --------------------------------------------------------------------------------------------
    def figure_style(self) -> FigureStyle:
        """Return what the fields say; SettingsError where the style sheet cannot be read."""
        values = self.values()
        unit, dpi = values["unit"], values["dpi"]
        width, height = (MM_PER_INCH * _inches(values[name], unit, dpi) for name in ("width", "height"))
        sheet = read_style(values["sheet"]) if values["sheet"] else StyleSheet()
        self._left_out = sheet.left_out
        shown = {name: values[name] for name in ("dpi", "font_size", "legend", "transparent", "axes")}
        style = FigureStyle(width, height, sheet=sheet, **shown)
        style.check()
        return style

    # preview ------------------------------------------------------------------------------------------
    def ask_preview(self, *_: object) -> None:
        """Draw the preview soon."""
        self._timer.start()

    def _on_changed(self) -> None:
        super()._on_changed()
        self.ask_preview()

    def fit(self) -> None:
        """Keep the size: the preview takes what there is."""

    def _draw_preview(self) -> None:
        """Draw what the fields say now, or once more when the picture that is being drawn is done."""
        if self.ended or not self.isVisible():
            return
        if self._drawing:
            self._stale = True
            return
        self._stale = False
        table = self.source.table()
        self.copy_table.setEnabled(table is not None)
        if self.values()["format"] == "csv":
            self._say("")
            self.start_button.setEnabled(table is not None)
            self.preview.show_text(EMPTY if table is None else _first_rows(table), numbers=table is not None)
            return
        try:
            style = self.figure_style()
        except EatlasError as error:
            self.show_error(error)
            return
        draw = self.source.figure_for(style)
        for button in (self.copy_picture, self.start_button):
            button.setEnabled(draw is not None)
        if draw is None:
            self._say("")
            self.preview.show_text(EMPTY)
            return
        self._begin(draw, style)

    def _begin(self, draw: Drawing, style: FigureStyle) -> None:
        ratio = self.preview.devicePixelRatioF()
        room = int(self.preview.width() * ratio), int(self.preview.height() * ratio)
        self._drawing = True
        self.preview.await_picture()
        self.session.tasks.run(
            "Drawing a preview",
            lambda _: preview(draw, style, room),
            lambda found: self._on_preview(found, style),
            self._on_preview_failed,
            key=self._preview_key,
            quiet=True,
            lane=DRAW,
        )

    def _on_preview(self, found: Preview, style: FigureStyle) -> None:
        self._drawing = False
        if self.ended:
            return
        self.preview.show_picture(QImage.fromData(found.png))
        for name, inches in zip(("width", "height"), found.inches, strict=True):
            if not self.values()[name]:
                self._put(name, _in_unit(inches, self._unit, style.dpi))
        self._say(_size_text(found.inches, style.dpi, self.values()["format"]))
        self._go_on()

    def _on_preview_failed(self, error: BaseException) -> None:
        self._drawing = False
        if not self.ended:
            self.preview.show_text("")
            self.show_error(error)
            self._go_on()

    def _go_on(self) -> None:
        if self._stale:
            self.ask_preview()

    def _say(self, text: str) -> None:
        left_out = getattr(self, "_left_out", ())
        more = f"Left out of the style sheet: {', '.join(left_out)}." if left_out and text else ""
        self.note.setText("\n".join(part for part in (text, more) if part))

    # work ---------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Ask for the file, then write it."""
        if self.task is not None:
            return
        path = self.ask_where(self.source.name, self.values()["format"])
        if path is not None:
            self._path = path
            super().start()

    def job(self) -> Job:
        """Return what writes the file."""
        path = self._path
        if path.suffix.lower() == ".csv":
            table = self._table()
            return lambda _: write_csv(path, table)
        draw, style = self._figure()
        return lambda _: write_figure(draw, style, path)

    def apply(self, value: Any) -> None:
        """Tell where it is."""
        self.session.messages.notify(Notification("info", f"{self.source.title} exported", str(self._path)))

    def _figure(self) -> tuple[Drawing, FigureStyle]:
        style = self.figure_style()
        draw = self.source.figure_for(style)
        if draw is None:
            raise SettingsError(EMPTY)
        return draw, style

    def _table(self) -> Table:
        table = self.source.table()
        if table is None:
            raise SettingsError(EMPTY)
        return table

    # clipboard ----------------------------------------------------------------------------------------
    def copy_figure(self) -> None:
        """Put the picture on the clipboard, as it would be written."""
        self._copy(lambda: self._picture_job(), self._put_picture)

    def copy_numbers(self) -> None:
        """Put the numbers on the clipboard, for a spreadsheet."""
        self._copy(lambda: self._numbers_job(), self._put_numbers)

    def _copy(self, job: Callable[[], Job], put: Callable[[Any], None]) -> None:
        try:
            work = job()
        except EatlasError as error:
            self.show_error(error)
            return
        self.clear_error()
        self.remember()
        self.session.tasks.run(f"Copying {self.source.title}", work, put, self.show_error, lane=DRAW)

    def _picture_job(self) -> Job:
        draw, style = self._figure()
        return lambda _: picture(draw, style)

    def _numbers_job(self) -> Job:
        table = self._table()
        return lambda _: (format_csv(table, "\t"), format_csv(table))

    def _note(self, text: str) -> None:
        if not self.ended:  # it may have been closed meanwhile
            self.note.setText(text)

    def _put_picture(self, png: bytes) -> None:
        data = QMimeData()
        data.setImageData(QImage.fromData(png))
        data.setData("image/png", png)
        QGuiApplication.clipboard().setMimeData(data)
        self._note("The picture is on the clipboard.")

    def _put_numbers(self, texts: tuple[str, str]) -> None:
        data = QMimeData()
        data.setText(texts[0])
        data.setData("text/csv", texts[1].encode("utf-8"))
        QGuiApplication.clipboard().setMimeData(data)
        self._note("The numbers are on the clipboard.")

    def end(self) -> None:
        """Close for good and keep the choices."""
        if not self.ended:
            self.remember()
            self._timer.stop()
            self.session.tasks.cancel(self._preview_key)
        super().end()

    def sizeHint(self) -> QSize:
        """Return room for the preview beside the fields."""
        return QSize(1000, 500)


class PreviewBox(QWidget):
    """Shows a picture as large as it fits, or the first numbers."""

    def __init__(self, parent: FigureDialog) -> None:
        super().__init__(parent)
        self._dialog = parent
        self.image = QImage()
        self.text = ""
        self._numbers = False
        self.setMinimumSize(LEAST_PREVIEW)
        self.setAccessibleName("Preview")

    def show_picture(self, image: QImage) -> None:
        """Show a picture."""
        self.image, self.text = image, ""
        self.update()

    def await_picture(self) -> None:
        """Say that a picture is being drawn, where none is there."""
        if self.image.isNull():
            self.show_text(DRAWING)

    def show_text(self, text: str, numbers: bool = False) -> None:
        """Show a text in the picture's place."""
        self.image, self.text, self._numbers = QImage(), text, numbers
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Draw for the new size."""
        super().resizeEvent(event)
        self._dialog.ask_preview()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the picture on squares where it is transparent."""
        painter = QPainter(self)
        if self.image.isNull():
            fixed = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
            fixed.setPointSize(8)
            painter.setFont(fixed if self._numbers else font())
            painter.setPen(QColor(theme.current().text if self._numbers else theme.current().muted))
            left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop
            painter.drawText(self.rect(), left if self._numbers else Qt.AlignmentFlag.AlignCenter, self.text)
            painter.end()
            return
        size = self.image.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        place = self.rect().adjusted(0, 0, 0, 0)
        place.setSize(size)
        place.moveCenter(self.rect().center())
        painter.setClipRect(place)
        painter.fillRect(place, QColor("#ffffff"))
        for row in range(place.top(), place.bottom() + 1, CHECKS):
            for column in range(place.left(), place.right() + 1, 2 * CHECKS):
                shift = CHECKS if (row - place.top()) // CHECKS % 2 else 0
                painter.fillRect(column + shift, row, CHECKS, CHECKS, QColor("#e6e6e6"))
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(place, self.image)
        painter.end()


def _inches(value: float, unit: str, dpi: int) -> float:
    return value / {"mm": MM_PER_INCH, "in": 1.0, "px": float(dpi)}[unit]


def _in_unit(inches: float, unit: str, dpi: int) -> float:
    return inches * {"mm": MM_PER_INCH, "in": 1.0, "px": float(dpi)}[unit]


def _size_text(inches: tuple[float, float], dpi: int, suffix: str) -> str:
    width, height = inches
    size = f"{MM_PER_INCH * width:.0f} × {MM_PER_INCH * height:.0f} mm"
    return f"{size}, {width * dpi:.0f} × {height * dpi:.0f} pixels" if suffix == "png" else size


def _first_rows(table: Table) -> str:
    """Return the first rows with the columns below each other, numbers shortened."""
    columns = [[name, *(_short(value) for value in values[:ROWS])] for name, values in table.items()]
    widths = [max(map(len, column)) for column in columns]
    lines = ["  ".join(map(str.rjust, row, widths)) for row in zip(*columns, strict=True)]
    longest = max((len(values) for values in table.values()), default=0)
    return "\n".join([*lines, "", f"{longest} rows, {len(columns)} columns"])


def _short(value: object) -> str:
    if value is None:
        return ""
    return f"{float(value):.6g}" if isinstance(value, float | np.floating) else one_line(str(value))
