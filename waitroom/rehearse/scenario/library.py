"""The scenarios that come with the program."""

from importlib.resources import files
from pathlib import Path

from waitroom.rehearse.scenario.scenario import Scenario, ScenarioError, parse_scenario

_FOLDER = files("waitroom.rehearse") / "scenarios"


def names() -> list[str]:
    return sorted(f.name.removesuffix(".toml") for f in _FOLDER.iterdir() if f.name[-5:] == ".toml")


def load_scenario(name: str) -> Scenario:
    """Return a scenario by its name, or from a .toml file. Raises `ScenarioError`."""
    if name.endswith(".toml"):
        try:
            text = Path(name).read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise ScenarioError(f"there is no file {name}") from error
        except (OSError, UnicodeDecodeError) as error:
            raise ScenarioError(f"{name} cannot be read: {error}") from error
        return parse_scenario(text, where=name)
    if name not in names():
        known = ", ".join(names())
        raise ScenarioError(f"there is no scenario {name}; there are {known}, or name a .toml file")
    return parse_scenario((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"), where=name)
