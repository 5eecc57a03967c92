"""How late a process is that does nothing: ``idle_probe.py`` waits 5 ms again and again until its input ends.

It writes (monotonic time, ms late) of every round, so that what a busy machine does to everybody can be told
from what the window does to itself.
"""

from __future__ import annotations

import json
import sys
import threading
import time

INTERVAL = 0.005


def main() -> int:
    """Wait, and write the delays when the other side closes."""
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    delays: list[tuple[float, float]] = []
    last = time.monotonic()
    while not ended.is_set():
        time.sleep(INTERVAL)
        now = time.monotonic()
        delays.append((now, max(0.0, 1000 * (now - last - INTERVAL))))
        last = now
    json.dump(delays, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
