-- name: place_holds
SELECT * FROM place_holds($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, false);

-- name: serve_wishes
SELECT serve_wishes($1);

-- name: read_wishes
SELECT k.sku, k.name, w.quantity FROM wish w JOIN sku k USING (sku_id)
WHERE w.session_id = $1 ORDER BY k.sku;

-- name: drop_wishes
SELECT drop_wishes(array_agg(a.admission_id)) FROM (
    SELECT admission_id FROM admission WHERE admission_id = $1 FOR NO KEY UPDATE) a;

-- name: expire_holds
SELECT expire_holds($1, $2);

-- name: change_hold
SELECT * FROM change_hold($1, $2, $3, $4);

-- name: extend_hold
SELECT extend_hold($1, $2, $3);

-- name: release_hold
SELECT end_holds(ARRAY[h.hold_id], 'released', false) FROM hold h
WHERE h.hold_id = $1 AND h.session_id = $2 AND h.state = 'held' AND NOT h.paying;

-- name: read_holds
-- All holds of one session, or the one asked for.
SELECT h.hold_id, h.session_id, h.state, h.paying, wall_time(h.expires_at) AS expires_at,
       extract(epoch FROM h.expires_at - shopper_now())::float8 AS seconds_left,
       m.hold_extensions_max - h.extensions AS extensions_left,
       k.sku, k.name, k.currency, l.quantity, l.price_minor
FROM hold h JOIN room m USING (room_id) JOIN hold_line l USING (hold_id) JOIN sku k USING (sku_id)
WHERE h.session_id = $1 AND ($2::uuid IS NULL OR h.hold_id = $2) AND l.quantity > 0
ORDER BY h.placed_at, h.hold_id, k.sku;

-- name: find_replay
SELECT hold_id FROM hold WHERE session_id = $1 AND idempotency_key = $2;

-- name: list_skus
SELECT k.sku, m.room, k.name, k.description, k.picture, k.price_minor, k.currency, k.limit_per_session,
       s.on_hand, s.held, s.sold,
       GREATEST(LEAST(s.on_hand - s.held - s.sold,
                      r.on_hand - r.held - r.sold - r.promised), 0) AS available
FROM sku k JOIN room m USING (room_id) JOIN stock s USING (sku_id) JOIN room_stock r USING (room_id)
WHERE ($1::text IS NULL OR m.room = $1) AND ($2::text IS NULL OR k.name ILIKE $2)
    AND k.sku > $3 AND (m.public OR $5)
ORDER BY k.sku LIMIT $4;

-- name: read_sku
SELECT k.sku, m.room, k.name, k.description, k.picture, k.price_minor, k.currency, k.limit_per_session,
       s.on_hand, s.held, s.sold,
       GREATEST(LEAST(s.on_hand - s.held - s.sold,
                      r.on_hand - r.held - r.sold - r.promised), 0) AS available
FROM sku k JOIN room m USING (room_id) JOIN stock s USING (sku_id) JOIN room_stock r USING (room_id)
WHERE k.sku = $1 AND (m.public OR $2);

-- name: add_sku
-- Adds a SKU, and the product of the same name where none is given.
WITH item AS (
    INSERT INTO product (product, room_id, name, description, picture)
    SELECT $1, m.room_id, $3, $4, $5 FROM room m WHERE m.room = $2
    RETURNING product_id, room_id),
new AS (
    INSERT INTO sku (sku, product_id, room_id, name, description, picture, price_minor, currency,
                     limit_per_session)
    SELECT $1, item.product_id, item.room_id, $3, $4, $5, $6, $7, $8 FROM item
    RETURNING sku_id)
INSERT INTO stock (sku_id) SELECT sku_id FROM new RETURNING sku_id;

-- name: move_stock
SELECT * FROM move_stock($1, $2, $3, $4, $5, $6, $7);

-- name: stock_at
-- The balances of a room's SKUs at a moment, from nothing but the movements until then.
SELECT k.sku, k.name, COALESCE(sum(m.on_hand), 0)::int AS on_hand, COALESCE(sum(m.held), 0)::int AS held,
       COALESCE(sum(m.sold), 0)::int AS sold,
       GREATEST(COALESCE(sum(m.on_hand - m.held - m.sold), 0), 0)::int AS available
FROM sku k JOIN room r USING (room_id) LEFT JOIN movement m ON m.sku_id = k.sku_id AND m.at <= $2
WHERE r.room = $1 AND ($3::text IS NULL OR k.sku = $3) AND k.sku > $4
    AND ($6::int IS NULL OR EXISTS (SELECT FROM product p WHERE p.product_id = k.product_id AND p.seller_id = $6))
GROUP BY k.sku, k.name ORDER BY k.sku LIMIT $5;

-- name: list_movements
-- The movements of one SKU, newest first, before a moment.
SELECT m.at, m.kind, m.quantity, m.who, m.reason, m.hold_id, m.order_id, m.on_hand, m.held, m.sold
FROM movement m JOIN sku k USING (sku_id) JOIN product p USING (product_id)
WHERE k.sku = $1 AND ($2::timestamptz IS NULL OR m.at < $2) AND ($4::int IS NULL OR p.seller_id = $4)
ORDER BY m.at DESC, m.kind LIMIT $3;

-- name: sku_in_scope
SELECT k.sku FROM sku k JOIN product p USING (product_id)
WHERE k.sku = $1 AND ($2::int IS NULL OR p.seller_id = $2);

-- name: read_breaches
SELECT * FROM conservation_breach;
