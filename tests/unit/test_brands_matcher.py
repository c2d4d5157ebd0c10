"""The matcher beyond the tables: offsets, overlaps, owners, hostile texts, many names; the watcher."""

import os
import random
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.brands import Brand, BrandMatcher, BrandsWatcher, Catalogue, Name, load_brands
from pipeline.brands.fold import Folded, fold
from pipeline.errors import BrandsFileError
from pipeline.metrics import BRANDS_RELOADS

FIXTURE = Path(__file__).parents[1] / "fixtures" / "brands" / "catalogue.yaml"


def matcher(*names: str, exclude: tuple[str, ...] = ()) -> BrandMatcher:
    return BrandMatcher(Catalogue("", (Brand("b", "B", tuple(map(Name, names)), exclude=exclude),)))


def found(m: BrandMatcher, text: str, language: str = "en") -> list[tuple[str, str]]:
    return [(match.brand, text[match.start : match.end]) for match in m.match(text, language)]


def test_longest_name_wins_and_one_place_may_name_several_brands() -> None:
    m = BrandMatcher(
        Catalogue(
            "",
            (
                Brand("a", "A", (Name("Nimbus"), Name("Phone Store"))),
                Brand("b", "B", (Name("Nimbus Phone"), Name("Vega"))),
                Brand("c", "C", (Name("Vega"),)),
            ),
        )
    )
    assert found(m, "Nimbus Phone, Nimbus, Vega") == [
        ("b", "Nimbus Phone"), ("a", "Nimbus"), ("b", "Vega"), ("c", "Vega"),
    ]  # fmt: skip
    assert found(m, "the Nimbus Phone Store") == [("b", "Nimbus Phone")], "of overlapping ones the longer"


def test_exclusion_covers_only_its_own_brand() -> None:
    m = BrandMatcher(
        Catalogue(
            "",
            (
                Brand("a", "A", (Name("Nimbus"),), exclude=("Nimbus Vega",)),
                Brand("b", "B", (Name("Vega"),)),
            ),
        )
    )
    assert found(m, "Nimbus Vega, Nimbus") == [("b", "Vega"), ("a", "Nimbus")]


def test_an_excluded_handle_is_somebody_else() -> None:
    assert found(matcher("Nimbus"), "@nimbus @Nimbus. nimbus") == [("b", "nimbus"), ("b", "Nimbus"), ("b", "nimbus")]
    assert found(matcher("Nimbus", exclude=("@nimbus",)), "@nimbus @Nimbus. nimbus") == [("b", "nimbus")]


def test_owners() -> None:
    m = load_matcher()
    assert m.is_owner("nimbushq") == m.is_owner("@NIMBUSHQ") == {"nimbus"}
    assert m.is_owner("nimbus@social.example") == {"nimbus"}
    assert m.is_owner("nimbus") == m.is_owner("") == m.is_owner(None) == frozenset()
    assert m.match("hello", "en", author="@NimbusHQ") == [], "an author alone is no match"


def load_matcher() -> BrandMatcher:
    return BrandMatcher(load_brands(FIXTURE))


@pytest.mark.parametrize(
    "text", ["", " ", "\0", "\0Nimbus\0", "\ud800Nimbus", "Nimbus\udfff", "\u200b", "@", "#", "@@@", "İ" * 5]
)
def test_odd_texts(text: str) -> None:
    expected = ["Nimbus"] if "Nimbus" in text else []
    assert [word for _, word in found(load_matcher(), text, "tr")] == expected


def test_no_brands_at_all() -> None:
    assert BrandMatcher(Catalogue("", ())).match("Nimbus", "en") == []


ALPHABET = st.sampled_from(
    list(
        "nimbusNIMBUS @#'-_.،。ßİıéé́ـً\u200b\u200c\u200d\u0301निम्ंबस云步ニンバスﾆﾝﾊﾞｽนิมบัส님버스нимбусنيمبوسةיмё1２😀ﬁ\0\n"
    )
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.one_of(ALPHABET, st.sampled_from(["Nimbus", "نيمبوس", "Café Lumen", "いろは", "IŞIK"])), max_size=40)
)
def test_any_text_gives_spans_inside_it_that_do_not_overlap(pieces: list[str]) -> None:
    text = "".join(pieces)
    for language in ("und", "tr", "de", "ru"):
        end = 0
        for match in MATCHER.match(text, language):
            assert end <= match.start < match.end <= len(text)
            assert fold(text[match.start : match.end])
            end = match.end


MATCHER = load_matcher()


@settings(max_examples=300, deadline=None)
@given(st.text(ALPHABET, max_size=60))
def test_folding_is_stable_and_maps_back(text: str) -> None:
    folded = Folded(text)
    assert fold(folded.text) == folded.text.strip()
    for index in range(len(folded.text)):
        start, end = folded.span(index, index + 1)
        assert 0 <= start < end <= len(text)


def test_normal_forms_give_the_same_matches() -> None:
    text = "Café Lumen, İnci, कैफ़े लुमेन, ニンバス, 님버스, Νίμπους, Огонёк, Май."
    names = [
        [match.brand for match in MATCHER.match(unicodedata.normalize(form, text), "en")]
        for form in ("NFC", "NFD", "NFKC", "NFKD")
    ]
    assert names[0] == ["lumen", "isik", "lumen", "nimbus", "nimbus", "nimbus", "vega", "vega"]
    assert names[1:] == [names[0]] * 3


HOSTILE = {
    "one letter": "a",
    "almost a name": "nimbu",
    "the name without boundaries": "nimbus",
    "names": "Nimbus ",
    "handles": "@a",
    "handle signs": "@",
    "handle pairs": "@nimbus@",
    "hashtags": "#a#",
    "hash signs": "#",
    "links": "http://",
    "mails": "a.b-c_",
    "zero width": "\u200b",
    "spaces": " ",
    "combining marks": "\u0301",
    "arabic prefixes": "وال",
    "thai": "นิมบัส",
    "nested names": "いろは",
    "exclusions": "Nimbus 2000 ",
}


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE.keys())
def test_cost_grows_with_the_length_not_with_its_square(piece: str) -> None:
    """Eight times the text may cost at most 24 times the time (a square would cost 64 times)."""

    def cost(characters: int) -> float:
        text = piece * (characters // len(piece))
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            MATCHER.match(text, "de")
            best = min(best, time.process_time() - start)
        return best

    small = max(cost(10_000), 1e-3)
    assert cost(80_000) <= 24 * small


def test_one_megabyte() -> None:
    text = "Nimbus! " * 131_072
    assert len(MATCHER.match(text, "en")) == 131_072


def test_ten_thousand_names() -> None:
    rng = random.Random(7)
    names = {
        "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(4, 12))).capitalize() for _ in range(10_050)
    }
    chosen = sorted(names)[:10_000]
    m = matcher(*chosen)
    sample = rng.sample(chosen, 200)
    assert [word for _, word in found(m, ", ".join(sample))] == sample
    assert found(m, ", ".join(f"q{name}q" for name in sample)) == []


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def reloads(outcome: str) -> float:
    return float(BRANDS_RELOADS.labels(outcome)._value.get())


FILE = "version: 1\nbrands:\n  - id: {0}\n    name: {0}\n"


def test_watcher_reloads_keeps_the_old_one_and_counts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, clock = tmp_path / "brands.yaml", Clock()
    path.write_text(FILE.format("nimbus"))
    watcher = BrandsWatcher(path, clock=clock)
    first, before = watcher.matcher, {name: reloads(name) for name in ("reloaded", "invalid", "missing")}

    path.write_text(FILE.format("vegas"))
    assert watcher.matcher is first, "not looked at again within the interval"
    clock.now += 1.0
    assert found(watcher.matcher, "vegas nimbus") == [("vegas", "vegas")]
    assert reloads("reloaded") == before["reloaded"] + 1

    second = watcher.matcher
    path.write_text("version: 1\nbrands:\n  - id: 7\n")
    for _ in range(3):
        clock.now += 1.0
        assert watcher.matcher is second
    assert reloads("invalid") == before["invalid"] + 1, "once a change, not once a look"
    assert f"{path}:3: " in (watcher.error or "")
    assert f"{path}:3: " in caplog.text

    path.unlink()
    clock.now += 1.0
    assert watcher.matcher is second
    assert reloads("missing") == before["missing"] + 1

    path.write_text(FILE.format("lumen"))
    clock.now += 1.0
    assert found(watcher.matcher, "lumen") == [("lumen", "lumen")]
    assert watcher.error is None


def test_watcher_sees_a_swapped_link_of_the_same_size_and_time(tmp_path: Path) -> None:
    clock, link = Clock(), tmp_path / "brands.yaml"
    for name in ("aaaaa", "bbbbb"):
        (tmp_path / name).write_text(FILE.format(name))
        os.utime(tmp_path / name, (1_000_000, 1_000_000))
    link.symlink_to("aaaaa")
    watcher = BrandsWatcher(link, clock=clock)
    (tmp_path / "new").symlink_to("bbbbb")
    os.replace(tmp_path / "new", link)
    clock.now += 5.0
    assert found(watcher.matcher, "aaaaa bbbbb") == [("bbbbb", "bbbbb")]


def test_watcher_refuses_an_invalid_file_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(BrandsFileError):
        BrandsWatcher(tmp_path / "none.yaml")
