"""One called number of a rehearsal: its row as the database would hold it, and its shopper."""

from dataclasses import dataclass

from waitroom.line.admission import AdmissionState
from waitroom.line.forecast.learning.journey import Journey
from waitroom.rehearse.play.dice import Dice


@dataclass(slots=True, eq=False)
class Admitted:
    """An admission with its session, hold and order. Times are seconds from the opening.

    `asked_at` is the first request for a hold, and `held_at` the first hold. `refused` means that
    the shopper asked and could hold nothing of any SKU. `missed_choice` means that the one SKU they
    came for was gone and another was left. `named` is the shelf that they named as they joined,
    `promised_shelf` the one of which they were promised a unit, `first_shelf` the one that they
    held from first, and `missed_shelf` the one that they asked in vain. `gone_at` is when the
    shopper is gone, with or without saying so. `claims_at` and `chooses_at` are when the shopper is
    going to claim and to choose, None for one who never does.
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
    claims_at: float | None = None
    chooses_at: float | None = None
    state: AdmissionState = AdmissionState.CALLED
    times_called: int = 1
    promised: int = 0
    promised_shelf: int | None = None
    missed_at: float | None = None
    came_back_at: float | None = None
    claimed_at: float | None = None
    expires_at: float = 0.0
    asked_at: float | None = None
    wants: int = 0
    refused: bool = False
    missed_choice: bool = False
    wish: int | None = None
    named: int | None = None
    first_shelf: int | None = None
    missed_shelf: int | None = None
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
            # Production remembers every admission for which it noted a wish.
            refused=self.refused or self.missed_choice,
            promised=self.promised,
            named=_sku_id(self.named),
            first_sku=_sku_id(self.first_shelf),
            missed_sku=_sku_id(self.missed_shelf),
        )


def _sku_id(shelf: int | None) -> int | None:
    """Return the id of a shelf's SKU; ids begin with 1."""
    return None if shelf is None else shelf + 1
