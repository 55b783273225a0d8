"""What processes use, from /proc."""

import contextlib
import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def family(first: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            text = entry.read_text("ascii", "replace")
            children.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(int(text.split()[0]))
    found = [first]
    for process in found:
        found.extend(children.get(process, ()))
    return found


def cpu_s(process: int, *, ended: bool = False) -> float:
    """Processor time that a process has used; ``ended``: with that of its children that ended."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{process}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
        return sum(int(ticks) for ticks in fields[11 : 15 if ended else 13]) / _TICKS
    return 0.0


def resident_mb(process: int) -> float:
    """Resident memory in MB."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text("ascii", "replace").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024 / 1_000_000
    return 0.0
