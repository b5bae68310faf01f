-- The test gateway.

-- The test gateway's own books. It stands for a company elsewhere: nothing else reads them. The
-- token says what becomes of the payment later on; `decides_at` is when.
CREATE TABLE test_gateway_payment (
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
CREATE TABLE test_gateway_refund (
    refund_key text PRIMARY KEY,
    payment_key text NOT NULL REFERENCES test_gateway_payment,
    gateway_ref text NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'done', 'failed')),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    decides_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What the test gateway says of a payment at this moment.
CREATE FUNCTION test_gateway_state(g test_gateway_payment) RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT CASE WHEN g.decides_at <= clock_timestamp()
                     AND (g.state = 'processing' OR (g.state = 'declined' AND g.token = 'tok_late'))
                THEN 'authorized' ELSE g.state END
$$;
