"""The docks of the window; a panel never imports another panel.

``REGISTRY`` lists every dock: module, class and where it stands in the default layout. A panel's ``name`` is
fixed: saved layouts refer to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Area = Literal["left", "center", "right", "bottom"]


@dataclass(frozen=True)
class PanelEntry:
    """One dock: ``slot`` counts from the top of its area; docks sharing a slot are tabbed."""

    module: str
    class_name: str
    area: Area
    slot: int


REGISTRY: tuple[PanelEntry, ...] = (
    PanelEntry("app.panels.data_panel", "DataPanel", "left", 0),
    PanelEntry("app.panels.model_panel", "ModelPanel", "left", 1),
    PanelEntry("app.panels.runs_panel", "RunsPanel", "left", 2),
    PanelEntry("app.panels.structure_panel", "StructurePanel", "center", 0),
    PanelEntry("app.panels.eos_panel", "EosPanel", "right", 0),
    PanelEntry("app.panels.pca_panel", "PcaPanel", "right", 1),
    PanelEntry("app.panels.distance_panel", "DistancePanel", "right", 1),
    PanelEntry("app.panels.parity_panel", "ParityPanel", "right", 1),
    PanelEntry("app.panels.radial_panel", "RadialPanel", "right", 1),
    PanelEntry("app.panels.connectivity_panel", "ConnectivityPanel", "right", 2),
    PanelEntry("app.panels.rigidity_panel", "RigidityPanel", "right", 2),
    PanelEntry("app.panels.mapping_panel", "MappingPanel", "right", 2),
    PanelEntry("app.panels.sweep_panel", "SweepPanel", "right", 2),
    PanelEntry("app.panels.training_panel", "TrainingPanel", "bottom", 0),
    PanelEntry("app.panels.log_panel", "LogPanel", "bottom", 0),
)
