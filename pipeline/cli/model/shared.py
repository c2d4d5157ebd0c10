"""What the verbs of ``babelwatch model`` share: where the project's developers keep weights and data."""

from typing import Final

from pipeline.settings import PACKAGE

SHARED: Final = PACKAGE.parents[1] / "shared"
"""Weights and data of the project's developers, beside the checkout; elsewhere the options name them."""
