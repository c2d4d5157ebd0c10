"""Fixtures for all tests. Nothing starts unless a test asks for it."""

from collections import Counter

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with most slow tests first, unit tests last: small pieces at the end keep all cores busy until it."""
    slow = Counter(item.location[0] for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: (-slow[item.location[0]], item.location[0].startswith("tests/unit")))
