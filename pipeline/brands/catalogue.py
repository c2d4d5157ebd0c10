"""What a brands file says, once it is valid."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Name:
    """One way to write a brand.

    ``languages``: BCP 47 ranges (``hi`` covers ``hi-Latn``); empty means every language, ``und`` too. ``exact``: case
    and diacritics must be as written. ``compounds``: None finds the name at the start of German compounds with a usual
    second part (``Nimbuskunde``), True at either end of any compound, False in none.
    """

    text: str
    languages: tuple[str, ...] = ()
    exact: bool = False
    compounds: bool | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class Brand:
    """A brand: ``id`` is what is stored and counted, ``name`` what people see; only ``names`` and ``owners`` match."""

    id: str
    name: str
    names: tuple[Name, ...]
    owners: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    line: int = 0


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All brands of a file. ``warnings`` are lines ``path:line: what`` about things that work but may surprise."""

    path: str
    brands: tuple[Brand, ...]
    warnings: tuple[str, ...] = ()

    @property
    def names(self) -> dict[str, str]:
        """Brand id -> display name."""
        return {brand.id: brand.name for brand in self.brands}
