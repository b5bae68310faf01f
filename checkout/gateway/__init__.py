"""Gateways: who takes the money.

`gateway.py` is the protocol: authorize first, capture later, and every call may be repeated with
our own key. `deterministic_gateway.py` moves no money and does what its token says. With Stripe an
intent is made unconfirmed and its id noted in `stripe_payment`; only an intent that stands there is
ever confirmed, and a payment barred before it had one never gets one
(`test_a_payment_that_is_called_off_while_its_intent_is_made_takes_no_money`). Stripe's webhooks
carry no state: each makes the service ask (`test_news_is_not_believed`,
`test_news_in_any_order_leaves_a_paid_order_paid`). `docs/integrate/payments.md` has the rest.
"""
