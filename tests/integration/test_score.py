"""``babelwatch score`` as a user runs it: a process, its streams and its exit code."""

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.sentiment.folder import ModelFolder
from pipeline.sentiment.rule import named
from pipeline.settings import PACKAGE, load_settings
from tests.sentiment_folder import points, with_rule
from tests.unit.sentiment_texts import TEXTS

KEYS = [
    "id",
    "text",
    "language",
    "language_confidence",
    "label",
    "negative",
    "neutral",
    "positive",
    "model",
]


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command line with no service in its environment."""
    starter = tmp_path_factory.mktemp("bin") / "babelwatch.py"
    starter.write_text("from pipeline.cli.main import main\nmain()\n")
    return [sys.executable, str(starter), "score"]


def environment(**extra: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("KAFKA_BROKERS", "CLICKHOUSE_URL")}
    return {**kept, "PYTHONPATH": str(PACKAGE.parent), **extra}


def score(command: list[str], *arguments: str, data: bytes = b"", **extra: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*command, *arguments], input=data, capture_output=True, env=environment(**extra), timeout=120, check=False
    )


def rows(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_text_from_standard_input(command: list[str]) -> None:
    run = score(command, "-", data="Ich liebe dieses Telefon so sehr\n\nהשירות היה נורא ואיום\r\n".encode())
    assert run.returncode == 0, run.stderr
    first, second = rows(run.stdout)
    assert list(first) == KEYS
    assert (first["id"], first["language"], first["label"]) == ("1", "de", "positive")
    assert (second["id"], second["text"], second["label"]) == ("3", "השירות היה נורא ואיום", "negative")
    assert first["negative"] + first["neutral"] + first["positive"] == pytest.approx(1, abs=2e-6)
    assert run.stderr == b""


def test_jsonl_of_every_length_comes_back_in_order(command: list[str], tmp_path: Path) -> None:
    texts = [text for text in TEXTS if text.strip() and "\ud800" not in text] * 3
    lines = [json.dumps({"id": index if index % 2 else f"n{index}", "text": text}) for index, text in enumerate(texts)]
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("\n".join(lines), encoding="utf-8")
    run = score(command, str(source), "-o", str(target))
    assert run.returncode == 0, run.stderr
    assert run.stdout == b""
    found = rows(target.read_bytes())
    assert [row["id"] for row in found] == [index if index % 2 else f"n{index}" for index in range(len(texts))]
    assert [row["text"] for row in found] == texts
    assert score(command, "-", data=source.read_bytes()).stdout == target.read_bytes()


def test_an_accepted_error_leaves_the_doubtful_unsure(command: list[str], tmp_path: Path) -> None:
    own = ModelFolder(load_settings().model_path).facts.rule
    rule = named(
        "t",
        log_prior=own.log_prior,
        temperature=own.temperature,
        temperatures=own.temperatures,
        biases=own.biases,
        abstention=points(english=0.6, other=0.9),
    )
    model = str(with_rule(tmp_path / "model", rule))
    texts = [
        "I love this phone so much, best ever",
        "meh I guess the thing is there",
        "Il est peut-être arrivé, ou pas",
    ]
    data = "\n".join(texts).encode()
    plain = score(command, "-", data=data)
    off = score(command, "-", data=data, BABELWATCH_MODEL_PATH=model)
    assert off.stdout == plain.stdout, "off unless set"
    on = score(command, "--accept-error", "0.15", "-", data=data, BABELWATCH_MODEL_PATH=model)
    assert on.returncode == 0, on.stderr
    bar = {"en": 0.6}
    for row, before in zip(rows(on.stdout), rows(plain.stdout), strict=True):
        greatest = max(row["negative"], row["neutral"], row["positive"])
        expected = before["label"] if greatest >= bar.get(row["language"], 0.9) else "unsure"
        assert row == {**before, "label": expected}
    assert {"unsure", "positive"} <= {row["label"] for row in rows(on.stdout)}
    number = sum(row["label"] == "unsure" for row in rows(on.stdout))
    said = f"{number} of 3 unsure ({number / 3:.0%}) at an accepted error of 0.15: guaranteed in English"
    assert said in on.stderr.decode()


@pytest.mark.parametrize(
    ("value", "code", "said"),
    [
        ("0.0001", 6, "begins at an error of"),
        ("0", 2, "is not in the range"),
        ("1", 2, "is not in the range"),
        ("many", 2, "not a valid"),
    ],
)
def test_an_accepted_error_that_cannot_be_kept_is_refused(command: list[str], value: str, code: int, said: str) -> None:
    run = score(command, "--accept-error", value, "-", data=b"fine\n")
    assert run.returncode == code
    assert said in run.stderr.decode()
    assert b"Traceback" not in run.stderr
    assert run.stdout == b""


def test_bad_lines_are_named_and_the_others_judged(command: list[str]) -> None:
    data = b'{"id":"a","text":"fine"}\n{"id":"b"}\n\xff\n{"text": "  "}\nnonsense\n{"id":"c","text":"also fine"}\n'
    run = score(command, "-", data=data)
    assert run.returncode == 1
    assert [row["id"] for row in rows(run.stdout)] == ["a", "c"]
    complaints = run.stderr.decode().splitlines()
    assert [line.split(":")[0] for line in complaints[:4]] == ["line 2", "line 3", "line 4", "line 5"]
    assert "text" in complaints[0]
    assert "not UTF-8" in complaints[1]
    assert "empty" in complaints[2]
    assert "not JSON" in complaints[3]
    assert complaints[4] == "2 judged, 4 rejected, 0 blank of 6 lines"


def test_answers_come_while_the_input_is_still_open(command: list[str]) -> None:
    with subprocess.Popen([*command, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()) as run:
        assert run.stdin
        assert run.stdout
        for number in ("1", "2"):
            run.stdin.write(b"I like it\n")
            run.stdin.flush()
            assert json.loads(run.stdout.readline())["id"] == number
        run.stdin.close()
        assert run.wait(timeout=30) == 0


@pytest.mark.long
def test_memory_does_not_grow_with_the_input(command: list[str], tmp_path: Path) -> None:
    source = tmp_path / "big.txt"
    with source.open("w", encoding="utf-8") as file:
        for index in range(40):
            file.writelines(f"{text} {'and so on ' * 400}\n" for text in ("I love it", "it broke", f"number {index}"))
        file.write("x" * 60_000_000 + "\n")  # a line that must not be kept
        file.writelines("the very same line again\n" for _ in range(50_000))
    target = tmp_path / "out.jsonl"
    # VmHWM, not rusage: what wait4 reports includes the test process itself, out of which the child was forked
    code = (
        "import atexit, sys\n"
        "status = lambda: [line for line in open('/proc/self/status') if line.startswith('VmHWM')][0]\n"
        "atexit.register(lambda: sys.stderr.write(status()))\n"
        "from pipeline.cli.main import main\n"
        "main()\n"
    )
    run = score([sys.executable, "-c", code, "score"], str(source), "-o", str(target))
    assert run.returncode == 1
    *complaints, peak = run.stderr.decode().splitlines()
    assert "line 121: longer than 1,048,576 bytes" in complaints
    assert sum(1 for _ in target.open("rb")) == 50_120
    assert int(peak.split()[1]) < 900_000, peak


def test_the_reader_may_leave_early(command: list[str]) -> None:
    with subprocess.Popen(
        [*command, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as run:
        assert run.stdin
        assert run.stdout
        assert run.stderr
        run.stdin.write(b"one\n")
        run.stdin.flush()
        assert run.stdout.readline()
        run.stdout.close()
        run.stdin.write(b"two\n")
        run.stdin.close()
        assert run.stderr.read() == b""
        assert run.wait(timeout=60) == 141


def test_progress_is_on_standard_error_and_only_for_a_terminal(command: list[str], tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_text("I like it\n" * 3)
    ours, theirs = pty.openpty()
    with subprocess.Popen([*command, str(source)], stdout=subprocess.PIPE, stderr=theirs, env=environment()) as run:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 1 << 16)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            shown += part
        assert run.stdout
        output = run.stdout.read()
        assert run.wait(timeout=60) == 0
    os.close(ours)
    assert len(rows(output)) == 3
    assert b"texts" in shown
    assert b"3 judged, 0 rejected, 0 blank of 3 lines" in shown


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["no-such-file"], 2, "cannot read no-such-file"),
        (["/"], 2, "cannot read /: Is a directory"),
        (["-", "-o", "/no/such/folder/x"], 2, "cannot write /no/such/folder/x"),
    ],
)
def test_files_that_cannot_be_used(command: list[str], arguments: list[str], code: int, message: str) -> None:
    run = score(command, *arguments)
    assert run.returncode == code
    assert message in run.stderr.decode()
    assert "Traceback" not in run.stderr.decode()


def test_a_corrupt_model_is_one_clear_message(command: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(PACKAGE / "sentiment" / "models" / "quality", folder)
    with (folder / "openvino_model.bin").open("r+b") as file:
        file.truncate(1_000_000)
    run = score(command, "-", data=b"x\n", BABELWATCH_MODEL_PATH=str(folder))
    assert run.returncode == 6
    message = run.stderr.decode()
    assert "openvino_model.bin has 1,000,000 bytes, expected" in message
    assert "Traceback" not in message
    assert len(message.splitlines()) == 1


def test_neither_torch_nor_a_service_client_is_imported() -> None:
    code = (
        "import sys; sys.argv = ['babelwatch', 'score', '-']\n"
        "from pipeline.cli.main import cli\n"
        "try: cli()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'transformers', 'nncf', 'faust', 'aiokafka', 'kafka', 'clickhouse_driver'}\n"
        "found = heavy & set(sys.modules)\n"
        "assert not found, found\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], input=b"fine\n", capture_output=True, env=environment(), timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr.decode()
