"""Settings: typed, from the environment, validated once at start; secrets are masked in every print.

``KAFKA_BROKERS`` and ``CLICKHOUSE_URL`` name the services; everything else begins with ``BABELWATCH_``.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.errors import SettingsError

PACKAGE = Path(__file__).parent
Port = Annotated[int, Field(ge=0, le=65535)]


class Settings(BaseSettings):
    """Everything that an operator may set. Units are in the names or beside the field."""

    model_config = SettingsConfigDict(env_prefix="BABELWATCH_", extra="ignore", populate_by_name=True)

    # --- services
    kafka_brokers: str | None = Field(None, validation_alias=AliasChoices("KAFKA_BROKERS", "kafka_brokers"))
    """host:port[,host:port...]; without it `babelwatch up` starts the embedded broker."""
    clickhouse_url: SecretStr | None = Field(None, validation_alias=AliasChoices("CLICKHOUSE_URL", "clickhouse_url"))
    """clickhouse://user:password@host:9000/database; without it `babelwatch up` starts the embedded ClickHouse."""
    kafka_security_protocol: str = "PLAINTEXT"
    """PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."""
    kafka_sasl_mechanism: str = "PLAIN"
    kafka_sasl_username: str | None = None
    kafka_sasl_password: SecretStr | None = None
    kafka_ssl_cafile: Path | None = None
    data_dir: Path = Path("data")
    """Where the embedded services keep their files, secrets and locks."""
    clickhouse_cluster: str = ""
    """Name of a ClickHouse cluster; when set, migrations render ON CLUSTER with Replicated engines."""

    # --- topics
    topic_partitions: int = Field(4, ge=1, le=1024)
    topic_replication_factor: int = Field(1, ge=1)
    connect_timeout_s: float = Field(60.0, gt=0)
    """How long a start waits, with backoff, for a service that does not answer."""

    # --- what is accepted
    max_text_chars: int = Field(20_000, ge=1)
    max_age_days: float = Field(3650.0, gt=0)
    """Older mentions are dead letters, and `backfill` refuses them beforehand."""
    max_future_s: float = Field(900.0, ge=0)
    """How far a source's clock may be ahead of ours."""
    source_fields_bytes: int = Field(4096, ge=0, le=65_536)
    """Fields of a mention that this build does not know travel on, up to so many bytes; 0 keeps none."""
    keep_author_names: bool = False
    author_key: SecretStr | None = None
    """Key of the hash that replaces author names; the same on all workers. `up` makes one in the data folder."""

    # --- language, brands, model
    brands_file: Path = PACKAGE / "sample" / "brands.yaml"
    language_min_confidence: float = Field(0.5, ge=0, le=1)
    """Below it a language is `und`."""
    model_path: Path = PACKAGE / "sentiment" / "models" / "quality"
    models_dir: Path = Path.home() / ".local" / "share" / "babelwatch" / "models"
    """Where models are installed, each in a folder that is its name; the shipped ones are known without it."""
    cache_dir: Path = Path.home() / ".cache" / "babelwatch"
    """Unpacked embeddings."""
    threads: int = Field(0, ge=0)
    """Inference threads; 0 lets the engine choose."""
    accept_error: float | None = Field(None, gt=0, lt=1)
    """Share of wrong labels that is accepted: what is less sure is labelled `unsure`. Without it nothing is."""
    class_mix: Literal["off", "on"] = "off"
    """`on`: the sentiment worker estimates the class mix of its stream by language, and judges by it."""

    # --- workers
    web_host: str = "127.0.0.1"
    web_port: Port = 6066
    """A worker's health page and metrics."""
    up_metrics_port: Port = 0
    """Metrics of `babelwatch up` itself, on loopback; 0 takes a free one, which `babelwatch status` shows."""
    batch_messages: int = Field(256, ge=1)
    batch_within_s: float = Field(0.05, gt=0)
    sink_batch_messages: int = Field(2000, ge=1)
    sink_batch_within_s: float = Field(0.1, gt=0)
    log_level: str = "INFO"

    # --- dashboard
    dashboard_host: str = "127.0.0.1"
    dashboard_port: Port = 8600
    api_token: SecretStr | None = None
    """Bearer token of the API and the page. `up` makes one in the data folder."""
    dashboard_hosts: str = ""
    """Names under which browsers reach the dashboard, comma-separated; addresses and localhost always may (a page of
    somebody else's must not reach it by DNS rebinding)."""
    demo: bool = False
    """Demo mode: the page compares with the gold labels of the sample mentions."""

    # --- HTTP entrance (POST /v1/mentions)
    http_max_body_bytes: int = Field(4 << 20, ge=1024)
    http_max_items: int = Field(1000, ge=1)
    """Mentions in one request."""
    http_rate_per_s: float = Field(1000.0, gt=0)
    """Mentions per second that one token may send for long ..."""
    http_burst: int = Field(5000, ge=1)
    """... and at once; at least `http_max_items`, or a full batch never passes."""
    http_confirm_timeout_s: float = Field(10.0, gt=0)
    """How long a request waits for Kafka's confirmation before it is answered with 503."""

    @field_validator("clickhouse_url")
    @classmethod
    def _scheme(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(("clickhouse://", "clickhouses://")):
            raise ValueError("must look like clickhouse://user:password@host:9000/database")
        return value

    def allowed_hosts(self) -> frozenset[str]:
        """The names in ``dashboard_hosts``, in lower case."""
        return frozenset(name.strip().lower() for name in self.dashboard_hosts.split(",") if name.strip())

    def require_kafka(self) -> str:
        """Return the broker list, or raise SettingsError that says how to give one."""
        if not self.kafka_brokers:
            raise SettingsError("KAFKA_BROKERS is not set: set it to host:port, or run `babelwatch up`")
        return self.kafka_brokers

    def require_clickhouse(self) -> str:
        """Return the ClickHouse URL with its password, or raise SettingsError that says how to give one."""
        if self.clickhouse_url is None:
            raise SettingsError(
                "CLICKHOUSE_URL is not set: set it to clickhouse://user:password@host:9000/babelwatch, "
                "or run `babelwatch up`"
            )
        return self.clickhouse_url.get_secret_value()


def load_settings(**overrides: object) -> Settings:
    """Read the environment; ``overrides`` win. Raises SettingsError that names the variable and what it must be."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        lines = [f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors(include_input=False)]
        raise SettingsError("settings are not valid: " + "; ".join(lines)) from None
