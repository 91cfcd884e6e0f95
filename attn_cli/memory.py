"""Memory: how much an array will take, known before it is taken.

It allocates nothing.
"""

from __future__ import annotations

import os
from pathlib import Path

from attn_cli.errors import UsageError


def available() -> int:
    """Bytes that can be had without swapping: what the system reports, under any set limit."""
    limits = [_system_memory()]
    try:
        import resource

        limits.append(resource.getrlimit(resource.RLIMIT_AS)[0])
    except (ImportError, OSError):  # not a Unix
        pass
    return min((limit for limit in limits if limit > 0), default=2**63 - 1)


def require(n_bytes: int, what: str, hint: str = "") -> None:
    """Raise UsageError where `what` would take more than half of the memory there is.

    The other half is for the copies that numpy and a view make on the way.
    """
    if n_bytes <= 1 << 26:  # 64 MiB are always there; do not ask the system on the common path
        return
    limit = available() // 2
    if n_bytes > limit:
        raise UsageError(
            f"{what} would take {readable(n_bytes)}; {readable(limit)} can be used here", hint
        )


def readable(n_bytes: int) -> str:
    """A size as a person reads it.

    >>> readable(1536), readable(8 * 10**9)
    ('1.5 KiB', '7.5 GiB')
    """
    if n_bytes >= 1 << 80:  # a size that a file claims may be beyond floats, too
        return "more than 1,048,576 EiB"
    size, unit = float(n_bytes), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"


def _system_memory() -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 0
