"""``babelwatch model``: export the sentiment model from its weights, measure it, show what is installed."""

from pathlib import Path

import click

from pipeline.settings import PACKAGE, load_settings

SHARED = PACKAGE.parents[1] / "shared"
"""Weights and data of the project's developers, beside the checkout; elsewhere the options name them."""


@click.group()
def command() -> None:
    """The sentiment model: export, evaluate, show."""


@command.command()
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    default=SHARED / "models" / "sentiment-en-baseline.fp16.safetensors",
    help="Trained weights: safetensors with BertModel's keys, head.weight and head.bias.",
)
@click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    default=SHARED / "data" / "english_tweets",
    help="Folder of English *.tsv (id, label, text); the label is not read.",
)
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Folder to write.")
def export(weights: Path, calibration: Path, output: Path) -> None:
    """Export trained weights to int8 with static scales, as a folder that BABELWATCH_MODEL_PATH can name.

    Needs the extra `train` (make setup-train). About two minutes on two cores.
    """
    from pipeline.sentiment.training.export import ExportRequest, export

    settings = load_settings()
    done = export(
        ExportRequest(weights, calibration, output, settings.cache_dir), lambda line: click.echo(line, err=True)
    )
    click.echo(f"{done.path}: {done.version}")
