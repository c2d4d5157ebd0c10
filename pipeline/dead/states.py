"""In which state a dead letter is, as conditions over ``dead_letters``; pure.

A letter is *open* until something was done about it as it died last: it was sent again, or purged.
"""

from typing import Final, Literal

State = Literal["open", "replayed", "purged", "all"]

KEY: Final = "incarnation, topic, `partition`, `offset`, failed_at"
"""What names a letter as it died at one time."""
CLOSED: Final = f"({KEY}) GLOBAL IN (SELECT {KEY} FROM dead_letter_actions WHERE action != 'sending')"  # noqa: S608
REPLAYED: Final = f"({KEY}) GLOBAL IN (SELECT {KEY} FROM dead_letter_actions WHERE action IN ('replayed', 'fixed'))"  # noqa: S608
PURGED: Final = f"({KEY}) GLOBAL IN (SELECT {KEY} FROM dead_letter_actions WHERE action = 'purged')"  # noqa: S608
CONDITIONS: Final[dict[State, str]] = {"open": f"NOT ({CLOSED})", "replayed": REPLAYED, "purged": PURGED, "all": "1"}
