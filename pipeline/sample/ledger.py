"""The sender's own list: what was sent, told apart without asking anybody downstream."""

from collections import Counter
from dataclasses import dataclass, field

from pipeline.sample.generator import Outgoing
from schemas.events import Mention, MentionDeleted
from schemas.ids import mention_id


@dataclass
class Ledger:
    """Every message that was sent, by what it must come to."""

    first: set[str] = field(default_factory=set)
    """Mention ids, each once."""
    repeats: list[tuple[str, str]] = field(default_factory=list)
    """(kind, mention id) of every further message of an id: the same again, an edit, a deletion."""
    poison: int = 0
    kinds: Counter[str] = field(default_factory=Counter)

    def add(self, outgoing: Outgoing) -> None:
        """Note one message after it was handed to the broker's client."""
        self.kinds[outgoing.kind] += 1
        if not isinstance(outgoing.message, Mention | MentionDeleted):
            self.poison += 1
            return
        event = outgoing.message
        # the generator gives every mention an id, so neither author, date nor text is part of its identity
        ident = mention_id(event.tenant, event.source, event.id, None, None, "")
        if ident in self.first:
            self.repeats.append((outgoing.kind, ident))
        else:
            self.first.add(ident)

    @property
    def sent(self) -> int:
        """Messages handed over."""
        return len(self.first) + len(self.repeats) + self.poison
