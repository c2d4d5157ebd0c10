"""Settings on their way to child processes: as the environment variables that they are read from."""

import os
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from pipeline.settings import Settings

_ALIASES: Final = {"kafka_brokers": "KAFKA_BROKERS", "clickhouse_url": "CLICKHOUSE_URL"}
_PREFIX: Final = "BABELWATCH_"
_ONLY_IF_SET: Final = frozenset({"model_path"})
"""Settings that mean more than their value when somebody has set them: a worker whose model is set follows no other."""


def child_environment(settings: Settings) -> dict[str, str]:
    """Return this process's environment with every setting in it. Holds secrets: never print it."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_PREFIX) and name not in _ALIASES.values()
    }
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if value is None or (name in _ONLY_IF_SET and name not in settings.model_fields_set):
            continue
        if isinstance(value, SecretStr):
            text = value.get_secret_value()
        elif isinstance(value, Path):
            text = str(value.absolute())
        else:
            text = str(value)
        environment[_ALIASES.get(name, _PREFIX + name.upper())] = text
    # Log lines reach the file when they are written, not when a buffer is full.
    environment["PYTHONUNBUFFERED"] = "1"
    return environment
