-- A lone request for units of one SKU. Most are plain: the first hold of their session, of units that are free, where
-- nothing is promised and nobody waits. Such a hold costs half of what a batch of one costs.

-- What one request is answered.
CREATE TYPE hold_answer AS (
    verdict text,             -- inventory/hold.py lists them
    figure int,               -- the units available where too few are, or the limit
    expires timestamptz,      -- of the hold, by the clock on the wall; NULL where there is none, like the next
    seconds_left float8,
    given int,                -- the units in it
    price bigint, currency text, name text, -- of the SKU
    must_settle boolean       -- as in `place_holds`
);

-- Places a plain hold, or returns NULL and has written nothing. It takes the locks of a batch in their order, and reads
-- once it has them. It refuses nobody: that is left to `place_holds`.
-- PostgreSQL prepares each expression of a function anew in each transaction, so what can be one expression is one.
CREATE FUNCTION place_plain_hold(
    own_hold uuid, own_key uuid, own_hash bytea, in_session bigint, in_sku text, units int)
RETURNS hold_answer LANGUAGE plpgsql AS $$
DECLARE
    own admission; x room_stock; s stock; item int; shop int; until timestamptz; answer hold_answer;
BEGIN
    SELECT * INTO own FROM admission a WHERE a.admission_id = in_session FOR NO KEY UPDATE;
    IF own.promised > 0 THEN RETURN NULL; END IF;
    SELECT k.sku_id, k.room_id INTO item, shop FROM sku k WHERE k.sku = in_sku;
    SELECT * INTO x FROM room_stock r WHERE r.room_id = shop FOR NO KEY UPDATE;
    IF x.promised > 0 THEN RETURN NULL; END IF;
    SELECT * INTO s FROM stock r WHERE r.sku_id = item FOR NO KEY UPDATE;
    SELECT n.t + h.full_time, 'placed', 0, n.t + h.full_time + o.stopped, extract(epoch FROM h.full_time), units,
           k.price_minor, k.currency, k.name, false
        INTO until, answer.verdict, answer.figure, answer.expires, answer.seconds_left, answer.given,
             answer.price, answer.currency, answer.name, answer.must_settle
        FROM office o, LATERAL (SELECT shopper_time(o) AS t) n, sku k JOIN room m USING (room_id)
        LEFT JOIN room_network w ON w.room_id = m.room_id AND w.network = own.network,
        LATERAL (SELECT time_to_hold(time_for(m.hold_s, own.time_factor), 0, w.unpaid, w.paid) AS full_time) h
        WHERE k.sku_id = item AND own.room_id = shop AND own.state = 'claimed' AND own.expires_at > n.t
            AND s.wished = 0 AND LEAST(x.on_hand - x.held - x.sold, s.on_hand - s.held - s.sold - s.promised,
                                       k.limit_per_order, k.limit_per_session, m.order_units_max) >= units
            AND is_sold_for(k, '0')
            AND CASE WHEN own.customer_id IS NULL THEN NOT m.customers_only ELSE k.limit_per_customer IS NULL END
            AND (own.network IS NULL OR COALESCE(w.held, 0) + units <= network_units(m, x, w))
            AND NOT EXISTS (SELECT FROM hold z WHERE z.session_id = in_session);
    IF NOT FOUND THEN RETURN NULL; END IF;
    UPDATE room_stock r SET held = r.held + units, holds = r.holds + 1 WHERE r.room_id = shop;
    UPDATE stock r SET held = r.held + units WHERE r.sku_id = item;
    INSERT INTO hold (hold_id, session_id, room_id, idempotency_key, body_hash, customer_id, placed_at, expires_at)
        VALUES (own_hold, in_session, shop, own_key, own_hash, own.customer_id, clock_timestamp(), until);
    INSERT INTO hold_line (hold_id, sku_id, quantity, price_minor, due_at)
        VALUES (own_hold, item, units, answer.price, until);
    IF own.network IS NOT NULL THEN
        INSERT INTO room_network AS w (room_id, network, held, since) VALUES (shop, own.network, units, clock_timestamp())
            ON CONFLICT ON CONSTRAINT network_counted_once DO UPDATE SET held = w.held + EXCLUDED.held;
    END IF;
    IF event_wanted('hold.placed') THEN PERFORM tell_of_holds('hold.placed', ARRAY[own_hold]); END IF;
    RETURN answer;
END $$;

-- Places one hold of one SKU, as `place_holds` places a batch of it alone.
-- The SETs pin the plans, as there.
CREATE FUNCTION place_hold(
    own_hold uuid, own_key uuid, own_hash bytea, partial boolean, in_session bigint, in_sku text, units int, final boolean)
RETURNS hold_answer LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off AS $$
DECLARE
    answer hold_answer := place_plain_hold(own_hold, own_key, own_hash, in_session, in_sku, units);
BEGIN
    IF answer.verdict IS NULL THEN
        SELECT p.verdicts[1], p.figures[1], p.expires[1], p.seconds_left[1], p.given[1],
               p.prices[1], p.currencies[1], p.names[1], p.must_settle INTO answer
            FROM place_holds(ROW (ARRAY[own_hold], ARRAY[own_key], ARRAY[own_hash], ARRAY[partial], '{1}', ARRAY[in_session],
                                  '{1,2}', '{1}', '{1}', ARRAY[units], ARRAY[in_sku], '{1}', '{1}')::hold_batch, final, false) p;
    END IF;
    RETURN answer;
END $$;
