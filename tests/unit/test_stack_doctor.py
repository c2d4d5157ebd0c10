"""The doctor's judgements that need no service: clocks, folders, and checks that break."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.doctor import machine
from pipeline.doctor.finding import Finding, Level, ok, run_checks
from pipeline.doctor.services import CLOCK_S, clock
from pipeline.errors import ModelError
from pipeline.settings import load_settings


@pytest.mark.parametrize(
    ("before", "after", "told", "level"),
    [
        (100.0, 100.2, 100.1, Level.OK),
        (100.0, 101.0, 100.5, Level.OK),  # a slow answer is no wrong clock
        (100.0, 100.0, 100.0 - CLOCK_S, Level.OK),
        (100.0, 100.1, 97.9, Level.FAIL),
        (100.0, 100.1, 102.2, Level.FAIL),
        (100.0, 100.1, 3700.0, Level.FAIL),
    ],
)
def test_clocks(before: float, after: float, told: float, level: Level) -> None:
    finding = clock("a clock", before, after, told)
    assert finding.level is level
    assert bool(finding.remedy) == (level is Level.FAIL)


def test_a_check_that_breaks_is_a_failure_and_the_rest_goes_on() -> None:
    def breaks() -> Iterator[Finding]:
        yield ok("one", "fine")
        raise ZeroDivisionError("oops")

    def refuses() -> list[Finding]:
        raise ModelError("the model is damaged: restore it")

    found = list(run_checks([("a", breaks), ("b", refuses), ("c", lambda: [ok("three", "fine")])]))
    assert [(f.check, f.level) for f in found] == [
        ("one", Level.OK),
        ("a", Level.FAIL),
        ("b", Level.FAIL),
        ("three", Level.OK),
    ]
    assert "ZeroDivisionError" in found[1].found
    assert found[2].found == "the model is damaged: restore it"


def test_folders(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("x")
    settings = load_settings(data_dir=in_the_way / "data", cache_dir=tmp_path / "not" / "there" / "yet")
    data, cache = machine.folders(settings)
    assert data.level is Level.FAIL
    assert "BABELWATCH_DATA_DIR" in data.remedy
    assert cache.level in {Level.OK, Level.WARN}
    assert not (tmp_path / "not").exists(), "looking changes nothing"
    assert list(tmp_path.iterdir()) == [in_the_way]


def test_a_little_disk_is_a_warning_and_hardly_any_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    total, used, _ = shutil.disk_usage(tmp_path)
    usage = type(shutil.disk_usage(tmp_path))
    settings = load_settings(data_dir=tmp_path, cache_dir=tmp_path)
    for free, levels in ((2**30, {Level.WARN, Level.OK}), (10 * 2**20, {Level.FAIL})):
        monkeypatch.setattr(machine.shutil, "disk_usage", lambda _, free=free: usage(total, used, free))  # type: ignore[attr-defined]
        assert {f.level for f in machine.folders(settings)} == levels


def test_packages_that_differ_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = machine.importlib.metadata.version  # type: ignore[attr-defined]
    monkeypatch.setattr(
        machine.importlib.metadata,  # type: ignore[attr-defined]
        "version",
        lambda name: "0.0.1" if name == "chdb-core" else real(name),
    )
    (finding,) = machine.packages()
    assert finding.level is Level.FAIL
    assert "chdb-core 0.0.1 instead of" in finding.found
    assert "make setup" in finding.remedy


def test_an_old_python_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.sys, "version_info", (3, 10, 1))  # type: ignore[attr-defined]
    monkeypatch.setattr(machine.platform, "machine", lambda: "riscv64")  # type: ignore[attr-defined]
    version, platform = machine.python()
    assert version.level is Level.FAIL
    assert platform.level is Level.WARN
    assert "KAFKA_BROKERS" in platform.remedy
