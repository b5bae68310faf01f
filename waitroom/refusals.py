"""Every refusal of `waitroom`: its code, its HTTP status and the sentence that a caller reads.

`docs/refusals.md` lists them all. Those of operators' accounts and keys stand with these, in
`waitroom/admin/accounts/refusals.py`, and those of pressure on a room in `waitroom/desk/proving/`
and `waitroom/desk/refusals.py`. Every folder but the public log may raise them.
"""

from inventory.kit.problem import Busy, Refusal

# Joining


class NotOpen(Refusal):
    code, status = "not_open", 409
    title = "This room has not opened yet. Its page says when it does."


class RoomEnded(Refusal):
    code, status, title = "room_ended", 409, "This sale has ended."


class SoldOut(Refusal):
    code, status, title = "sold_out", 409, "Everything is sold."


class LineRestarted(Busy):
    code = "line_begun_anew"
    title = "The line was restarted a moment ago. Please try again."
    retry_after_s = 2


class CustomerSignInNeeded(Refusal):
    code, status = "customer_sign_in_needed", 401
    title = "This room is for customers. Please sign in first."

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": "Bearer"})


class CookiesNeeded(Refusal):
    code, status = "cookies_needed", 403
    title = (
        "Your browser sends no cookies to this site, so it could not keep your place. Please allow "
        "cookies here, then take a number."
    )


class IdempotencyKeyWeak(Refusal):
    code, status = "idempotency_key_weak", 400
    title = (
        "Another client could send this Idempotency-Key too. Please send a UUID, or a `random` of "
        "16 bytes beside the key, and repeat the call with the same values."
    )


class InvitationNeeded(Refusal):
    code, status = "invitation_needed", 403
    title = "This room is by invitation. Please open the link in your invitation."


class InvitationInvalid(Refusal):
    """An invitation that never existed and one for another room are answered alike."""

    code, status = "invitation_invalid", 403
    title = (
        "This invitation is not for this room. Please check the link, or ask the organiser for "
        "another."
    )


class InvitationUsed(Refusal):
    code, status = "invitation_used", 410
    title = (
        "This invitation has been used, and its place is over or belongs to another person. Please "
        "ask the organiser for another."
    )


class PlaceRevoked(Refusal):
    code, status = "place_revoked", 403
    title = (
        "The organiser has taken this place away, and each person can have only one here. If this "
        "is a mistake, please ask the organiser."
    )


# A ticket


class NoTicket(Refusal):
    code, status = "no_ticket", 401
    title = "There is no valid ticket for this room here. Please take a number."


class LineOver(NoTicket):
    code, status, title = "line_over", 410, "The line was restarted. Please join again."


class TicketMoved(Refusal):
    code, status = "ticket_moved", 410
    title = "This place has moved to another device. Please go on there."


class TicketBound(Refusal):
    code, status = "ticket_bound", 403
    title = "This ticket works only where it was taken. A code from there moves the place here."


class OtherTicket(Refusal):
    code, status = "other_ticket", 403
    title = "This number belongs to another ticket. Please use your own."


class TicketLeft(Refusal):
    code, status, title = "ticket_left", 410, "This place was given up. You can take a new number."


class TicketOver(Refusal):
    code, status, title = "ticket_over", 410, "This ticket's time is over. Please join again."


class NotYetCalled(Refusal):
    code, status, title = "not_yet_called", 409, "It is not your turn yet. Your place is safe."


class Missed(Refusal):
    code, status = "missed", 409
    title = "You missed your turn. You will be called again before anyone new."


class SteppedAside(Refusal):
    code, status = "stepped_aside", 409
    title = "You stepped aside. Please say first that you are back."


class StateNotKnown(Busy):
    code = "state_not_known"
    title = "The room's state has not been published yet. Please ask again in a moment."
    retry_after_s = 1


class Queue(Refusal):
    code, status, title = "queue", 429, "Please take a place in line first."


# A gate, and the site behind it


class NoGate(Refusal):
    code, status = "no_gate", 409
    title = "This room has no gate, so it gives no passes. An operator sets one up."


class HeldBack(Refusal):
    code, status = "held_back", 409
    title = "What you sent was not passed on, because it is not your turn here yet."


class HandOverOver(Refusal):
    code, status, title = "hand_over_over", 410, "This link was used before, or is too old."


class ReturnAddressRefused(Refusal):
    code, status = "return_address_refused", 422
    title = "This link leads to an address that this room does not allow, so nothing was done."


class ConfigurationKeyWrong(Refusal):
    code, status = "configuration_key_wrong", 401
    title = "Send the configuration key of this site in the header `api-key`."


class EventTaken(Refusal):
    code, status = "event_taken", 409
    title = "Another room has this event of the site. Choose another event, or free that one first."


# Stepping aside, moving to another device, more time


class CodeUnknown(Refusal):
    code, status = "code_unknown", 404
    title = "This code is not known. It may be mistyped, already used, or older than ten minutes."


class CodesUnavailable(Busy):
    code = "codes_unavailable"
    title = "Codes cannot be made or used right now. Your place is safe where it is."
    retry_after_s = 5


class AlreadyInside(Refusal):
    code, status = "already_inside", 409
    title = "You are already inside. Please go on in the browser that entered."


class NotDrawnYet(Refusal):
    code, status = "not_drawn_yet", 409
    title = "The draw gives you a number first. Your entry is kept, even while you are away."


class PlaceChangedTooOften(Refusal):
    code, status = "place_changed_too_often", 429
    title = "This place was changed too often. It stays yours, where it is."


class NoneLeft(Refusal):
    code, status = "none_left", 409
    title = (
        "This room gives more time to a limited number of places, and all of them are taken. "
        "Please ask the organiser."
    )


# Returns


class AlreadyBought(Refusal):
    code, status = "already_bought", 409
    title = "You have already bought with this number. Returned units go to other shoppers."


class UnitsFree(Refusal):
    code, status = "units_free", 409
    title = "Something is available now, so there is no need to wait for returns."


class MailNotOffered(Refusal):
    code, status = "mail_not_offered", 409
    title = "This service sends no mail. Please stay in line without an address."


class AlreadyCalled(Refusal):
    code, status, title = "already_called", 409, "It is your turn now."


# Public reports


class LogNotPublicYet(Refusal):
    code, status = "log_not_public_yet", 403
    title = "This room shows its log after the sale has ended."


class FairnessNotPublic(Refusal):
    code, status = "fairness_not_public", 403
    title = "The organiser has not made the fairness report of this room public."


class TooMuchToCount(Refusal):
    code, status = "too_much_to_count", 422
    title = "Counting this takes too long. Please choose a shorter period."


# Steering a room


class SaleEnded(Refusal):
    code, status = "sale_ended", 409
    title = "This sale has ended and cannot be reopened. A copy of the room sells again."


class SaleNotEnded(Refusal):
    code, status = "sale_not_ended", 409
    title = "Only a sale that has ended can be archived. End the sale first."


class StillOpen(Refusal):
    code, status = "still_open", 409
    title = "Something is still open in this room. Try again when it is done."


class NotOpenYet(Refusal):
    code, status = "not_open_yet", 409
    title = "A room that has not opened cannot be paused. Change when it opens instead."


class DrawIsDue(Refusal):
    code, status = "draw_is_due", 409
    title = "Entries are closed and the draw is not made yet. Please wait until it is made."


class RoomUnreadable(Refusal):
    code, status = "room_unreadable", 500
    title = (
        "The database has a value for this room that cannot be read. The service's log names it."
    )


class NoDrawWaits(Refusal):
    code, status = "no_draw_waits", 409
    title = "No draw of this room is waiting for a public value. Nothing needs to be entered."


class NotElsewhere(Refusal):
    code, status = "stock_is_here", 409
    title = (
        "This room keeps its own stock, so no other shop reports it. The room's rules say where "
        "the stock is."
    )


class PlaceOver(Refusal):
    code, status = "place_over", 409
    title = "This place has been used or given up. There is nothing to take away."


class UnreadablePeople(Refusal):
    code, status, title = "unreadable_people", 422, "The file cannot be read as a list of people."


class PeopleTooMany(Refusal):
    code, status = "too_many_people", 413
    title = "This list of people is too large. Please split it."


class CrowdRunning(Refusal):
    code, status = "crowd_running", 409
    title = "A simulated crowd is already on its way to this room. Wait until it is through."


class NoCrowds(Refusal):
    code, status = "no_crowds", 404
    title = "Simulated crowds are for demonstrations. The setting `demo` is off."


class NothingToRehearse(Refusal):
    code, status = "nothing_to_rehearse", 409
    title = "There is too little to go on for a rehearsal. Try again when more shoppers came."


class RehearsalBrokeOff(Busy):
    code = "rehearsal_broke_off"
    title = "The rehearsal took too long and was ended. Nothing was changed. Try again later."
    retry_after_s = 10


class UnreadableColour(Refusal):
    """`field` is the colour, and `nearest` the one nearest to it that passes."""

    code, status = "unreadable_colour", 422
    title = "Some shoppers could not read the page in this colour. Choose one with more contrast."


class LookDraftWaits(Refusal):
    code, status = "look_draft_waits", 409
    title = (
        "The look has a draft that is not shown yet. Show it, or bring it back to what is shown, "
        "before a file changes the look."
    )


class TooManyGoods(Refusal):
    code, status = "too_many_goods", 422
    title = "This room has more goods than a room's file holds. Take the catalogue as CSV."


# The shop: catalogue files and refunds


class NotCsv(Refusal):
    code, status = "not_csv", 415
    title = "Please send the file itself, with the content type text/csv."


class ImportRefused(Refusal):
    code, status = "import_refused", 422
    title = "Some rows were refused, so nothing was imported. Mend them and send the file again."


class RefundFailed(Refusal):
    code, status = "refund_failed", 409
    title = "The payment gateway did not refund the money. Its own pages say why."


# Webhooks


class AddressRefused(Refusal):
    code, status = "webhook_address_refused", 422
    title = (
        "Webhooks cannot be sent to this address. Name a public address that begins with https://."
    )


class EndpointInactive(Refusal):
    code, status = "endpoint_inactive", 409
    title = "This webhook is not active, so nothing is sent to it. Turn it on first."


class DeliveryRunning(Refusal):
    code, status = "delivery_running", 409
    title = "This delivery is being sent at this moment. Look again in a minute."


# The process


class NotReady(Refusal):
    code, status, title = "not_ready", 503, "This process is not ready to serve."
