"""``python -m tests.chaos.worker ROLE --web-port PORT``: the product's worker, with the judge and a mutation if asked.

Everything else is the product's own command, in the same process form. Environment: ``CHAOS_JUDGE`` (``deterministic``
or ``real``), ``CHAOS_MUTATION`` (a name of :data:`tests.chaos.mutations.MUTATIONS`) and ``CHAOS_ONE_IN`` (for those
that spoil one message in so many).
"""

import os
import sys
from typing import Any

from pipeline.settings import Settings
from tests.chaos.mutations import MUTATIONS


def use_judge() -> None:
    """Put the deterministic judge where the sentiment worker would put its model."""
    from agents import worker
    from agents.app import attach
    from agents.control import Control
    from agents.health import Monitor
    from agents.outbox import Outbox
    from agents.policy import DeadLetterGuard, DeadLetterPolicy
    from agents.quick import Rest
    from agents.sentiment import SentimentStage
    from pipeline.kafka.topics import INPUT_TOPICS
    from tests.chaos.judge import Judge

    def sentiment(app: Any, settings: Settings, control: Control, incarnation: str, monitor: Monitor) -> None:
        guard = DeadLetterGuard(control.role, DeadLetterPolicy())
        stage = SentimentStage(Judge(), incarnation, Outbox(app, control), guard)
        attach(
            app,
            settings,
            control,
            INPUT_TOPICS["sentiment"],
            stage,
            messages=settings.batch_messages,
            rest=Rest(settings.batch_within_s),
        )
        monitor.extra["model"] = Judge.name

    worker._STAGES["sentiment"] = sentiment


def main() -> None:
    """Run the worker that the arguments name."""
    if os.environ.get("CHAOS_JUDGE", "deterministic") == "deterministic":
        use_judge()
    if mutation := os.environ.get("CHAOS_MUTATION"):
        print(f"MUTATION {mutation}", file=sys.stderr, flush=True)
        MUTATIONS[mutation].apply(sys.argv[1], int(os.environ.get("CHAOS_ONE_IN", "10000")))
    from pipeline.cli.main import main as command

    sys.argv[1:1] = ["worker"]
    command()


if __name__ == "__main__":
    main()
