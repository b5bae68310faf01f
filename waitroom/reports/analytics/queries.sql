-- name: read_sales
-- What was paid and what went back, by the number of the step, for a seller or for everybody.
SELECT floor(extract(epoch FROM x.at - $2) / $4)::int AS step, sum(x.orders)::bigint AS orders,
       sum(x.units)::bigint AS units, sum(x.sold_minor)::bigint AS sold_minor,
       sum(x.units_refunded)::bigint AS units_refunded, sum(x.refunded_minor)::bigint AS refunded_minor
FROM (
    SELECT p.paid_at AS at, 1 AS orders, sum(l.quantity) AS units, sum(l.quantity * l.price_minor) AS sold_minor,
           0 AS units_refunded, 0 AS refunded_minor
    FROM purchase p JOIN purchase_line l USING (order_id)
    WHERE p.room_id = $1 AND p.paid_at >= $2 AND p.paid_at < $3 AND ($5::int IS NULL OR l.seller_id = $5)
    GROUP BY p.order_id
    UNION ALL
    SELECT r.ended_at, 0, 0, 0, s.units, s.share_minor
    FROM refund r JOIN purchase p USING (order_id) CROSS JOIN LATERAL shares_of_refund(r.refund_id) s
    JOIN purchase_line l ON l.order_id = r.order_id AND l.sku_id = s.sku_id
    WHERE r.state = 'done' AND r.ended_at >= $2 AND r.ended_at < $3 AND p.room_id = $1 AND p.paid_at IS NOT NULL
        AND ($5::int IS NULL OR l.seller_id = $5)) x
GROUP BY 1;

-- name: read_sku_sales
-- The same for the SKUs that brought most, and in a row without a SKU for all others together.
WITH sold AS (
    SELECT l.sku_id, count(*) AS orders, sum(l.quantity) AS units, sum(l.quantity * l.price_minor) AS sold_minor
    FROM purchase p JOIN purchase_line l USING (order_id)
    WHERE p.room_id = $1 AND p.paid_at >= $2 AND p.paid_at < $3 AND ($4::int IS NULL OR l.seller_id = $4)
    GROUP BY l.sku_id),
back AS (
    SELECT s.sku_id, sum(s.units) AS units_refunded, sum(s.share_minor) AS refunded_minor
    FROM refund r JOIN purchase p USING (order_id) CROSS JOIN LATERAL shares_of_refund(r.refund_id) s
    JOIN purchase_line l ON l.order_id = r.order_id AND l.sku_id = s.sku_id
    WHERE r.state = 'done' AND r.ended_at >= $2 AND r.ended_at < $3 AND p.room_id = $1 AND p.paid_at IS NOT NULL
        AND ($4::int IS NULL OR l.seller_id = $4) AND (s.units > 0 OR s.share_minor > 0)
    GROUP BY s.sku_id),
placed AS (
    SELECT k.sku, k.name, x.*, row_number() OVER (ORDER BY COALESCE(x.sold_minor, 0) DESC, k.sku) AS place
    FROM (sold FULL JOIN back USING (sku_id)) x JOIN sku k USING (sku_id))
SELECT CASE WHEN place <= $5 THEN sku END AS sku, CASE WHEN place <= $5 THEN name END AS name, count(*) AS skus,
       COALESCE(sum(orders), 0)::bigint AS orders, COALESCE(sum(units), 0)::bigint AS units,
       COALESCE(sum(sold_minor), 0)::bigint AS sold_minor,
       COALESCE(sum(units_refunded), 0)::bigint AS units_refunded,
       COALESCE(sum(refunded_minor), 0)::bigint AS refunded_minor
FROM placed GROUP BY 1, 2 ORDER BY min(place);

-- name: read_walk
SELECT (SELECT COALESCE(sum(j.last_number - j.first_number + 1), 0)::bigint FROM numbers_joined($1, $2, $3) j) AS joined,
       count(a.called_at) AS called, count(a.claimed_at) AS claimed,
       count(*) FILTER (WHERE a.claimed_at IS NOT NULL AND EXISTS (
           SELECT FROM hold h WHERE h.session_id = a.admission_id)) AS held,
       count(*) FILTER (WHERE a.claimed_at IS NOT NULL AND EXISTS (
           SELECT FROM purchase p WHERE p.session_id = a.admission_id AND p.paid_at IS NOT NULL)) AS paid
FROM numbers_joined($1, $2, $3) j
JOIN admission a ON a.line_id = j.line_id AND a.number BETWEEN j.first_number AND j.last_number;

-- name: read_outcomes
-- A hold whose key is its own id was written for money that came late.
SELECT h.state AS outcome, count(*) AS count,
       percentile_cont(ARRAY[0.5, 0.9])
           WITHIN GROUP (ORDER BY extract(epoch FROM h.ended_at - h.placed_at)::float8) AS times
FROM hold h WHERE h.room_id = $1 AND h.placed_at >= $2 AND h.placed_at < $3 AND h.idempotency_key <> h.hold_id
    AND ($4::int IS NULL OR EXISTS (
        SELECT FROM hold_line l JOIN sku k USING (sku_id) JOIN product d USING (product_id)
        WHERE l.hold_id = h.hold_id AND l.quantity > 0 AND d.seller_id = $4))
GROUP BY h.state;

-- name: read_pay_times
SELECT count(*) AS orders, percentile_cont(ARRAY[0.5, 0.9, 0.99])
       WITHIN GROUP (ORDER BY extract(epoch FROM p.paid_at - h.placed_at)::float8) AS times
FROM purchase p JOIN hold h ON h.hold_id = p.hold_id
WHERE p.room_id = $1 AND p.paid_at >= $2 AND p.paid_at < $3 AND h.idempotency_key <> h.hold_id
    AND ($4::int IS NULL OR EXISTS (
        SELECT FROM purchase_line l WHERE l.order_id = p.order_id AND l.seller_id = $4));

-- name: list_moves
-- The joins of the span, and the calls from its beginning on: those among the next entries after one.
SELECT e.body FROM log_between($1, $2::bigint + 1, $2 + $4::bigint) e
WHERE e.body LIKE '%"kind": "called"%' OR (e.body LIKE '%"kind": "joined"%' AND e.seq < $3::bigint)
ORDER BY e.seq;

-- name: read_bounds
-- The entries at which a span begins and ends, and the last one of the log.
SELECT log_seq_at($1, $2) AS first, log_seq_at($1, $3) AS behind, h.seq AS last FROM log_head h WHERE h.room_id = $1;
