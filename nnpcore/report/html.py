"""A report as one HTML page that needs nothing else: figures, style and text in one file, no script."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from itertools import groupby

from nnpcore.figures.drawing import figure_bytes
from nnpcore.report.content import LEVELS, Block, Code, Picture, Report, Section, Table, Text

WIDE = 5.5
"""Inches from which a figure keeps its size on a narrow screen and is scrolled instead."""

PIXELS_PER_INCH = 104
"""A figure's letters of 8 to 9 points come out as large as the page's small print."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c2530; --soft: #5a6672; --line: #d7dde3; --page: #ffffff;
  --card: #f5f7f9; --good: #1a7f4b; --warning: #a86400; --bad: #b8331f; --unknown: #5a6672; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ec; --soft: #9aa6b2; --line: #38424d; --page: #15191e; --card: #1f262d;
    --good: #56c98c; --warning: #e6a23c; --bad: #f0806c; --unknown: #9aa6b2; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 54rem; background: var(--page);
  color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  overflow-wrap: break-word; }
h1 { margin: 0; font-size: 1.75rem; line-height: 1.2; }
h2 { margin: 2.75rem 0 0.75rem; font-size: 1.2rem; border-bottom: 1px solid var(--line);
  padding-bottom: 0.3rem; break-after: avoid; }
p { margin: 0.6rem 0; max-width: 46rem; }
.about, figcaption, caption { color: var(--soft); font-size: 0.875rem; }
.verdict { margin: 1.25rem 0; padding: 0.8rem 1rem; background: var(--card); border-radius: 6px;
  border-left: 5px solid var(--level); break-inside: avoid; }
.verdict strong { color: var(--level); display: block; }
.verdict p { margin: 0.2rem 0 0; }
.good { --level: var(--good); } .warning { --level: var(--warning); }
.bad { --level: var(--bad); } .unknown { --level: var(--unknown); }
.numbers { display: flex; flex-wrap: wrap; gap: 0.75rem 2rem; margin: 1.25rem 0 0; padding: 0; }
.numbers div { min-width: 7rem; }
.numbers dt { color: var(--soft); font-size: 0.8125rem; }
.numbers dd { margin: 0; font-size: 1.125rem; font-variant-numeric: tabular-nums; }
.missing { color: var(--soft); font-style: italic; }
.figures { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start; }
figure { margin: 0.75rem 0; max-width: 100%; break-inside: avoid; }
.paper { background: #ffffff; border: 1px solid var(--line); border-radius: 6px; padding: 0.75rem;
  max-width: 100%; width: fit-content; overflow-x: auto; }
.paper img { display: block; max-width: 100%; height: auto; }
.paper.wide img { min-width: 34rem; }
figcaption { margin-top: 0.4rem; max-width: 46rem; }
.scroll { overflow-x: auto; margin: 0.75rem 0; }
table { border-collapse: collapse; font-size: 0.875rem; font-variant-numeric: tabular-nums; }
caption { caption-side: bottom; text-align: left; padding-top: 0.4rem; }
th, td { padding: 0.3rem 1.25rem 0.3rem 0; text-align: right; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th:last-child, td:last-child { padding-right: 0; }
th { font-weight: 600; white-space: nowrap; }
td.word, th.word { text-align: left; }
tr { break-inside: avoid; }
pre { background: var(--card); border-radius: 6px; padding: 0.75rem 1rem; overflow-x: auto;
  font-size: 0.8125rem; line-height: 1.45; }
@page { size: A4; margin: 16mm; }
@media print {
  :root { --ink: #000000; --soft: #444444; --line: #bbbbbb; --page: #ffffff; --card: #f3f3f3;
    --good: #1a7f4b; --warning: #a86400; --bad: #b8331f; --unknown: #444444; }
  body { padding: 0; max-width: none; font-size: 10.5pt; }
  pre { white-space: pre-wrap; } .paper, .scroll { overflow: visible; }
  .figures { display: block; break-inside: avoid; } .paper { border: none; padding: 0; }
  .paper.wide img { min-width: 0; } }
"""


def report_html(report: Report) -> str:
    """Return the page."""
    numbers = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in report.numbers)
    body = [
        f"<h1>{escape(report.title)}</h1>",
        f'<p class="about">{escape(report.about)}</p>',
        f'<div class="verdict {report.level}"><strong>{escape(LEVELS[report.level])}</strong>'
        f"<p>{escape(report.verdict)}</p></div>",
        f'<dl class="numbers">{numbers}</dl>' if numbers else "",
        *(_section(section) for section in report.sections),
    ]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="generator" content="Eatlas">',
            f"<title>{escape(report.title)}: Eatlas report</title>",
            f"<style>{STYLE}</style>",
            "</head>",
            "<body>",
            *(part for part in body if part),
            "</body>",
            "</html>",
            "",
        ]
    )


def _section(section: Section) -> str:
    parts = [f"<h2>{escape(section.title)}</h2>"]
    for is_figure, group in groupby(section.blocks, lambda block: isinstance(block, Picture)):
        found = [_block(block) for block in group]
        parts += [f'<div class="figures">{"".join(found)}</div>'] if is_figure else found
    return "<section>\n" + "\n".join(parts) + "\n</section>"


def _block(block: Block) -> str:
    if isinstance(block, Text):
        kind = ' class="missing"' if block.missing else ""
        return f"<p{kind}>{escape(block.text)}</p>"
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Code):
        return f"<pre>{escape(block.text)}</pre>"
    return _picture(block)


def _table(table: Table) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        kinds = [' class="word"' if k in table.words else "" for k in range(len(cells))]
        inner = "".join(f"<{tag}{k}>{escape(c)}</{tag}>" for k, c in zip(kinds, cells, strict=True))
        return f"<tr>{inner}</tr>"

    caption = f"<caption>{escape(table.caption)}</caption>" if table.caption else ""
    rows = "\n".join(row(cells, "td") for cells in table.rows)
    return (
        f'<div class="scroll"><table>{caption}<thead>{row(table.head, "th")}</thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _picture(picture: Picture) -> str:
    """Return a figure as an SVG image within the page; it stays on white, in a dark page too."""
    content = base64.b64encode(figure_bytes(picture.figure, "svg", outlines=True)).decode()
    width, height = (round(PIXELS_PER_INCH * inches) for inches in picture.figure.get_size_inches())
    kind = "paper wide" if picture.figure.get_size_inches()[0] >= WIDE else "paper"
    caption = f"<figcaption>{escape(picture.caption)}</figcaption>" if picture.caption else ""
    return (
        f'<figure><div class="{kind}"><img src="data:image/svg+xml;base64,{content}" '
        f'alt="{escape(picture.alt)}" width="{width}" height="{height}"></div>{caption}</figure>'
    )
