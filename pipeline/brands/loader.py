"""The brands file: YAML in, a valid :class:`Catalogue` out, or every problem with its line and reason.

The YAML is composed to nodes, not to Python objects, so that each value still knows its line, ``no`` stays the text
``no``, and nothing in the file can construct an object.
"""

import difflib
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Final

import yaml

from pipeline.brands.catalogue import Brand, Catalogue, Name
from pipeline.brands.fold import fold
from pipeline.errors import BrandsFileError
from pipeline.language import parse_hint

FORMAT_VERSION: Final = "1"
MAX_BYTES: Final = 32 * 2**20
MAX_NAME: Final = 200
MAX_PROBLEMS: Final = 20
_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_OWNER: Final = re.compile(r"@\w[\w.-]{0,252}(@\w[\w.-]{0,252})?")
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_BRAND_KEYS: Final = ("id", "name", "names", "owners", "exclude")
_NAME_KEYS: Final = ("text", "languages", "case", "compounds")


def load_brands(path: Path | str) -> Catalogue:
    """Read and check a brands file. Raises BrandsFileError that lists ``file:line: reason`` for each problem."""
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BrandsFileError(
                f"{path}: larger than {MAX_BYTES >> 20} MB: split it, or use one brand per product line"
            )
        raw = path.read_bytes()
    except OSError as error:
        raise BrandsFileError(
            f"{path}: cannot be read ({error.strerror}): set BABELWATCH_BRANDS_FILE to your file"
        ) from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BrandsFileError(f"{path}:{line}: not UTF-8: save the file as UTF-8") from None
    return _Reader(str(path)).read(text)


class _Reader:
    """One reading of one file; collects problems and warnings on the way."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.problems: list[str] = []
        self.warnings: list[str] = []

    def read(self, text: str) -> Catalogue:
        try:
            root = yaml.compose(text, Loader=_Loader)
        except (yaml.YAMLError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            line = mark.line + 1 if mark else 1
            reason = getattr(error, "problem", None) or str(error).split("\n")[0] or "nested too deep"
            raise BrandsFileError(f"{self.path}:{line}: not YAML: {reason}") from None
        brands: list[Brand] = []
        if root is None:
            self._problem(None, "the file is empty: it needs `version: 1` and a list `brands:`")
        else:
            fields = self._mapping(root, ("version", "brands"), "the file")
            self._version(root, fields.get("version"))
            brands = self._brands(root, fields.get("brands"))
        if self.problems:
            more = len(self.problems) - MAX_PROBLEMS
            shown = self.problems[:MAX_PROBLEMS] + ([f"... and {more} more"] if more > 0 else [])
            raise BrandsFileError("the brands file is not valid:\n  " + "\n  ".join(shown))
        return Catalogue(self.path, tuple(brands), tuple(self.warnings))

    # --- nodes

    def _problem(self, node: yaml.Node | None, reason: str) -> None:
        self.problems.append(f"{self.path}:{_line(node)}: {reason}")

    def _mapping(self, node: yaml.Node, allowed: tuple[str, ...], what: str) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            self._problem(node, f"{what} must be a mapping with {', '.join(allowed)}")
            return {}
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            if name not in allowed:
                close = difflib.get_close_matches(str(name), allowed, 1)
                self._problem(
                    key,
                    f"{what}: unknown key {name!r}"
                    + (f", did you mean {close[0]!r}?" if close else f" (allowed: {', '.join(allowed)})"),
                )
            elif name in found:
                self._problem(key, f"{what}: {name!r} is given twice")
            else:
                found[name] = value
        return found

    def _text(self, node: yaml.Node | None, what: str, limit: int = MAX_NAME) -> str:
        if not isinstance(node, yaml.ScalarNode):
            self._problem(node, f"{what} must be a text")
            return ""
        if node.tag != "tag:yaml.org,2002:str":
            kind = node.tag.rpartition(":")[2]
            self._problem(node, f"{what}: {node.value!r} is a {kind} in YAML, put it in quotes")
            return ""
        value = unicodedata.normalize("NFC", str(node.value)).strip()
        if not value:
            self._problem(node, f"{what} is empty")
        elif len(value) > limit:
            self._problem(node, f"{what} is longer than {limit} characters")
        elif any(unicodedata.category(char) in ("Cc", "Cs") for char in value):
            self._problem(node, f"{what} has a control character in it")
        else:
            return value
        return ""

    def _list(self, node: yaml.Node | None, what: str) -> list[yaml.Node]:
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            self._problem(node, f"{what} must be a list (lines that begin with `- `)")
            return []
        return list(node.value)

    # --- fields

    def _version(self, root: yaml.Node, node: yaml.Node | None) -> None:
        if node is None:
            self._problem(root, "`version: 1` is missing")
        elif node.value != FORMAT_VERSION:
            self._problem(node, f"version {node.value!r} is not known: this build reads version {FORMAT_VERSION}")

    def _brands(self, root: yaml.Node, node: yaml.Node | None) -> list[Brand]:
        if node is None:
            self._problem(root, "the list `brands:` is missing")
            return []
        brands: list[Brand] = []
        ids: dict[str, int] = {}
        for item in self._list(node, "brands"):
            brand = self._brand(item)
            if brand is None:
                continue
            if brand.id in ids:
                self._problem(item, f"brand {brand.id!r} is already on line {ids[brand.id]}: ids must differ")
            ids[brand.id] = brand.line
            brands.append(brand)
        self._shared_names(brands)
        return brands

    def _brand(self, node: yaml.Node) -> Brand | None:
        fields = self._mapping(node, _BRAND_KEYS, "a brand")
        if not fields:
            return None
        identity = self._text(fields["id"], "id") if "id" in fields else ""
        if "id" not in fields:
            self._problem(node, "a brand has no `id`")
        elif identity and not _SLUG.fullmatch(identity):
            self._problem(
                fields["id"], f"id {identity!r}: only a-z, 0-9, - and _ (63 at most), it is stored with every match"
            )
        what = f"brand {identity!r}"
        shown = self._text(fields["name"], f"{what}: name") if "name" in fields else ""
        if "name" not in fields:
            self._problem(node, f"{what} has no `name` (what people see)")
        names = [self._name(item, what) for item in self._list(fields.get("names"), f"{what}: names")]
        if "names" in fields and not names:
            self._problem(fields["names"], f"{what}: names is empty: leave it out to match the name itself")
        if "names" not in fields and shown:
            names = [self._checked(Name(shown, line=_line(fields["name"])), fields["name"], what)]
        owners = self._owners(fields.get("owners"), what)
        exclude = self._exclude(fields.get("exclude"), what, [name for name in names if name])
        return Brand(identity, shown, tuple(name for name in names if name), owners, exclude, _line(node))

    def _name(self, node: yaml.Node, what: str) -> Name | None:
        if isinstance(node, yaml.ScalarNode):
            return self._checked(Name(self._text(node, f"{what}: a name"), line=_line(node)), node, what)
        fields = self._mapping(node, _NAME_KEYS, f"{what}: a name")
        if "text" not in fields:
            if fields or isinstance(node, yaml.MappingNode):
                self._problem(node, f"{what}: a name has no `text`")
            return None
        languages = [self._language(item, what) for item in self._list(fields.get("languages"), f"{what}: languages")]
        name = Name(
            self._text(fields["text"], f"{what}: text"),
            tuple(tag for tag in languages if tag),
            self._choice(fields.get("case"), f"{what}: case", {"exact": True, "fold": False}.get, "exact, fold")
            or False,
            self._choice(
                fields.get("compounds"), f"{what}: compounds", {"true": True, "false": False}.get, "true, false"
            ),
            _line(node),
        )
        return self._checked(name, fields["text"], what)

    def _checked(self, name: Name, node: yaml.Node, what: str) -> Name | None:
        """The name when something of it can be searched; warns of what will match too often."""
        if not name.text:
            return None
        folded = fold(name.text)
        if not folded:
            self._problem(node, f"{what}: name {name.text!r} has nothing in it to search for")
            return None
        if name.text.startswith("@"):
            self._problem(node, f"{what}: {name.text!r} is a handle: list it under `owners`")
        if folded.startswith("#"):
            self._problem(node, f"{what}: {name.text!r}: write it without #, hashtags are matched anyway")
        letters = sum(char.isalnum() for char in folded)
        if letters <= (2 if folded.isascii() else 1) and not name.exact:
            self.warnings.append(
                f"{self.path}:{_line(node)}: {what}: name {name.text!r} is very short; `case: exact` or "
                "`languages` keep it from matching too much"
            )
        return name

    def _language(self, node: yaml.Node, what: str) -> str | None:
        tag = self._text(node, f"{what}: a language", 35)
        if not tag:
            return None
        known = parse_hint(tag)
        if known is None:
            self._problem(node, f"{what}: {tag!r} is not a BCP 47 language tag (like es, hi, hi-Latn)")
        elif len(tag.split("-")) > len(known.split("-")):
            self._problem(node, f"{what}: {tag!r}: write {known!r}; a detected language carries no region")
            return None
        return known

    def _choice(
        self, node: yaml.Node | None, what: str, find: Callable[[str], bool | None], allowed: str
    ) -> bool | None:
        if node is None:
            return None
        value = find(node.value) if isinstance(node, yaml.ScalarNode) else None
        if value is None:
            self._problem(node, f"{what} must be one of {allowed}")
        return value

    def _owners(self, node: yaml.Node | None, what: str) -> tuple[str, ...]:
        owners = []
        for item in self._list(node, f"{what}: owners"):
            owner = self._text(item, f"{what}: an owner", 256)
            if owner and not _OWNER.fullmatch(owner):
                self._problem(item, f"{what}: owner {owner!r} must look like '@name' or '@name@server' (in quotes)")
            elif owner:
                owners.append(owner)
        return tuple(owners)

    def _exclude(self, node: yaml.Node | None, what: str, names: list[Name]) -> tuple[str, ...]:
        phrases = []
        folded = [fold(name.text).replace(" ", "") for name in names]
        for item in self._list(node, f"{what}: exclude"):
            phrase = self._text(item, f"{what}: an exclusion")
            if not phrase:
                continue
            phrases.append(phrase)
            whole = fold(phrase).replace(" ", "")
            if not phrase.startswith("@") and not any(name[:-1] in whole for name in folded):
                self.warnings.append(
                    f"{self.path}:{_line(item)}: {what}: exclusion {phrase!r} holds none of the names and has no effect"
                )
            if whole in folded:
                self.warnings.append(
                    f"{self.path}:{_line(item)}: {what}: exclusion {phrase!r} is a name, which will never match"
                )
        return tuple(phrases)

    def _shared_names(self, brands: list[Brand]) -> None:
        first: dict[str, tuple[str, int]] = {}
        for brand in brands:
            for name in brand.names:
                other = first.setdefault(fold(name.text), (brand.id, name.line))
                if other[0] != brand.id:
                    self.warnings.append(
                        f"{self.path}:{name.line}: brand {brand.id!r}: name {name.text!r} is also a name of "
                        f"{other[0]!r} (line {other[1]}); both will match"
                    )


def _line(node: yaml.Node | None) -> int:
    return node.start_mark.line + 1 if node is not None else 1
