"""`waitroom doctor`: what is well and what is not, before a sale and in trouble."""

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from waitroom.cli.options import beside_up, plainly, settings_options, web_options
from waitroom.run.doctor.examination import examine
from waitroom.run.doctor.finding import Finding, Level, fail, report_body, worst_of
from waitroom.run.settings import SettingsError, load_settings

_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}
_RESULTS = {
    Level.OK: "All is well.",
    Level.WARN: "Nothing fails; {warns} to look at.",
    Level.FAIL: "{fails} to mend, {warns} to look at.",
}


@click.command()
@settings_options
@web_options
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@plainly
def doctor(config: Path | None, *, as_json: bool, **overrides: Any) -> None:
    """Check settings, engines, limits, clocks and what lies around them; change nothing.

    It works beside a running service and without one, with the same settings. The exit code is 0 if
    all is well, 1 if something is worth a look, and 2 if something has to be mended.
    """
    try:
        settings = beside_up(load_settings(config, overrides=overrides))
    except SettingsError as error:
        findings = [fail("settings.readable", str(error), "nothing starts until it is mended")]
    else:
        findings = examine(settings, config)
    worst = worst_of(findings)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(report_body(findings))))
    else:
        _show(findings, worst)
    sys.exit(worst.exit_code)


def _show(findings: list[Finding], worst: Level) -> None:
    wide = max(len(one.check) for one in findings)
    for one in findings:
        level = click.style(f"{one.level.value:4}", _COLOURS[one.level])
        click.echo(f"{level}  {one.check:{wide}}  {one.line}")
    counts = {
        f"{level.value}s": sum(one.level is level for one in findings)
        for level in (Level.WARN, Level.FAIL)
    }
    click.echo("\n" + _RESULTS[worst].format(**counts))
