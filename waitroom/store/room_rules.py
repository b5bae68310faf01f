"""What operators are told when a room's rules cannot be as they want them."""

_SENTENCES = {
    "sale_closes_after_it_opens": "The sale has to close after it opens.",
    "doors_open_before_the_sale": "The doors open with the sale or before it, not after.",
    "closing_lies_ahead": "That closing time is over. To end the sale now, end it.",
    "announced_draw_stands": "The draw has been announced: who enters now enters for that one. "
    "To do without it, begin the room anew.",
    "draw_comes_before_the_opening": "A draw orders those who come before the opening, and "
    "this room has opened.",
    "draw_comes_before_any_number": "Numbers have been given in this line already; a draw "
    "gives all of them. Begin the room anew first.",
    "stock_moves_before_the_opening": "Where the stock lives can be changed until the room opens.",
    "stock_lives_in_one_place": "This room has SKUs of its own, so its stock lives here. "
    "Use a room without SKUs.",
    "room_disappointed_max_check": "disappointed_max is a share from 0 to 0.5.",
}


def sentence_for(constraint: str | None) -> str:
    """Return what a broken rule of the tables means, in words for whoever broke it."""
    return _SENTENCES.get(constraint or "", f"That breaks the rule {constraint}.")
