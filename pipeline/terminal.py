"""Hostile text on a terminal: nothing that it holds may move the cursor, change colours, or turn the line around."""

import unicodedata

_SHOWN = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\"}
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Controls, format characters (bidi overrides, zero width), surrogates, private use, unassigned, line separators."""


def printable(text: str, limit: int | None = None) -> str:
    """``text`` on one line with every character that does not simply show a glyph written as an escape.

    Backslashes are doubled, so that the result is unambiguous. Longer than ``limit`` characters (counted before
    escaping) is cut, with ``…`` at the end.
    """
    cut = text if limit is None or len(text) <= limit else text[: limit - 1]
    shown = "".join(_escape(c) for c in cut)
    return shown if cut is text else shown + "…"


def printable_bytes(data: bytes, limit: int | None = None) -> str:
    """``data`` read as UTF-8 and made printable; bytes that are not UTF-8 come as ``\\xNN``."""
    head = data if limit is None else data[: limit * 4]
    shown: list[str] = []
    at = count = 0
    while at < len(head):
        if limit is not None and count >= limit:
            return "".join(shown) + "…"
        char, width = _next(head, at)
        shown.append(char)
        at += width
        count += 1
    return "".join(shown) + ("…" if len(head) < len(data) else "")


def _next(data: bytes, at: int) -> tuple[str, int]:
    first = data[at]
    width = 1 if first < 0x80 else 2 if first >> 5 == 0b110 else 3 if first >> 4 == 0b1110 else 4
    try:
        char = data[at : at + width].decode("utf-8")
    except UnicodeDecodeError:
        return f"\\x{first:02x}", 1
    return _escape(char), width


def _escape(char: str) -> str:
    if char in _SHOWN:
        return _SHOWN[char]
    if unicodedata.category(char) not in _HIDDEN:
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
