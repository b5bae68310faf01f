"""Every refusal of `inventory`: its code, its HTTP status and the sentence that a caller reads.

The general ones, which any package may raise, stand in `inventory.kit.problem`. `docs/refusals.md`
lists them all.
"""

from inventory.kit.problem import NotFound, Refusal

# Holds


class OutOfStock(Refusal):
    code, status = "out_of_stock", 409
    title = "There are not enough units left. Please choose fewer."


class LimitReached(Refusal):
    code, status = "limit_reached", 409
    title = "That is more than one shopper may have. Please choose fewer."


class TooManyActs(Refusal):
    code, status = "too_many_acts", 429
    title = (
        "This session has placed or changed too many holds. You can still pay for what you hold, "
        "or give it up."
    )


class CustomerNeeded(Refusal):
    code, status = "customer_needed", 403
    title = "This room sells to signed-in customers. Please sign in first."


class NotOnSale(Refusal):
    code, status = "not_on_sale", 409
    title = "This is not on sale now. Please choose something else."


class UnknownSku(Refusal):
    code, status = "unknown_sku", 422
    title = "This room does not sell this item. Please choose something else."


class SessionOver(Refusal):
    code, status = "session_over", 401
    title = "This session has ended. To buy more, please join the line again."


class SessionBound(SessionOver):
    code, status = "session_bound", 403
    title = "This session works only in the browser or app that opened it. Please go on there."


class UnknownHold(Refusal):
    code, status = "not_found", 404
    title = "These items are not held in this session. Please choose them again."


class HoldExpired(Refusal):
    code, status = "hold_expired", 410
    title = "The time for these items is over, and they are on sale again. You can choose again."


class AlreadyPaid(Refusal):
    code, status = "already_paid", 409
    title = "These items were paid for with an earlier order. You have not been charged again."


class PaymentRunning(Refusal):
    code, status = "payment_running", 409
    title = "A payment for these items is under way. Please wait until it is decided."


class ExtensionRefused(Refusal):
    code, status = "extension_refused", 409
    title = "The time for these items cannot be extended any further. Please pay before it is over."


# Catalogue and stock


class Taken(Refusal):
    code, status = "taken", 409
    title = "That code is already in use. Choose another."


class ChangedMeanwhile(Refusal):
    """`changed` has, for each such field, what the caller saw and what stands."""

    code, status = "changed_meanwhile", 409
    title = "A colleague changed this meanwhile, so nothing was saved."


class InUse(Refusal):
    code, status = "in_use", 409
    title = (
        "This SKU has stock movements or refused requests on record, so it cannot be deleted. Take "
        "it off sale instead."
    )


class CatalogueMoved(Refusal):
    code, status = "catalogue_moved", 409
    title = "The catalogue changed at the same moment. Nothing was done; please try again."


class UnreadableFile(Refusal):
    code, status = "unreadable_file", 422
    title = "The file cannot be read as a catalogue. An export shows how one looks."


class NotAPicture(Refusal):
    code, status = "not_a_picture", 422
    title = "This file is not a PNG, JPEG, WebP or AVIF picture."


class PictureTooLarge(Refusal):
    code, status, title = (
        "picture_too_large",
        413,
        "A picture has at most 1 MiB. Please save it smaller.",
    )


class PicturesTooMany(Refusal):
    code, status = "too_many_pictures", 409
    title = (
        "There is no space left for pictures in this room. Please take one away, or choose a "
        "smaller one."
    )


class BelowCommitted(Refusal):
    code, status = "below_committed", 409
    title = "That would leave fewer units than are held, sold or promised. Take away fewer."


class RoomArchived(Refusal):
    code, status = "room_archived", 409
    title = "This room is archived. Its log can still be read and verified."


def no_room(room: str) -> NotFound:
    """Return the refusal of what is about a room that does not exist."""
    return NotFound(f"There is no room {room!r}.")
