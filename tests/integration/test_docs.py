"""The commands in our pages work: each marked block is run, against one local stack or without any service."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.settings import load_settings
from tests.integration.docs_blocks import MODES, ROOT, Block, blocks, parse

MAX_SKIPPED = 20
"""Blocks that are not run; each has its reason beside it. More would make this test a decoration."""
COMMAND_S = 90.0
DOCUMENTED_PORT = "127.0.0.1:8600"
NAMED_PATH = re.compile(r"`((?:schemas|pipeline|agents|tests|benchmarks|deploy|docs|\.ci)(?:/[\w./-]*)?)`")

BLOCKS = blocks()


def name(block: Block) -> str:
    return f"{block.page}:{block.line}"


@dataclass(frozen=True)
class Place:
    """Where commands are run: a copy of what the pages name, and the environment of a user's shell."""

    folder: Path
    environment: dict[str, str]
    dashboard: str = DOCUMENTED_PORT

    def run(self, block: Block) -> None:
        """Run each command; only the last one may have another exit code than 0."""
        if block.language == "python":
            self._run([sys.executable, "-c", block.text], block, block.text, block.exit_code)
            return
        assert block.commands, f"{name(block)}: no line begins with '$ '"
        for number, command in enumerate(block.commands, start=1):
            wanted = block.exit_code if number == len(block.commands) else 0
            line = "set -o pipefail; " + command.replace(DOCUMENTED_PORT, self.dashboard)
            self._run(["bash", "-c", line], block, command, wanted)

    def _run(self, argv: list[str], block: Block, shown: str, wanted: int) -> None:
        done = subprocess.run(
            argv,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMMAND_S,
            check=False,
        )
        assert done.returncode == wanted, (
            f"{name(block)}: $ {shown}\nexit code {done.returncode}, not {wanted}\n"
            f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        )


def copied_tree(folder: Path) -> Path:
    """A working folder like a clone: pages and examples copied (commands write beside them), the rest linked."""
    folder.mkdir()
    for entry in ROOT.iterdir():
        if entry.name.startswith(".") or entry.name in ("docs", "data"):
            continue
        (folder / entry.name).symlink_to(entry)
    shutil.copytree(ROOT / "docs", folder / "docs")
    return folder


def shell_environment(**more: str) -> dict[str, str]:
    """The tests' environment without babelwatch's settings, with its commands in PATH."""
    kept = {k: v for k, v in os.environ.items() if not re.match(r"BABELWATCH_|KAFKA_|CLICKHOUSE_", k)}
    if "BABELWATCH_CACHE_DIR" in os.environ:
        kept["BABELWATCH_CACHE_DIR"] = os.environ["BABELWATCH_CACHE_DIR"]
    return kept | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"} | more


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(copied_tree(tmp_path_factory.mktemp("docs") / "offline"), shell_environment())


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One local stack for all blocks that need one, started as `babelwatch up` does."""
    from pipeline.embedded.ports import free_port
    from pipeline.stack import Stack

    home = tmp_path_factory.mktemp("stack")
    data = home / "data"
    running = Stack(load_settings(kafka_brokers=None, clickhouse_url=None, data_dir=data, dashboard_port=free_port()))
    running.start()
    try:
        settings = running.settings
        assert settings.api_token is not None
        yield Place(
            copied_tree(home / "clone"),
            shell_environment(
                BABELWATCH_DATA_DIR=str(data),
                KAFKA_BROKERS=settings.require_kafka(),
                BABELWATCH_API_TOKEN=settings.api_token.get_secret_value(),
            ),
            f"127.0.0.1:{settings.dashboard_port}",
        )
    finally:
        running.stop()


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.mode == "offline"], ids=name)
def test_offline_commands_work(block: Block, offline: Place) -> None:
    offline.run(block)


@pytest.mark.slow
@pytest.mark.embedded
@pytest.mark.parametrize("block", [b for b in BLOCKS if b.mode == "stack"], ids=name)
def test_commands_on_a_stack_work(block: Block, stack: Place) -> None:
    if "curl" in block.text and shutil.which("curl") is None:
        pytest.skip("this machine has no curl")
    stack.run(block)


def test_every_block_says_how_it_is_tested() -> None:
    unmarked = [name(block) for block in BLOCKS if block.mode not in MODES]
    assert not unmarked, "no `<!-- test: stack | offline | skip REASON -->` before: " + ", ".join(unmarked)


def test_skipped_blocks_are_few_and_say_why() -> None:
    skipped = [block for block in BLOCKS if block.mode == "skip"]
    for block in skipped:
        print(f"{name(block)}: {block.reason}")
        assert len(block.reason) > 10, f"{name(block)}: skip needs a reason"
    assert len(skipped) <= MAX_SKIPPED


def test_the_key_in_the_producer_page_is_the_mention_id() -> None:
    from schemas.ids import mention_id

    (code,) = [b.text for b in BLOCKS if b.page == "docs/producer.md" and b.language == "python"]
    function = re.search(r"^def mention_key.*?^    return [^\n]*$", code, re.DOTALL | re.MULTILINE)
    assert function is not None
    space: dict[str, object] = {}
    exec("import hashlib\n" + function[0], space)  # noqa: S102 - our own page
    key = space["mention_key"]
    assert callable(key)
    assert key("forum", "日本") == mention_id("default", "forum", "日本", None, None, "").encode()


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("**/*.md")):
        text = re.sub(r"<!--.*?-->", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
            if not re.match(r"[a-z]+:", target) and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)} -> {target}")
    assert not broken


def test_the_index_lists_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert not [p.name for p in (ROOT / "docs").glob("*.md") if p.name != "README.md" and f"({p.name})" not in index]


def test_a_page_is_parsed_as_it_is_meant() -> None:
    marked = "<!-- test: stack exit=3 -->\n```console\n$ a \\\n  b\noutput\n$ c\n```\n"
    page = marked + "text\n```console\n$ d\n```\n```\n$ e\n```\n"
    one, two = parse(page, "p")
    assert (one.mode, one.exit_code, one.commands) == ("stack", 3, ["a \\\n  b", "c"])
    assert (two.mode, two.commands) == ("", ["d"])


def test_the_architecture_page_matches_the_tree() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = {path.rstrip("/") for path in NAMED_PATH.findall(page)}
    assert not [path for path in sorted(named) if not (ROOT / path).exists()], "named, and not there"
    packages = {
        str(found.parent.relative_to(ROOT))
        for room in ("schemas", "pipeline", "agents")
        for found in (ROOT / room).glob("**/__init__.py")
        if "node_modules" not in found.parts
    }
    assert packages, "no packages found"
    assert not sorted(packages - named), "there, and not named"
