"""A report as a PDF of A4 pages, set by matplotlib alone: text is text, figures are vectors."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from nnpcore.figures.drawing import SAVING
from nnpcore.report.content import LEVELS, Block, Code, Picture, Report, Section, Table, Text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 8.27, 11.69
"""A4, inches."""

SIDE, TOP, BOTTOM = 0.8, 0.8, 0.85
INNER = WIDTH - 2 * SIDE
POINT = 1 / 72
INK, SOFT, LINE = "black", "#555555", "#bbbbbb"
COLORS = {"good": "#1a7f4b", "warning": "#a86400", "bad": "#b8331f", "unknown": "#555555"}
BODY, SMALL, CODE = 9.5, 8.0, 7.0
LEADING = 1.38
GAP = 0.22
"""Inches between two columns of a table."""

OTHER_SCRIPTS = (
    "NanumGothic",
    "Noto Sans CJK KR",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Malgun Gothic",
    "Apple SD Gothic Neo",
    "Hiragino Sans",
    "Microsoft YaHei",
)

UNBROKEN = 4.0
"""Inches: a lower table stays on one page."""


def report_pdf(report: Report) -> bytes:
    """Return the PDF."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_pdf import PdfPages

    content = io.BytesIO()
    with SAVING, matplotlib.rc_context({"pdf.fonttype": 42}):  # type: ignore[arg-type]
        pages = _Pages(report.title)
        _head(pages, report)
        for section in report.sections:
            _section(pages, section)
        pages.number()
        metadata = {"Creator": "Eatlas", "Title": f"{report.title}: Eatlas report"}
        with PdfPages(content, metadata=metadata) as pdf:
            for page in pages.pages:
                FigureCanvasAgg(page)
                pdf.savefig(page)
    return content.getvalue()


def _head(pages: _Pages, report: Report) -> None:
    pages.write(report.title, size=18, bold=True)
    pages.write(report.about, size=SMALL, color=SOFT)
    pages.skip(0.12)
    color = COLORS[report.level]
    start = pages.y
    pages.write(LEVELS[report.level], bold=True, color=color, indent=0.16)
    pages.write(report.verdict, indent=0.16)
    pages.bar(start, pages.y, color)
    pages.skip(0.1)
    if report.numbers:
        _table(pages, Table(("", ""), report.numbers, words=(0, 1)), head=False)


def _section(pages: _Pages, section: Section) -> None:
    first = section.blocks[0] if section.blocks else None
    following = _height(first) if isinstance(first, Picture) else 0.8
    pages.need(0.5 + following)
    pages.skip(0.24)
    pages.write(section.title, size=12.5, bold=True)
    pages.rule()
    for block in section.blocks:
        _block(pages, block)


def _block(pages: _Pages, block: Block) -> None:
    if isinstance(block, Text):
        pages.write(block.text, color=SOFT if block.missing else INK, italic=block.missing)
        pages.skip(0.04)
    elif isinstance(block, Table):
        _table(pages, block)
    elif isinstance(block, Code):
        for line in block.text.splitlines():
            pages.write(line, size=CODE, mono=True)
    else:
        _picture(pages, block)


# figures ----------------------------------------------------------------------------------------------
def _height(picture: Picture) -> float:
    width, height = picture.figure.get_size_inches()
    return float(height) * min(1.0, INNER / float(width)) + 0.55


def _picture(pages: _Pages, picture: Picture) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    width, height = (float(v) for v in picture.figure.get_size_inches())
    if width > INNER:
        width, height = INNER, height * INNER / width
        picture.figure.set_size_inches(width, height)
    pages.need(_height(picture))
    pages.skip(0.06)
    FigureCanvasAgg(picture.figure)
    _as_vectors(picture.figure)
    pages.place(picture.figure, width, height)
    pages.skip(0.04)
    if picture.caption:
        pages.write(picture.caption, size=SMALL, color=SOFT)
    pages.skip(0.1)


def _as_vectors(figure: Figure) -> None:
    """Let nothing become an image: it would be put where the figure stands alone."""
    from matplotlib.collections import QuadMesh

    for artist in figure.findobj():
        if artist.get_rasterized():
            artist.set_rasterized(False)
        if isinstance(artist, QuadMesh):
            artist.set_edgecolor("face")  # no white gaps between the steps of a color bar


# tables -----------------------------------------------------------------------------------------------
def _table(pages: _Pages, table: Table, *, head: bool = True) -> None:
    shown = [table.head, *table.rows] if head else list(table.rows)
    widths = _column_widths(shown, head)
    rows = [
        [_wrapped(cell, width, SMALL, head and k == 0) for cell, width in zip(cells, widths, strict=True)]
        for k, cells in enumerate(shown)
    ]
    heights = [max(len(cell) for cell in lines) * SMALL * LEADING * POINT + 0.055 for lines in rows]
    if sum(heights) < UNBROKEN:
        pages.need(sum(heights) + 0.02 * len(heights) + 0.3)
    pages.skip(0.05)
    for k, (lines, height) in enumerate(zip(rows, heights, strict=True)):
        bold = head and k == 0
        pages.need(height + (0.3 if bold else 0.0))
        left = SIDE
        for c, (cell, width) in enumerate(zip(lines, widths, strict=True)):
            right = c not in table.words
            pages.lines(cell, left + (width if right else 0.0), SMALL, right=right, bold=bold)
            left += width + GAP
        pages.y -= height
        pages.rule(min(left - GAP, SIDE + INNER), 0.8 if bold else 0.3, after=0.02)
    if table.caption:
        pages.skip(0.05)
        pages.write(table.caption, size=SMALL, color=SOFT)
    pages.skip(0.1)


def _column_widths(rows: Sequence[Sequence[str]], head: bool) -> list[float]:
    """Return widths in inches that fit the page: the widest columns give way first."""
    widths = [
        max(_width(row[c], SMALL, head and k == 0) for k, row in enumerate(rows)) + 0.01
        for c in range(len(rows[0]))
    ]
    room = INNER - GAP * (len(widths) - 1)
    while sum(widths) > room:
        over, ordered = sum(widths) - room, sorted(widths, reverse=True)
        widest = widths.index(ordered[0])
        step = ordered[0] - ordered[1] if len(ordered) > 1 else over
        widths[widest] -= min(over, max(step, 0.05))
    return widths


# text -------------------------------------------------------------------------------------------------
def _font(size: float, bold: bool = False, italic: bool = False, mono: bool = False) -> Any:
    from matplotlib.font_manager import FontProperties

    return FontProperties(
        family=["DejaVu Sans Mono" if mono else "DejaVu Sans", *_other_scripts()],
        size=size,
        weight="bold" if bold else "normal",
        style="italic" if italic else "normal",
    )


@lru_cache(maxsize=1)
def _other_scripts() -> tuple[str, ...]:
    """Return the fonts here that have letters the usual one lacks, such as Korean."""
    from matplotlib.font_manager import fontManager

    known = set(fontManager.get_font_names())
    return tuple(name for name in OTHER_SCRIPTS if name in known)


def _width(text: str, size: float, bold: bool = False, mono: bool = False) -> float:
    """Return how wide a line is, inches; letters by themselves, which is a little more than together."""
    return size * POINT * sum(_letter_width(letter, bold, mono) for letter in text)


@lru_cache(maxsize=4096)
def _letter_width(letter: str, bold: bool, mono: bool) -> float:
    """Return the width of a letter in units of the font's size."""
    from matplotlib.textpath import text_to_path

    font = _font(100.0, bold, mono=mono)
    pair = text_to_path.get_text_width_height_descent(f"|{letter}|", font, False)[0]
    return (pair - text_to_path.get_text_width_height_descent("||", font, False)[0]) / 100.0


def _wrapped(text: str, width: float, size: float, bold: bool = False, mono: bool = False) -> list[str]:
    """Return the lines of a paragraph; words longer than a line are cut."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if _width(longer, size, bold, mono) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        while _width(word, size, bold, mono) > width and len(word) > 1:
            fits = max(1, int(len(word) * width / _width(word, size, bold, mono)) - 1)
            lines.append(word[:fits])
            word = word[fits:]
        line = word
    return [*lines, line]


class _Pages:
    """Pages filled from top to bottom; ``y`` is the height left above the paper's lower edge, inches."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.pages: list[Figure] = []
        self.y = 0.0
        self._turn()

    def _turn(self) -> None:
        from matplotlib.figure import Figure

        self.pages.append(Figure(figsize=(WIDTH, HEIGHT), facecolor="white"))
        self.y = HEIGHT - TOP

    @property
    def _fresh(self) -> bool:
        return self.y > HEIGHT - TOP - 0.01

    def need(self, height: float) -> None:
        """Turn the page where less than this is left."""
        if self.y - height < BOTTOM and not self._fresh:
            self._turn()

    def skip(self, height: float) -> None:
        """Leave room, but none at the top of a page."""
        if not self._fresh:
            self.y -= height

    def write(
        self,
        text: str,
        *,
        size: float = BODY,
        color: str = INK,
        indent: float = 0.0,
        bold: bool = False,
        italic: bool = False,
        mono: bool = False,
    ) -> None:
        """Set a paragraph."""
        height = size * LEADING * POINT
        for line in _wrapped(text, INNER - indent, size, bold, mono):
            self.need(height)
            self._text(SIDE + indent, self.y, line, _font(size, bold, italic, mono), color)
            self.y -= height
        self.y -= 0.02

    def lines(self, lines: Sequence[str], x: float, size: float, *, right: bool, bold: bool) -> None:
        """Set a table's cell at the present height, which stays."""
        for k, line in enumerate(lines):
            y = self.y - 0.02 - k * size * LEADING * POINT
            self._text(x, y, line, _font(size, bold), INK, "right" if right else "left")

    def _text(self, x: float, y: float, text: str, font: Any, color: str, align: str = "left") -> None:
        baseline = y - 1.05 * font.get_size() * POINT  # letters with marks above do not move the line
        self.pages[-1].text(
            x / WIDTH,
            baseline / HEIGHT,
            text,
            fontproperties=font,
            color=color,
            ha=align,
            va="baseline",
            parse_math=False,
        )

    def rule(self, end: float = SIDE + INNER, width: float = 0.5, after: float = 0.08) -> None:
        """Draw a line from the margin to ``end``, inches, and leave room under it."""
        self._line((SIDE, self.y), (end, self.y), LINE, width)
        self.y -= after

    def bar(self, top: float, bottom: float, color: str) -> None:
        """Draw a vertical bar at the margin."""
        self._line((SIDE + 0.03, top), (SIDE + 0.03, bottom), color, 3.0)

    def _line(self, start: tuple[float, float], end: tuple[float, float], color: str, width: float) -> None:
        from matplotlib.lines import Line2D

        x, y = ([v / total for v in pair] for pair, total in zip(zip(start, end, strict=True),
                                                                (WIDTH, HEIGHT), strict=True))  # fmt: skip
        page = self.pages[-1]
        page.add_artist(Line2D(x, y, color=color, linewidth=width, solid_capstyle="butt",
                               transform=page.transFigure))  # fmt: skip

    def place(self, figure: Figure, width: float, height: float) -> None:
        """Put a figure at the margin, as vectors: it is drawn where its lower left corner is moved to."""
        self.pages[-1].add_artist(_embedded(figure, SIDE, self.y - height))
        self.y -= height

    def number(self) -> None:
        """Write the title and the page's number under every page."""
        for k, page in enumerate(self.pages):
            font, y = _font(SMALL), 0.5 / HEIGHT
            title = _wrapped(self.title, INNER - 1.2, SMALL)[0]
            look: dict[str, Any] = {"fontproperties": font, "color": SOFT, "parse_math": False}
            page.text(SIDE / WIDTH, y, title, **look)
            page.text(1 - SIDE / WIDTH, y, f"{k + 1} of {len(self.pages)}", ha="right", **look)


def _embedded(figure: Figure, left: float, bottom: float) -> Any:
    """Return an artist that draws a whole figure with its lower left corner there, inches."""
    from matplotlib.artist import Artist

    class Embedded(Artist):
        def draw(self, renderer: Any) -> None:
            """Lay the figure out where it stands alone, then move and draw it."""
            page: Any = self.get_figure()
            figure.set_dpi(page.dpi)
            figure.canvas.draw()
            figure.set_layout_engine("none")
            width, height = figure.get_size_inches()
            figure.bbox_inches.p0 = (left, bottom)
            figure.bbox_inches.p1 = (left + width, bottom + height)
            figure.draw(renderer)

    return Embedded()
