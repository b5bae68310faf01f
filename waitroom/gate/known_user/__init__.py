"""KnownUser V3, the hand-off between a waiting room and a site that many sites already speak.

A site's connector sends a visitor without a token to `/?c={customer}&e={event}&…&t={target}`. The
room leads a shopper who was let in back to the target with `queueittoken=…`: fields written
`{name}_{value}` and joined by `~`. The last is a hash over the others, with the secret that both
sides know. The connector keeps what the token says in a cookie of the site, so no later request
asks the room.

A *customer* is one site with one secret; an *event* is one of its rooms. The protocol is as the
public connectors of Queue-it read and write it (MIT licence, `@queue-it/connector-javascript`).
"""
