"""`waitroom verify`: check a room's public log, from anywhere, with nothing but public data."""

import re
import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import click
import msgspec

from waitroom.log.audit import audit
from waitroom.log.receipt import Receipt
from waitroom.log.verify.fetch import SourceError
from waitroom.log.verify.finding import Finding, Verdict, all_holds
from waitroom.log.verify.sources import open_receipt, open_source, open_witness, saved

_SIGNS = {Verdict.HOLDS: "✓", Verdict.FAILS: "✗"}
_NO_SIGN = "\N{EN DASH}"
_COLOURS = {Verdict.HOLDS: "green", Verdict.FAILS: "red"}


class PublicKey(click.ParamType[str]):
    """An Ed25519 public key in hex."""

    name = "hex"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        key = str(value).lower()
        if re.fullmatch("[0-9a-f]{64}", key) is None:
            self.fail("a key has 64 hex digits", param, ctx)
        return key


@click.command()
@click.argument("source")
@click.option(
    "--receipt",
    "receipt_path",
    type=click.Path(path_type=Path),
    help="Your own receipt, as the waiting page saved it.",
)
@click.option(
    "--witness",
    "witnesses",
    multiple=True,
    metavar="FILE_OR_URL",
    help="A copy of the log, or a signed head, kept earlier or elsewhere.",
)
@click.option("--key", type=PublicKey(), help="The operator's key, if you know it from elsewhere.")
@click.option(
    "--save",
    type=click.Path(path_type=Path),
    help="Keep the log in a new file, as a witness for later.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def verify(
    *,
    source: str,
    receipt_path: Path | None,
    witnesses: tuple[str, ...],
    key: str | None,
    save: Path | None,
    as_json: bool,
) -> None:
    """Check a room's log: the chain, the draw, the calls, and your own place.

    SOURCE is the room's address (https://shop/rooms/drop), the address of its log, or a file. The
    exit code is 0 if everything that can be checked holds, 1 if something fails, and 2 if there is
    nothing to check.
    """
    try:
        receipt = open_receipt(receipt_path) if receipt_path is not None else None
        findings = _check(source, receipt=receipt, witnesses=witnesses, key=key, save=save)
    except SourceError as error:
        _fail(str(error))
    holds = all_holds(findings)
    if as_json:
        told = {
            "source": source,
            "holds": holds,
            "findings": [asdict(finding) for finding in findings],
        }
        click.echo(msgspec.json.encode(told))
    else:
        _show(findings, holds=holds)
    sys.exit(0 if holds else 1)


def _check(
    text: str,
    *,
    receipt: Receipt | None,
    witnesses: tuple[str, ...],
    key: str | None,
    save: Path | None,
) -> list[Finding]:
    # Witnesses come first: the log may grow while it is read, but it may not have shrunk since.
    kept = [open_witness(witness) for witness in witnesses]
    source = open_source(text)
    with nullcontext(source.entries) if save is None else saved(source, save) as entries:
        return audit(
            entries, room=source.room, head=source.head, witnesses=kept, receipt=receipt, key=key
        )


def _show(findings: list[Finding], *, holds: bool) -> None:
    """Print a line for each finding; the claims that no log can prove stand apart, at the end."""
    limits = [finding for finding in findings if finding.check.startswith("limits.")]
    for finding in findings:
        if finding not in limits:
            sign = click.style(_SIGNS.get(finding.verdict, _NO_SIGN), _COLOURS.get(finding.verdict))
            click.echo(f"{sign} {finding.sentence}")
    click.echo("\nWhat no log can prove:")
    for finding in limits:
        click.echo(f"{_NO_SIGN} {finding.sentence}")
    failures = sum(finding.verdict is Verdict.FAILS for finding in findings)
    click.echo()
    checks = "check" if failures == 1 else "checks"
    result = f"{failures} {checks} failed."
    click.echo("Everything that can be checked holds." if holds else result)


def _fail(message: str) -> NoReturn:
    click.echo(f"waitroom: {message}", err=True)
    sys.exit(2)
