"""The brands file: what is wrong is named with its line; what may surprise is a warning."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.brands import load_brands
from pipeline.cli.brands import command
from pipeline.errors import BrandsFileError

GOOD = """\
version: 1
brands:
  - id: nimbus
    name: Nimbus
    names:
      - Nimbus
      - {text: SOL, case: exact, languages: [es, hi-Latn], compounds: true}
    owners: ["@NimbusHQ"]
    exclude: [Nimbus 2000]
  - id: vega
    name: Вега
"""


def write(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "brands.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_valid_file(tmp_path: Path) -> None:
    catalogue = load_brands(write(tmp_path, GOOD))
    nimbus, vega = catalogue.brands
    assert [name.text for name in nimbus.names] == ["Nimbus", "SOL"]
    sol = nimbus.names[1]
    assert (sol.exact, sol.languages, sol.compounds, sol.line) == (True, ("es", "hi-Latn"), True, 7)
    assert nimbus.names[0].compounds is None
    assert (nimbus.owners, nimbus.exclude) == (("@NimbusHQ",), ("Nimbus 2000",))
    assert [name.text for name in vega.names] == ["Вега"], "without `names` the display name is the name"
    assert catalogue.warnings == ()


B = "version: 1\nbrands:\n  - id: a\n    name: Aaa\n"

BAD = [
    ("", 1, "the file is empty"),
    ("brands: []\n", 1, "`version: 1` is missing"),
    ("version: 2\nbrands: []\n", 1, "version '2' is not known"),
    ("version: 1\n", 1, "the list `brands:` is missing"),
    ("version: 1\nbrands: x\n", 2, "brands must be a list"),
    ("version: 1\nbrands:\n  - nimbus\n", 3, "a brand must be a mapping"),
    ("- 1\n", 1, "the file must be a mapping"),
    ("version: 1\nbrands:\n  - name: A\n", 3, "a brand has no `id`"),
    ("version: 1\nbrands:\n  - id: a\n", 3, "has no `name`"),
    ("version: 1\nbrands:\n  - id: Ä b\n    name: A\n", 3, "only a-z, 0-9"),
    ("version: 1\nbrands:\n  - id: 007\n    name: A\n", 3, "is a int in YAML, put it in quotes"),
    (B + "    names: [no]\n", 5, "'no' is a bool in YAML, put it in quotes"),
    (B + "    names: [12]\n", 5, "put it in quotes"),
    (B + "    names: [null]\n", 5, "put it in quotes"),
    (B + "    names: Nimbus\n", 5, "names must be a list"),
    (B + "    names: []\n", 5, "names is empty"),
    (B + "    names: ['']\n", 5, "is empty"),
    (B + "    names: ['\u064b']\n", 5, "nothing in it to search for"),
    (B + "    names: ['@nimbus']\n", 5, "list it under `owners`"),
    (B + "    names: ['#nimbus']\n", 5, "without #"),
    (B + '    names: ["a\\0b"]\n', 5, "control character"),
    (B + f"    names: [{'x' * 201}]\n", 5, "longer than 200"),
    (B + "    names:\n      - {txt: A}\n", 6, "unknown key 'txt', did you mean 'text'?"),
    (B + "    names:\n      - {case: exact}\n", 6, "a name has no `text`"),
    (B + "    names:\n      - {text: A, case: upper}\n", 6, "case must be one of exact, fold"),
    (B + "    names:\n      - {text: A, compounds: maybe}\n", 6, "compounds must be one of true, false"),
    (B + "    names:\n      - {text: A, languages: [klingon]}\n", 6, "not a BCP 47 language tag"),
    (B + "    names:\n      - {text: A, languages: [pt-BR]}\n", 6, "write 'pt'"),
    (B + "    names:\n      - [A]\n", 6, "a name must be a mapping"),
    (B + "    owners: [nimbus]\n", 5, "must look like '@name'"),
    (B + "    owner: ['@a']\n", 5, "unknown key 'owner', did you mean 'owners'?"),
    (B + "    name: B\n", 5, "'name' is given twice"),
    (B + "  - id: a\n    name: B\n", 5, "already on line 3"),
    ("version: 1\nbrands:\n  - id: a\n   name: A\n", 4, "not YAML"),
    ("version: 1\nbrands: [\n", 3, "not YAML"),
    ("version: 1\nbrands:\n  - id: &x a\n    name: *y\n", 4, "not YAML"),
    ("version: 1\n\tbrands: 1\n", 2, "not YAML"),
    (b"version: 1\nbrands:\n  - id: \xff\n", 3, "not UTF-8"),
]


@pytest.mark.parametrize(("text", "line", "reason"), BAD)
def test_problems_are_named_with_their_line(tmp_path: Path, text: str | bytes, line: int, reason: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(BrandsFileError) as caught:
        load_brands(path)
    assert f"{path}:{line}: " in str(caught.value)
    assert reason in str(caught.value)


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    with pytest.raises(BrandsFileError) as caught:
        load_brands(write(tmp_path, B + "    names: [no, 12]\n    owners: [x]\n"))
    assert str(caught.value).count("brands.yaml:") == 3


def test_many_problems_are_cut(tmp_path: Path) -> None:
    with pytest.raises(BrandsFileError, match="and 80 more"):
        load_brands(write(tmp_path, B + "    names: [" + ", ".join(["no"] * 100) + "]\n"))


def test_yaml_constructs_nothing(tmp_path: Path) -> None:
    with pytest.raises(BrandsFileError, match="put it in quotes"):
        load_brands(write(tmp_path, B + "    names: [!!python/name:os.system x]\n"))


def test_missing_file_and_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(BrandsFileError, match="BABELWATCH_BRANDS_FILE"):
            load_brands(path)


def test_deep_nesting_is_refused_not_a_crash(tmp_path: Path) -> None:
    with pytest.raises(BrandsFileError):
        load_brands(write(tmp_path, "version: 1\nbrands: " + "[" * 10_000 + "]" * 10_000 + "\n"))


@pytest.mark.parametrize(
    ("extra", "warning"),
    [
        ("    names: [A]\n", "very short"),
        ("    names: [Nimbus]\n    exclude: [Nimbus]\n", "is a name, which will never match"),
        ("    names: [Nimbus]\n    exclude: [cloud]\n", "has no effect"),
        ("    names: [Nimbus]\n  - id: b\n    name: NIMBUS\n", "is also a name of 'a' (line 5)"),
    ],
)
def test_warnings(tmp_path: Path, extra: str, warning: str) -> None:
    assert any(warning in line for line in load_brands(write(tmp_path, B + extra)).warnings)


def test_command_check(tmp_path: Path) -> None:
    path = write(tmp_path, B + "    names: [A]\n")
    result = CliRunner().invoke(command, ["check", str(path)])
    assert (result.exit_code, "valid, 1 brands" in result.output, "very short" in result.output) == (0, True, True)
    assert CliRunner().invoke(command, ["check", "--strict", str(path)]).exit_code == 2
    refused = CliRunner().invoke(command, ["check", str(write(tmp_path, "x: 1\n"))])
    assert isinstance(refused.exception, BrandsFileError)


def test_command_try(tmp_path: Path) -> None:
    path = str(write(tmp_path, GOOD))
    detected = CliRunner().invoke(command, ["try", path, "--text", "I really love my Nimbus so much"])
    assert "language: en" in detected.output
    assert "17..23" in detected.output
    given = CliRunner().invoke(command, ["try", path, "--text", "SOL", "--language", "es", "--author", "nimbushq"])
    assert "language: es (given)" in given.output
    assert "the account of nimbus" in given.output
    nothing = CliRunner().invoke(command, ["try", path, "--text", "-", "--language", "en"], input="rain")
    assert "no brand is named" in nothing.output
