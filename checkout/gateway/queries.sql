-- name: gateway_is_ready
SELECT to_regproc('test_gateway.state_now') IS NOT NULL;

-- name: lock_gateway_schema
SELECT pg_advisory_xact_lock($1);

-- name: gateway_authorize
INSERT INTO test_gateway.payment (payment_key, gateway_ref, state, amount_minor, currency, decides_at, token)
VALUES ($1, 'test_' || left(md5($1), 16), $2, $3, $4, clock_timestamp() + make_interval(secs => $5), $6)
ON CONFLICT (payment_key) DO UPDATE SET payment_key = EXCLUDED.payment_key
RETURNING test_gateway.state_now(payment) AS state, gateway_ref, amount_minor;

-- name: gateway_capture
UPDATE test_gateway.payment g SET state = CASE
    WHEN test_gateway.state_now(g) = 'authorized' AND g.token <> $2 THEN 'captured' ELSE g.state END
WHERE payment_key = $1 RETURNING test_gateway.state_now(g) AS state, gateway_ref, amount_minor;

-- name: gateway_void
-- A payment that never arrived is barred, so that one still on its way cannot start afterwards.
INSERT INTO test_gateway.payment AS g (payment_key, gateway_ref, state, amount_minor, currency)
VALUES ($1, 'test_' || left(md5($1), 16), 'voided', 0, 'XXX')
ON CONFLICT (payment_key) DO UPDATE SET state = CASE WHEN g.state = 'captured'
    OR test_gateway.state_now(g) = 'declined' THEN g.state ELSE 'voided' END
RETURNING state, gateway_ref, amount_minor;

-- name: gateway_look_up
SELECT test_gateway.state_now(g) AS state, gateway_ref, amount_minor
FROM test_gateway.payment g WHERE payment_key = $1;

-- name: gateway_refund
-- Takes a refund up once for each key; the constraint refuses to return more than was taken.
WITH new AS (
    INSERT INTO test_gateway.refund (refund_key, payment_key, gateway_ref, state, amount_minor, decides_at)
    SELECT $2, $1, 'test_re_' || left(md5($2), 16), CASE WHEN g.token = $4 THEN 'failed'
           WHEN g.token = $5 THEN 'pending' ELSE 'done' END, $3, clock_timestamp() + make_interval(secs => $6)
    FROM test_gateway.payment g WHERE g.payment_key = $1 AND g.state = 'captured'
    ON CONFLICT (refund_key) DO NOTHING RETURNING payment_key, state, amount_minor)
UPDATE test_gateway.payment g SET refunded_minor = g.refunded_minor + new.amount_minor
FROM new WHERE g.payment_key = new.payment_key AND new.state <> 'failed';

-- name: gateway_read_refund
SELECT CASE WHEN state = 'pending' AND decides_at <= clock_timestamp() THEN 'done' ELSE state END AS state,
       gateway_ref
FROM test_gateway.refund WHERE refund_key = $1;

-- name: gateway_list_refunds
SELECT refund_key, gateway_ref, amount_minor,
       CASE WHEN state = 'pending' AND decides_at <= clock_timestamp() THEN 'done' ELSE state END AS state
FROM test_gateway.refund WHERE payment_key = $1 ORDER BY gateway_ref;

-- name: stripe_read
SELECT intent_id FROM stripe_payment WHERE payment_key = $1;

-- name: stripe_keep
-- The first to come decides, for good: an intent, or none and then never one. Two requests that write
-- the same intent at once may meet in either of the table's unique indexes.
INSERT INTO stripe_payment (payment_key, intent_id) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- name: stripe_payment_of
SELECT payment_key FROM stripe_payment WHERE intent_id = $1;
