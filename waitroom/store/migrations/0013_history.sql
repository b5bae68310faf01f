-- What orders are looked back on by: for operators and sellers, for receipts and for analytics. Nothing
-- here changes what is sold.

-- The orders of a room are listed from the newest by `purchase_by_room`. These find the rare ones among
-- many, and cost nothing while an order is being paid, since it is in none of them until later.
CREATE INDEX purchase_unbought ON purchase (room_id, state, created_at DESC, order_id)
    WHERE state IN ('declined', 'cancelled', 'refunded');
CREATE INDEX purchase_given_back ON purchase (room_id, created_at DESC, order_id) WHERE refunded_minor > 0;
CREATE INDEX customer_by_email ON customer (lower(email) text_pattern_ops) WHERE email <> '';

-- What was paid, and what was given back, from one moment to another.
CREATE INDEX purchase_paid ON purchase (room_id, paid_at) WHERE paid_at IS NOT NULL;
CREATE INDEX refund_done ON refund (ended_at) WHERE state = 'done';
-- Placing holds is the busiest write of all, so this one keeps a range for each block of pages and no entry
-- for each hold.
CREATE INDEX hold_placed ON hold USING brin (placed_at) WITH (autosummarize = on);

-- What became of one order.
CREATE INDEX stock_movement_by_order ON stock_movement (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX operator_action_by_order ON operator_action ((detail ->> 'order')) WHERE action = 'cancel';

-- What a refund gives back for each SKU of its order. One that names units is shared out by what these
-- cost, one that names none by what all lines cost. The shares of a refund add up to it exactly.
CREATE FUNCTION shares_of_refund(in_refund uuid)
RETURNS TABLE (sku_id int, units int, share_minor bigint) LANGUAGE sql STABLE AS $$
    SELECT x.sku_id, x.units,
           COALESCE(round(x.amount_minor * x.until / x.whole)
                    - round(x.amount_minor * (x.until - x.worth) / x.whole), 0)::bigint
    FROM (
        SELECT w.sku_id, w.units, w.worth, w.amount_minor::numeric AS amount_minor,
               sum(w.worth) OVER (ORDER BY w.sku_id) AS until, NULLIF(sum(w.worth) OVER (), 0) AS whole
        FROM (
            SELECT l.sku_id, COALESCE(f.quantity, 0) AS units, r.amount_minor,
                   l.price_minor * CASE
                       WHEN EXISTS (SELECT FROM refund_line n WHERE n.refund_id = in_refund)
                       THEN COALESCE(f.quantity, 0) ELSE l.quantity END AS worth
            FROM refund r JOIN purchase_line l ON l.order_id = r.order_id
            LEFT JOIN refund_line f ON f.refund_id = r.refund_id AND f.sku_id = l.sku_id
            WHERE r.refund_id = in_refund) w) x
$$;

-- An order's lines with what was given back for each, and their sums: of one seller's products, or of all
-- of them for NULL. For all of them the sums are the order's own.
CREATE FUNCTION part_of_order(
    in_order uuid, in_seller int,
    OUT items text, OUT total_minor bigint, OUT refunded_minor bigint, OUT refunding_minor bigint)
LANGUAGE sql STABLE AS $$
    SELECT json_agg(json_build_object('sku', k.sku, 'name', l.name, 'quantity', l.quantity,
                        'price_minor', l.price_minor, 'refunded', l.refunded, 'returned', l.returned,
                        'refunded_minor', COALESCE(b.done, 0)) ORDER BY k.sku)::text,
           sum(l.quantity * l.price_minor)::bigint, COALESCE(sum(b.done), 0)::bigint,
           COALESCE(sum(b.asked), 0)::bigint
    FROM purchase_line l JOIN sku k ON k.sku_id = l.sku_id JOIN product d ON d.product_id = k.product_id
    LEFT JOIN (
        SELECT s.sku_id, sum(s.share_minor) FILTER (WHERE r.state = 'done') AS done,
               sum(s.share_minor) FILTER (WHERE r.state = 'asked') AS asked
        FROM refund r, LATERAL shares_of_refund(r.refund_id) s
        WHERE r.order_id = in_order AND r.state <> 'failed' GROUP BY s.sku_id) b ON b.sku_id = l.sku_id
    WHERE l.order_id = in_order AND (in_seller IS NULL OR d.seller_id = in_seller)
$$;

-- A refund as it is seen: all of it, or for a seller the share and the units of their products.
CREATE FUNCTION part_of_refund(in_refund uuid, in_seller int, OUT items text, OUT amount_minor bigint)
LANGUAGE sql STABLE AS $$
    SELECT COALESCE(json_agg(json_build_object('sku', k.sku, 'quantity', s.units) ORDER BY k.sku)
                        FILTER (WHERE s.units > 0), '[]')::text,
           sum(s.share_minor)::bigint
    FROM shares_of_refund(in_refund) s JOIN sku k ON k.sku_id = s.sku_id
    JOIN product d ON d.product_id = k.product_id WHERE in_seller IS NULL OR d.seller_id = in_seller
$$;

-- The statement that finds a room's orders, newest first, after the cursor if there is one. What is NULL is
-- not asked for and not in it, so each wish gets the plan that suits it; one for all would read whole
-- rooms for some. Orders of one moment stand by their ids, as in `purchase_by_room`.
CREATE FUNCTION orders_statement(
    in_room_id int, after_at timestamptz, after_id uuid, in_state text, given_back boolean,
    since timestamptz, until timestamptz, in_seller int, in_sku_id int, in_order uuid, in_reference text,
    reference_part text, address text, count_max int)
RETURNS text LANGUAGE sql STABLE AS $$
    SELECT format('SELECT p.* FROM purchase p WHERE p.room_id = %s', in_room_id) || concat(
        CASE WHEN after_at IS NOT NULL THEN format(
            ' AND p.created_at <= %1$L AND (p.created_at < %1$L OR p.order_id > %2$L)', after_at, after_id) END,
        CASE WHEN in_state IS NOT NULL THEN format(' AND p.state = %L', in_state) END,
        CASE given_back WHEN true THEN ' AND p.refunded_minor > 0' WHEN false THEN ' AND p.refunded_minor = 0' END,
        CASE WHEN since IS NOT NULL THEN format(' AND p.created_at >= %L', since) END,
        CASE WHEN until IS NOT NULL THEN format(' AND p.created_at < %L', until) END,
        CASE WHEN in_seller IS NOT NULL THEN format(
            ' AND EXISTS (SELECT FROM purchase_line l JOIN sku k ON k.sku_id = l.sku_id
                          JOIN product d ON d.product_id = k.product_id
                          WHERE l.order_id = p.order_id AND d.seller_id = %s)', in_seller) END,
        CASE WHEN in_sku_id IS NOT NULL THEN format(
            ' AND EXISTS (SELECT FROM purchase_line l WHERE l.order_id = p.order_id AND l.sku_id = %s)',
            in_sku_id) END,
        CASE WHEN in_order IS NOT NULL THEN format(' AND p.order_id = %L', in_order) END,
        CASE WHEN in_reference IS NOT NULL THEN format(' AND p.reference = %L', in_reference) END,
        CASE WHEN reference_part IS NOT NULL THEN
            format(' AND position(%L IN p.reference) > 0', reference_part) END,
        CASE WHEN address IS NOT NULL THEN format(
            ' AND EXISTS (SELECT FROM customer c WHERE c.customer_id = p.customer_id AND c.email <> %L
                          AND lower(c.email) LIKE %L)', '', address) END)
        || format(' ORDER BY p.created_at DESC, p.order_id LIMIT %s', count_max)
$$;

CREATE FUNCTION find_orders(
    in_room_id int, after_at timestamptz, after_id uuid, in_state text, given_back boolean,
    since timestamptz, until timestamptz, in_seller int, in_sku_id int, in_order uuid, in_reference text,
    reference_part text, address text, count_max int)
RETURNS SETOF purchase LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY EXECUTE orders_statement(in_room_id, after_at, after_id, in_state, given_back, since, until,
        in_seller, in_sku_id, in_order, in_reference, reference_part, address, count_max);
END $$;

-- The first entry of a room's log that was not written before a moment, or the one that would come next.
-- Entries have no gaps and are never taken away, so it is found by halving.
CREATE FUNCTION log_seq_at(in_room_id int, moment timestamptz) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    low bigint := 1;
    high bigint := (SELECT h.seq + 1 FROM log_head h WHERE h.room_id = in_room_id);
    middle bigint;
BEGIN
    WHILE low < high LOOP
        middle := (low + high) / 2;
        IF (SELECT (e.body::jsonb ->> 'at')::timestamptz FROM log_entry e
            WHERE e.room_id = in_room_id AND e.seq = middle) < moment THEN
            low := middle + 1;
        ELSE
            high := middle;
        END IF;
    END LOOP;
    RETURN low;
END $$;

-- The numbers that each line of a room gave out from one moment to another. They follow one another, so two
-- entries of the log say all. Entries are looked at from both ends, up to the first that tells of joins.
CREATE FUNCTION numbers_joined(in_room_id int, since timestamptz, until timestamptz)
RETURNS TABLE (line_id int, first_number bigint, last_number bigint) LANGUAGE plpgsql STABLE AS $$
DECLARE
    low constant bigint := log_seq_at(in_room_id, since);
    high constant bigint := log_seq_at(in_room_id, until);
BEGIN
    RETURN QUERY SELECT l.line_id, (f.body::jsonb ->> 'first')::bigint, (g.body::jsonb ->> 'last')::bigint
        FROM line l, LATERAL (
            SELECT e.body FROM log_entry e WHERE e.room_id = in_room_id AND e.seq >= low AND e.seq < high
                AND e.body LIKE '%"kind": "joined"%' AND e.body::jsonb ->> 'line' = l.line
            ORDER BY e.seq LIMIT 1) f, LATERAL (
            SELECT e.body FROM log_entry e WHERE e.room_id = in_room_id AND e.seq >= low AND e.seq < high
                AND e.body LIKE '%"kind": "joined"%' AND e.body::jsonb ->> 'line' = l.line
            ORDER BY e.seq DESC LIMIT 1) g
        WHERE l.room_id = in_room_id;
END $$;
