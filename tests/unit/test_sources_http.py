"""Splitting of bodies and rate limits, without a server."""

import json
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.body import BodyRefused, _cut, read_limited, split
from pipeline.sources.ratelimit import RateLimiter

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(JSON, max_size=6), st.booleans())
def test_cutting_by_brackets_finds_the_same_items_as_the_decoder(items: list[object], ascii_only: bool) -> None:
    cut = _cut(json.dumps(items, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass"))
    assert cut is not None
    assert [json.loads(item) for item in cut] == items


def test_one_bad_item_does_not_spoil_the_batch() -> None:
    deep = b"[" * 9000 + b"]" * 9000
    items = split(b'[{"a": 1}, {"text": "\\ud800 ], ["}, ' + deep + b", nonsense, {}]", "application/json", 100)
    assert items == [b'{"a": 1}', b'{"text": "\\ud800 ], ["}', deep, b"nonsense", b"{}"]


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"", 400, "not_json"),
        (b"[]", 400, "empty"),
        (b"7", 400, "not_json"),
        (b"[1, 2", 400, "not_json"),
        (b"[1] 2", 400, "not_json"),
        (b'["open]', 400, "not_json"),
        (b"[" * 10_000, 400, "not_json"),
        (b"[1,2,3,4]", 413, "too_many"),
    ],
)
def test_a_body_that_is_no_batch(body: bytes, status: int, reason: str) -> None:
    with pytest.raises(BodyRefused) as caught:
        split(body, "application/json", 3)
    assert (caught.value.status, caught.value.reason) == (status, reason)


def test_ndjson_is_one_item_a_line() -> None:
    assert split(b'{"a":1}\r\n\n[]\n', "application/x-ndjson; charset=utf-8", 3) == [b'{"a":1}', b"[]"]


async def chunks(count: int, taken: list[int]) -> AsyncIterator[bytes]:
    for n in range(count):
        taken.append(n)
        yield b"x" * 100


async def test_reading_stops_at_the_limit_without_a_declared_length() -> None:
    taken: list[int] = []
    with pytest.raises(BodyRefused) as caught:
        await read_limited(chunks(1000, taken), None, 250)
    assert caught.value.status == 413
    assert taken == [0, 1, 2]
    assert len(await read_limited(chunks(3, []), None, 300)) == 300


async def test_a_declared_length_over_the_limit_is_refused_unread() -> None:
    taken: list[int] = []
    with pytest.raises(BodyRefused):
        await read_limited(chunks(1000, taken), "1000", 250)
    assert taken == []


def test_bucket_fills_with_time_and_says_when() -> None:
    now = 0.0
    limiter = RateLimiter(10, 20, clock=lambda: now)
    assert limiter.take("a", 20) == 0
    assert limiter.take("a", 5) == pytest.approx(0.5)
    assert limiter.take("b", 5) == 0
    now = 0.5
    assert limiter.take("a", 5) == 0
    assert limiter.take("a", 1) == pytest.approx(0.1)
    assert limiter.take("a", 21) == float("inf")
    now = 1000.0
    assert limiter.take("a", 20) == 0
