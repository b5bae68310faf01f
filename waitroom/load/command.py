import click


@click.command()
def load() -> None:
    """Placeholder until the crowd arrives."""
