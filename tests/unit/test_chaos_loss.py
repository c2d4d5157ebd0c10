"""What counts as wrong after the embedded broker was killed: silence, not the loss of what was in its memory."""

from dataclasses import replace

from tests.chaos.loss import Loss

FINE = Loss(before=400, before_stored=25, after=100, after_stored=100, workers=6, noticed=6, said=[])


def test_what_was_in_its_memory_is_lost_and_that_is_no_finding() -> None:
    assert FINE.findings == []


def test_a_worker_that_does_not_notice_is_one() -> None:
    (finding,) = replace(FINE, noticed=5).findings
    assert (finding.what, finding.count) == ("a worker did not notice that the broker lost its data", 1)


def test_what_comes_after_it_may_not_be_lost_in_silence() -> None:
    (finding,) = replace(FINE, after_stored=36).findings
    assert (finding.what, finding.count) == ("lost in silence after the broker's loss", 64)
    assert replace(FINE, after_stored=36, said=["sink-1: offset 177 is committed, beyond the log's end"]).findings == []
