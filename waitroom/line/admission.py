"""The states of an admission: the row of a number that the gate has passed."""

from enum import StrEnum


class AdmissionState(StrEnum):
    """Where an admission stands. A number that still waits has none.

        called ──► claimed ──► ended
          │ ▲
          ▼ │
        missed ◄── aside        any of these four ──► left

    A `missed` admission is called again once its shopper comes back within the grace. A number
    whose shopper let the line go on without it is `aside`; coming back before its turn gives it
    its old place, coming back after its turn makes it `missed`, to be called again.
    """

    CALLED = "called"
    CLAIMED = "claimed"
    MISSED = "missed"
    ASIDE = "aside"
    LEFT = "left"
    ENDED = "ended"
