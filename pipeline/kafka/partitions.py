"""More partitions for topics that are in use, so that more workers can share the work."""

from kafka.errors import IncompatibleBrokerVersion, KafkaError

from pipeline.errors import SettingsError
from pipeline.kafka.admin import admin, kind, topic_states
from pipeline.kafka.client import unavailable
from pipeline.settings import Settings


def too_few(settings: Settings) -> dict[str, int]:
    """Topics that have fewer partitions than ``settings.topic_partitions``; name -> how many they have.

    Topics whose number of partitions is fixed, and those that are missing or have more, are none of them: Kafka cannot
    take any away. Raises BrokerUnavailable.
    """
    return {
        state.topic.name: state.partitions
        for state in topic_states(settings)
        if state.topic.partitions is None and 0 < state.partitions < settings.topic_partitions
    }


def add_partitions(settings: Settings) -> dict[str, tuple[int, int]]:
    """Bring topics that have :func:`too_few` up to ``settings.topic_partitions``; name -> (before, after).

    It cannot be undone. Raises BrokerUnavailable, and SettingsError when the broker refuses.
    """
    few = too_few(settings)
    if not few:
        return {}
    wanted = settings.topic_partitions
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
