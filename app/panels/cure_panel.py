"""Which frames to add so that the map becomes right: targets, pool, ranked frames, and training on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QMenu, QPushButton, QSplitter, QVBoxLayout, QWidget

from app.documents.counting import from_one
from app.look.style_sheet import styled
from app.panels.base import OPEN, Drawing, Lack, Panel, Table
from app.plots.cure_plot import CurePlot
from app.session.cures import TARGETS
from app.widgets.controls import filled, refill
from app.widgets.flow import FlowRow
from app.widgets.labels import NoteLabel
from app.widgets.placeholder import Placeholder
from app.widgets.quiet import Whole
from app.widgets.tables import CureTable
from nnpcore import figures
from nnpcore.cure.candidates import KINDS
from nnpcore.figures.cure import CURVES, cure_curve
from nnpcore.figures.tables import cure_table
from nnpcore.structures import Role
from nnpcore.units import MEV_PER_EV

if TYPE_CHECKING:
    from app.session.session import Session
    from nnpcore.cure import Cure

EMPTY = (
    "Choose what is to be known (Targets) and what might be computed (Pool), and press Find frames: they are "
    "ranked by what each would leave of the foretold spread at the targets, before anybody computes them."
)
NO_DATA = "Open training data, or a run, to see which frames would make its map right."
COSTS = (("Cost ∝ atoms", 1.0), ("Cost ∝ atoms²", 2.0), ("Cost ∝ atoms³", 3.0))
MOST, MOST_COUNT = 50, 1000
COUNT_TIP = (
    "How many times each added frame counts in the training, as few are outvoted by many; as usual: the root "
    "of the number of old frames over that of added ones"
)


class CurePanel(Panel):
    """Targets and pool above; the curve of spread, the ranked frames and what to do with them below."""

    title = "Cure"
    name = "cure"

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._build_tools()
        self._build_body()
        data, runs = session.data, session.runs
        changes = (data.added, data.changed, data.removed, data.current_changed, runs.current_changed)
        self.follow(session.cures.changed, session.regions.changed, session.selection.changed, *changes)

    @classmethod
    def lacks(cls, session: Session) -> Lack | None:
        """Nothing can be healed without training data."""
        known = session.data.of_role(Role.TRAINING) or session.runs.current is not None
        return None if known else Lack(NO_DATA, OPEN)

    @classmethod
    def has_content(cls, session: Session) -> bool:
        """Return whether frames were found."""
        return session.cures.found is not None

    # building -----------------------------------------------------------------------------------------
    def _build_tools(self) -> None:
        self.targets_menu, self.pool_menu = QMenu(self), QMenu(self)
        self.targets_menu.aboutToShow.connect(self._fill_targets)
        self.pool_menu.aboutToShow.connect(self._fill_pool)
        tip = "What is to be known: the spread there is to fall"
        self.targets_button = self.add_button(tip, text="Targets ▾", menu=self.targets_menu)
        tip = "What might be computed: structures made here, files, what dynamics has met"
        self.pool_button = self.add_button(tip, text="Pool ▾", menu=self.pool_menu)
        self.number = Whole(self)
        self.number.setRange(1, MOST)
        self.number.setSuffix(" frames")
        self.number.setToolTip("How many frames to choose at most")
        self.number.valueChanged.connect(lambda n: self.session.cures.choose(n=n))
        self.add_tool(self.number)
        self.cost = self.add_choice(
            "What a calculation costs; frames are ranked by gain for their cost", self._on_cost
        )
        refill(self.cost, COSTS, default=self.session.cures.cost_exponent)
        self.find_button = styled(QPushButton("Find frames", self), "primary")
        self.find_button.setToolTip("Rank the pool by what each frame would leave of the spread")
        self.find_button.clicked.connect(lambda _checked=False: self._on_find())
        self.add_tool(self.find_button)

    def _build_body(self) -> None:
        content = QWidget(self)
        self.plot, self.table_view = CurePlot(content), CureTable(content)
        self.plot.point_clicked.connect(lambda _key, index, _modifiers: self._choose(index - 1))
        self.table_view.frame_chosen.connect(self.session.cures.show_frame)
        both = QSplitter(Qt.Orientation.Vertical, content)
        both.addWidget(self.plot)
        both.addWidget(self.table_view)
        both.setSizes([220, 200])
        both.setChildrenCollapsible(False)
        self.text = NoteLabel(content)
        self.label_button = self._button("Label with…", "Compute the frames by a calculator", self.ask_labels)
        tip = "Write the frames with POSCAR or your own input, to compute them elsewhere"
        self.export_button = self._button("Export to compute…", tip, self.ask_export_cure)
        tip = "Train anew on the old data and these frames; the healed run stands beside the old one"
        self.train_button = self._button("Add and train again", tip, self.session.cures.add_and_train)
        self.count = Whole(self)
        self.count.setRange(0, MOST_COUNT)
        self.count.setPrefix("counts × ")
        self.count.setSpecialValueText("counts as usual")
        self.count.setToolTip(COUNT_TIP)
        self.count.valueChanged.connect(lambda n: self.session.cures.choose(count=n or None))
        row = FlowRow(content, spacing=6)
        for button in (self.label_button, self.export_button, self.train_button, self.count):
            row.add(button)
        buttons = filled(QHBoxLayout(), row, margins=(8, 2, 8, 6))
        words = filled(QHBoxLayout(), self.text, margins=(8, 2, 8, 2))
        filled(QVBoxLayout(content), (both, 1), words, buttons)
        self.body = Placeholder(content, self)
        self.set_body(self.body)

    def _button(self, text: str, tip: str, run: Callable[[], object]) -> QPushButton:
        button = QPushButton(text, self)
        button.setToolTip(tip)
        button.clicked.connect(lambda _checked=False: run())
        return button

    # choosing -----------------------------------------------------------------------------------------
    def _fill_targets(self) -> None:
        cures = self.session.cures
        self.targets_menu.clear()
        for name, title in TARGETS.items():
            self._add_check(self.targets_menu, title, name in cures.targets, partial(self._on_target, name))

    def _fill_pool(self) -> None:
        cures, menu = self.session.cures, self.pool_menu
        menu.clear()
        menu.addSection("Made here")
        for kind, what in KINDS.items():
            self._add_check(menu, f"{kind}: {what}", kind in cures.kinds, partial(self._on_kind, kind))
        menu.addSection("Files")
        others = [d for d in self.session.data.datasets.values() if d.role == Role.INSPECT]
        for document in others:
            if document.id != cures.dataset_id:
                title = f"{document.name} ({document.n_frames} frames)"
                on = document.id in cures.files
                self._add_check(menu, title, on, partial(self._on_file, document.id))
        if not others:
            menu.addAction("Files open with the role Inspect are offered here").setEnabled(False)
        if cures.explored:
            menu.addSection("Met by dynamics")
            menu.addAction(f"Forget {len(cures.explored)} explored frames", cures.forget_explored)

    @staticmethod
    def _add_check(menu: QMenu, title: str, on: bool, toggled: Callable[[bool], object]) -> None:
        action = menu.addAction(title)
        action.setCheckable(True)
        action.setChecked(on)
        action.toggled.connect(toggled)

    def _on_target(self, name: str, on: bool) -> None:
        known = self.session.cures.targets
        self.session.cures.choose(targets=known | {name} if on else known - {name})

    def _on_kind(self, kind: str, on: bool) -> None:
        known = set(self.session.cures.kinds) ^ {kind}
        del on
        self.session.cures.choose(kinds=tuple(k for k in KINDS if k in known))

    def _on_file(self, dataset_id: str, on: bool) -> None:
        known = self.session.cures.files
        self.session.cures.choose(files=known | {dataset_id} if on else known - {dataset_id})

    def _on_cost(self) -> None:
        self.session.cures.choose(cost_exponent=float(self.cost.currentData()))

    def _on_find(self) -> None:
        cures = self.session.cures
        cures.stop() if cures.busy else cures.start()

    # what is shown ------------------------------------------------------------------------------------
    def refresh(self) -> None:
        """Bring everything up to date."""
        cures = self.session.cures
        self.number.setValue(cures.n)
        self.count.setValue(cures.count or 0)
        self.cost.setCurrentIndex(max(self.cost.findData(cures.cost_exponent), 0))
        self.find_button.setText("Stop" if cures.busy else "Find frames")
        self.targets_button.setText(f"Targets: {self._targets_text()} ▾")
        self.pool_button.setText(f"Pool: {self._pool_text()} ▾")
        found = cures.found
        if found is None:
            self.body.set_message("Looking for the frames to add…" if cures.busy else EMPTY)
            return
        self.body.set_message("")
        cure = found.cure
        for button in (self.label_button, self.export_button, self.train_button):
            button.setEnabled(bool(cure.chosen))
        out = f" {len(cure.left_out)} candidates were left out, see Log." if cure.left_out else ""
        self.text.set_text(f"{cure.sentence()}{_model_text(cure)}{out}")
        self._mark()
        if self._seen.again(cure):
            return
        self.plot.show_curves({key: cure_curve(cure, key) for key, _, _ in CURVES}, partial(_tip, cure))
        self.table_view.show_frames(rows_of(cure))

    def _targets_text(self) -> str:
        wanted = self.session.cures.aimed_at()
        parts = [name for name, _ in wanted.crystals]
        parts += [known.name or "regions" for known in wanted.regions] + [name for name, _, _ in wanted.atoms]
        return parts[0] if len(parts) == 1 else f"{len(parts)}" if parts else "none"

    def _pool_text(self) -> str:
        cures = self.session.cures
        parts = [*cures.kinds, *sorted(cures.files & self.session.data.datasets.keys())]
        parts += [f"{len(cures.explored)} explored"] if cures.explored else []
        return parts[0] if len(parts) == 1 else f"{len(parts)} kinds" if parts else "empty"

    def _mark(self) -> None:
        """Point at the frame shown, if it is one of these."""
        data, cures = self.session.data, self.session.cures
        here = data.current_id == cures.dataset_id and bool(cures.dataset_id)
        self.plot.mark(data.frame_index if here else None)

    def _choose(self, rank: int) -> None:
        if rank >= 0:
            self.table_view.setCurrentCell(rank, 0)
            self.session.cures.show_frame(rank)

    # using it -----------------------------------------------------------------------------------------
    def ask_labels(self) -> None:
        """Ask for a calculator and compute the frames."""
        from app.dialogs.cure import LabelDialog

        found = self.session.cures.found
        if found is not None and found.cure.chosen:
            LabelDialog(found, self.session, self.window()).show()

    def ask_export_cure(self) -> None:
        """Ask for a folder and a template and write the frames."""
        from app.dialogs.cure import ExportCureDialog

        found = self.session.cures.found
        if found is not None and found.cure.chosen:
            ExportCureDialog(found, self.session, self.window()).show()

    # exporting ----------------------------------------------------------------------------------------
    def table(self) -> Table | None:
        """Return one row a frame."""
        found = self.session.cures.found
        return None if found is None else cure_table(found.cure)

    def figure(self) -> Drawing | None:
        """Draw the curve with matplotlib."""
        found = self.session.cures.found
        return None if found is None else partial(figures.cure_figure, found.cure)


def rows_of(cure: Cure) -> Sequence[tuple[str, ...]]:
    """Return the cells of the table, one row a frame."""
    return [
        (
            from_one(one.candidate.name),
            str(one.candidate.n_atoms),
            f"{one.cost:.0f}",
            f"{MEV_PER_EV * one.spread:.3g}",
            "" if one.error is None else f"{MEV_PER_EV * one.error:.3g}",
        )
        for one in cure.chosen
    ]


def _model_text(cure: Cure) -> str:
    """Say what the networks themselves are wrong by: the curve's error is that of the posterior's mean."""
    if cure.model_error is None:
        return ""
    return f" The networks as trained err by {MEV_PER_EV * cure.model_error:.3g} meV/atom there."


def _tip(cure: Cure, index: int) -> str:
    if index == 0:
        return f"As trained: {MEV_PER_EV * cure.spread:.3g} meV/atom"
    one = cure.chosen[index - 1]
    lines = [f"{index}. {from_one(one.candidate.name)}, {one.candidate.n_atoms} atoms"]
    lines.append(f"leaves a foretold spread of {MEV_PER_EV * one.spread:.3g} meV/atom")
    if one.error is not None:
        lines.append(f"and an error of the posterior's mean of {MEV_PER_EV * one.error:.3g} meV/atom")
    return "\n".join(lines)
