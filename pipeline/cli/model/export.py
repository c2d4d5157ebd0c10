"""``babelwatch model export``: from trained weights to a folder that is served."""

from pathlib import Path

import click

from pipeline.cli.model.shared import SHARED
from pipeline.sentiment.folder import CHECKED, ModelFolder
from pipeline.settings import PACKAGE, load_settings


@click.command()
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
def command(weights: Path, calibration: Path, output: Path) -> None:
    """Export trained weights to int8 with static scales, as a folder that BABELWATCH_MODEL_PATH can name.

    Needs the extra `train` (make setup-train). About two minutes on two cores.
    """
    from pipeline.sentiment.training.export import ExportRequest, export

    settings = load_settings()
    done = export(
        ExportRequest(weights, calibration, output, settings.cache_dir), lambda line: click.echo(line, err=True)
    )
    click.echo(f"{done.path}: {done.version}")
    shipped = ModelFolder(PACKAGE / "sentiment" / "models" / "baseline-en-int8")
    same = [name for name in CHECKED if done.facts.files[name] == shipped.facts.files[name]]
    click.echo(f"same bytes as the shipped {shipped.version}: {', '.join(same) or 'no file'}")
