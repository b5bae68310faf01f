"""How a room stands in front of a site that is not ours: its rules, and what they decide. Pure.

A *gate* has one row of rules (`rules`). It says where shoppers may be sent once they are let in
(`return_address`), which of the site's requests need a session at all (`trigger`), and what the
site does while this service is away. A gate without a row has the default rules: it protects every
request, and it sends shoppers nowhere but to this service's own pages.

An attacker chooses every part of a request, so each decision takes the reading of a request that is
worst for the attacker. A path counts as protected if any server could read it so. A path is exempt,
and an address within a prefix, only if every server reads it so (`path`).
"""
