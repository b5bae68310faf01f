-- name: place_holds
SELECT * FROM place_holds($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13);

-- name: expire_holds
SELECT expire_holds($1, $2);

-- name: change_hold
SELECT * FROM change_hold($1, $2, $3, $4);

-- name: extend_hold
SELECT extend_hold($1, $2);

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
WHERE h.session_id = $1 AND ($2::uuid IS NULL OR h.hold_id = $2)
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
SELECT move_stock($1, $2, $3, $4, $5);

-- name: read_breaches
SELECT * FROM conservation_breach;
