"""Checks of everything that a running babelwatch needs, each with what to do when it fails."""
