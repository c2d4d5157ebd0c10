"""``babelwatch model train``: from a configuration file to trained weights."""

from pathlib import Path

import click

from pipeline.settings import load_settings


@click.command()
@click.argument("config", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--output", type=click.Path(path_type=Path), help="Folder of the run; default: runs/<name of the run>.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the data; default: as the configuration says.")
@click.option("--threads", type=int, default=0, help="CPU threads; 0: one per core.")
def command(config: Path, output: Path | None, data: Path | None, threads: int) -> None:
    """Train as CONFIG says (docs/train.md), on English labels alone.

    Stop it when you like, or pull the plug: the same command goes on from the last good checkpoint, and takes finished
    stages as they are; a stage whose fields or data changed begins anew. Needs the extra `train` (make setup-train).
    """
    from pipeline.sentiment.training.config import read_config
    from pipeline.sentiment.training.reference import require_train_extra

    wanted = read_config(config)
    require_train_extra()
    from pipeline.sentiment.training.plots import PICTURE, plot_run
    from pipeline.sentiment.training.runs import WEIGHTS
    from pipeline.sentiment.training.stages import Run

    if threads:
        import torch

        torch.set_num_threads(threads)
    folder = output or Path("runs") / wanted.name
    source = data or (config.parent / wanted.data).resolve()
    cache_dir = load_settings().cache_dir

    def say(line: str) -> None:
        click.echo(line, err=True)

    # drawn anew after each stage: a run of hours is looked at before its end
    last = Run(wanted, source, folder, cache_dir, say, config).all(lambda names: plot_run(folder, names))
    if (folder / PICTURE).is_file():
        say(f"plots: {folder / PICTURE}")
    click.echo(last / WEIGHTS)
