"""``babelwatch migrate``: create or upgrade the tables in ClickHouse."""

import click

from pipeline.settings import load_settings


@click.command("migrate", short_help="Create or upgrade the tables in ClickHouse")
@click.option("--dry-run", is_flag=True, help="Print the SQL and change nothing; needs no ClickHouse.")
def command(dry_run: bool) -> None:
    """Create the database of CLICKHOUSE_URL and its tables, or upgrade them. Doing it again does nothing.

    With BABELWATCH_CLICKHOUSE_CLUSTER=NAME the tables are made for a cluster (docs/cluster.md). Exits with 4 when a
    migration was changed after it was applied, with 3 when ClickHouse does not answer or refuses.

    \b
    CLICKHOUSE_URL=clickhouse://user:password@host:9000/babelwatch babelwatch migrate
    babelwatch migrate --dry-run | less
    """
    from pipeline.store.client import DEFAULT_DATABASE, Address, wait_for
    from pipeline.store.migrations import migrate, render

    settings = load_settings()
    if dry_run:
        url = settings.clickhouse_url
        database = Address.of(url.get_secret_value()).database if url else DEFAULT_DATABASE
        for name, statements in render(settings.clickhouse_cluster, database):
            click.echo(f"-- {name}")
            for statement in statements:
                click.echo(f"{statement};\n")
        return
    from pipeline.local import discover

    settings = discover(settings)
    url_text = settings.require_clickhouse()
    wait_for(url_text, settings.connect_timeout_s)
    applied = migrate(url_text, cluster=settings.clickhouse_cluster)
    where = Address.of(url_text)
    for name in applied:
        click.echo(f"applied {name}")
    click.echo(f"database {where.database} at {where}: " + (f"{len(applied)} applied" if applied else "up to date"))
