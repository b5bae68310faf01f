-- name: read_session
SELECT a.admission_id AS session_id, m.room, m.name AS room_name, a.state, a.end_reason,
       wall_time(a.expires_at) AS expires_at,
       extract(epoch FROM a.expires_at - shopper_now())::float8 AS seconds_left
FROM admission a JOIN room m USING (room_id) WHERE a.admission_id = $1;

-- name: end_session
SELECT end_session($1, $2);

-- name: start_payment
-- Marks the hold as being paid and writes the order, or says why not: a live order on the same
-- hold, a hold that is over. The hold's deadline moves once, by the payment window.
SELECT * FROM start_payment($1, $2, $3, $4, $5, $6, $7, $8);

-- name: read_orders
SELECT p.order_id, p.reference, p.session_id, m.room, p.hold_id, p.state, p.total_minor, p.currency,
       p.payment_token, p.gateway_ref, p.detail, p.pay_by <= shopper_now() AS overdue,
       p.created_at, p.paid_at, k.sku, k.name, l.quantity, l.price_minor
FROM purchase p JOIN room m USING (room_id) JOIN hold_line l USING (hold_id) JOIN sku k USING (sku_id)
WHERE p.session_id = $1 AND ($2::uuid IS NULL OR p.order_id = $2)
ORDER BY p.created_at DESC, p.order_id, k.sku;

-- name: read_order
SELECT p.order_id, p.reference, p.session_id, m.room, p.hold_id, p.state, p.total_minor, p.currency,
       p.payment_token, p.gateway_ref, p.detail, p.pay_by <= shopper_now() AS overdue,
       p.created_at, p.paid_at, k.sku, k.name, l.quantity, l.price_minor
FROM purchase p JOIN room m USING (room_id) JOIN hold_line l USING (hold_id) JOIN sku k USING (sku_id)
WHERE p.order_id = $1 ORDER BY k.sku;

-- name: list_orders
-- The newest orders of a room, before the cursor if there is one.
SELECT p.order_id, p.reference, p.state, p.total_minor, p.currency, p.created_at, p.paid_at, p.detail,
       (SELECT json_agg(json_build_object('sku', k.sku, 'name', k.name, 'quantity', l.quantity,
                                          'price_minor', l.price_minor) ORDER BY k.sku)
        FROM hold_line l JOIN sku k USING (sku_id) WHERE l.hold_id = p.hold_id)::text AS items
FROM purchase p JOIN room m USING (room_id)
WHERE m.room = $1 AND ($2::timestamptz IS NULL OR (p.created_at, p.order_id) < ($2, $3))
ORDER BY p.created_at DESC, p.order_id DESC LIMIT $4;

-- name: settle_order
SELECT settle_order($1, $2, $3, $4, $5);

-- name: list_unsettled
-- Orders that nobody has moved for a while: their worker died, or the gateway is slow.
SELECT order_id FROM purchase WHERE state IN ('authorizing', 'authorized', 'voiding')
    AND changed_at < clock_timestamp() - make_interval(secs => $1)
ORDER BY changed_at LIMIT $2;

-- name: touch_order
UPDATE purchase SET changed_at = clock_timestamp() WHERE order_id = $1;

-- name: gateway_authorize
INSERT INTO test_gateway_payment (payment_key, gateway_ref, state, amount_minor, currency, decides_at)
VALUES ($1, 'test_' || left(md5($1), 16), $2, $3, $4, clock_timestamp() + make_interval(secs => $5))
ON CONFLICT (payment_key) DO UPDATE SET payment_key = EXCLUDED.payment_key
RETURNING CASE WHEN test_gateway_payment.state = 'processing'
    AND test_gateway_payment.decides_at <= clock_timestamp() THEN 'authorized'
    ELSE test_gateway_payment.state END AS state, gateway_ref;

-- name: gateway_capture
UPDATE test_gateway_payment SET state = 'captured' WHERE payment_key = $1 AND (
    state IN ('authorized', 'captured') OR (state = 'processing' AND decides_at <= clock_timestamp()))
RETURNING state, gateway_ref;

-- name: gateway_void
-- A payment that never arrived is barred, so that one still on its way cannot start afterwards.
INSERT INTO test_gateway_payment (payment_key, gateway_ref, state, amount_minor, currency)
VALUES ($1, 'test_' || left(md5($1), 16), 'voided', 0, 'XXX')
ON CONFLICT (payment_key) DO UPDATE SET state = CASE WHEN test_gateway_payment.state IN
    ('captured', 'declined') THEN test_gateway_payment.state ELSE 'voided' END
RETURNING state, gateway_ref;

-- name: gateway_look_up
SELECT CASE WHEN state = 'processing' AND decides_at <= clock_timestamp() THEN 'authorized'
    ELSE state END AS state, gateway_ref
FROM test_gateway_payment WHERE payment_key = $1;
