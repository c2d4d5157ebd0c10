"""Every error that a user can meet. The message says what to do next; ``exit_code`` is what the command exits with."""


class BabelwatchError(Exception):
    """Base of all expected errors: the command line prints the message without a traceback."""

    exit_code = 1


class SettingsError(BabelwatchError):
    """A setting is missing or wrong."""

    exit_code = 2


class InputError(BabelwatchError):
    """A file or argument that the user gave cannot be used."""

    exit_code = 2


class MessageTooLarge(InputError):
    """A message is larger than the topic takes."""


class LinesRejected(BabelwatchError):
    """A file is in, except for the lines that are listed as rejected."""

    exit_code = 10


class BrokerUnavailable(BabelwatchError):
    """The Kafka broker does not answer."""

    exit_code = 3


class ClickHouseUnavailable(BabelwatchError):
    """ClickHouse does not answer."""

    exit_code = 3


class ClickHouseRefused(BabelwatchError):
    """ClickHouse answers, and refuses (password, database, rights)."""

    exit_code = 3


class RowsRefused(BabelwatchError, ValueError):
    """ClickHouse refuses the rows themselves: the same rows again cannot succeed."""

    exit_code = 3


class MigrationError(BabelwatchError):
    """A migration was changed after it ran, is missing, or failed."""

    exit_code = 4


class EmbeddedServiceError(BabelwatchError):
    """An embedded service cannot start or ended by itself (port taken, folder locked or not writable, disk full)."""

    exit_code = 5


class ModelError(BabelwatchError):
    """A model folder is incomplete, corrupt, or of a kind this build cannot run."""

    exit_code = 6


class BrandsFileError(InputError):
    """The brands file is not valid. The message names file, line and reason."""


class Unaccounted(BabelwatchError):
    """The demo's report does not add up: sent != stored + repeats + dead."""

    exit_code = 7


class TooManyDeadLetters(BabelwatchError):
    """Nearly everything that a worker reads is dead: it stops instead of draining the topic into the dead letters."""

    exit_code = 8


class WorkerStuck(BabelwatchError):
    """A worker cannot go on by itself (it could not drain in time, or left its consumer group): start it again."""

    exit_code = 9


class WorkerFailed(BabelwatchError):
    """A worker that `up` started ended in a way that another start would not change; exits with the worker's code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class ModelNotTaken(BabelwatchError):
    """A model was chosen, and not every worker serves it."""

    exit_code = 11


class Unreconciled(BabelwatchError):
    """Offsets of topic mentions did not end: neither stored, nor a repeat, nor dead."""

    exit_code = 13


class NotProven(BabelwatchError):
    """A stage did not get as far in time, so nothing can be said."""

    exit_code = 14
