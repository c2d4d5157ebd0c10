"""docs/operate.md names every setting."""

from pathlib import Path

from pipeline.settings import Settings

DOC = Path(__file__).parents[2] / "docs" / "operate.md"


def test_every_setting_is_documented() -> None:
    text = DOC.read_text(encoding="utf-8")
    names = {
        {"kafka_brokers": "KAFKA_BROKERS", "clickhouse_url": "CLICKHOUSE_URL"}.get(name, f"BABELWATCH_{name.upper()}")
        for name in Settings.model_fields
    }
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []
