"""When to say nothing: the label ``unsure`` below a probability that depends on the error a user accepts.

The thresholds are frozen with the model (``abstention`` in its rule, written by the export with
:mod:`pipeline.sentiment.abstention_fit`). English ones are *guaranteed*: found on held-out English labels. All others
are *estimated*, without a label. Off unless a user names the error that they accept.
"""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from pipeline.errors import ModelError

ENGLISH: Final = "en"
ANY: Final = "*"
"""In place of a language: the thresholds for every language without its own. The most careful of all."""

Kind = Literal["guaranteed", "estimated"]
Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]


class AbstentionPoint(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One threshold: of texts of ``language`` whose greatest probability reaches it, at most ``error`` are wrong."""

    language: str
    error: Annotated[float, Meta(gt=0.0, lt=1.0)]
    threshold: Fraction | None
    """None: no threshold does it, so everything in this language is unsure."""
    coverage: Fraction
    """Share of the texts it was found on that are judged."""
    kind: Kind


class Abstention:
    """The thresholds for one accepted error."""

    def __init__(self, points: Sequence[AbstentionPoint], accept_error: float) -> None:
        """Raises ModelError when the folder has no abstention section, or none for so small an error."""
        if not points:
            raise ModelError(
                "the model folder has no abstention section, so that no threshold is known for --accept-error "
                "(BABELWATCH_ACCEPT_ERROR): use a model exported with held-out English labels, or leave the option out"
            )
        known = sorted({point.error for point in points})
        fitting = [error for error in known if error <= accept_error + 1e-9]
        if not fitting:
            raise ModelError(
                f"the model folder's abstention section begins at an error of {known[0]:g}: --accept-error "
                f"{accept_error:g} cannot be kept; accept one of {', '.join(f'{error:g}' for error in known)}"
            )
        self.error = fitting[-1]
        """The greatest error of the section that is not above the accepted one."""
        self.points = {point.language: point for point in points if point.error == self.error}
        if ANY not in self.points:
            raise ModelError(
                f"the model folder's abstention section has no thresholds for other languages (language {ANY!r}) at an "
                f"error of {self.error:g}: export the model again"
            )

    def threshold(self, language: str) -> float:
        """Greatest probability below which a label is unsure; above 1 where nothing is sure enough.

        A language without its own point, a romanised one too, has the most careful.
        """
        threshold = self.point(language).threshold
        return 2.0 if threshold is None else threshold

    def point(self, language: str) -> AbstentionPoint:
        """What is known for ``language``."""
        return self.points.get(language) or self.points[ANY]
