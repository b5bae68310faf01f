-- name: read_sessions
SELECT a.admission_id AS session_id, a.number, m.room, m.name AS room_name, m.language, a.state, a.end_reason,
       a.customer_id IS NOT NULL AS customer_bound, m.customers_only AS customer_needed,
       wall_time(a.expires_at) AS expires_at,
       extract(epoch FROM a.expires_at - shopper_now())::float8 AS seconds_left
FROM admission a JOIN room m USING (room_id) WHERE a.admission_id = ANY ($1::bigint[]) AND a.expires_at IS NOT NULL;

-- name: sessions_about
-- Of the sessions that one browser carries: which are live, and which have the hold or the order, or sell
-- one of the SKUs.
SELECT a.admission_id AS session_id, a.state = 'claimed' AS live,
       EXISTS (SELECT FROM hold h WHERE h.hold_id = $2 AND h.session_id = a.admission_id)
       OR EXISTS (SELECT FROM purchase p WHERE p.order_id = $3 AND p.session_id = a.admission_id)
       OR (a.state = 'claimed' AND EXISTS (
           SELECT FROM sku k WHERE k.sku = ANY($4::text[]) AND k.room_id = a.room_id)) AS has_it
FROM admission a WHERE a.admission_id = ANY($1::bigint[]);

-- name: end_session
SELECT end_session($1, $2);

-- name: start_payment
-- Marks the hold as being paid and writes the order, or says why not: a live order on the same
-- hold, a hold that is over. The hold's deadline moves once, by the payment window.
SELECT * FROM start_payment($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- name: mail_order
-- The message waits for the order to be paid. Its facts are those of the order as it was placed.
INSERT INTO mail (address, kind, facts)
SELECT $2, 'bought', jsonb_build_object('order_id', p.order_id, 'number', p.reference, 'room', m.room,
        'name', m.name, 'total_minor', p.total_minor, 'currency', p.currency, 'language', $3::text, 'path', $4::text,
        'items', (SELECT jsonb_agg(jsonb_build_object('name', l.name, 'quantity', l.quantity) ORDER BY l.sku_id)
                  FROM purchase_line l WHERE l.order_id = p.order_id))
FROM purchase p JOIN room m USING (room_id) WHERE p.order_id = $1
ON CONFLICT ((facts ->> 'order_id')) WHERE kind = 'bought' DO NOTHING;

-- name: order_of_hold
-- The order that a hold was sold to.
SELECT p.order_id, p.paid_at IS NOT NULL AS is_paid FROM purchase p
WHERE p.session_id = $1 AND p.hold_id = $2 AND p.sold_at IS NOT NULL;

-- name: read_orders
-- All orders of one session, newest first, or the one asked for.
SELECT document FROM full_order WHERE session_id = $1 AND ($2::uuid IS NULL OR order_id = $2)
ORDER BY created_at DESC, order_id;

-- name: read_order
SELECT document FROM full_order WHERE order_id = $1;

-- name: read_attempt
SELECT p.order_id, p.state, p.called_off, p.pay_by <= shopper_now() AS overdue, p.detail,
       ARRAY(SELECT k.sku FROM purchase_line l JOIN sku k USING (sku_id)
             WHERE l.order_id = p.order_id ORDER BY k.sku) AS skus,
       a.gateway, a.payment_token, a.amount_minor, a.currency
FROM purchase p JOIN payment_attempt a USING (order_id) WHERE p.order_id = $1;

-- name: note_payment
SELECT note_payment($1, $2, $3, $4, $5, $6);

-- name: settle_order
-- The answer is noted before anything is locked.
SELECT settle_order($1, $2, $3, $4) FROM note_payment($1, NULL, $5, $6, $7, $8);

-- name: take_late_money
SELECT take_late_money($1, $2) FROM note_payment($1, NULL, $3, $4, $5, $6);

-- name: expire_for
SELECT expire_holds($1, $2, NULL);

-- name: take_orders
-- Leases orders that are still moving and have no driver: their worker died, or the gateway is slow.
-- Money that the gateway has refused to give back waits for an operator.
WITH idle AS (
    SELECT p.order_id FROM purchase p JOIN payment_attempt a USING (order_id)
    WHERE p.state IN ('authorizing', 'authorized', 'voiding', 'returning') AND a.gateway = $1
        AND p.driven_until <= clock_timestamp()
        AND NOT (p.state = 'returning' AND waits_for_operator(p.order_id))
    ORDER BY p.changed_at LIMIT $3 FOR NO KEY UPDATE OF p SKIP LOCKED)
UPDATE purchase p SET drives = p.drives + 1, driven_until = clock_timestamp() + make_interval(secs => $2),
    driven_by = $4
FROM idle WHERE p.order_id = idle.order_id
RETURNING p.order_id, p.drives, p.room_id, p.state = 'authorizing' AS awaited;

-- name: take_order
UPDATE purchase p SET drives = p.drives + 1, driven_until = clock_timestamp() + make_interval(secs => $2),
    driven_by = $3
WHERE p.order_id = $1 AND p.driven_until <= clock_timestamp()
    AND p.state IN ('authorizing', 'authorized', 'voiding', 'returning') RETURNING true;

-- name: let_go_order
UPDATE purchase SET driven_until = clock_timestamp(), driven_by = NULL
WHERE session_id = $1 AND idempotency_key = $2 AND driven_by = $3
    AND state IN ('authorizing', 'authorized', 'voiding', 'returning');

-- name: put_off_order
-- An order that another process drives by now is left to it.
UPDATE purchase SET driven_until = clock_timestamp() + make_interval(secs => $2), driven_by = NULL
WHERE order_id = $1 AND driven_by IS NOT DISTINCT FROM $3;

-- name: find_unknown_payments
-- Payments at gateways that no process asks any more, whose time to be paid is over. Until ten minutes after
-- its last lease, a process with the settings of before may still drive one.
SELECT p.order_id, a.gateway FROM purchase p JOIN payment_attempt a USING (order_id)
WHERE p.state IN ('authorizing', 'voiding') AND a.gateway <> $1
    AND p.driven_until <= clock_timestamp() - interval '10 minutes' AND p.pay_by <= shopper_now()
ORDER BY p.changed_at LIMIT $2;

-- name: end_unknown_payment
SELECT end_unknown_payment($1, $2);

-- name: count_money_elsewhere
-- Orders and refunds that have not come to rest at gateways other than this one.
SELECT a.gateway, count(*) FILTER (WHERE x.is_order) AS orders, count(*) FILTER (WHERE NOT x.is_order) AS refunds
FROM (
    SELECT p.order_id, true AS is_order FROM purchase p
    WHERE p.state IN ('authorizing', 'authorized', 'voiding', 'returning')
    UNION ALL
    SELECT r.order_id, false FROM refund r WHERE r.state = 'asked') x
JOIN payment_attempt a USING (order_id) WHERE a.gateway <> $1 GROUP BY a.gateway ORDER BY a.gateway;

-- name: read_money_breaches
SELECT * FROM money_breach;

-- name: ask_refund
SELECT * FROM ask_refund($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12);

-- name: call_off_order
SELECT call_off_order($1, $2, $3, $4, $5);

-- name: give_back
SELECT give_back($1, $2);

-- name: finish_refund
SELECT finish_refund($2, $3, $4) FROM note_payment($1, $2, $5, $6, $7, $8);

-- name: read_refunds
-- The refunds of one order, oldest first, or the one asked for.
SELECT * FROM full_refund WHERE ($1::uuid IS NULL OR order_id = $1) AND ($2::uuid IS NULL OR refund_id = $2)
ORDER BY asked_at, refund_id;

-- name: take_refunds
-- Leases refunds that were asked and have no driver.
WITH idle AS (
    SELECT r.refund_id FROM refund r JOIN payment_attempt a USING (order_id)
    WHERE r.state = 'asked' AND NOT r.outside AND a.gateway = $1 AND r.driven_until <= clock_timestamp()
    ORDER BY r.asked_at LIMIT $3 FOR NO KEY UPDATE OF r SKIP LOCKED)
UPDATE refund r SET drives = r.drives + 1, driven_until = clock_timestamp() + make_interval(secs => $2),
    driven_by = $4
FROM idle WHERE r.refund_id = idle.refund_id RETURNING r.refund_id, r.drives,
    (SELECT p.room_id FROM purchase p WHERE p.order_id = r.order_id);

-- name: put_off_refund
UPDATE refund SET driven_until = clock_timestamp() + make_interval(secs => $2), driven_by = NULL
WHERE refund_id = $1 AND driven_by IS NOT DISTINCT FROM $3;

-- name: beat_lease_holder
SELECT beat_lease_holder($1);

-- name: free_forgotten
-- Frees the leases that a process holds for work of which it does not know ($2 is all that it drives), unless they
-- have more than $3 seconds left: of those a reply may still tell. Returns how many there were.
WITH orders AS (
    UPDATE purchase p SET driven_until = clock_timestamp(), driven_by = NULL FROM (
        SELECT x.order_id FROM purchase x WHERE x.driven_by = $1
            AND x.state IN ('authorizing', 'authorized', 'voiding', 'returning')
            AND x.driven_until BETWEEN clock_timestamp() AND clock_timestamp() + make_interval(secs => $3)
            AND x.order_id <> ALL($2::uuid[]) FOR NO KEY UPDATE SKIP LOCKED) d
    WHERE p.order_id = d.order_id RETURNING 1),
refunds AS (
    UPDATE refund r SET driven_until = clock_timestamp(), driven_by = NULL FROM (
        SELECT x.refund_id FROM refund x WHERE x.driven_by = $1 AND x.state = 'asked'
            AND x.driven_until BETWEEN clock_timestamp() AND clock_timestamp() + make_interval(secs => $3)
            AND x.refund_id <> ALL($2::uuid[]) FOR NO KEY UPDATE SKIP LOCKED) d
    WHERE r.refund_id = d.refund_id RETURNING 1)
SELECT (SELECT count(*) FROM orders) + (SELECT count(*) FROM refunds);

-- name: end_leases
SELECT end_leases($1);

-- name: count_moving_money
-- Every state has a row, so that a figure goes back to 0. What no process has taken up for ten minutes is stuck
-- however few its tries: its gateway may no longer be configured.
SELECT 'order' AS kind, s.state, count(p.order_id) AS moving,
       COALESCE(extract(epoch FROM clock_timestamp() - min(p.changed_at)), 0)::float8 AS oldest_s,
       count(*) FILTER (WHERE (p.drives >= $1 AND p.state <> 'authorizing')
           OR p.driven_until <= clock_timestamp() - interval '10 minutes' OR (p.state = 'returning' AND waits_for_operator(p.order_id))) AS stuck
FROM unnest(ARRAY['authorizing', 'authorized', 'voiding', 'returning']) s(state)
LEFT JOIN purchase p ON p.state = s.state AND p.state IN ('authorizing', 'authorized', 'voiding', 'returning')
GROUP BY s.state
UNION ALL
SELECT 'refund', 'asked', count(*),
       COALESCE(extract(epoch FROM clock_timestamp() - min(r.asked_at)), 0)::float8,
       count(*) FILTER (WHERE r.drives >= $1 OR (
           NOT r.outside AND r.driven_until <= clock_timestamp() - interval '10 minutes'))
FROM refund r WHERE r.state = 'asked'
UNION ALL
SELECT 'refund', x.state, count(r.refund_id), 0, count(r.refund_id) FILTER (WHERE x.state = 'failed')
FROM unnest(ARRAY['done', 'failed']) x(state)
LEFT JOIN refund r ON r.state = x.state AND r.ended_at > clock_timestamp() - interval '1 day'
GROUP BY x.state;

-- name: count_recent_orders
SELECT s.state, count(p.order_id) AS placed
FROM unnest(ARRAY['authorizing', 'authorized', 'paid', 'declined', 'voiding', 'cancelled', 'returning', 'refunded'])
    s(state)
LEFT JOIN purchase p ON p.state = s.state AND p.created_at > clock_timestamp() - interval '1 hour'
GROUP BY s.state;

-- name: take_in_refund
SELECT take_in_refund($1, $2, $3, $4, $5, $6);

-- name: take_comparison
SELECT order_id, created_at FROM take_comparison($1, $2, $3);

-- name: advance_comparison
UPDATE gateway_comparison SET after_at = $2, after_id = $3, compared = compared + $4, found = found + $5,
    open = open + $6, driven_until = clock_timestamp() WHERE gateway = $1;

-- name: bind_customer
SELECT * FROM bind_customer($1, $2, $3, $4);

-- name: list_customer_orders
-- A customer's orders of all sessions, newest first, after the cursor if there is one.
SELECT o.document FROM full_order o JOIN customer c USING (customer_id)
WHERE c.issuer = $1 AND c.subject = $2
    AND ($3::timestamptz IS NULL OR (o.created_at <= $3 AND (o.created_at < $3 OR o.order_id > $4)))
ORDER BY o.created_at DESC, o.order_id LIMIT $5;

-- name: read_customer_order
SELECT o.document FROM full_order o JOIN customer c USING (customer_id)
WHERE c.issuer = $1 AND c.subject = $2 AND o.order_id = $3;

-- name: read_customer_data
SELECT customer_data($1, $2)::text;

-- name: erase_customer
SELECT * FROM erase_customer($1, $2);
