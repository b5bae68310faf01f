"""How a room looks to shoppers: a name, two pictures, a few colours, and texts in each language.

An operator chooses without code, and nothing that they choose can make a page unreadable. They pick
a background and a colour for buttons and links, for light and for dark screens; everything else is
derived from these (`palette`). A colour whose contrast is too low is refused with the nearest one
that passes. A room has two looks: the draft, which only the preview shows, and the live one.

The colours reach a page as a stylesheet of the room under the hash of its content (`sheet`), since
pages allow no style of their own. Texts are plain, whatever is in them.
"""
