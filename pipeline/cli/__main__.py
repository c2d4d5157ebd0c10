"""``python -m pipeline.cli``: the same as ``babelwatch``, for child processes and for trees that are not installed."""

from pipeline.cli.main import main

main()
