"""Connection settings in kafka-python's form, and the words for a broker that does not answer."""

import logging
from typing import Any, Final

import kafka.consumer.fetcher

from pipeline.errors import BrokerUnavailable, SettingsError
from pipeline.kafka import tolerant
from pipeline.settings import Settings

tolerant.install(kafka.consumer.fetcher)

METADATA_MAX_AGE_MS: Final = 5_000
"""How old the topics and partitions may be that a client knows: partitions that were added are used after so long. The
libraries' default is five minutes."""
_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")


def client_options(settings: Settings) -> dict[str, Any]:
    """Return constructor arguments that every kafka-python client shares. Holds the password: never print it.

    Raises SettingsError when the brokers are not set or the security settings do not fit together.
    """
    # At DEBUG kafka-python logs its whole configuration, the password among it; at INFO every connection.
    quiet = logging.getLogger("kafka")
    if quiet.level < logging.WARNING:
        quiet.setLevel(logging.WARNING)
    # "ERROR Metadata refresh: failed Cancelled" at every orderly close.
    logging.getLogger("kafka.cluster").setLevel(logging.CRITICAL)
    protocol = settings.kafka_security_protocol
    if protocol not in _PROTOCOLS:
        raise SettingsError(
            f"BABELWATCH_KAFKA_SECURITY_PROTOCOL is {protocol!r}: set it to one of {', '.join(_PROTOCOLS)}"
        )
    options: dict[str, Any] = {
        "bootstrap_servers": [address.strip() for address in settings.require_kafka().split(",") if address.strip()],
        "client_id": "babelwatch",
        "metadata_max_age_ms": METADATA_MAX_AGE_MS,
        "security_protocol": protocol,
    }
    if "SSL" in protocol.split("_") and settings.kafka_ssl_cafile is not None:
        if not settings.kafka_ssl_cafile.is_file():
            raise SettingsError(f"BABELWATCH_KAFKA_SSL_CAFILE: there is no file {settings.kafka_ssl_cafile}")
        options["ssl_cafile"] = str(settings.kafka_ssl_cafile)
    if protocol.startswith("SASL"):
        if settings.kafka_sasl_username is None or settings.kafka_sasl_password is None:
            raise SettingsError(
                f"{protocol} needs BABELWATCH_KAFKA_SASL_USERNAME and BABELWATCH_KAFKA_SASL_PASSWORD: set both"
            )
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_sasl_username,
            "sasl_plain_password": settings.kafka_sasl_password.get_secret_value(),
        }
    return options


def unavailable(settings: Settings, what: str) -> BrokerUnavailable:
    """Return the error for a broker that does not answer: its address, ``what`` happened, and the remedy."""
    return BrokerUnavailable(
        f"Kafka at {settings.kafka_brokers}: {what}. Check that the broker runs and that KAFKA_BROKERS is right "
        "(host:port), or leave KAFKA_BROKERS out to use the embedded one"
    )
