"""The refusals of joins that have to prove something first."""

from inventory.kit.doors.decoding import Json
from inventory.kit.problem import Busy, Refusal


class ProofNeeded(Refusal):
    """`challenge` is the work, or `stamp` counts in its place once `wait_s` seconds are over.

    The join is sent once more with the solution, or with the stamp, as `proof`. `stamp` is "" for
    a program that sends nothing which recognises its join.
    """

    code, status = "proof_needed", 428
    title = (
        "Very many places are being taken right now. So that no program takes them all, your "
        "browser does a short calculation first."
    )

    def __init__(self, *, challenge: Json | None = None, stamp: str = "", wait_s: int = 0) -> None:
        self.stamp = stamp
        super().__init__(
            headers={"Cache-Control": "no-store"}, challenge=challenge, stamp=stamp, wait_s=wait_s
        )


class CheckNeeded(Refusal):
    """The join is sent once more with the provider's token as `check`."""

    code, status = "check_needed", 428
    title = "Please show first that you are a person."

    def __init__(self, detail: str = "", *, script: str = "", site_key: str = "") -> None:
        super().__init__(detail, script=script, site_key=site_key)


class CheckAway(Busy):
    code = "check_away"
    title = "The check whether you are a person does not answer. Please try again in a moment."
    retry_after_s = 10
