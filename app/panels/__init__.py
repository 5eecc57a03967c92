"""The docks of the window; a panel never imports another panel.

``REGISTRY`` lists every dock: module and class. Where it stands is the matter of the workspaces
(``app/shell/workspaces.py``). A panel's ``name`` is fixed: saved layouts refer to it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PanelEntry:
    """One dock: where its panel's class is found."""

    module: str
    class_name: str


REGISTRY: tuple[PanelEntry, ...] = (
    PanelEntry("app.panels.data_panel", "DataPanel"),
    PanelEntry("app.panels.model_panel", "ModelPanel"),
    PanelEntry("app.panels.structure_panel", "StructurePanel"),
    PanelEntry("app.panels.training_panel", "TrainingPanel"),
    PanelEntry("app.panels.pca_panel", "PcaPanel"),
    PanelEntry("app.panels.eos_panel", "EosPanel"),
    PanelEntry("app.panels.distance_panel", "DistancePanel"),
    PanelEntry("app.panels.foretold_panel", "ForetoldPanel"),
    PanelEntry("app.panels.properties_panel", "PropertiesPanel"),
    PanelEntry("app.panels.mapping_panel", "MappingPanel"),
    PanelEntry("app.panels.connectivity_panel", "ConnectivityPanel"),
    PanelEntry("app.panels.parity_panel", "ParityPanel"),
    PanelEntry("app.panels.radial_panel", "RadialPanel"),
    PanelEntry("app.panels.sweep_panel", "SweepPanel"),
    PanelEntry("app.panels.measured_panel", "MeasuredPanel"),
    PanelEntry("app.panels.cure_panel", "CurePanel"),
    PanelEntry("app.panels.explore_panel", "ExplorePanel"),
    PanelEntry("app.panels.log_panel", "LogPanel"),
    PanelEntry("app.panels.console_panel", "ConsolePanel"),
)
