-- name: place_holds
SELECT * FROM place_holds(ROW ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)::hold_batch, $14, false);

-- name: place_hold
SELECT * FROM place_hold($1, $2, $3, $4, $5, $6, $7, $8);

-- name: serve_wishes
SELECT serve_wishes($1, $2);

-- name: serve_wishes_beside
-- Serves the rooms of these SKUs.
SELECT serve_wishes($1, ARRAY(SELECT DISTINCT room_id FROM sku WHERE sku = ANY ($2::text[])));

-- name: rooms_to_serve
SELECT DISTINCT k.room_id FROM stock s JOIN sku k USING (sku_id)
WHERE s.wished > 0 AND s.on_hand - s.held - s.sold > 0 AND is_sold_for(k, '0');

-- name: read_wishes
SELECT k.sku, k.name, w.quantity FROM wish w JOIN sku k USING (sku_id)
WHERE w.session_id = $1 ORDER BY k.sku;

-- name: drop_wishes
SELECT give_up_wishes($1);

-- name: expire_holds
SELECT expire_holds($1, $2, $3);

-- name: rooms_to_expire
-- The limit makes PostgreSQL look into the index once for each room. Otherwise a plan made from no statistics
-- walks through every open hold.
WITH clock AS MATERIALIZED (SELECT shopper_now() AS t)
SELECT m.room_id FROM clock, room m, LATERAL (
    SELECT FROM hold h WHERE h.room_id = m.room_id AND h.state = 'held' AND NOT h.paying AND h.expires_at <= clock.t
    ORDER BY h.expires_at LIMIT 1) h;

-- name: rooms_with_times_passed
-- The rooms in which a sale has begun or ended since what is off sale was last counted.
SELECT o.room_id FROM off_sale o JOIN room m USING (room_id)
WHERE o.opened_to < clock_timestamp() - interval '2 seconds' AND (EXISTS (
    SELECT FROM sale_time t WHERE t.room_id = o.room_id
        AND t.on_sale_from > o.opened_to AND t.on_sale_from <= clock_timestamp())
    OR EXISTS (
    SELECT FROM sale_time t WHERE t.room_id = o.room_id AND t.on_sale_until > o.shut_to
        AND t.on_sale_until <= clock_timestamp() + make_interval(secs => m.claim_window_s)));

-- name: pass_times_of_sale
SELECT pass_times_of_sale($1);

-- name: change_hold
SELECT * FROM change_hold($1, $2, $3, $4);

-- name: extend_hold
SELECT extend_hold($1, $2, $3);

-- name: release_hold
SELECT end_holds(ARRAY[h.hold_id], 'released', false) FROM hold h
WHERE h.hold_id = $1 AND h.session_id = $2 AND h.state = 'held';

-- name: read_hold
-- One hold of a session, in whatever state.
SELECT * FROM shown_hold WHERE session_id = $1 AND hold_id = $2 ORDER BY sku;

-- name: read_held
-- The holds that a session has now. Those that are over may be many.
SELECT * FROM shown_hold WHERE session_id = $1 AND state = 'held' ORDER BY placed_at, hold_id, sku;

-- name: find_replay
SELECT hold_id FROM hold WHERE session_id = $1 AND idempotency_key = $2;

-- name: list_skus
SELECT * FROM list_skus($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: read_currency
SELECT currency FROM room WHERE room = $1;

-- name: read_sku
SELECT * FROM shown_sku
WHERE sku = $1 AND (public OR $2) AND ($3::int IS NULL OR seller_id = $3);

-- name: named_skus
SELECT * FROM shown_sku WHERE room = $1 AND sku = ANY($2::text[]) AND admitted ORDER BY sku;

-- name: add_sku
SELECT add_sku($1, $2, $3, $4::jsonb, $5, $6);

-- name: change_sku
SELECT change_sku($1, $2::jsonb, $3, $4, $5);

-- name: delete_sku
SELECT delete_sku($1, $2, $3);

-- name: list_sku_changes
-- What became of a SKU, newest first, before a change.
SELECT change_id, at, what, changes::text AS changes, who, reason FROM sku_change
WHERE sku = $1 AND ($2::bigint IS NULL OR change_id < $2) AND ($4::int IS NULL OR seller_id = $4)
ORDER BY change_id DESC LIMIT $3;

-- name: list_products
SELECT * FROM list_products($1, $2, $3, $4, $5, $6, $7);

-- name: read_product
SELECT * FROM shown_product p
WHERE p.product = $1 AND ($3::int IS NULL OR p.seller_id = $3)
    AND ($2 OR (p.public AND EXISTS (SELECT FROM sku k WHERE k.product_id = p.product_id)));

-- name: list_variants
-- The first SKUs of each of these products.
SELECT v.* FROM unnest($1::int[]) AS i(product_id), LATERAL (
    SELECT * FROM shown_sku x WHERE x.product_id = i.product_id ORDER BY x.sku LIMIT $2) v;

-- name: add_product
SELECT add_product($1, $2, $3::jsonb, $4, $5);

-- name: change_product
SELECT change_product($1, $2::jsonb, $3, $4, $5);

-- name: delete_product
SELECT delete_product($1, $2, $3);

-- name: find_seller
SELECT operator_id FROM operator WHERE name = $1 AND role = 'seller';

-- name: begin_import
SELECT begin_import();

-- name: plan_import
SELECT plan_import($1, $2, $3, $4);

-- name: count_fates
SELECT count(*) AS rows, count(*) FILTER (WHERE fate = 'added') AS added,
       count(*) FILTER (WHERE fate = 'changed') AS changed,
       count(*) FILTER (WHERE fate = 'unchanged') AS unchanged,
       count(*) FILTER (WHERE fate = 'refused') AS refused,
       COALESCE(sum(receive) FILTER (WHERE received_at IS NULL), 0)::bigint AS received,
       COALESCE(sum(receive) FILTER (WHERE received_at IS NOT NULL), 0)::bigint AS received_before
FROM import_row;

-- name: list_fates
-- What became of the rows, or of the refused ones alone; with a bound, of the first of each fate.
SELECT line, sku, fate, changes::text AS changes, receive, received_at IS NOT NULL AS received,
       received_at, received_by, problems
FROM (SELECT r.*, row_number() OVER (PARTITION BY r.fate ORDER BY r.line) AS nth FROM import_row r
      WHERE NOT $1 OR r.fate = 'refused') x
WHERE $2::int IS NULL OR nth <= $2 ORDER BY line;

-- name: apply_import
SELECT apply_import($1, $2, $3, $4, $5);

-- name: room_exists
SELECT EXISTS (SELECT FROM room WHERE room = $1);

-- name: export_skus
-- The page is cut out by its index before anything is joined, so that a plan without statistics, just
-- after a large import, does not sort the room for each page.
SELECT p.product, k.sku, p.name AS product_name, p.description AS product_description,
       p.picture AS product_picture, k.name, k.variant, k.description, k.picture, k.price_minor, k.currency,
       k.limit_per_order, k.limit_per_session, k.limit_per_customer, k.on_sale_from, k.on_sale_until, k.low_at
FROM (SELECT x.* FROM sku x WHERE x.room_id = (SELECT room_id FROM room WHERE room = $1) AND x.sku > $2
          AND ($4::int IS NULL OR EXISTS (
              SELECT FROM product y WHERE y.product_id = x.product_id AND y.seller_id = $4))
      ORDER BY x.sku LIMIT $3) k
JOIN product p USING (product_id) ORDER BY k.sku;

-- name: move_stock
SELECT * FROM move_stock($1, $2, $3, $4, $5, $6, $7);

-- name: stock_at
-- The balances of a room's SKUs at a moment: those of now, less every movement since. The check of the books
-- counts the present ones from all movements.
SELECT k.sku, k.name, (s.on_hand - COALESCE(sum(m.on_hand), 0))::int AS on_hand,
       (s.held - COALESCE(sum(m.held), 0))::int AS held, (s.sold - COALESCE(sum(m.sold), 0))::int AS sold,
       GREATEST(s.on_hand - s.held - s.sold - COALESCE(sum(m.on_hand - m.held - m.sold), 0), 0)::int AS available
FROM sku k JOIN room r USING (room_id) JOIN stock s USING (sku_id)
LEFT JOIN (SELECT x.sku_id, x.on_hand, x.held, x.sold FROM movement x WHERE x.at > $2) m USING (sku_id)
WHERE r.room = $1 AND ($3::text IS NULL OR k.sku = $3) AND k.sku > $4
    AND ($6::int IS NULL OR EXISTS (SELECT FROM product p WHERE p.product_id = k.product_id AND p.seller_id = $6))
GROUP BY k.sku, k.name, s.sku_id ORDER BY k.sku LIMIT $5;

-- name: list_movements
-- The movements of one SKU between two moments, newest first.
SELECT m.at, m.kind, m.quantity, m.who, m.reason, m.hold_id, m.order_id, m.on_hand, m.held, m.sold
FROM movement m JOIN sku k USING (sku_id) JOIN product p USING (product_id)
WHERE k.sku = $1 AND m.at < $2 AND m.at >= $5 AND ($4::int IS NULL OR p.seller_id = $4)
ORDER BY m.at DESC, m.kind LIMIT $3;

-- name: sku_in_scope
SELECT k.sku FROM sku k JOIN product p USING (product_id)
WHERE k.sku = $1 AND ($2::int IS NULL OR p.seller_id = $2);

-- name: read_breaches
SELECT * FROM conservation_breach;
