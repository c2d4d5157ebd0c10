"""Kafka connection settings in the two forms that the agents need: Faust's and aiokafka's."""

import ssl
from typing import Any

import faust
from aiokafka.helpers import create_ssl_context
from yarl import URL

from pipeline.errors import SettingsError
from pipeline.settings import Settings


def broker_urls(settings: Settings) -> list[URL]:
    """Return Faust's form of ``KAFKA_BROKERS``. Raises SettingsError when it is not set."""
    return [URL(f"kafka://{address.strip()}") for address in settings.require_kafka().split(",")]


def ssl_context(settings: Settings) -> ssl.SSLContext | None:
    """Return the TLS context, or None on plain connections."""
    if "SSL" not in settings.kafka_security_protocol.split("_"):
        return None
    cafile = str(settings.kafka_ssl_cafile) if settings.kafka_ssl_cafile else None
    context: ssl.SSLContext = create_ssl_context(cafile=cafile)
    return context


def faust_credentials(settings: Settings) -> Any:  # noqa: ANN401 - Faust's types are untyped here
    """Return Faust's credentials, or None for PLAINTEXT. Raises SettingsError on an unknown protocol."""
    protocol = settings.kafka_security_protocol
    if protocol == "PLAINTEXT":
        return None
    if protocol == "SSL":
        return faust.SSLCredentials(ssl_context(settings))
    if protocol in {"SASL_PLAINTEXT", "SASL_SSL"}:
        password = settings.kafka_sasl_password
        return faust.SASLCredentials(
            mechanism=settings.kafka_sasl_mechanism,
            username=settings.kafka_sasl_username,
            password=password.get_secret_value() if password else None,
            ssl_context=ssl_context(settings),
        )
    raise SettingsError(
        f"BABELWATCH_KAFKA_SECURITY_PROTOCOL is {protocol!r}: set it to PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
    )


def aiokafka_options(settings: Settings) -> dict[str, Any]:
    """Return constructor arguments of aiokafka's clients. Holds the password: never print it."""
    password = settings.kafka_sasl_password
    options: dict[str, Any] = {
        "bootstrap_servers": [address.strip() for address in settings.require_kafka().split(",")],
        "security_protocol": settings.kafka_security_protocol,
        "ssl_context": ssl_context(settings),
    }
    if settings.kafka_security_protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": password.get_secret_value() if password else None,
        }
    return options
