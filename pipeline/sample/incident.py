"""The incident's script: when complaints begin in which language, how many, and when they die down."""

from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
import yaml
from msgspec import Meta, Struct

from pipeline.errors import InputError
from pipeline.sample.texts import FOLDER

Seconds = Annotated[float, Meta(ge=0)]
SCRIPT_FILE: Final = FOLDER / "incident.yaml"


class Phase(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One wave of complaints: a trapezoid over time."""

    languages: Annotated[list[str], Meta(min_length=1)]
    start_s: Seconds
    """After the first mention of the demo."""
    rise_s: Seconds
    hold_s: Seconds
    fall_s: Seconds
    complaints: Seconds
    """Complaints per ordinary mention of the language at the height."""

    def height(self, elapsed_s: float) -> float:
        """Complaints per ordinary mention at ``elapsed_s``."""
        at = elapsed_s - self.start_s
        if at < 0:
            return 0.0
        if at < self.rise_s:
            return self.complaints * at / self.rise_s
        at -= self.rise_s
        if at < self.hold_s:
            return self.complaints
        at -= self.hold_s
        return self.complaints * (1 - at / self.fall_s) if at < self.fall_s else 0.0


class Incident(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole script."""

    version: Literal[1]
    product: str
    brand: str
    phases: list[Phase]

    def complaints(self, language: str, elapsed_s: float) -> float:
        """Complaints per ordinary mention of ``language`` at ``elapsed_s`` after the demo's first mention."""
        return sum(phase.height(elapsed_s) for phase in self.phases if language in phase.languages)

    def starts(self) -> dict[str, float]:
        """Language -> second at which its complaints begin."""
        found: dict[str, float] = {}
        for phase in self.phases:
            for language in phase.languages:
                found[language] = min(phase.start_s, found.get(language, phase.start_s))
        return found


def load_incident(path: Path = SCRIPT_FILE) -> Incident:
    """Read a script. Raises InputError that names the file and what is wrong in it."""
    try:
        return msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), Incident)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise InputError(f"{path}: {error}") from None
