"""`waitroom room invite`: links in bulk, by number or for each person of a file."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any, BinaryIO

import click

from waitroom.admin.rooms.people_csv import (
    FILE_BYTES_MAX,
    People,
    read_people,
    write_links,
    write_people,
)
from waitroom.cli.options import (
    MOMENT,
    NOTE,
    OUTPUT_FILE,
    WholeNumber,
    fail,
    load_for,
    plainly,
    settings_options,
    with_pool,
)
from waitroom.line.invitation import COUNT_MAX, InvitationSeal
from waitroom.run.settings import load_secrets
from waitroom.run.shards.sealing import sealing
from waitroom.store.invitation_store import InvitationStore


@click.command()
@settings_options
@click.argument("room")
@click.option("--count", type=WholeNumber(1, COUNT_MAX), help="The number of links.")
@click.option(
    "--csv", "people_file", type=click.File("rb"), help="Make a link for each person in this file."
)
@click.option("--lane", default="main", show_default=True, help="The lane that the links lead to.")
@click.option("--until", type=MOMENT, help="The moment at which the links expire; default: never.")
@click.option("--note", type=NOTE, default="", help="A note for the operators, beside the batch.")
@click.option(
    "--out",
    type=OUTPUT_FILE,
    help="A new file that only you can read; default: standard output.",
)
@plainly
def invite(
    *,
    room: str,
    count: int | None,
    people_file: BinaryIO | None,
    lane: str,
    until: datetime | None,
    note: str,
    out: Path | None,
    config: Path | None,
    **overrides: Any,
) -> None:
    """Make invitations to ROOM, as CSV. People read from a file are not stored."""
    if (count is None) == (people_file is None):
        fail("give either --count or --csv")
    people = None if people_file is None else _people(people_file)
    wanted = count if people is None else people.count
    assert wanted is not None, "one of the two was given"
    settings = load_for(config, **overrides)
    seal = InvitationSeal(sealing(load_secrets(settings), settings.shard).keys)
    # The file is opened first: links that cannot be written down would be lost.
    with _opened(out) as file:
        batch = with_pool(
            config,
            overrides,
            lambda pool: InvitationStore(pool).invite(
                room, lane=lane, count=wanted, note=note, until=until, who="cli"
            ),
        )
        links = seal.links(settings.base_url, room, batch=batch, count=wanted)
        file.write(write_links(links) if people is None else write_people(people, links))
        file.flush()
    click.echo(f"batch {batch}: {wanted} link(s) to {room}, lane {lane}", err=True)


def _people(file: BinaryIO) -> People:
    data = file.read(FILE_BYTES_MAX + 1)
    if len(data) > FILE_BYTES_MAX:
        fail(f"a list of people has at most {FILE_BYTES_MAX // 1024**2} MiB")
    return read_people(data)


@contextmanager
def _opened(out: Path | None) -> Iterator[IO[bytes]]:
    """Open a new file for its owner alone: each link in it is worth a place."""
    if out is None:
        yield sys.stdout.buffer
        return
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        fail(f"cannot write {out}: {error.strerror}")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
    except BaseException:
        out.unlink(missing_ok=True)
        raise
