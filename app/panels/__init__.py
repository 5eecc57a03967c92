"""The docks of the window; a panel never imports another panel.

``REGISTRY`` lists every dock: what its row says, and the panel's class, which is loaded when it is first
wanted. Where it stands is the matter of the workspaces (``app/shell/workspaces.py``). A panel's ``name`` is
fixed: saved layouts refer to it, and its module is called after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.panels.base import Panel
    from nnpcore.progress import Progress


@dataclass(frozen=True)
class PanelEntry:
    """One dock, as much of it as the window needs before the panel is loaded; its class says the same.

    Attributes
    ----------
    name, title : as in the panel's class. class_name : of the class, in the module called after the panel.
    foldable, eager : as in the panel's class. exports : whether it has a figure or numbers to export.
    """

    name: str
    title: str
    class_name: str
    foldable: bool = False
    eager: bool = False
    exports: bool = True

    @cached_property
    def panel_class(self) -> type[Panel]:
        """The panel's class, loaded on first use."""
        return getattr(import_module(f"app.panels.{self.name}_panel"), self.class_name)


REGISTRY: tuple[PanelEntry, ...] = (
    PanelEntry("data", "Data and Runs", "DataPanel", exports=False),
    PanelEntry("model", "Model", "ModelPanel", foldable=True, exports=False),
    PanelEntry("structure", "Structure", "StructurePanel"),
    PanelEntry("training", "Training", "TrainingPanel"),
    PanelEntry("pca", "PCA", "PcaPanel"),
    PanelEntry("eos", "EOS", "EosPanel"),
    PanelEntry("distance", "Distance", "DistancePanel"),
    PanelEntry("foretold", "Foretold", "ForetoldPanel"),
    PanelEntry("properties", "Properties", "PropertiesPanel"),
    PanelEntry("mapping", "Mapping", "MappingPanel"),
    PanelEntry("connectivity", "Connectivity", "ConnectivityPanel"),
    PanelEntry("parity", "Parity", "ParityPanel"),
    PanelEntry("errors", "Errors", "ErrorsPanel"),
    PanelEntry("calibration", "Calibration", "CalibrationPanel"),
    PanelEntry("radial", "Radial distribution", "RadialPanel"),
    PanelEntry("sweep", "Sweep", "SweepPanel"),
    PanelEntry("learning", "Learning curve", "LearningPanel"),
    PanelEntry("measured", "Measured", "MeasuredPanel"),
    PanelEntry("cure", "Cure", "CurePanel"),
    PanelEntry("explore", "Explore", "ExplorePanel", exports=False),
    PanelEntry("log", "Log", "LogPanel", exports=False, eager=True),
    PanelEntry("console", "Console", "ConsolePanel", exports=False),
)


def load_panels(progress: Progress) -> None:
    """Import all of them, with their plots and what tells files apart; for the background."""
    for number, entry in enumerate(REGISTRY):
        progress.report(number / len(REGISTRY), entry.title)
        _ = entry.panel_class
    for name in ("app.dialogs.potentials", "app.viewer3d.gl_renderer", "psutil"):
        import_module(name)
