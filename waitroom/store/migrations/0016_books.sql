-- The check of the books: what moved stock, and every way in which the balances could disagree with it.

-- Movements that were archived with their room, summed up for each SKU. `until` is the last of them.
-- `confirmed` are units of holds that became orders, `returned` those of them that came back.
CREATE TABLE archived_stock (
    sku_id int PRIMARY KEY REFERENCES sku,
    received bigint NOT NULL DEFAULT 0 CHECK (received >= 0),
    adjusted bigint NOT NULL DEFAULT 0,
    confirmed bigint NOT NULL DEFAULT 0 CHECK (confirmed >= 0),
    returned bigint NOT NULL DEFAULT 0 CHECK (returned >= 0),
    until timestamptz NOT NULL
);

-- What was received, adjusted or returned has a row of its own. A hold is its own movement: its lines
-- were held when it was placed (and changed by hold_change), and released, expired or confirmed when
-- it ended. `on_hand`, `held` and `sold` are what a movement adds to each balance.
CREATE VIEW movement AS
    SELECT m.sku_id, m.at, m.kind, m.quantity, m.who, m.reason, NULL::uuid AS hold_id, m.order_id,
           CASE m.kind WHEN 'returned' THEN 0 ELSE m.quantity END AS on_hand, 0 AS held,
           CASE m.kind WHEN 'returned' THEN -m.quantity ELSE 0 END AS sold
    FROM stock_movement m
    UNION ALL
    SELECT l.sku_id, h.placed_at, 'held', l.quantity - c.q, 'session ' || h.session_id, '', h.hold_id, NULL,
           0, l.quantity - c.q, 0
    FROM hold h JOIN hold_line l USING (hold_id), LATERAL (
        SELECT COALESCE(sum(x.quantity), 0)::int AS q FROM hold_change x
        WHERE x.hold_id = l.hold_id AND x.sku_id = l.sku_id) c
    WHERE l.quantity <> c.q
    UNION ALL
    SELECT x.sku_id, x.at, CASE WHEN x.quantity > 0 THEN 'held' ELSE 'released' END, abs(x.quantity),
           'session ' || h.session_id, 'quantity changed', x.hold_id, NULL, 0, x.quantity, 0
    FROM hold_change x JOIN hold h USING (hold_id)
    UNION ALL
    SELECT l.sku_id, h.ended_at, h.state, l.quantity,
           CASE h.state WHEN 'expired' THEN 'the clock' ELSE 'session ' || h.session_id END, '', h.hold_id, NULL,
           0, -l.quantity, CASE h.state WHEN 'confirmed' THEN l.quantity ELSE 0 END
    FROM hold h JOIN hold_line l USING (hold_id) WHERE h.state <> 'held' AND l.quantity > 0
    UNION ALL
    SELECT x.sku_id, x.until, 'archived', (x.confirmed - x.returned)::int, 'the archive', '', NULL, NULL,
           (x.received + x.adjusted)::int, 0, (x.confirmed - x.returned)::int
    FROM archived_stock x;

-- Every way in which the books could disagree, a row for each that does. Empty when all is well.
CREATE VIEW conservation_breach AS
    SELECT 'held differs from the open holds' AS breach, s.sku_id AS id, s.held::bigint AS kept,
           COALESCE(h.q, 0)::bigint AS counted
    FROM stock s LEFT JOIN (
        SELECT l.sku_id, sum(l.quantity) AS q FROM hold h JOIN hold_line l USING (hold_id)
        WHERE h.state = 'held' GROUP BY l.sku_id) h USING (sku_id)
    WHERE s.held <> COALESCE(h.q, 0)
    UNION ALL
    SELECT 'sold differs from the confirmed holds', s.sku_id, s.sold,
           COALESCE(h.q, 0) - COALESCE(r.q, 0) + COALESCE(x.confirmed - x.returned, 0)
    FROM stock s LEFT JOIN (
        SELECT l.sku_id, sum(l.quantity) AS q FROM hold h JOIN hold_line l USING (hold_id)
        WHERE h.state = 'confirmed' GROUP BY l.sku_id) h USING (sku_id)
    LEFT JOIN (
        SELECT sku_id, sum(quantity) AS q FROM stock_movement WHERE kind = 'returned' GROUP BY sku_id) r USING (sku_id)
    LEFT JOIN archived_stock x USING (sku_id)
    WHERE s.sold <> COALESCE(h.q, 0) - COALESCE(r.q, 0) + COALESCE(x.confirmed - x.returned, 0)
    UNION ALL
    SELECT 'on hand differs from the movements', s.sku_id, s.on_hand,
           COALESCE(m.q, 0) + COALESCE(x.received + x.adjusted, 0)
    FROM stock s LEFT JOIN (
        SELECT sku_id, sum(quantity) AS q FROM stock_movement WHERE kind <> 'returned'
        GROUP BY sku_id) m USING (sku_id)
    LEFT JOIN archived_stock x USING (sku_id)
    WHERE s.on_hand <> COALESCE(m.q, 0) + COALESCE(x.received + x.adjusted, 0)
    UNION ALL
    SELECT 'the room differs from its SKUs', r.room_id, r.on_hand + r.held + r.sold,
           COALESCE(k.q, 0)
    FROM room_stock r LEFT JOIN (
        SELECT room_id, sum(on_hand) AS o, sum(held) AS h, sum(sold) AS s,
               sum(on_hand + held + sold) AS q
        FROM stock JOIN sku USING (sku_id) GROUP BY room_id) k USING (room_id)
    WHERE (r.on_hand, r.held, r.sold) IS DISTINCT FROM (COALESCE(k.o, 0), COALESCE(k.h, 0), COALESCE(k.s, 0))
        AND NOT EXISTS (SELECT FROM room m WHERE m.room_id = r.room_id AND m.stock_elsewhere)
    UNION ALL
    SELECT 'promised differs from the admissions', r.room_id, r.promised, COALESCE(a.q, 0)
    FROM room_stock r LEFT JOIN (
        SELECT room_id, sum(promised) AS q FROM admission GROUP BY room_id) a USING (room_id)
    WHERE r.promised <> COALESCE(a.q, 0)
    UNION ALL
    SELECT 'promised by name differs from the admissions', s.sku_id, s.promised, COALESCE(a.q, 0)
    FROM stock s LEFT JOIN (
        SELECT promised_sku_id AS sku_id, count(*) AS q FROM admission WHERE promised > 0 GROUP BY promised_sku_id) a USING (sku_id)
    WHERE s.promised <> COALESCE(a.q, 0)
    UNION ALL
    SELECT 'seats differ from the admissions', r.room_id, r.seats, COALESCE(a.q, 0)
    FROM room_stock r LEFT JOIN (
        SELECT room_id, count(*) AS q FROM admission WHERE state IN ('called', 'claimed')
        GROUP BY room_id) a USING (room_id)
    WHERE r.seats <> COALESCE(a.q, 0)
    UNION ALL
    SELECT 'open holds differ from the holds', r.room_id, r.holds, COALESCE(h.q, 0)
    FROM room_stock r LEFT JOIN (
        SELECT room_id, count(*) AS q FROM hold WHERE state = 'held' GROUP BY room_id) h USING (room_id)
    WHERE r.holds <> COALESCE(h.q, 0)
    UNION ALL
    SELECT 'what a network holds differs from its holds', n.room_id, n.held, COALESCE(h.q, 0)
    FROM room_network n LEFT JOIN (
        SELECT a.room_id, a.network, sum(l.quantity) AS q
        FROM hold h JOIN hold_line l USING (hold_id) JOIN admission a ON a.admission_id = h.session_id
        WHERE h.state = 'held' AND a.network IS NOT NULL GROUP BY a.room_id, a.network) h USING (room_id, network)
    WHERE n.held <> COALESCE(h.q, 0)
    UNION ALL
    SELECT 'a time of sale differs from its SKUs', t.sale_time_id, t.free, COALESCE(s.q, 0)
    FROM sale_time t LEFT JOIN (
        SELECT sale_time_id, sum(GREATEST(on_hand - held - sold, 0)) AS q FROM stock
        GROUP BY sale_time_id) s USING (sale_time_id)
    WHERE t.free <> COALESCE(s.q, 0)
    UNION ALL
    SELECT 'what is off sale differs from its times', o.room_id, o.barred + o.shut + o.closing, COALESCE(s.q, 0)
    FROM off_sale o LEFT JOIN (
        SELECT t.room_id, sum(CASE WHEN NOT is_admitted_to_sell(t) THEN t.free ELSE
                   CASE WHEN t.on_sale_from > x.opened_to OR t.on_sale_until <= x.shut_to THEN t.free ELSE 0 END
                 + CASE WHEN t.on_sale_from > x.opened_to OR t.on_sale_until <= x.closing_to THEN t.free ELSE 0 END
               END) AS q
        FROM sale_time t JOIN off_sale x USING (room_id) GROUP BY t.room_id) s USING (room_id)
    WHERE o.barred + o.shut + o.closing <> COALESCE(s.q, 0)
    UNION ALL
    SELECT 'stock has another seller or other times of sale than its SKU', k.sku_id, s.sale_time_id, NULL
    FROM sku k JOIN product p USING (product_id) JOIN stock s USING (sku_id) LEFT JOIN sale_time t USING (sale_time_id)
    WHERE (p.seller_id, COALESCE(k.seller_id, 0), COALESCE(k.on_sale_from, '-infinity'),
           COALESCE(k.on_sale_until, 'infinity'))
        IS DISTINCT FROM (k.seller_id, COALESCE(t.seller_id, 0), COALESCE(t.on_sale_from, '-infinity'),
                          COALESCE(t.on_sale_until, 'infinity'))
    UNION ALL
    SELECT 'wished differs from the wishes', s.sku_id, s.wished, COALESCE(w.q, 0)
    FROM stock s LEFT JOIN (SELECT sku_id, sum(quantity) AS q FROM wish GROUP BY sku_id) w USING (sku_id)
    WHERE s.wished <> COALESCE(w.q, 0)
    UNION ALL
    SELECT 'a confirmed hold differs from its order', COALESCE(l.sku_id, o.sku_id), COALESCE(l.quantity, 0),
           COALESCE(o.q, 0)
    FROM (SELECT h.hold_id, x.sku_id, x.quantity FROM hold h JOIN hold_line x USING (hold_id)
          WHERE h.state = 'confirmed' AND x.quantity > 0) l
    FULL JOIN (
        -- `sold_at` and not the state: late money for the same hold may be on its way back beside it.
        SELECT p.hold_id, x.sku_id, sum(x.quantity) AS q FROM purchase p JOIN purchase_line x USING (order_id)
        WHERE p.sold_at IS NOT NULL GROUP BY p.hold_id, x.sku_id) o USING (hold_id, sku_id)
    WHERE l.quantity IS DISTINCT FROM o.q
    UNION ALL
    SELECT 'the past differs from the present', s.sku_id, s.on_hand + s.held + s.sold,
           COALESCE(m.on_hand + m.held + m.sold, 0)
    FROM stock s LEFT JOIN (
        SELECT sku_id, sum(on_hand) AS on_hand, sum(held) AS held, sum(sold) AS sold
        FROM movement GROUP BY sku_id) m USING (sku_id)
    WHERE (s.on_hand, s.held, s.sold)
        IS DISTINCT FROM (COALESCE(m.on_hand, 0), COALESCE(m.held, 0), COALESCE(m.sold, 0));
