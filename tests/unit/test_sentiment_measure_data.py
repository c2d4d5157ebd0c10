"""Labelled texts come in as they are, or with an error that names file, line and what to do."""

import json
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.sentiment.measure.data import LabelledData, language_tag, read_umsab
from pipeline.sentiment.measure.files import Columns, decode_escapes, read_files
from pipeline.sentiment.measure.labels import Labels, parse_labels

EN = Columns(only="en")


def umsab(folder: Path, texts: str | bytes, labels: str, language: str = "english") -> Path:
    (folder / language).mkdir(parents=True)
    path = folder / language / "val_text.txt"
    path.write_bytes(texts if isinstance(texts, bytes) else texts.encode())
    (folder / language / "val_labels.txt").write_text(labels)
    return folder


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def pairs(data: LabelledData) -> list[tuple[str, int]]:
    (one,) = data.sets
    return list(zip(one.texts, one.gold, strict=True))


def test_umsab_folders_are_read_by_language(tmp_path: Path) -> None:
    umsab(tmp_path, "I like it\nit is\u2028on Tuesday\r\n", "2\n1\n")
    umsab(tmp_path, "سيئ\n", "0\n", "arabic")
    data = read_umsab(tmp_path, "val")
    assert [(one.language, one.tag, one.texts, one.gold) for one in data.sets] == [
        ("arabic", "ar", ("سيئ",), (0,)),
        ("english", "en", ("I like it", "it is\u2028on Tuesday"), (2, 1)),
    ]
    assert data.name == f"{tmp_path.name} val"


@pytest.mark.parametrize(
    ("texts", "labels", "said"),
    [
        ("one\ntwo\n", "0\n", r"english: val_text.txt has 2 lines but val_labels.txt has 1: line 2 has no label"),
        ("one\n", "0\n1\n", "line 2 has no text"),
        ("one\ntwo\nthree\n", "0\n3\npos\n", r"val_labels.txt, line 2: label '3' must be 0 .*; so in line 3"),
        (b"good\nna\xefve\n", "0\n1\n", r"val_text.txt, line 2: not UTF-8 \(byte 0xef\).*iconv"),
        ("\ufeffone\n".encode("utf-16"), "0\n", "is UTF-16: convert it first: iconv"),
        ("\n \nNot Available\n", "0\n1\n2\n", "holds no labelled text: 3 without a text"),
    ],
)
def test_umsab_folders_that_do_not_fit(tmp_path: Path, texts: str | bytes, labels: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_umsab(umsab(tmp_path, texts, labels), "val")


def test_a_folder_without_any_says_what_it_needs(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(InputError, match=r"<language>/val_text.txt .*--data.*--file"):
            read_umsab(folder, "val")
    (umsab(tmp_path, "a\n", "0\n") / "english" / "val_labels.txt").unlink()
    with pytest.raises(InputError, match=r"cannot read .*val_labels.txt"):
        read_umsab(tmp_path, "val")


def test_languages_are_named_by_tag_or_as_umsab_names_them() -> None:
    assert [language_tag(name) for name in ("hindi", "Portuguese", "pt-BR", "hi-Latn", "und", "mul")] == [
        *("hi", "pt", "pt", "hi-Latn", "und", "und")
    ]
    with pytest.raises(InputError, match=r"'martian' is no language tag.*BCP 47"):
        language_tag("martian")


CSV = 'post;mood;lang\n"bad; very\nbad";NEG;de\nok;neutral;de\n"he said ""yes""";pos;pt-BR\nhm;mixed;de\n;pos;de\n'


def test_csv_with_columns_and_labels_mapped(tmp_path: Path) -> None:
    columns = Columns("post", "mood", "lang", labels=parse_labels("neg=negative, pos=positive,mixed=skip"))
    data = read_files([write(tmp_path / "a.csv", CSV)], columns)
    german, portuguese = data.sets
    assert (german.texts, german.gold, german.tag) == (("bad; very\nbad", "ok"), (0, 1), "de")
    assert (portuguese.texts, portuguese.gold, portuguese.tag) == (('he said "yes"',), (2,), "pt")
    assert data.notes == (
        "1 row left out: label 'mixed'",
        "1 row left out: without a text (empty or 'Not Available')",
    )


def test_tsv_without_header_and_its_traps(tmp_path: Path) -> None:
    lines = '1\tpositive\tI\\u2019m "in &amp; out\n2\tneutral\tNot Available\n\n'
    lines += "3\tneutral\t\\ud83d\\ude00 \\u12 x\\u002cy\t\n"
    data = read_files([write(tmp_path / "a.TSV", "\ufeff" + lines)], Columns("3", "2", only="en"))
    assert pairs(data) == [('I’m "in &amp; out', 2), ("😀 \\u12 x,y", 1)]
    assert "2 texts held literal \\u escapes, which were decoded" in data.notes
    assert decode_escapes(r"\ud83d alone") == "\ufffd alone"


def test_jsonl_and_several_files(tmp_path: Path) -> None:
    rows = [{"text": "a", "label": 1, "x": None}, {"text": "b", "label": "Negative "}]
    first = write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)) + "\n\n")
    second = write(tmp_path / "b.tsv", "label\ttext\nneutral\tc\n")
    data = read_files([first, second], Columns(only="en", labels=Labels({"1": "positive"})))
    assert pairs(data) == [("a", 2), ("b", 0), ("c", 1)]
    assert data.name == "a.jsonl, b.tsv"


@pytest.mark.parametrize(
    ("name", "content", "columns", "said"),
    [
        (
            "a.tsv",
            "text\tlabel\na\tgreat\n",
            EN,
            r"a.tsv, line 2: label 'great' is none of .*--labels 'great=negative'",
        ),
        ("a.csv", "text,label\na,1\n", EN, r"a.csv, line 2: label '1' is none of"),
        ("a.tsv", "post\tlabel\na\tneutral\n", EN, r"a.tsv, line 1: column 'text' is not in the header: post, label"),
        ("a.tsv", "text\ttext\tlabel\n", EN, "column 'text' is twice in the header"),
        ("a.tsv", "text\tlabel\na b\n", EN, r"line 2: 1 columns where the header has 2; .*tab"),
        ("a.tsv", "text\tlabel\na\tb\tneutral\n", EN, r"line 2: 3 columns where the header has 2"),
        ("a.tsv", "a\tneutral\nb\n", Columns("1", "2", only="en"), "line 2: there is no column 2, the line has 1"),
        ("a.csv", 'text,label\n"a"x,neutral\n', EN, r"a.csv, line 2: not a row of CSV"),
        ("a.csv", 'text,label\nb,neutral\n"never closed,neutral\n', EN, r"a.csv, line 3: not a row of CSV"),
        ("a.jsonl", '{"text": "a"}\n', EN, r"a.jsonl, line 1: key 'label' holds no text \(text\); name the keys"),
        ("a.jsonl", '{"text": "a", "label": true}\n', EN, "key 'label' holds no text"),
        ("a.jsonl", '{"text": "a",\n', EN, "line 1: not JSON"),
        ("a.jsonl", "[1]\n", EN, "line 1: not a JSON object with the keys text, label"),
        ("a.jsonl", "[" * 100_000, EN, "line 1: not JSON"),
        ("a.txt", "a\n", EN, r"must end in .tsv, .csv, .jsonl"),
        ("a.tsv", b"text\tlabel\na\tneutral\n\xe9t\xe9\tneutral\n", EN, r"a.tsv, line 3: not UTF-8 \(byte 0xe9\)"),
        ("a.tsv", "text\tlabel\n", EN, "a.tsv holds no labelled text: there is no row"),
        ("a.tsv", "", EN, r"a.tsv, line 1: column 'text' is not in the header"),
        ("a.tsv", "text\tlabel\tl\na\tneutral\t\n", Columns(language="l"), "line 2: no language in column 'l'"),
        ("a.tsv", "text\tlabel\na\tneutral\n", Columns(), "--language en, or --language-column"),
        ("a.tsv", "text\tlabel\na\tneutral\n", Columns(only="klingonish"), "'klingonish' is no language tag"),
    ],
)
def test_files_that_cannot_be_used(
    tmp_path: Path, name: str, content: str | bytes, columns: Columns, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        read_files([write(tmp_path / name, content)], columns)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*none.csv: No such file"):
        read_files([tmp_path / "none.csv"], EN)


@pytest.mark.parametrize("labels", ["neg", "neg=", "=negative", "neg=bad"])
def test_labels_that_map_to_nothing(labels: str) -> None:
    with pytest.raises(InputError, match=r"--labels .*write NAME=LABEL.*negative, neutral, positive or skip"):
        parse_labels(labels)


def test_labels_may_hold_an_equals_sign_and_order_of_texts_is_in_the_hash(tmp_path: Path) -> None:
    assert parse_labels("a=b=neutral").names == {"a=b": "neutral"}
    one, other = (
        read_files([write(tmp_path / f"{name}.tsv", f"text\tlabel\n{rows}")], EN).sets[0].sha256
        for name, rows in (("a", "x\tneutral\ny\tneutral\n"), ("b", "y\tneutral\nx\tneutral\n"))
    )
    assert one != other


def test_duplicates_and_contradictions_are_counted_as_the_model_reads_them(tmp_path: Path) -> None:
    rows = "good @anna\tpositive\ngood  @bert\tpositive\nbad\tnegative\nbad\tneutral\nbad\tnegative\nfine\tneutral\n"
    (one,) = read_files([write(tmp_path / "a.tsv", "text\tlabel\n" + rows)], EN).sets
    assert (len(one.texts), one.duplicates, one.contradictions) == (6, 3, 1)
