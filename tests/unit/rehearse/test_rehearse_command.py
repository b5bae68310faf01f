"""`waitroom rehearse` as somebody types it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rehearsing import SHRUNK, bodies_of, scenario

from waitroom.cli.program import main
from waitroom.log.chain import chain_hash
from waitroom.rehearse.play.simulation import Simulation
from waitroom.run.processes.exits import REFUSED, UNFIT

SMALLER = SHRUNK | {"units": "12", "shoppers": "100", "until_s": "120"}
SET = [part for key, value in SMALLER.items() for part in ("--set", f"{key}={value}")]


@pytest.fixture(autouse=True)
def _logs_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    # A command sets them up for its whole process, which here is that of other tests too.
    monkeypatch.setattr("waitroom.cli.options.set_up_logs", lambda **_: None)


def run(*arguments: str) -> Result:
    """Run the command, without the yardsticks unless it names a choice of its own."""
    if "--yardsticks" not in arguments:
        arguments = ("--no-yardsticks", *arguments)
    return CliRunner().invoke(main, ["rehearse", *arguments])


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log as `waitroom verify --save` keeps it."""
    played = scenario(policy="rate", calls_per_minute="30", until_s="240")
    path, hash_ = tmp_path_factory.mktemp("logs") / "drop.log", b""
    with path.open("w") as file:
        bodies = bodies_of(Simulation(played, seed=7, figures=False))
        for seq, body in enumerate(bodies, start=1):
            hash_ = chain_hash(hash_, body)
            file.write(json.dumps({"seq": seq, "body": body, "hash": hash_.hex()}) + "\n")
    return path


def test_policies_are_compared_side_by_side(tmp_path: Path) -> None:
    chart, figures = tmp_path / "chart.svg", tmp_path / "figures.json"

    result = run(
        *SET,
        *("--policy", "guaranteed", "--policy", "fixed:1/s", "--seeds", "2"),
        *("--chart", str(chart), "--json", str(figures)),
    )

    assert result.exit_code == 0, result.output
    assert "found nothing, % of called" in result.stdout
    assert "against guaranteed" in result.stdout
    assert "0.00 ± 0.00" in result.stdout
    assert chart.read_text().startswith("<svg")
    told = json.loads(figures.read_text())
    assert [each["name"] for each in told["variants"]] == ["guaranteed", "fixed:1/s"]


def test_each_policy_is_held_against_rooms_that_know_the_shoppers() -> None:
    result = run(*SET, "--policy", "guaranteed", "--seeds", "1", "--yardsticks")

    assert result.exit_code == 0, result.output
    assert "times the oracle's" in result.stdout
    assert "times the clairvoyant's" in result.stdout


def test_json_alone_can_be_printed() -> None:
    result = run(*SET, "--set", "policy=rate", "--seeds", "1", "--json", "-")

    told = json.loads(result.stdout)
    assert [each["name"] for each in told["variants"]] == ["rate"]
    assert told["scenario"]["stock"]["units"] == 12


@pytest.mark.parametrize(("asked", "played"), [("2", [1, 2]), ("7-8", [7, 8])])
def test_seeds_are_so_many_or_those_that_are_named(asked: str, played: list[int]) -> None:
    result = run(*SET, "--set", "policy=rate", "--seeds", asked, "--json", "-")

    assert json.loads(result.stdout)["seeds"] == played


@pytest.mark.parametrize("asked", ["0", "-1", "x", "8-7", "7-", "2000"])
def test_seeds_that_are_none_are_refused_in_a_line(asked: str) -> None:
    result = run(*SET, f"--seeds={asked}")

    assert result.exit_code == 2
    assert repr(asked) in result.output


def test_the_scenarios_are_listed() -> None:
    result = run("--list")

    assert result.exit_code == 0
    assert "drop-shift   A drop in which" in result.stdout


@pytest.mark.endure
def test_a_log_is_played_again_with_another_rate(log: Path) -> None:
    changes = ("--set", "calls_per_minute=90", "--set", "until_s=300")
    result = run("--replay", str(log), *changes, "--seeds", "1")

    assert result.exit_code == 0, result.output
    assert "as it was" in result.stdout
    assert "played again as it was, against the record" in result.stdout
    assert "10% of" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nix"], "there is no scenario nix"),
        (["nix.toml"], "there is no file nix.toml"),
        (["--set", "shopers=3"], "did you mean shoppers?"),
        (["--set", "hold_share=2"], "cannot be used"),
        (["--set", "units"], "is not key=value"),
        (["--set", "policy=nix"], "there is no policy nix"),
        (["--policy", "nix"], "there is no policy nix"),
        (["--policy", "inside:few"], "the number inside is missing"),
        (["--chart", "/no/such/folder/x.svg"], "there is no folder"),
        (["--replay", "/no/such/log"], "cannot read /no/such/log"),
        (["--replay", "ftp://shop/rooms/drop"], "is not a room's address"),
        (["--frontier", "--policy", "rate"], "--frontier has its own policies"),
        (["--room", "drop", "--data-dir", "/no/such/folder"], "give --postgres-url"),
    ],
)
def test_bad_input_is_one_line_and_an_exit_code(arguments: list[str], said: str) -> None:
    result = run(*arguments)

    assert result.exit_code == (UNFIT if "--data-dir" in arguments else REFUSED)
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert "Traceback" not in result.output


def test_a_file_with_an_unknown_key_is_refused_with_the_nearest_known_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[shopping]\nhold_shares = 0.5\n")

    result = run(str(path))

    assert result.exit_code == 2
    assert "did you mean hold_share?" in result.stderr
