"""From the device's name in the settings to one this computer has."""

from __future__ import annotations

from pathlib import Path

from nnpcore.errors import SettingsError

_DRIVER_NODES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")


def resolve_device(name: str) -> str:
    """Return "cpu" or the name of a torch device.

    "auto" is a CUDA device where there is one, else "cpu"; torch, slow to load, is asked only where a driver
    is.

    Raises
    ------
    SettingsError : the device asked for is not there.
    """
    if name == "cpu" or (name == "auto" and not any(Path(node).exists() for node in _DRIVER_NODES)):
        return "cpu"
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    index = int(name.partition(":")[2] or 0)
    if not (torch.cuda.is_available() and index < torch.cuda.device_count()):
        raise SettingsError(
            f"this computer has no device {name!r} that torch can use",
            where="device",
            fix="Choose auto or cpu, or install a torch that fits the graphics card",
        )
    return name
