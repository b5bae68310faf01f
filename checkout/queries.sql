-- name: read_session
SELECT a.admission_id AS session_id, m.room, m.name AS room_name, a.state, a.end_reason,
       a.customer_id IS NOT NULL AS customer_bound, m.customers_only AS customer_needed,
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
-- All orders of one session, newest first, or the one asked for.
SELECT order_id, reference, session_id, customer_id, room, hold_id, state, total_minor, currency,
       refunded_minor, refunding_minor, gateway, payment_token, gateway_ref, detail, called_off,
       pay_by <= shopper_now() AS overdue, created_at, paid_at, lines
FROM full_order WHERE session_id = $1 AND ($2::uuid IS NULL OR order_id = $2)
ORDER BY created_at DESC, order_id;

-- name: read_order
SELECT order_id, reference, session_id, customer_id, room, hold_id, state, total_minor, currency,
       refunded_minor, refunding_minor, gateway, payment_token, gateway_ref, detail, called_off,
       pay_by <= shopper_now() AS overdue, created_at, paid_at, lines
FROM full_order WHERE order_id = $1;

-- name: settle_order
SELECT settle_order($1, $2, $3, $4, $5);

-- name: take_late_money
SELECT take_late_money($1, $2, $3);

-- name: expire_for
SELECT expire_holds($1, $2);

-- name: list_unsettled
-- Orders that nobody has moved for a while: their worker died, or the gateway is slow. Money that the
-- gateway has refused to give back waits for an operator.
SELECT p.order_id FROM purchase p WHERE p.state IN ('authorizing', 'authorized', 'voiding', 'returning')
    AND p.gateway = $3 AND p.changed_at < clock_timestamp() - make_interval(secs => $1)
    AND NOT (p.state = 'returning' AND EXISTS (
        SELECT FROM refund r WHERE r.order_id = p.order_id AND r.state = 'failed'))
ORDER BY p.changed_at LIMIT $2;

-- name: touch_order
UPDATE purchase SET changed_at = clock_timestamp() WHERE order_id = $1;

-- name: read_money_breaches
SELECT * FROM money_breach;

-- name: ask_refund
SELECT * FROM ask_refund($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12);

-- name: call_off_order
SELECT call_off_order($1, $2, $3, $4, $5);

-- name: give_back
SELECT give_back($1, $2);

-- name: finish_refund
SELECT finish_refund($1, $2, $3, $4);

-- name: read_refunds
-- The refunds of one order, oldest first, or the one asked for.
SELECT * FROM full_refund WHERE ($1::uuid IS NULL OR order_id = $1) AND ($2::uuid IS NULL OR refund_id = $2)
ORDER BY asked_at, refund_id;

-- name: list_asked_refunds
SELECT r.refund_id FROM refund r JOIN purchase p USING (order_id) WHERE r.state = 'asked'
    AND p.gateway = $3 AND r.changed_at < clock_timestamp() - make_interval(secs => $1)
ORDER BY r.changed_at LIMIT $2;

-- name: touch_refund
UPDATE refund SET changed_at = clock_timestamp() WHERE refund_id = $1;

-- name: bind_customer
SELECT * FROM bind_customer($1, $2, $3, $4);

-- name: list_customer_orders
-- A customer's orders of all sessions, newest first, after the cursor if there is one.
SELECT o.*, o.pay_by <= shopper_now() AS overdue FROM full_order o JOIN customer c USING (customer_id)
WHERE c.issuer = $1 AND c.subject = $2
    AND ($3::timestamptz IS NULL OR (o.created_at <= $3 AND (o.created_at < $3 OR o.order_id > $4)))
ORDER BY o.created_at DESC, o.order_id LIMIT $5;

-- name: read_customer_order
SELECT o.*, o.pay_by <= shopper_now() AS overdue FROM full_order o JOIN customer c USING (customer_id)
WHERE c.issuer = $1 AND c.subject = $2 AND o.order_id = $3;

-- name: read_customer_data
SELECT customer_data($1, $2)::text;

-- name: erase_customer
SELECT * FROM erase_customer($1, $2);
