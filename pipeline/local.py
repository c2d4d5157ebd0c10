"""Finding the stack that runs on this machine: whoever has its data folder needs no addresses and no secrets."""

from typing import Any

from pydantic import SecretStr

from pipeline.embedded.files import Run
from pipeline.settings import Settings


def discover(settings: Settings) -> Settings:
    """Fill what is not set from the stack that runs on ``settings.data_dir``: addresses, secrets, the page's port.

    What is set stays. Without a running stack the settings come back as they are.
    """
    run = Run.read(settings.data_dir)
    if run is None:
        return settings
    found: dict[str, Any] = {}
    if settings.kafka_brokers is None:
        found["kafka_brokers"] = run.kafka_brokers
    if settings.clickhouse_url is None:
        found["clickhouse_url"] = SecretStr(run.clickhouse_url)
    if settings.api_token is None:
        found["api_token"] = SecretStr(run.api_token)
    if settings.author_key is None and run.author_key:
        found["author_key"] = SecretStr(run.author_key)
    if "dashboard_port" not in settings.model_fields_set:
        found["dashboard_port"] = run.dashboard_port
    return settings.model_copy(update=found)
