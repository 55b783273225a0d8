"""The machine that a run was made on, as far as it explains the figures."""

import os
import platform
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any


def describe(folder: Path) -> dict[str, Any]:
    """Cores, processor, Python, kernel, and what an fsync costs in ``folder``, where the servers keep their data."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "processor": _processor(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "load_average": os.getloadavg()[0],
        "fsync_p50_ms": round(fsync_ms(folder), 3),
    }


def fsync_ms(folder: Path, count: int = 100) -> float:
    """Median of appending 4 KiB and an fsync, in milliseconds."""
    file = folder / "fsync-probe"
    taken = []
    handle = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        for _ in range(count):
            started = perf_counter()
            os.write(handle, b"\0" * 4096)
            os.fsync(handle)
            taken.append((perf_counter() - started) * 1000)
    finally:
        os.close(handle)
        file.unlink()
    return median(taken)


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("ascii", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()
