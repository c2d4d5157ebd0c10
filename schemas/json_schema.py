"""JSON Schema (draft 2020-12) of each event, generated from the types: ``python -m schemas.json_schema``.

The files in ``schemas/json`` are committed, so that a producer in any language can validate before it sends. They say
what is accepted as far as JSON Schema can: bounds of time and the checks of text are the pipeline's (docs/schema.md).
"""

import inspect
import json
from pathlib import Path
from typing import Any, Final

import msgspec

from schemas.events import EVENT_TYPES, newest_version

JSON_DIR: Final = Path(__file__).parent / "json"


def generate() -> dict[str, str]:
    """File name -> content, for every event type."""
    return {f"{name}.json": _text(name) for name in EVENT_TYPES}


def _text(name: str) -> str:
    cls = EVENT_TYPES[name]
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:babelwatch:v{newest_version(name)}:{name}",
        **msgspec.json.schema(cls),
    }
    # `version` is an int for the type; which versions are read is decided before (events.decode).
    schema["$defs"][cls.__name__]["properties"]["version"] |= {"minimum": 1, "maximum": newest_version(name)}
    for definition in schema["$defs"].values():
        definition["description"] = inspect.cleandoc(definition.get("description", ""))
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the files that differ, and say which."""
    JSON_DIR.mkdir(exist_ok=True)
    for name, text in generate().items():
        path = JSON_DIR / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path}")


if __name__ == "__main__":
    main()
