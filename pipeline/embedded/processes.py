"""Processes by identity: a pid alone is reused, a pid with its start time is not."""

import sys
from pathlib import Path
from typing import Final

import psutil

_LINUX: Final = sys.platform.startswith("linux")
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_STARTTIME_FIELD: Final = 19
"""Field 22 of /proc/PID/stat (clock ticks since boot), counted after the command name: see proc(5)."""


def identity(pid: int) -> str | None:
    """Return what tells this process from every other that ever has its pid, or None when it is gone (or a zombie)."""
    if _LINUX:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            return None
        if fields[0] in {"Z", "X"}:
            return None
        return f"{_boot()}:{fields[_STARTTIME_FIELD]}"
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.NoSuchProcess:
        return None


def is_running(pid: int, known: str) -> bool:
    """True when process ``pid`` lives and is the one that had identity ``known``."""
    return identity(pid) == known


def listens(pid: int, port: int) -> bool:
    """True when process ``pid`` itself listens on TCP ``port``: that somebody answers there proves nothing."""
    try:
        connections = psutil.Process(pid).net_connections(kind="tcp")
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
    return any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in connections)


def _boot() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()[:8]
    except OSError:
        return "boot"
