"""The workspaces: which panels stand where, for what one does at a time; ``docks.py`` arranges them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Along = Literal["row", "column"]


@dataclass(frozen=True)
class Tabs:
    """Panels that share a place, by name; the first one is in front."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """A place in a split: its ``share`` of the room, in pixels at least ``least`` and at most ``most``."""

    node: Node
    share: float
    least: int = 0
    most: int = 100_000


@dataclass(frozen=True)
class Split:
    """Places beside (row) or below (column) each other."""

    along: Along
    parts: tuple[Part, ...]


Node = Tabs | Split


@dataclass(frozen=True)
class Workspace:
    """One of the window's arrangements.

    Attributes
    ----------
    name : fixed, saved layouts refer to it. title, tip : for the strip. tree : where panels stand.
    swapped : two panels whose places one key exchanges, if any. bare : another tree while nothing but the
        list and the structure have anything to show.
    """

    name: str
    title: str
    tip: str
    tree: Split
    swapped: tuple[str, str] | None = None
    bare: Split | None = None


def tabs(*names: str) -> Tabs:
    """Return panels that share a place."""
    return Tabs(names)


def row(*parts: Part) -> Split:
    """Return places beside each other."""
    return Split("row", parts)


def column(*parts: Part) -> Split:
    """Return places below each other."""
    return Split("column", parts)


LISTED = Part(tabs("data"), 0.18, 262, 360)
"""The list of data and runs stands at the left of every workspace."""

BELOW_CURVES = row(
    Part(tabs("structure"), 0.52),
    Part(tabs("parity", "errors", "calibration", "learning", "sweep", "measured", "log"), 0.48),
)

WORKSPACES: tuple[Workspace, ...] = (
    Workspace(
        "train", "Train", "Data in, settings, and how the training goes",
        row(
            Part(column(Part(tabs("data"), 0.31), Part(tabs("model"), 0.69)), 0.2, 340, 420),
            Part(
                column(
                    Part(tabs("training"), 0.45),
                    Part(BELOW_CURVES, 0.55),
                ),
                0.82,
            ),
        ),
    ),
    Workspace(
        "map", "Map", "Where in G space the atoms are, and what they cost",
        row(LISTED, Part(tabs("structure"), 0.43), Part(tabs("pca", "radial"), 0.39)),
        ("structure", "pca"),
    ),
    Workspace(
        "crystal", "Crystal", "The equation of state, its slope, and how far the training data reach",
        row(
            Part(column(Part(tabs("data"), 0.48), Part(tabs("structure"), 0.52)), 0.25, 280, 520),
            Part(tabs("eos", "properties"), 0.42),
            Part(column(Part(tabs("distance"), 0.5), Part(tabs("foretold"), 0.5)), 0.34),
        ),
        ("structure", "eos"),
        row(LISTED, Part(tabs("structure"), 0.82)),
    ),
    Workspace(
        "regions", "Regions", "What bulk, surface or any group of atoms costs, and how they hang together",
        row(
            LISTED,
            Part(tabs("structure"), 0.40),
            Part(column(Part(tabs("mapping"), 0.5), Part(tabs("connectivity", "measured"), 0.5)), 0.42),
        ),
        ("structure", "mapping"),
    ),
    Workspace(
        "cure", "Cure", "What to add to the training data",
        row(
            LISTED,
            Part(tabs("cure", "explore"), 0.44),
            Part(column(Part(tabs("structure"), 0.52), Part(tabs("pca"), 0.48)), 0.38),
        ),
        ("structure", "cure"),
    ),
)  # fmt: skip

FIRST = WORKSPACES[0].name
BY_NAME = {workspace.name: workspace for workspace in WORKSPACES}


def leaves(node: Node) -> Iterator[Tabs]:
    """Return the places of a tree, from the upper left."""
    if isinstance(node, Tabs):
        yield node
    else:
        for part in node.parts:
            yield from leaves(part.node)


def panel_names(workspace: Workspace) -> tuple[str, ...]:
    """Return the panels of a workspace."""
    return tuple(name for place in leaves(workspace.tree) for name in place.names)


def pruned(node: Node, known: frozenset[str] | set[str]) -> Node | None:
    """Return a tree with the ``known`` panels only, without empty places; None where nothing is left."""
    if isinstance(node, Tabs):
        names = tuple(name for name in node.names if name in known)
        return Tabs(names) if names else None
    parts = [
        Part(child, part.share, part.least, part.most)
        for part in node.parts
        if (child := pruned(part.node, known)) is not None
    ]
    if len(parts) == 1:
        return parts[0].node
    return Split(node.along, tuple(parts)) if parts else None


def swapped(tree: Node, one: str, other: str) -> Node:
    """Return a tree with two panels' places exchanged; whoever shares a place goes with them."""
    places = list(leaves(tree))
    mine = next((place for place in places if one in place.names), None)
    others = next((place for place in places if other in place.names), None)
    if mine is None or others is None:
        return tree
    return _replaced(tree, {mine: others, others: mine})


def _replaced(node: Node, places: dict[Tabs, Tabs]) -> Node:
    if isinstance(node, Tabs):
        return places.get(node, node)
    parts = (Part(_replaced(p.node, places), p.share, p.least, p.most) for p in node.parts)
    return Split(node.along, tuple(parts))
