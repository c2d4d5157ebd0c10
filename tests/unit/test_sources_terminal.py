"""Nothing hostile reaches a terminal."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from pipeline.terminal import printable, printable_bytes


@given(st.binary(max_size=200))
def test_any_bytes_come_out_harmless(data: bytes) -> None:
    shown = printable_bytes(data)
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp")]


@given(st.text())
def test_bytes_of_a_text_read_like_the_text(text: str) -> None:
    assert printable_bytes(text.encode("utf-8", "surrogatepass").decode("utf-8", "ignore").encode()) == printable(
        text.encode("utf-8", "ignore").decode()
    )


def test_examples() -> None:
    assert printable("\x1b[31mred\x07") == "\\x1b[31mred\\x07"
    assert printable("a\u202eb\nc\\d") == "a\\u202eb\\nc\\\\d"
    assert printable_bytes(b"\xff\xfe caf\xc3\xa9 \xc3") == "\\xff\\xfe café \\xc3"
    assert printable("ルモラ", 2) == "ル…"
    assert printable_bytes("ルモラ".encode(), 2) == "ルモ…"
