"""Labelled sets whose labels are known not to belong to their texts: a score on them is chance, whoever gets it."""

from typing import Final

SETS: Final = frozenset({"9abd653cb48b55759de62dbf5faac20d22675d525bafcdbe186c0c9a135c06cb"})
"""SHA-256 of texts and labels (:attr:`pipeline.sentiment.measure.data.LabelledSet.sha256`). UMSAB's Hindi val: where a
model is surest, its labels agree with it by chance alone, on the English texts in it too (docs/transfer.md)."""
SHORT: Final = "labels are noise"
SAID: Final = "the labels of this set do not belong to its texts (docs/transfer.md): a score on it is chance"
