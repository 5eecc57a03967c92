"""Training > Sweep: the same training with several values of one setting."""

from __future__ import annotations

from typing import Any

from app.dialogs.fields import choice, line, muted, set_value, whole
from app.dialogs.form import FormDialog
from app.documents.sweep import SETTINGS, SweepPlan, plan_sweep, setting_named, value_text
from nnpcore.errors import EatlasError

UNWATCHED = (
    "No mapping error will be followed: open an EOS reference or divide a structure into regions first, "
    "then the sweep shows it beside the RMSE."
)
VALUES_TIP = "A training for each; written as 0, 1e-4 or, for widths, 30-30"


class SweepDialog(FormDialog):
    """Queues a training for every value; all else is as the Model panel says."""

    title = "Sweep"
    name = "sweep"
    verb = "Train"
    forgotten = frozenset({"epochs", "n_members"})

    def build(self) -> None:
        """Make the fields."""
        base = self.session.trainings.settings
        section = self.section("One setting, several trainings")
        items = [(setting.shown.label, setting.name) for setting in SETTINGS]
        section.add("setting", "Setting", choice(self, items), "What the trainings differ in", wide=True)
        first = setting_named("l2")
        set_value(self.widgets["setting"], first.name)
        section.add("values", "Values", line(self, first.shown.values), VALUES_TIP, wide=True)
        epochs = whole(self, base.epochs or 0, 0, 100_000)
        epochs.setSpecialValueText("Usual number")
        section.add("epochs", "Epochs", epochs, "Of each training; the usual number is the optimizer's")
        section.add("n_members", "Members", whole(self, base.n_members, 0, 1000), "Networks of each training")
        self._shown = first.name
        self.about, self.look, self.unwatched = muted(self.form), muted(self.form), muted(self.form)
        self.unwatched.setText(UNWATCHED)
        for label in (self.about, self.look, self.unwatched):
            self.body.addWidget(label)

    def restore(self, values: dict[str, Any]) -> None:
        """Fill in what was remembered, its values included."""
        super().restore(values)
        self._shown = self.values()["setting"]

    def refresh(self) -> None:
        """Propose values for another setting and say what will be trained."""
        values = self.values()
        setting = setting_named(values["setting"])
        if values["setting"] != self._shown:
            self._shown = values["setting"]
            set_value(self.widgets["values"], setting.shown.values)  # comes back here
            return
        self.about.setText(f"{setting.shown.tip}. All else is as in the Model panel.")
        self.look.setText(self._plan_text())
        session = self.session
        self.unwatched.setVisible(not (session.data.has_eos() or session.regions.sets))

    def _plan_text(self) -> str:
        try:
            plan = self.plan()
        except EatlasError as error:
            return f"⚠ {error.what[:1].upper()}{error.what[1:]}."
        settings = plan.settings[0]
        shown = ", ".join(value_text(value) for value in plan.values)
        epochs = f"{settings.epochs} epochs" if settings.epochs else "the usual number of epochs"
        members = f"{settings.n_members} members" if settings.n_members > 1 else "1 member"
        text = f"{len(plan.values)} trainings one after another ({shown}), each {members}, {epochs}."
        waits = " They start when the training that runs has ended." if self.session.trainings.active else ""
        return text + waits

    def plan(self) -> SweepPlan:
        """Return the trainings the fields ask for; SettingsError where they make no sense."""
        values = self.values()
        base = self.session.trainings.settings.replace(
            epochs=values["epochs"] or None, n_members=values["n_members"]
        )
        return plan_sweep(setting_named(values["setting"]), values["values"], base)

    def show_error(self, error: BaseException) -> None:
        """Say it once."""
        super().show_error(error)
        self.look.clear()

    def start(self) -> None:
        """Check the fields, queue the trainings and close."""
        try:
            self.session.trainings.checked_settings()
            plan = self.plan()
            self.session.sweeps.start(plan)
        except (EatlasError, OSError) as error:
            self.show_error(error)
            return
        self.remember()
        self.end()
