-- name: list_session_orders
-- The orders of a browser's sessions, newest first, after the cursor if there is one.
SELECT document FROM full_order WHERE session_id = ANY($1::bigint[])
    AND ($2::timestamptz IS NULL OR (created_at <= $2 AND (created_at < $2 OR order_id > $3)))
ORDER BY created_at DESC, order_id LIMIT $4;

-- name: find_room
SELECT room_id, name, currency FROM room WHERE room = $1;

-- name: find_sku
SELECT k.sku_id FROM sku k JOIN product d USING (product_id)
WHERE k.sku = $1 AND k.room_id = $2 AND ($3::int IS NULL OR d.seller_id = $3 OR EXISTS (
    SELECT FROM purchase_line l WHERE l.sku_id = k.sku_id AND l.seller_id = $3));

-- name: list_scoped_rooms
-- The rooms that admit a seller, or in which they have products or have sold some; or all of them.
SELECT m.room, m.name FROM room m
WHERE $1::int IS NULL OR EXISTS (SELECT FROM product d WHERE d.room_id = m.room_id AND d.seller_id = $1)
    OR EXISTS (SELECT FROM room_seller s WHERE (s.room_id, s.seller_id) = (m.room_id, $1))
    OR m.room_id IN (SELECT k.room_id FROM purchase_line l JOIN sku k USING (sku_id) WHERE l.seller_id = $1)
ORDER BY m.name, m.room;

-- name: list_room_orders
-- A room's orders of those wanted, newest first, after the cursor if there is one; for a seller their part.
SELECT order_document(x, $8)::text AS document, CASE WHEN $8::int IS NULL THEN c.email END AS customer_email
FROM find_orders($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) x
LEFT JOIN customer c ON c.customer_id = x.customer_id
ORDER BY x.created_at DESC, x.order_id;

-- name: read_file
-- One order with its hold, its number in line and its customer; no document for a seller without a part in it.
SELECT order_document(p, $2)::text AS document, CASE WHEN $2::int IS NULL THEN c.email END AS customer_email,
       h.placed_at AS hold_placed_at, h.idempotency_key = h.hold_id AS taken_again, p.changed_at, p.sold_at,
       l.line, a.number, c.issuer AS customer_issuer, c.subject AS customer_subject,
       t.gateway, gateway_ref_of(p.order_id) AS gateway_ref
FROM purchase p JOIN hold h ON h.hold_id = p.hold_id JOIN payment_attempt t ON t.order_id = p.order_id
JOIN admission a ON a.admission_id = p.session_id JOIN line l ON l.line_id = a.line_id
LEFT JOIN customer c ON c.customer_id = p.customer_id
WHERE p.order_id = $1;

-- name: list_refund_parts
-- An order's refunds, oldest first; for a seller the part of each that is for their products.
SELECT f.refund_id, f.order_id, f.stage, part.amount_minor, f.currency, f.gateway, f.restock, f.by_hand, f.outside, f.who,
       f.reason, f.detail, f.asked_at, f.ended_at, f.done_at, part.items
FROM full_refund f, LATERAL part_of_refund(f.refund_id, $2) part
WHERE f.order_id = $1 AND ($2::int IS NULL OR part.amount_minor > 0 OR part.items <> '[]')
ORDER BY f.asked_at, f.refund_id;

-- name: list_answers
-- What the gateway said of an order's payment and of its refunds, in order.
SELECT e.at, e.said, e.refund_id, e.amount_minor, e.gateway_ref, e.detail
FROM payment_event e WHERE e.order_id = $1 ORDER BY e.event_id;

-- name: list_notes
-- Units of an order that were put back on the shelf, and who called it off.
SELECT v.at, 'returned' AS what, v.who, v.reason AS why, k.sku, v.quantity AS units
FROM stock_movement v JOIN sku k USING (sku_id) JOIN purchase_line l USING (order_id, sku_id)
WHERE v.order_id = $1 AND ($2::int IS NULL OR l.seller_id = $2)
UNION ALL
SELECT a.at, 'called_off', a.who, a.reason, NULL, NULL
FROM operator_action a JOIN purchase p ON p.reference = a.detail ->> 'order'
WHERE a.action = 'cancel' AND p.order_id = $1
ORDER BY at, sku;
