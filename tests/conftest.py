"""Fixtures for all tests. Nothing starts unless a test asks for it."""

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
