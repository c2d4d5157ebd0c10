"""Which cases of a long parametrized test are in every `make test`; the others are in `make test-faults`."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def few(values: Iterable[Any], keep: Collection[Any]) -> list[Any]:
    """The ``values``, all but those of ``keep`` marked ``long``."""
    return [value if value in keep else pytest.param(value, marks=pytest.mark.long) for value in values]
