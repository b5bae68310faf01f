"""Driving orders and refunds: from what was asked of a payment gateway to what it did.

`payments` drives orders and `refunds` drives refunds, each a step at a time. A step asks the
gateway one question, with no transaction and no lock open, and writes the answer down together with
the move that follows from it. Every step may be repeated, so a request, news from the gateway and
the settling loop may drive the same order.

`leased` keeps them from doing so at once. Every order and refund has one driver at a time: the
request that wrote it has the first lease. The settling loop takes it up when the lease has run out,
because the gateway was slow, or was freed, because the process died (`lease_holder`). News from the
gateway is acted on at once, without a lease.
"""
