"""A waiting room: shoppers take numbers, are called as the stock allows, and check out.

A shopper's way leads through these packages, in this order:

    web ──► desk ──► store        join, wait, claim: one worker of many
             ▲
    leader ──┘                    once a second: the next calls, and the state of the line
      │
    line (forecast)               the pure rules by which the leader decides
    log  (verify)                 the public record of all that touches the order

Behind the claim begins `checkout`, and behind that `inventory`. Beside the way stand `admin`
(operators over HTTP), `reports` (fairness and analytics), `outgoing` (webhooks and mail),
`rehearse` and `load` (simulated sales and crowds), `run` (processes) and `cli` (commands).

ARCHITECTURE.md has the whole walk with file names, and the rule of imports. Each package's
docstring tells its own story.
"""
