"""Language detection with the real model: clear texts, scripts, hints, what is undetermined."""

import subprocess
import sys
from pathlib import Path

import langcodes
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.language import (
    DETECTOR,
    HINT_TRUST,
    REMEMBERED,
    REMEMBERED_CHARS,
    LanguageDetector,
    known_languages,
    parse_hint,
)
from pipeline.metrics import LANGUAGE_HINTS, LANGUAGE_UNDETERMINED

DETECTOR_ = LanguageDetector()

CLEAR = {
    "en": "The camera is great but the battery died after two hours",
    "de": "Die Kamera ist super, aber der Akku hält leider nur zwei Stunden",
    "fr": "La caméra est superbe mais la batterie ne tient que deux heures",
    "es": "La cámara es genial pero la batería dura solo dos horas",
    "pt": "A câmera é ótima, mas a bateria não dura nem duas horas",
    "it": "La fotocamera è ottima ma la batteria dura solo due ore",
    "nl": "De camera is geweldig maar de batterij gaat maar twee uur mee",
    "pl": "Aparat jest świetny, ale bateria wytrzymuje tylko dwie godziny",
    "ru": "Камера отличная, но батарея держит всего два часа",
    "uk": "Камера чудова, але батарея тримає лише дві години",
    "bg": "Камерата е страхотна, но батерията издържа само два часа",
    "tr": "Kamerası harika ama pili sadece iki saat dayanıyor",
    "fi": "Kamera on mahtava mutta akku kestää vain kaksi tuntia",
    "sv": "Kameran är fantastisk men batteriet håller bara två timmar",
    "ar": "الكاميرا رائعة لكن البطارية لا تدوم سوى ساعتين",
    "fa": "دوربینش عالی است ولی باتری فقط دو ساعت دوام می‌آورد",
    "he": "המצלמה מעולה אבל הסוללה מחזיקה רק שעתיים",
    "hi": "कैमरा बहुत अच्छा है लेकिन बैटरी सिर्फ़ दो घंटे चलती है",
    "bn": "ক্যামেরা দারুণ কিন্তু ব্যাটারি মাত্র দুই ঘণ্টা চলে",
    "ta": "கேமரா அருமை ஆனால் பேட்டரி இரண்டு மணி நேரம் மட்டுமே",
    "th": "กล้องดีมากแต่แบตอยู่ได้แค่สองชั่วโมง",
    "ja": "カメラは最高だけど電池が二時間しか持たない",
    "ko": "카메라는 최고인데 배터리가 두 시간밖에 안 가요",
    "zh": "相机很棒，但是电池只能用两个小时",
    "el": "Η κάμερα είναι τέλεια αλλά η μπαταρία κρατάει μόνο δύο ώρες",
    "vi": "Máy ảnh rất tuyệt nhưng pin chỉ dùng được hai tiếng",
    "id": "Kameranya bagus sekali tetapi baterainya hanya tahan dua jam",
    "sr": "Камера је одлична, али батерија траје само два сата",
    "ka": "კამერა შესანიშნავია, მაგრამ ბატარეა მხოლოდ ორ საათს ძლებს",
    "hy": "Տեսախցիկը հիանալի է, բայց մարտկոցը միայն երկու ժամ է դիմանում",
}  # fmt: skip


@pytest.mark.parametrize("tag", CLEAR)
def test_clear_texts(tag: str) -> None:
    found = DETECTOR_.detect(CLEAR[tag])
    assert (found.tag, found.detector) == (tag, DETECTOR)
    assert found.confidence >= 0.5


@pytest.mark.parametrize("tag", CLEAR)
def test_a_wrong_hint_does_not_win_over_a_clear_text(tag: str) -> None:
    wrong = "de" if tag != "de" else "fr"
    assert DETECTOR_.detect(CLEAR[tag], wrong).tag == tag


@pytest.mark.parametrize("tag", CLEAR)
def test_handles_links_emoji_and_newlines_do_not_matter(tag: str) -> None:
    noisy = f"RT @someone_else:\n{CLEAR[tag]} 😀🎉👩‍👩‍👧\r\nhttps://t.co/Xyz123 @another.example\0"
    assert DETECTOR_.detect(noisy).tag == tag


@pytest.mark.parametrize(
    "text", ["", " ", "😀😀", "12345", "@nimbus", "https://example.com/de/uber-uns", "?!…", "\0", "\ud800"]
)
def test_without_letters_it_is_undetermined(text: str) -> None:
    found = DETECTOR_.detect(text)
    assert (found.tag, found.confidence) == ("und", 0.0)


@pytest.mark.parametrize(
    ("hint", "tag"), [("pt-BR", "pt"), ("de_AT", "de"), ("sr-Latn", "sr-Latn"), ("zh-Hant-TW", "zh")]
)
def test_a_hint_alone_is_worth_its_trust(hint: str, tag: str) -> None:
    found = DETECTOR_.detect("😍😍", hint)
    assert (found.tag, found.confidence) == (tag, HINT_TRUST)


def test_a_hint_decides_what_the_text_leaves_open() -> None:
    for text, tag in (("triste", "de"), ("banal", "pt")):
        assert DETECTOR_.detect(text).tag == "und"
        assert DETECTOR_.detect(text, tag).tag == tag


def test_undetermined_keeps_the_confidence_of_the_best_guess() -> None:
    found = DETECTOR_.detect("To je super telefon, hvala")
    assert found.tag == "und"
    assert 0.0 < found.confidence < 0.5
    assert LanguageDetector(0.1).detect("To je super telefon, hvala").tag != "und"


@pytest.mark.parametrize(
    "hint", ["klingon", "xx", "12", "", "a" * 35, "und", "zxx", "qme", "--", "pt-br-xx", "\0", "日本語"]
)
def test_hints_that_are_none(hint: str) -> None:
    assert parse_hint(hint) is None
    assert DETECTOR_.detect(CLEAR["fr"], hint).tag == "fr"


@pytest.mark.parametrize(
    ("hint", "tag"),
    [("EN", "en"), ("en-US", "en"), ("iw", "he"), ("in", "id"), ("nb-NO", "no"), ("fil", "tl"), ("hi-Latn", "hi-Latn"),
     ("sh", "sr-Latn"), ("zh-Hans", "zh"), ("cmn", "zh"), ("ru-Cyrl", "ru"), (" pt ", "pt")],
)  # fmt: skip
def test_hints_are_brought_to_the_tags_of_the_detector(hint: str, tag: str) -> None:
    assert parse_hint(hint) == tag


def count(outcome: str) -> float:
    return float(LANGUAGE_HINTS.labels(outcome)._value.get())


def test_hints_and_undetermined_are_counted() -> None:
    before = {name: count(name) for name in ("agreed", "overruled", "invalid")}
    undetermined = LANGUAGE_UNDETERMINED._value.get()
    DETECTOR_.detect(CLEAR["fr"], "fr")
    DETECTOR_.detect(CLEAR["fr"], "de")
    DETECTOR_.detect(CLEAR["fr"], "klingon")
    DETECTOR_.detect("😀")
    assert {name: count(name) - before[name] for name in before} == {"agreed": 1, "overruled": 1, "invalid": 1}
    assert LANGUAGE_UNDETERMINED._value.get() == undetermined + 1


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("すごい", "ja"),
        ("안녕", "ko"),
        ("ดีมาก", "th"),
        ("iPhone 15 最高だった", "ja"),
        ("没想到露摩拉这么好用,真心推荐", "zh"),
        ("露摩拉拍照太美了,夜景惊艳,爱了爱了", "zh"),
    ],
)
def test_the_script_speaks(text: str, tag: str) -> None:
    assert DETECTOR_.detect(text).tag == tag


def test_serbian_in_latin_letters_and_romanised_hindi() -> None:
    assert DETECTOR_.detect("Ovo je stvarno dobar telefon", "sr").tag == "sr-Latn"
    assert DETECTOR_.detect("yeh phone bahut accha hai yaar", "hi").tag == "hi-Latn"
    assert DETECTOR_.detect("this is a really good phone, I like it", "hi").tag == "en"


def test_every_tag_is_valid_bcp_47() -> None:
    assert len(known_languages()) > 160
    for tag in known_languages():
        assert langcodes.tag_is_valid(tag), tag
    assert not {"als", "bh", "eml", "sh"} & known_languages()


@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=200), st.one_of(st.none(), st.text(max_size=35), st.sampled_from(["de", "hi", "ja", "sr", "zu"]))
)
def test_any_text_and_hint_give_a_valid_answer(text: str, hint: str | None) -> None:
    found = DETECTOR_.detect(text, hint)
    assert langcodes.tag_is_valid(found.tag)
    assert 0.0 <= found.confidence <= 1.0
    assert found == DETECTOR_.detect(text, hint), "the same again is the same"


@pytest.mark.parametrize("piece", ["a", " ", "@a", "#", "&amp;", "http://", "\u200d", "語", "😀"])
def test_long_texts_are_cut(piece: str) -> None:
    assert DETECTOR_.detect(piece * 1_000_000).confidence <= 1.0
    assert DETECTOR_.detect(CLEAR["fr"] + " " + piece * 100_000).tag in ("fr", "und", "en", "zh", "ja")


def test_the_model_is_loaded_once_and_not_before_it_is_needed() -> None:
    code = (
        "import sys, pipeline.language as l; assert 'fasttext' not in sys.modules;"
        "a = l.LanguageDetector(); m = l._model(); b = l.LanguageDetector(); assert l._model() is m"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_read_ahead_changes_no_answer() -> None:
    keys = [
        (text, hint)
        for text in ("Das ist gut", "phone chala bagundi", "", "最高です", "¿qué?", "ok")
        for hint in (None, "hi", "?")
    ]
    ahead, alone = LanguageDetector(), LanguageDetector()
    ahead.read_ahead([*keys, ("x" * (REMEMBERED_CHARS + 1), None)])
    assert [ahead.detect(*key) for key in keys] == [alone.detect(*key) for key in keys]
    # asked again: remembered, and the same
    assert [ahead.detect(*key) for key in keys] == [alone.detect(*key) for key in keys]


def test_what_is_remembered_is_bounded() -> None:
    detector = LanguageDetector()
    detector.read_ahead((f"text {n}", None) for n in range(REMEMBERED + 50))
    detector.detect("y" * (REMEMBERED_CHARS + 1))
    assert len(detector._known) == REMEMBERED
