"""Every refusal of `inventory`: its code, its HTTP status and the sentence that a caller reads.

The general ones, which any package may raise, stand in `inventory.kit.problem`. `docs/refusals.md`
lists them all.
"""

from inventory.kit.problem import Refusal

# Holds


class OutOfStock(Refusal):
    code, status, title = "out_of_stock", 409, "There are not enough units left."


class LimitReached(Refusal):
    code, status, title = "limit_reached", 409, "That is more than one shopper may have."


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
    code, status, title = "not_on_sale", 409, "This is not on sale now."


class UnknownSku(Refusal):
    code, status, title = "unknown_sku", 422, "This room sells no such SKU."


class SessionOver(Refusal):
    code, status, title = "session_over", 401, "This session has ended."


class UnknownHold(Refusal):
    code, status, title = "not_found", 404, "This session has no such hold."


class HoldExpired(Refusal):
    code, status = "hold_expired", 410
    title = "This hold has ended and its units are on sale again."


class AlreadyPaid(Refusal):
    code, status = "already_paid", 409
    title = "These items were paid for with an earlier order. You have not been charged again."


class PaymentRunning(Refusal):
    code, status, title = "payment_running", 409, "A payment for this hold is under way."


class ExtensionRefused(Refusal):
    code, status = "extension_refused", 409
    title = "This hold cannot be extended any further."


# Catalogue and stock


class Taken(Refusal):
    code, status, title = "taken", 409, "That code is already in use."


class InUse(Refusal):
    code, status = "in_use", 409
    title = "This SKU has stock movements or refused requests on record, so it cannot be deleted."


class CatalogueMoved(Refusal):
    code, status = "catalogue_moved", 409
    title = "The catalogue changed at the same moment. Nothing was done; please try again."


class UnreadableFile(Refusal):
    code, status, title = "unreadable_file", 422, "The file cannot be read as a catalogue."


class NotAPicture(Refusal):
    code, status = "not_a_picture", 422
    title = "This file is not a PNG, JPEG, WebP or AVIF picture."


class PictureTooLarge(Refusal):
    code, status, title = "picture_too_large", 413, "A picture has at most 1 MiB."


class PicturesTooMany(Refusal):
    code, status = "too_many_pictures", 409
    title = (
        "There is no space left for pictures in this room. Please take one away, or choose a "
        "smaller one."
    )


class BelowCommitted(Refusal):
    code, status = "below_committed", 409
    title = "That would leave fewer units than are held, sold or promised."


class RoomArchived(Refusal):
    code, status = "room_archived", 409
    title = "This room is archived. Its log can still be read and verified."
