"""Memory of processes, in bytes, as the operating system counts it."""

import re
import sys
from pathlib import Path

import psutil


def resident_bytes() -> int:
    """Return the resident memory of this process."""
    return int(psutil.Process().memory_info().rss)


def peak_resident_bytes() -> int:
    """Return the highest resident memory that this process has had.

    On Linux it is VmHWM: the resource usage would count what the parent held before this program was started.
    """
    if sys.platform == "linux":
        found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
        return int(found.group(1)) * 1024 if found else resident_bytes()
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    # macOS counts bytes here where Linux counts kilobytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
