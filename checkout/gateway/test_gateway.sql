-- The books of the test gateway, in a schema of their own: the gateway stands for a company elsewhere, so
-- no table of the shop refers to them. The gateway makes them when it is opened; a shop that takes real
-- money never has them. The token decides what becomes of a payment, `decides_at` says when.
CREATE SCHEMA IF NOT EXISTS test_gateway;

CREATE TABLE IF NOT EXISTS test_gateway.payment (
    payment_key text PRIMARY KEY,
    gateway_ref text NOT NULL,
    state text NOT NULL CHECK (state IN ('processing', 'authorized', 'captured', 'declined', 'voided')),
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    decides_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    token text NOT NULL DEFAULT '',
    refunded_minor bigint NOT NULL DEFAULT 0,
    CONSTRAINT gateway_returns_what_it_took CHECK (
        refunded_minor = 0 OR (state = 'captured' AND refunded_minor <= amount_minor))
);
CREATE TABLE IF NOT EXISTS test_gateway.refund (
    refund_key text PRIMARY KEY,
    payment_key text NOT NULL REFERENCES test_gateway.payment,
    gateway_ref text NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'done', 'failed')),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    decides_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What the test gateway says of a payment at this moment.
CREATE OR REPLACE FUNCTION test_gateway.state_now(g test_gateway.payment) RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT CASE WHEN g.decides_at <= clock_timestamp()
                     AND (g.state = 'processing' OR (g.state = 'declined' AND g.token = 'tok_late'))
                THEN 'authorized' ELSE g.state END
$$;
