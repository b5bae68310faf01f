"""Calling shoppers who do not watch the page: the line for returns, and messages at their turn.

`returns.py` keeps tickets in line for units that come back. `messages.py` takes the address to
which a message goes shortly before a turn, and when it comes. `waitroom/outgoing/mail` sends
both kinds of mail.
"""
