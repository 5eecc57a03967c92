"""Check for the system libraries that the window and its tests need; install them where that is allowed.

Needs nothing but Python itself and runs before the environment exists. Usage:
``system_libraries.py [--tests]`` (the tests also need a virtual display).
Installs with apt where this is run by root or sudo asks for no password (or can ask on a terminal);
otherwise prints the one command that is missing and exits with 1.
"""

from __future__ import annotations

import ctypes
import glob
import importlib.util
import os
import shutil
import subprocess
import sys

LIBRARIES: dict[str, tuple[str, ...]] = {
    "libdbus-1.so.3": ("libdbus-1-3",),
    "libEGL.so.1": ("libegl1",),
    "libfontconfig.so.1": ("libfontconfig1",),
    "libfreetype.so.6": ("libfreetype6",),
    "libGL.so.1": ("libgl1",),
    "libglib-2.0.so.0": ("libglib2.0-0t64", "libglib2.0-0"),
    "libgthread-2.0.so.0": ("libglib2.0-0t64", "libglib2.0-0"),
    "libGLX_mesa.so.0|libGLX_nvidia.so.0": ("libglx-mesa0",),
    "libOpenGL.so.0": ("libopengl0",),
    "libX11-xcb.so.1": ("libx11-xcb1",),
    "libX11.so.6": ("libx11-6",),
    "libxcb-cursor.so.0": ("libxcb-cursor0",),
    "libxcb-glx.so.0": ("libxcb-glx0",),
    "libxcb-icccm.so.4": ("libxcb-icccm4",),
    "libxcb-image.so.0": ("libxcb-image0",),
    "libxcb-keysyms.so.1": ("libxcb-keysyms1",),
    "libxcb-randr.so.0": ("libxcb-randr0",),
    "libxcb-render-util.so.0": ("libxcb-render-util0",),
    "libxcb-render.so.0": ("libxcb-render0",),
    "libxcb-shape.so.0": ("libxcb-shape0",),
    "libxcb-shm.so.0": ("libxcb-shm0",),
    "libxcb-sync.so.1": ("libxcb-sync1",),
    "libxcb-util.so.1": ("libxcb-util1",),
    "libxcb-xfixes.so.0": ("libxcb-xfixes0",),
    "libxcb-xkb.so.1": ("libxcb-xkb1",),
    "libxcb.so.1": ("libxcb1",),
    "libxkbcommon-x11.so.0": ("libxkbcommon-x11-0",),
    "libxkbcommon.so.0": ("libxkbcommon0",),
}
"""Libraries of Qt's X11 plug-in (``A|B``: either) and the packages that hold them, newest name first."""

DRIVERS = tuple(f"/usr/{at}/{it}" for at in ("lib*", "lib/*") for it in ("dri/*_dri.so", "libgallium*.so"))
FONTS = ("/usr/share/fonts/**/*.ttf", "/usr/share/fonts/**/*.otf", "/usr/local/share/fonts/**/*.?tf")


def loads(names: str) -> bool:
    """Whether one of the libraries in ``A|B`` can be loaded."""
    for name in names.split("|"):
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return True
    return False


def missing_packages(tests: bool) -> list[tuple[str, ...]]:
    """Return, for each thing that is missing, the package names to try, newest first."""
    missing = [packages for library, packages in LIBRARIES.items() if not loads(library)]
    if not any(glob.glob(pattern) for pattern in DRIVERS):
        missing.append(("libgl1-mesa-dri",))
    if not any(glob.glob(pattern, recursive=True) for pattern in FONTS):
        missing.append(("fonts-dejavu-core",))
    if importlib.util.find_spec("ensurepip") is None:
        missing.append((f"python3.{sys.version_info.minor}-venv", "python3-venv"))
    if tests and shutil.which("Xvfb") is None:
        missing.append(("xvfb",))
    return missing


def known_to_apt(package: str) -> bool:
    """Whether apt could install this package."""
    shown = subprocess.run(["apt-cache", "policy", package], capture_output=True, text=True, check=False)
    return "Candidate: " in shown.stdout and "Candidate: (none)" not in shown.stdout


def privilege() -> list[str] | None:
    """Return the words to put before a command to run it as root, or None where that is not possible."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        return None
    asks_nothing = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
    return ["sudo"] if asks_nothing or sys.stdin.isatty() else None


def install(missing: list[tuple[str, ...]], root: list[str]) -> int:
    """Install the missing packages with apt; return its exit status."""
    environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
    updated = subprocess.run([*root, *environment, "apt-get", "update", "-q"], check=False)
    packages = choose(missing)
    print("Installing system libraries:", " ".join(packages), flush=True)
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    return subprocess.run([*root, *environment, *command], check=False).returncode or updated.returncode


def choose(missing: list[tuple[str, ...]]) -> list[str]:
    """Pick for each missing thing the name this distribution has, without repetition."""
    chosen = [next((name for name in names if known_to_apt(name)), names[-1]) for names in missing]
    return sorted(set(chosen))


def main() -> int:
    """Check, install, check again; return the exit status."""
    tests = "--tests" in sys.argv[1:]
    missing = missing_packages(tests)
    if not missing:
        return 0
    if shutil.which("apt-get") is None:
        wanted = ", ".join(sorted({names[-1] for names in missing}))
        print(f"System libraries are missing; install these, named as Debian names them: {wanted}")
        return 1
    root = privilege()
    if root is None:
        command = "apt-get install --no-install-recommends " + " ".join(choose(missing))
        print(f"System libraries are missing. Run this once as root, then try again:\n  {command}")
        return 1
    status = install(missing, root)
    left = missing_packages(tests)
    if left:
        print("Still missing after the installation:", ", ".join(names[-1] for names in left))
    return status or int(bool(left))


if __name__ == "__main__":
    sys.exit(main())
