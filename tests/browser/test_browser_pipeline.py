"""The operator's view on the page: loud and named when something is wrong, and safe whatever a log says."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from pipeline.embedded.files import Run, WorkerRun
from pipeline.embedded.processes import identity
from tests.browser.conftest import OpenPage
from tests.browser.stage import dashboard

pytestmark = [pytest.mark.browser, pytest.mark.embedded]

HOSTILE = "<img src=x onerror='window.pwned=1'>\nTypeError: \u202eedoc\u202c <b>boom</b>"


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_what_is_wrong_is_named_and_the_rest_unfolds(open_page: OpenPage, width: int, height: int) -> None:
    """The stage has a ClickHouse, no Kafka, and no workers."""
    page = open_page(width=width, height=height)
    line = page.locator(".pipeline-line")
    expect(page.locator("#pipeline")).to_have_class("pipeline ill")
    expect(line).to_contain_text("pipeline: 1 problem")
    expect(page.locator(".pipeline-problems li")).to_have_count(1)
    expect(page.locator(".pipeline-problems li")).to_contain_text("kafka: ")
    expect(page.locator("#pipeline-body")).to_be_hidden()
    line.click()
    expect(line).to_have_attribute("aria-expanded", "true")
    expect(page.locator("#pipeline-body")).to_contain_text("not visible from here")
    expect(page.locator("#pipeline-body")).to_contain_text("clickhouse up")
    expect(page.locator("#pipeline-body")).to_contain_text("0 open")
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    page.keyboard.press("Enter")
    expect(page.locator("#pipeline-body")).to_be_hidden()


def test_a_crash_loop_with_words_of_a_stranger(open_page: OpenPage, clickhouse_url: str, tmp_path: Path) -> None:
    me = os.getpid()
    worker = WorkerRun(
        role="language",
        pid=me,
        web="http://127.0.0.1:1",
        state="restarting",
        restarts=7,
        ended="exit code 1",
        ended_at=1_800_000_000.0,
        words=HOSTILE,
        crash_looping=True,
    )
    Run(
        pid=me,
        identity=identity(me) or "",
        started_at="",
        kafka_brokers="127.0.0.1:1",
        kafka_embedded=False,
        clickhouse_url=clickhouse_url,
        clickhouse_embedded=False,
        clickhouse_http_url="",
        api_token="secret",
        author_key="secret",
        dashboard_url="",
        dashboard_port=0,
        processes={"language": me},
        workers={"language": worker},
    ).write(tmp_path)
    with dashboard(clickhouse_url, data_dir=tmp_path) as server:
        page = open_page(server=server)
        problem = page.locator(".pipeline-problems li", has_text="crash-looping")
        expect(problem).to_contain_text("worker language: crash-looping: 7 restarts")
        expect(problem).to_contain_text("exit code 1")
        page.locator(".pipeline-line").click()
        words = page.locator("#pipeline pre.words")
        expect(words).to_contain_text("<img src=x onerror='window.pwned=1'>")
        expect(words.locator(".control")).to_have_count(2)
        for tag in ("img", "b"):
            assert page.locator(f"#pipeline {tag}").count() == 0
        assert page.evaluate("() => window.pwned") is None
        page.close()  # before its server
