"""The chosen model, kept for a stack whose broker is embedded: its topics end with it, the choice shall not."""

import logging
from pathlib import Path
from typing import Final

import msgspec

from pipeline.embedded.files import Run, write_private
from pipeline.kafka.serving import ModelChoice, publish_choice
from pipeline.settings import Settings

log = logging.getLogger(__name__)

FILE: Final = "model.json"


def remember(settings: Settings, choice: ModelChoice) -> bool:
    """Keep ``choice`` for the next start, where it was made for an embedded broker; True when it is kept.

    Raises OSError when the file cannot be written.
    """
    run = Run.read(settings.data_dir)
    if run is None or not run.kafka_embedded or run.kafka_brokers != settings.kafka_brokers:
        return False
    write_private(settings.data_dir / FILE, msgspec.to_builtins(choice))
    return True


def restore(folder: Path, settings: Settings) -> ModelChoice | None:
    """Choose again what was chosen before the broker ended; None when nothing was. Raises BrokerUnavailable.

    A damaged file is named in the log and counts as none: the model that is served is on every page.
    """
    try:
        choice = msgspec.json.decode((folder / FILE).read_bytes(), type=ModelChoice)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        log.warning("%s cannot be read (%s): choose the model again with `babelwatch model use`", folder / FILE, error)
        return None
    publish_choice(settings, choice, settings.connect_timeout_s)
    return choice
