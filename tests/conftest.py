"""Fixtures for all tests. Nothing starts unless a test asks for it."""

import os
from collections import Counter
from typing import Final

import pytest

from tests.services import (  # noqa: F401 - pytest finds fixtures by name in this module
    _no_services_of_the_user,
    apache_server,
    clickhouse_server,
    clickhouse_url,
    kafka,
    kafka_apache,
    kafka_embedded,
    make_settings,
)

FULL: Final = bool(os.environ.get("BABELWATCH_TEST_FULL"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files with most slow tests first, unit tests last: small pieces at the end keep all cores busy until it.

    What is marked ``long`` is left to `make test-faults`, so that `make test` stays under a quarter of an hour.
    """
    if not FULL:
        left = [item for item in items if _is_long(item)]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if not _is_long(item)]
    slow = Counter(item.location[0] for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: (-slow[item.location[0]], item.location[0].startswith("tests/unit")))


def _is_long(item: pytest.Item) -> bool:
    """``long`` alone, or ``long("apache")``: only its form on Apache Kafka."""
    mark = item.get_closest_marker("long")
    return mark is not None and (not mark.args or item.get_closest_marker(mark.args[0]) is not None)
