"""Options that several commands share."""

from pathlib import Path
from typing import Final

import click

from pipeline.settings import Settings, load_settings


class ModelName(click.ParamType):
    """A model folder: a path, or the name of a shipped or installed model. A folder of that name here comes first."""

    name = "PATH|NAME"

    def convert(self, value: str | Path, _param: click.Parameter | None, _context: click.Context | None) -> Path:
        """The folder; it is not read yet. Raises ModelError for a name that there is not."""
        path = Path(value)
        if isinstance(value, Path) or "/" in value or path.is_dir():
            return path
        from pipeline.sentiment.installed import find

        return find(value, load_settings())


model: Final = click.option(
    "--model",
    type=ModelName(),
    help="Model folder, or the name of a shipped or installed model; default: BABELWATCH_MODEL_PATH, else quality.",
)

accept_error: Final = click.option(
    "--accept-error",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="SHARE",
    help="Share of wrong labels that you accept, e.g. 0.1: what is less sure is labelled `unsure` (guaranteed in "
    "English, estimated elsewhere). Off unless set, here or by BABELWATCH_ACCEPT_ERROR.",
)


def given(**options: object) -> dict[str, object]:
    """The options that were given, as overrides of settings."""
    return {name: value for name, value in options.items() if value is not None}


def check_accept_error(settings: Settings) -> None:
    """Raise ModelError now, before services are started, when the model knows no threshold for the accepted error."""
    if settings.accept_error is None:
        return
    from pipeline.sentiment.folder import ModelFolder
    from pipeline.sentiment.rule import DecisionRule

    DecisionRule(ModelFolder(settings.model_path).facts.rule, settings.accept_error)


class Rate(click.ParamType):
    """Messages per second, as ``200`` or ``200/s``; 0 is no limit."""

    name = "N/s"

    def convert(self, value: str | float, param: click.Parameter | None, context: click.Context | None) -> float:
        """The number."""
        try:
            rate = float(str(value).removesuffix("/s"))
        except ValueError:
            rate = -1.0
        if not 0 <= rate < 1e9:
            self.fail(f"{value!r} is no rate: write messages per second, e.g. 200 or 200/s", param, context)
        return rate
