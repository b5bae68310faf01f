-- Which PaymentIntent at Stripe belongs to a payment of ours. The first row decides for good: only
-- an intent that stands here is ever confirmed, and a payment that was barred before it had one has
-- none and never gets one. `payment_key` is the order's id; as with any gateway, no key of ours
-- binds its books to the orders.
CREATE TABLE stripe_payment (
    payment_key text PRIMARY KEY,
    intent_id text,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT intent_pays_once UNIQUE (intent_id)
);
