"""The harness of the benchmarks: names, results, failures."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as harness
from benchmarks import report


def test_registered_are_the_modules_with_a_run() -> None:
    names = harness.registered()
    assert "score" in names
    assert not {"report", "__main__", "__init__"} & set(names)


def test_a_result_is_written_with_its_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")
    path = report.write("x", True, 1.5, report.machine(), {"a": {"b": 1.0}})
    found = json.loads(path.read_text())
    assert found["figures"] == {"a": {"b": 1.0}}
    assert found["machine"]["cores"] >= 1
    assert found["quick"] is True


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def run(quick: bool) -> dict:\n    return {'quick': quick}\n", {"quick": True}),
        ("def run(quick: bool) -> dict:\n    return {}\n", {"skipped": "what it measures on is not on this machine"}),
        ("def run(quick: bool) -> dict:\n    raise SystemExit('no data')\n", {"failed": "SystemExit: no data"}),
        ("import nothing_of_this_name\ndef run(quick): ...\n", "failed"),
    ],
)
def test_a_benchmark_that_fails_is_a_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, expected: dict[str, Any] | str
) -> None:
    import benchmarks

    (tmp_path / "made_up.py").write_text(source)
    monkeypatch.setattr(benchmarks, "__path__", [str(tmp_path)])
    monkeypatch.delitem(__import__("sys").modules, "benchmarks.made_up", raising=False)
    found = harness.measure("made_up", quick=True)
    assert expected in found if isinstance(expected, str) else found == expected
    __import__("sys").modules.pop("benchmarks.made_up", None)


def test_the_table_shows_nested_figures_and_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    report.print_table("x", {"a": {"b": 1.23456}, "c": "pip install 'babelwatch[train]'"}, report.machine())
    shown = capsys.readouterr().out
    assert "a.b" in shown
    assert "1.23" in shown
    assert "[train]" in shown
