"""More partitions for topics that are in use, so that more workers can share the work."""

from kafka.errors import IncompatibleBrokerVersion, KafkaError

from pipeline.errors import SettingsError
from pipeline.kafka.admin import admin, kind, topic_states
from pipeline.kafka.client import unavailable
from pipeline.settings import Settings


def add_partitions(settings: Settings) -> dict[str, tuple[int, int]]:
    """Bring topics that have fewer partitions than ``settings.topic_partitions`` up to it; name -> (before, after).

    Topics whose number of partitions is fixed stay as they are, and so do those that are missing or have more: Kafka
    cannot take any away. Raises BrokerUnavailable, and SettingsError when the broker refuses.
    """
    wanted = settings.topic_partitions
    few = {
        state.topic.name: state.partitions
        for state in topic_states(settings)
        if state.topic.partitions is None and 0 < state.partitions < wanted
    }
    if not few:
        return {}
    try:
        with admin(settings, settings.connect_timeout_s) as client:
            client.create_partitions(dict.fromkeys(few, wanted))
    except IncompatibleBrokerVersion:
        raise SettingsError(
            f"Kafka at {settings.kafka_brokers} cannot add partitions (the embedded broker cannot): set "
            "BABELWATCH_TOPIC_PARTITIONS before it starts"
        ) from None
    except KafkaError as error:
        if error.retriable:
            raise unavailable(settings, f"partitions cannot be added ({kind(error)})") from error
        raise SettingsError(
            f"Kafka at {settings.kafka_brokers} refused to add partitions ({kind(error)}): check that the user may "
            "alter topics"
        ) from error
    except OSError as error:
        raise unavailable(settings, f"partitions cannot be added ({kind(error)})") from error
    return {name: (before, wanted) for name, before in few.items()}
