"""Romanised translation pairs: languages that go letter by letter, which need no package."""

from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.romanised import pairs
from pipeline.romanised.pairs import TATOEBA, WRITERS, read, romanised_pairs

NATIVE = {
    "ru": [("The phone is good, I like it.", "Телефон хороший, мне нравится."), ("Thanks!", "Спасибо!")],
    "el": [("The phone is good, I like it.", "Το κινητό είναι καλό, μου αρέσει."), ("Thanks!", "Ευχαριστώ!")],
    "ar": [("The phone is good, I like it.", "الهاتف جيد وأنا أحبه"), ("Thanks!", "شكرا!")],
}


@pytest.mark.parametrize("language", NATIVE)
def test_each_sentence_is_written_by_several_in_latin_letters(language: str) -> None:
    found = list(romanised_pairs(language, NATIVE[language]))
    assert [english for english, _ in found] == [english for english, _ in NATIVE[language] for _ in range(WRITERS)]
    assert all(written.isascii() and written == written.lower() and written for _, written in found)
    assert len({written for _, written in found}) > len(NATIVE[language]), "two writers, two spellings"


@pytest.mark.parametrize("language", NATIVE)
def test_the_same_input_gives_the_same_pairs(language: str) -> None:
    assert list(romanised_pairs(language, NATIVE[language])) == list(romanised_pairs(language, NATIVE[language]))


def test_what_nothing_is_left_of_is_left_out() -> None:
    assert list(romanised_pairs("ru", [("It is in Chinese.", "這是中文"), ("Hello there my friend", "привет")])) == []


def test_files_are_read_line_by_line(tmp_path: Path) -> None:
    (tmp_path / "tatoeba.rus-eng.eng").write_text("Thanks!\nYes.\n", encoding="utf-8")
    (tmp_path / "tatoeba.rus-eng.rus").write_text("Спасибо!\nДа.\n", encoding="utf-8")
    assert read(tmp_path, "rus") == [("Thanks!", "Спасибо!"), ("Yes.", "Да.")]
    with pytest.raises(InputError, match="data/tatoeba/v1 of LASER"):
        read(tmp_path, "ell")


def test_the_command_writes_a_file_of_each_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "TATOEBA", {"ru": TATOEBA["ru"]})
    (tmp_path / "tatoeba.rus-eng.eng").write_text("Thanks!\n", encoding="utf-8")
    (tmp_path / "tatoeba.rus-eng.rus").write_text("Спасибо!\n", encoding="utf-8")
    assert pairs.main([str(tmp_path), str(tmp_path / "out")]) == 0
    lines = (tmp_path / "out" / "ru-Latn.tsv").read_text(encoding="utf-8").splitlines()
    assert [line.split("\t")[0] for line in lines] == ["Thanks!"] * WRITERS


def test_the_command_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pairs.main([]) == 2
    assert pairs.main([str(tmp_path / "nothing"), str(tmp_path / "out")]) == InputError.exit_code
    assert "cannot be read" in capsys.readouterr().err
