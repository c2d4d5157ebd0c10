"""``babelwatch model export``: from trained weights to a folder that is served."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from pipeline.errors import InputError
from pipeline.settings import PACKAGE, load_settings

if TYPE_CHECKING:
    from pipeline.sentiment.training.material import Material

PARALLEL = PACKAGE / "sentiment" / "parallel"


@click.command()
@click.option("--run", type=click.Path(path_type=Path), help="Folder of a run of `babelwatch model train`.")
@click.option("--stage", "stages", multiple=True, help="Of the run; default: its last. Given again: their mean.")
@click.option("--data", type=click.Path(path_type=Path), help="The run's data, if it was moved since.")
@click.option("--weights", type=click.Path(path_type=Path), help="Bare weights instead of a run (safetensors).")
@click.option(
    "--calibration", type=click.Path(path_type=Path), help="With --weights: folder of English *.tsv (id, label, text)."
)
@click.option(
    "--class-prior", metavar="NEG,NEU,POS", help="With --weights: the class mix that they learned. Default: none."
)
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Folder to write.")
@click.option("--name", help="The model's name, on every row. Default: of the run and stage.")
@click.option("--precision", type=click.Choice(["int8", "fp32"]), default="int8", show_default=True)
@click.option("--full", is_flag=True, help="Complete the folder so that it loads in transformers as it is.")
@click.option("--biases/--no-biases", default=False, help="Put what parallel sentences show into the rule.")
@click.option(
    "--parallel", type=click.Path(path_type=Path), default=PARALLEL, help="Folder of en.txt and its translations."
)
@click.option("--force", is_flag=True, help="Write the folder even if a bound of fidelity is missed.")
def command(
    run: Path | None,
    stages: tuple[str, ...],
    data: Path | None,
    weights: Path | None,
    calibration: Path | None,
    class_prior: str | None,
    output: Path,
    name: str | None,
    precision: Literal["int8", "fp32"],
    full: bool,
    biases: bool,
    parallel: Path,
    force: bool,
) -> None:
    """Export trained weights as a folder that BABELWATCH_MODEL_PATH can name: int8 with static scales, or fp32.

    Of a run the decision rule is fitted on its held-out English, and everything is measured against the trained
    network before it is written: exit code 1 if it is not true to it. Needs the extra `train` (make setup-train). Some
    minutes on two cores.

    \b
    babelwatch model export --run runs/mine --output my-model
    babelwatch model export --run runs/mine --stage small --name fast --output fast --full
    """
    from pipeline.sentiment.training.reference import require_train_extra

    if (run is None) == (weights is None):
        raise InputError(
            "name what to export: --run FOLDER (of `babelwatch model train`) or --weights FILE, one of them"
        )
    if weights is not None and (stages or data or biases):
        raise InputError(
            "--stage, --data and --biases need a run: bare weights have no held-out texts to fit a rule on"
        )
    require_train_extra()
    from transformers.utils import logging

    from pipeline.sentiment.training.export import Export, ExportRequest

    logging.set_verbosity_error()  # it warns of settings that are its own defaults
    logging.disable_progress_bar()
    cache_dir = load_settings().cache_dir
    material = _material(run, stages, data, weights, calibration, class_prior, cache_dir)
    request = ExportRequest(output, cache_dir, parallel, name, precision, full, biases, force)
    done = Export(material, request, lambda line: click.echo(line, err=True)).run()
    click.echo(f"{done.path}: {done.version}, rule {done.facts.rule.name}")


def _material(
    run: Path | None,
    stages: tuple[str, ...],
    data: Path | None,
    weights: Path | None,
    calibration: Path | None,
    class_prior: str | None,
    cache_dir: Path,
) -> "Material":
    from pipeline.sentiment.training.material import from_run, from_weights

    if run is not None:
        return from_run(run, stages, data, cache_dir)
    if weights is None or calibration is None:
        raise InputError("--weights needs --calibration: a folder of English *.tsv to measure static scales on")
    return from_weights(weights, calibration, _prior(class_prior), cache_dir)


def _prior(text: str | None) -> tuple[float, ...] | None:
    """``0.15,0.45,0.40`` as shares."""
    if text is None:
        return None
    try:
        shares = tuple(float(part) for part in text.split(","))
    except ValueError:
        shares = ()
    if len(shares) != 3 or not all(0 < share < 1 for share in shares) or abs(sum(shares) - 1) > 0.01:
        raise InputError(f"--class-prior {text!r}: write three shares of negative, neutral, positive: 0.15,0.45,0.40")
    return shares
