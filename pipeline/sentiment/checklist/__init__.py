"""Behavioural tests of the sentiment model, in the style of CheckList (Ribeiro et al. 2020, arXiv 2005.04118).

What the model does with negation, sarcasm, capitals, romanised text and so on, language by language, on short texts
that were written for this suite: the same ones in every language. ``docs/checklist.md`` has the measured tables.

The expected labels are **for measuring only**. Nothing in this folder may be used to train, to choose or to calibrate a
model: the product's claim is that no label of any language but English was used for that, and these are labels.
"""
