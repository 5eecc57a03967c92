"""A report as a PDF of A4 pages: text is text, figures are vectors."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnpcore.figures.drawing import figure_bytes, other_scripts
from nnpcore.report.content import LEVELS, Block, Code, Picture, Report, Section, Table, Text

if TYPE_CHECKING:
    from fpdf import FPDF

    from nnpcore.mapping.findings import Level

WIDTH, HEIGHT = 595.28 / 72, 841.89 / 72
"""A4, inches."""

SIDE, TOP, BOTTOM = 0.8, 0.8, 0.85
INNER = WIDTH - 2 * SIDE - 1e-6
POINT = 1 / 72
INK, SOFT, LINE = "#000000", "#555555", "#bbbbbb"
COLORS: dict[Level, str] = {
    "right": "#1a7f4b",
    "doubtful": "#a86400",
    "open": "#a86400",
    "wrong": "#b8331f",
    "unknown": "#555555",
}
BODY, SMALL, CODE = 9.5, 8.0, 7.0
LEADING = 1.38
GAP = 0.22
"""Inches between two columns of a table."""

PADDING = 0.035
"""Inches above and below the text of a table's row."""

UNBROKEN = 2.4
"""Inches: a lower table stays on one page."""

LEAST_SCALE = 0.7
"""A figure is made smaller by this at most, where it then fits on the page instead of leaving a gap."""

COLUMNS, LEAST_LINES = 3, 8
"""Short lines stand in so many columns at most, each of so many lines at least."""

HEADING, LINES, SHORT = 0.58, 0.8, 0.45
"""Inches of a heading with the gap above it, of what has to follow, of a text that stays with its figure."""

SANS, MONO = "DejaVu Sans", "DejaVu Sans Mono"
FONT_FILES = {
    (SANS, ""): "DejaVuSans.ttf",
    (SANS, "B"): "DejaVuSans-Bold.ttf",
    (SANS, "I"): "DejaVuSans-Oblique.ttf",
    (MONO, ""): "DejaVuSansMono.ttf",
}


def report_pdf(report: Report) -> bytes:
    """Return the PDF."""
    return _Pages(report).content()


class _Pages:
    """The pages of a report; figures are put into the room left for them when all else is done."""

    def __init__(self, report: Report) -> None:
        self.pdf = _paper(report)
        self._figures: list[tuple[int, float, float, float, bytes]] = []
        self._head(report)
        for section in report.sections:
            self._section(section)

    def content(self) -> bytes:
        """Return the finished file."""
        from pypdf import PdfReader, PdfWriter, Transformation

        writer = PdfWriter(clone_from=io.BytesIO(self.pdf.output()))
        for number, left, bottom, scale, content in self._figures:
            move = Transformation().scale(scale).translate(left / POINT, bottom / POINT)
            writer.pages[number - 1].merge_transformed_page(PdfReader(io.BytesIO(content)).pages[0], move)
        for page in writer.pages:
            page.compress_content_streams()
        stream = io.BytesIO()
        writer.write(stream)
        return stream.getvalue()

    def _head(self, report: Report) -> None:
        pdf = self.pdf
        self._write(report.title, size=18, style="B")
        self._write(report.about, size=SMALL, color=SOFT)
        pdf.ln(0.12)
        color, start = COLORS[report.level], pdf.get_y()
        self._write(LEVELS[report.level], style="B", color=color, indent=0.16)
        self._write(report.verdict, indent=0.16)
        with pdf.local_context(fill_color=color):
            pdf.rect(SIDE, start, 0.04, pdf.get_y() - start, style="F")
        pdf.ln(0.1)
        if report.numbers:
            self._table(Table((), report.numbers, words=(0, 1)))

    def _section(self, section: Section) -> None:
        pdf, blocks = self.pdf, section.blocks
        if not self._has_room(blocks) and self._has_room(later := _figure_last(blocks)):
            blocks = later
        if not self._has_room(blocks):
            pdf.add_page()
        else:
            pdf.ln(0.24)
        pdf.start_section(section.title)
        self._write(section.title, size=12.5, style="B")
        pdf.set_draw_color(LINE)
        pdf.line(SIDE, pdf.get_y(), SIDE + INNER, pdf.get_y())
        pdf.ln(0.08)
        for block in blocks:
            self._block(block)

    def _has_room(self, blocks: Sequence[Block]) -> bool:
        """Return whether a section may begin on this page."""
        return not self.pdf.will_page_break(min(HEADING + self._following(blocks), HEIGHT - TOP - BOTTOM))

    def _following(self, blocks: Sequence[Block]) -> float:
        """Return the inches that have to follow a heading: some lines, and what a short one leads to."""
        total = 0.0
        for block in blocks:
            if isinstance(block, Text):
                total += self._n_lines(block.text, BODY) * BODY * LEADING * POINT + 0.06
                if total > SHORT:
                    break
            elif isinstance(block, Picture):
                return total + LEAST_SCALE * _size(block)[1] + self._caption_height(block)
            elif isinstance(block, Table):
                return total + max(min(self._table_height(block), UNBROKEN), LINES)
            else:
                return total + LINES
        return LINES

    def _n_lines(self, text: str, size: float, family: str = SANS) -> int:
        """Return the lines a paragraph takes, rather one more than it will."""
        self._font(size, family=family)
        return math.ceil(1.05 * self.pdf.get_string_width(text) / INNER)

    def _caption_height(self, picture: Picture) -> float:
        """Return the inches below a figure that its caption takes."""
        return self._n_lines(picture.caption, SMALL) * SMALL * LEADING * POINT + 0.08

    def _block(self, block: Block) -> None:
        if isinstance(block, Text):
            self._write(block.text, color=SOFT if block.missing else INK, style="I" if block.missing else "")
            self.pdf.ln(0.04)
        elif isinstance(block, Table):
            self._table(block)
        elif isinstance(block, Code):
            self._code(block.text)
        else:
            self._picture(block)

    def _code(self, text: str) -> None:
        """Set lines as they are: short ones side by side, and few ones on one page."""
        pdf, lines, height = self.pdf, text.splitlines(), CODE * LEADING * POINT
        self._font(CODE, family=MONO)
        longest = max(map(pdf.get_string_width, lines), default=0.0)
        n = max(1, min(COLUMNS, int(INNER / (longest + GAP)), len(lines) // LEAST_LINES))
        size = -(-len(lines) // n)
        n_set = size if n > 1 else sum(self._n_lines(line, CODE, MONO) or 1 for line in lines)
        if (n > 1 or n_set * height < UNBROKEN) and pdf.will_page_break(n_set * height):
            pdf.add_page()
        if n == 1:
            self._write(text, size=CODE, family=MONO)
            return
        top = pdf.get_y()
        for k in range(n):
            column = "\n".join(lines[k * size : (k + 1) * size])
            pdf.set_xy(SIDE + k * INNER / n, top)
            pdf.multi_cell(INNER / n, height, column, align="L", new_x="LMARGIN", new_y="NEXT")
        pdf.set_y(top + size * height + 0.02)

    def _write(
        self,
        text: str,
        *,
        size: float = BODY,
        style: str = "",
        color: str = INK,
        family: str = SANS,
        indent: float = 0.0,
    ) -> None:
        """Set a paragraph."""
        self._font(size, style, color, family)
        self.pdf.set_x(SIDE + indent)
        height = size * LEADING * POINT
        self.pdf.multi_cell(INNER - indent, height, text, align="L", new_x="LMARGIN", new_y="NEXT")
        self.pdf.ln(0.02)

    def _font(self, size: float, style: str = "", color: str = INK, family: str = SANS) -> None:
        self.pdf.set_font(family, style, size)  # type: ignore[arg-type]
        self.pdf.set_text_color(color)

    def _picture(self, picture: Picture) -> None:
        """Leave room for a figure, as wide as the page at most."""
        pdf, (width, height) = self.pdf, _size(picture)
        left = (HEIGHT - BOTTOM - pdf.get_y() - self._caption_height(picture)) / height
        if left < LEAST_SCALE:
            pdf.add_page()
        elif left < 1.0:
            width, height = left * width, left * height
        scale = width / picture.figure.get_size_inches()[0]
        bottom = HEIGHT - pdf.get_y() - height
        self._figures.append((pdf.page, SIDE, bottom, scale, figure_bytes(picture.figure, "pdf")))
        pdf.ln(height + 0.04)
        if picture.caption:
            self._write(picture.caption, size=SMALL, color=SOFT)
        pdf.ln(0.1)

    def _table(self, table: Table) -> None:
        from fpdf import FontFace

        pdf, line = self.pdf, SMALL * LEADING * POINT
        rows, widths = self._laid_out(table)[:2]
        if (height := self._table_height(table)) < UNBROKEN and pdf.will_page_break(height):
            pdf.add_page()
        self._font(SMALL)
        pdf.set_draw_color(LINE)
        with pdf.table(
            rows,
            align="LEFT",
            width=sum(widths) + GAP * len(widths),
            col_widths=tuple(width + GAP for width in widths),
            text_align=tuple("LEFT" if c in table.words else "RIGHT" for c in range(len(widths))),
            line_height=line,
            padding=(PADDING, GAP, PADDING, 0.0),
            borders_layout="HORIZONTAL_LINES",
            first_row_as_headings=bool(table.head),
            headings_style=FontFace(emphasis="BOLD"),
        ):
            pass
        pdf.ln(0.05)
        if table.caption:
            self._write(table.caption, size=SMALL, color=SOFT)
        pdf.ln(0.1)

    def _laid_out(self, table: Table) -> tuple[list[tuple[str, ...]], list[float], list[list[float]]]:
        """Return a table's rows, the widths of its columns, and what each cell would take in one line."""
        rows = [row for row in (table.head, *table.rows) if row]
        self._font(SMALL, "B" if table.head else "")
        wanted = [[self.pdf.get_string_width(cell) for cell in row] for row in rows]
        widths = _column_widths([max(column) + 0.01 for column in zip(*wanted, strict=True)])
        return rows, widths, wanted

    def _table_height(self, table: Table) -> float:
        rows, widths, wanted = self._laid_out(table)
        lines = sum(max(-(-w // v) for w, v in zip(row, widths, strict=True)) for row in wanted)
        return lines * SMALL * LEADING * POINT + 2 * PADDING * len(rows) + 0.3


def _figure_last(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """Return the blocks of a section with one figure so that its texts and tables come first."""
    figures = tuple(block for block in blocks if isinstance(block, Picture))
    others = tuple(block for block in blocks if not isinstance(block, Picture))
    return (*others, *figures) if len(figures) == 1 else tuple(blocks)


def _size(picture: Picture) -> tuple[float, float]:
    """Return width and height of a figure on the page, inches."""
    width, height = (float(inches) for inches in picture.figure.get_size_inches())
    scale = min(1.0, INNER / width)
    return width * scale, height * scale


def _column_widths(wanted: Sequence[float]) -> list[float]:
    """Return widths in inches that fit the page: the widest columns give way first."""
    widths, room = list(wanted), INNER - GAP * len(wanted)
    while (over := sum(widths) - room) > 1e-9:
        ordered = sorted(widths, reverse=True)
        step = ordered[0] - ordered[1] if len(ordered) > 1 else over
        widths[widths.index(ordered[0])] -= min(over, max(step, 0.05))
    return widths


def _paper(report: Report) -> FPDF:
    """Return an empty document whose pages carry title and number."""
    import matplotlib
    from fpdf import FPDF

    class Paper(FPDF):
        def footer(self) -> None:
            """Write the title and the page's number under every page."""
            self.set_font(SANS, "", SMALL)
            self.set_text_color(SOFT)
            self.set_y(-0.5 - SMALL * POINT)
            height = SMALL * LEADING * POINT
            title = report.title
            while self.get_string_width(title) > INNER - 1.2:
                title = title[:-1]
            self.cell(INNER - 1.2, height, title)
            self.cell(1.2, height, f"{self.page_no()} of {{nb}}", align="R")

    pdf = Paper(unit="in", format="A4")
    pdf.set_title(f"{report.title}: Eatlas report")
    pdf.set_creator("Eatlas")
    pdf.set_margins(SIDE, TOP, SIDE)
    pdf.set_auto_page_break(True, BOTTOM)
    pdf.c_margin = 0.0
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for (family, style), file in FONT_FILES.items():
        pdf.add_font(family, style, folder / file)  # type: ignore[arg-type]
    fallback = other_scripts(repr(report))
    for name, path in fallback.items():
        pdf.add_font(name, "", path)
    pdf.set_fallback_fonts(list(fallback), exact_match=False)
    pdf.set_line_width(0.5 * POINT)
    pdf.add_page()
    return pdf
