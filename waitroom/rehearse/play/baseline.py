"""A policy for comparison that ignores the stock: a fixed rate or a fixed number inside. Pure."""

from waitroom.line.policy import POLICIES, AdmissionPolicy, Expected, PolicyInput
from waitroom.rehearse.scenario.scenario import ScenarioError


class Fixed:
    """Call as seats and calls a minute allow until the last unit is sold; for comparison only."""

    name = "fixed"

    def calls_max(self, room: PolicyInput) -> int:
        return room.batch_max


# The yardsticks, which know the shoppers (`play.oracle`).
ORACLE, CLAIRVOYANT = "oracle", "clairvoyant"


def policy_named(name: str) -> AdmissionPolicy:
    known = POLICIES | {Fixed.name: Fixed(), ORACLE: Expected(), CLAIRVOYANT: Fixed()}
    if name not in known:
        raise ScenarioError(f"there is no policy {name}; the policies are {', '.join(known)}")
    return known[name]
