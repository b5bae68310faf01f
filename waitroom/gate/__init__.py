"""Gates: how a room stands in front of a site that is not ours. All but the stores is pure.

A *gate* has one row of rules (`rules`). It says where shoppers may be sent once they are let in
(`return_address`), which of the site's requests need a session at all (`trigger`), and what the
site does while this service is away. A gate without a row has the default rules: it protects every
request, and it sends shoppers nowhere but to this service's own pages.

An attacker chooses every part of a request, so each decision takes the reading of a request that is
worst for the attacker. A path counts as protected if any server could read it so. A path is exempt,
and an address within a prefix, only if every server reads it so (`path`).

| module | for |
|---|---|
| `rules`, `trigger`, `path` | the rules of a gate, and which requests they protect |
| `held_back` | the answer to a request that may not pass |
| `return_address`, `return_token` | where shoppers may be sent, and a signed wish to go there |
| `passes`, `revoked` | the right of a session that a site verifies by itself, and its early end |
| `hand_over` | a session on its way to a site on another host |
| `known_user/` | the protocol of Queue-it's connectors |

This gate is not the `gate` of a line, which is the number up to which tickets are called.
"""
