"""One called number of a rehearsal: what its row would hold, and who stands behind it."""

from dataclasses import dataclass

from waitroom.line.admission import AdmissionState
from waitroom.line.forecast.journey import Journey
from waitroom.rehearse.play.dice import Dice


@dataclass(slots=True, eq=False)
class Admitted:
    """An admission with its session, hold and order. Times are seconds from the opening.

    `asked_at`: first asked for a hold; `held_at`: the first hold was placed; `refused`: asked and
    could have nothing of any SKU; `missed_choice`: nothing of the one SKU they came for, though
    there were others; `gone_at`: nobody is there any more, whether they said so or not.
    """

    number: int
    who: int
    bot: bool
    dice: Dice
    arrived_at: float
    gone_at: float
    called_at: float
    first_called_at: float
    claim_until: float = 0.0
    state: AdmissionState = AdmissionState.CALLED
    times_called: int = 1
    promised: int = 0
    missed_at: float | None = None
    came_back_at: float | None = None
    claimed_at: float | None = None
    expires_at: float = 0.0
    asked_at: float | None = None
    wants: int = 0
    refused: bool = False
    missed_choice: bool = False
    wish: int | None = None
    shelf: int = 0
    held: int = 0
    held_at: float | None = None
    hold_until: float = 0.0
    hold_ended_at: float | None = None
    paying: bool = False
    bought: int = 0
    paid_at: float | None = None
    ended_at: float | None = None
    end_reason: str = ""
    overtaken: bool = False

    def journey(self) -> Journey:
        """Return what the leader would read of this admission."""
        return Journey(
            admission_id=self.number,
            state=self.state.value,
            called_at=self.called_at,
            claimed_at=self.claimed_at,
            held_at=self.held_at,
            hold_ended_at=self.hold_ended_at,
            ended_at=self.ended_at if self.ended_at is not None else self.missed_at,
            units_held=self.held,
            units_sold=self.bought,
            paying=self.paying,
            # Production remembers whoever a wish was noted for.
            refused=self.refused or self.missed_choice,
            promised=self.promised,
        )
