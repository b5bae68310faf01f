-- Stock: how much of it anyone may have, when, and what moves it.

-- Says whether a room admits a seller.
CREATE FUNCTION is_admitted(in_room int, in_seller int) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM room_seller r WHERE r.room_id = in_room AND r.seller_id = in_seller)
$$;

-- Says whether a SKU is on sale now and for so long.
CREATE FUNCTION is_sold_for(k sku, ahead interval) RETURNS boolean LANGUAGE sql VOLATILE AS $$
    SELECT COALESCE(k.on_sale_from <= clock_timestamp(), true)
       AND COALESCE(k.on_sale_until > clock_timestamp() + ahead, true)
       AND (k.seller_id IS NULL OR is_admitted(k.room_id, k.seller_id))
$$;

-- Says whether a room is a shop: it has SKUs of its own or of sellers that it admits, or it had and other
-- SKUs are left. A seller who never was admitted turns no room into a shop.
CREATE FUNCTION sells_skus(in_room int) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM sku k WHERE k.room_id = in_room AND k.seller_id IS NULL)
        OR EXISTS (SELECT FROM room_seller r JOIN sku k USING (room_id, seller_id) WHERE r.room_id = in_room)
        OR EXISTS (SELECT FROM shop p JOIN sku k USING (room_id) WHERE p.room_id = in_room)
$$;

-- A room that withdraws a seller whose SKUs it sold stays a shop.
CREATE FUNCTION stay_a_shop() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO shop SELECT OLD.room_id
        WHERE EXISTS (SELECT FROM sku k WHERE (k.room_id, k.seller_id) = (OLD.room_id, OLD.seller_id))
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER withdrawn_seller_leaves_a_shop AFTER DELETE ON room_seller FOR EACH ROW EXECUTE FUNCTION stay_a_shop();

-- The free units of a room that may not be sold, since every hold and call asks for them: `barred` are of
-- sellers whom the room does not admit, and of all others `shut` are off sale, and `closing` off sale
-- before a call that is made now would be over. Both are as they were once the sales up to `opened_to` had
-- begun, and those up to `shut_to` or `closing_to` had ended. What began or ended since is added to them
-- when they are read, and they are brought up to date at least once a second while anybody buys.
CREATE TABLE off_sale (
    room_id int PRIMARY KEY REFERENCES room,
    barred bigint NOT NULL DEFAULT 0 CHECK (barred >= 0),
    shut bigint NOT NULL DEFAULT 0 CHECK (shut >= 0),
    closing bigint NOT NULL DEFAULT 0 CHECK (closing >= 0),
    opened_to timestamptz NOT NULL DEFAULT clock_timestamp(),
    shut_to timestamptz NOT NULL DEFAULT clock_timestamp(),
    closing_to timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 20);

-- Says whether a room may sell what is in one of its balances, once it is on sale.
CREATE FUNCTION is_admitted_to_sell(t sale_time) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT t.seller_id = 0 OR EXISTS (
        SELECT FROM room_seller r WHERE r.room_id = t.room_id AND r.seller_id = t.seller_id)
$$;

-- Takes a count of units off sale from the moments of sale up to which it was made to others, earlier or
-- later: what begins in between is taken off, and what ends in between is added.
CREATE FUNCTION carry_off_sale(
    in_room int, units bigint, opened_to timestamptz, closed_to timestamptz, opened timestamptz, closed timestamptz)
RETURNS bigint LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
BEGIN
    RETURN units
        - sign(extract(epoch FROM opened - opened_to))::bigint * COALESCE((
            SELECT sum(t.free) FROM sale_time t WHERE t.room_id = in_room
                AND t.on_sale_from > LEAST(opened, opened_to) AND t.on_sale_from <= GREATEST(opened, opened_to)
                AND t.on_sale_until > closed_to AND is_admitted_to_sell(t)), 0)::bigint
        + sign(extract(epoch FROM closed - closed_to))::bigint * COALESCE((
            SELECT sum(t.free) FROM sale_time t WHERE t.room_id = in_room
                AND t.on_sale_until > LEAST(closed, closed_to) AND t.on_sale_until <= GREATEST(closed, closed_to)
                AND t.on_sale_from <= opened AND is_admitted_to_sell(t)), 0)::bigint;
END $$;

-- Counts the free units of a room whose sellers it does not admit.
CREATE FUNCTION units_barred(in_room int) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT COALESCE((SELECT o.barred FROM off_sale o WHERE o.room_id = in_room), 0)
$$;

-- Counts the free units of a room that are not on sale now and for so long.
CREATE FUNCTION units_off_sale(in_room int, ahead interval) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT COALESCE((
        SELECT o.barred + CASE WHEN ahead = '0'
            THEN carry_off_sale(in_room, o.shut, o.opened_to, o.shut_to, n.t, n.t)
            ELSE carry_off_sale(in_room, o.closing, o.opened_to, o.closing_to, n.t, n.t + ahead) END
        FROM off_sale o, (SELECT clock_timestamp() AS t) n WHERE o.room_id = in_room), 0)
$$;

-- Brings what is off sale up to date in rooms where that is a second ago, so that whoever asks next adds
-- up little. Its callers have the rooms' balances locked.
CREATE FUNCTION advance_off_sale(in_rooms int[]) RETURNS void LANGUAGE sql AS $$
    UPDATE off_sale o SET opened_to = n.t, shut_to = n.t, closing_to = n.t + n.ahead,
            shut = carry_off_sale(o.room_id, o.shut, o.opened_to, o.shut_to, n.t, n.t),
            closing = carry_off_sale(o.room_id, o.closing, o.opened_to, o.closing_to, n.t, n.t + n.ahead)
        FROM (SELECT m.room_id, clock_timestamp() AS t, make_interval(secs => m.claim_window_s) AS ahead
              FROM room m WHERE m.room_id = ANY (in_rooms)) n
        WHERE o.room_id = n.room_id AND o.opened_to < n.t - interval '1 second'
$$;

-- Counts the units off sale of each room in which anything is promised: those now, and those before a call that
-- begins now is over. Its callers have the rooms' balances locked.
CREATE FUNCTION read_off_sale(rooms int[], OUT now_off bigint[], OUT closing bigint[]) LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM off_sale x WHERE x.room_id = ANY (rooms)
               AND x.opened_to < clock_timestamp() - interval '1 second') THEN
        PERFORM advance_off_sale(rooms);
    END IF;
    SELECT array_agg(CASE WHEN x.promised > 0 THEN units_off_sale(x.room_id, '0') ELSE 0 END ORDER BY x.room_id),
           array_agg(CASE WHEN x.promised > 0 THEN units_off_sale(x.room_id, make_interval(secs => m.claim_window_s))
                          ELSE 0 END ORDER BY x.room_id)
        INTO now_off, closing
        FROM room_stock x JOIN room m USING (room_id) WHERE x.room_id = ANY (rooms);
END $$;

-- Brings a room's units off sale up to date where no hold and no call does.
CREATE FUNCTION pass_times_of_sale(in_room int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM room_stock x WHERE x.room_id = in_room FOR NO KEY UPDATE;
    PERFORM advance_off_sale(ARRAY[in_room]);
END $$;

-- Counts a room's units off sale once more, when it admits a seller or withdraws one.
CREATE FUNCTION recount_off_sale() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    rid constant int := COALESCE(NEW.room_id, OLD.room_id);
BEGIN
    PERFORM 1 FROM room_stock x WHERE x.room_id = rid FOR NO KEY UPDATE;
    UPDATE off_sale o SET barred = c.barred, shut = c.shut, closing = c.closing FROM (
        SELECT COALESCE(sum(t.free) FILTER (WHERE NOT is_admitted_to_sell(t)), 0) AS barred,
               COALESCE(sum(t.free) FILTER (WHERE is_admitted_to_sell(t)
                   AND (t.on_sale_from > x.opened_to OR t.on_sale_until <= x.shut_to)), 0) AS shut,
               COALESCE(sum(t.free) FILTER (WHERE is_admitted_to_sell(t)
                   AND (t.on_sale_from > x.opened_to OR t.on_sale_until <= x.closing_to)), 0) AS closing
        FROM off_sale x JOIN sale_time t USING (room_id) WHERE x.room_id = rid) c
        WHERE o.room_id = rid;
    RETURN NULL;
END $$;
CREATE TRIGGER admission_of_a_seller_counts AFTER INSERT OR DELETE ON room_seller
    FOR EACH ROW EXECUTE FUNCTION recount_off_sale();

-- Keeps the balances of `sale_time` and `off_sale` by the rows of stock that a statement changes. Their
-- writers have the room's balance locked, so no two of them come crosswise here.
CREATE FUNCTION keep_sale_times() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ids int[]; changes bigint[];
BEGIN
    SELECT array_agg(c.id), array_agg(c.q) INTO ids, changes FROM (
        SELECT x.id, sum(x.q) AS q FROM (
            SELECT a.sale_time_id AS id, GREATEST(a.on_hand - a.held - a.sold, 0) AS q FROM after a
            WHERE a.sale_time_id IS NOT NULL
            UNION ALL
            SELECT b.sale_time_id, -GREATEST(b.on_hand - b.held - b.sold, 0) FROM before b
            WHERE b.sale_time_id IS NOT NULL) x
        GROUP BY x.id HAVING sum(x.q) <> 0) c;
    IF ids IS NULL THEN RETURN NULL; END IF;
    UPDATE sale_time t SET free = t.free + d.q FROM unnest(ids, changes) d(id, q) WHERE t.sale_time_id = d.id;
    UPDATE off_sale o SET barred = o.barred + c.barred, shut = o.shut + c.shut, closing = o.closing + c.closing FROM (
        SELECT x.room_id, COALESCE(sum(d.q) FILTER (WHERE NOT is_admitted_to_sell(t)), 0) AS barred,
               COALESCE(sum(d.q) FILTER (WHERE is_admitted_to_sell(t)
                   AND (t.on_sale_from > x.opened_to OR t.on_sale_until <= x.shut_to)), 0) AS shut,
               COALESCE(sum(d.q) FILTER (WHERE is_admitted_to_sell(t)
                   AND (t.on_sale_from > x.opened_to OR t.on_sale_until <= x.closing_to)), 0) AS closing
        FROM unnest(ids, changes) d(id, q) JOIN sale_time t ON t.sale_time_id = d.id JOIN off_sale x USING (room_id)
        GROUP BY x.room_id) c
        WHERE o.room_id = c.room_id;
    RETURN NULL;
END $$;
CREATE TRIGGER sale_times_are_kept AFTER UPDATE ON stock
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION keep_sale_times();

-- Returns the balance of a SKU's seller and times, NULL for a SKU of the room's own that is always on sale.
CREATE FUNCTION sale_time_of(k sku) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    seller constant int := COALESCE(k.seller_id, 0);
    opens constant timestamptz := COALESCE(k.on_sale_from, '-infinity');
    ends constant timestamptz := COALESCE(k.on_sale_until, 'infinity');
    id int;
BEGIN
    IF k.seller_id IS NULL AND k.on_sale_from IS NULL AND k.on_sale_until IS NULL THEN RETURN NULL; END IF;
    INSERT INTO off_sale (room_id) VALUES (k.room_id) ON CONFLICT DO NOTHING;
    INSERT INTO sale_time (room_id, seller_id, on_sale_from, on_sale_until) VALUES (k.room_id, seller, opens, ends)
        ON CONFLICT ON CONSTRAINT sale_time_kept_once DO NOTHING;
    SELECT t.sale_time_id INTO id FROM sale_time t
        WHERE (t.room_id, t.seller_id, t.on_sale_from, t.on_sale_until) = (k.room_id, seller, opens, ends);
    RETURN id;
END $$;

-- New stock is empty, and takes the seller and the times of its SKU.
CREATE FUNCTION take_sale_time() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.sale_time_id := (SELECT sale_time_of(k) FROM sku k WHERE k.sku_id = NEW.sku_id);
    RETURN NEW;
END $$;
CREATE TRIGGER new_stock_has_a_sale_time BEFORE INSERT ON stock FOR EACH ROW EXECUTE FUNCTION take_sale_time();

-- Moves stock to the new seller and times of its SKU, which are in force at once.
CREATE FUNCTION move_sale_times() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    moved int[] := ARRAY(
        SELECT a.sku_id FROM after a JOIN before b USING (sku_id)
        WHERE (a.seller_id, a.on_sale_from, a.on_sale_until)
            IS DISTINCT FROM (b.seller_id, b.on_sale_from, b.on_sale_until));
BEGIN
    IF moved = '{}' THEN RETURN NULL; END IF;
    -- A room that gives away what it sold stays a shop.
    INSERT INTO shop SELECT DISTINCT b.room_id FROM before b
        WHERE b.sku_id = ANY (moved) AND (b.seller_id IS NULL OR is_admitted(b.room_id, b.seller_id))
        ORDER BY b.room_id ON CONFLICT DO NOTHING;
    PERFORM 1 FROM room_stock x WHERE x.room_id IN (SELECT k.room_id FROM sku k WHERE k.sku_id = ANY (moved))
        ORDER BY x.room_id FOR NO KEY UPDATE;
    PERFORM 1 FROM stock s WHERE s.sku_id = ANY (moved) ORDER BY s.sku_id FOR NO KEY UPDATE;
    UPDATE stock s SET sale_time_id = sale_time_of(k) FROM sku k WHERE k.sku_id = s.sku_id AND s.sku_id = ANY (moved);
    RETURN NULL;
END $$;
CREATE TRIGGER stock_follows_its_sale_time AFTER UPDATE ON sku
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION move_sale_times();

-- Counts the units of a SKU that a customer has, over all sessions and orders: held or bought, and not
-- returned.
CREATE FUNCTION customer_units(in_customer bigint, in_sku int) RETURNS int LANGUAGE sql STABLE AS $$
    SELECT COALESCE((SELECT sum(l.quantity) FROM hold h JOIN hold_line l USING (hold_id)
                     WHERE h.customer_id = in_customer AND l.sku_id = in_sku
                       AND h.state IN ('held', 'confirmed')), 0)::int
         - COALESCE((SELECT sum(l.returned) FROM purchase p JOIN purchase_line l USING (order_id)
                     WHERE p.customer_id = in_customer AND l.sku_id = in_sku), 0)::int
$$;

-- Counts the units that a session has of a SKU: held or bought, and not returned. The fences make PostgreSQL
-- look a session's holds up first, and then their lines one by one. It returns one row, so that in FROM it
-- becomes part of the query, like `shopper_at`.
CREATE FUNCTION units_of(in_session bigint, in_sku int) RETURNS SETOF int LANGUAGE sql STABLE AS $$
    SELECT COALESCE((
            SELECT sum(l.quantity)::int FROM hold h, LATERAL (
                SELECT z.quantity FROM hold_line z WHERE z.hold_id = h.hold_id AND z.sku_id = in_sku OFFSET 0) l
            WHERE h.session_id = in_session AND h.state IN ('held', 'confirmed')), 0)
        - COALESCE((
            SELECT sum(l.returned)::int FROM purchase p, LATERAL (
                SELECT z.returned FROM purchase_line z
                WHERE z.order_id = p.order_id AND z.sku_id = in_sku OFFSET 0) l
            WHERE p.session_id = in_session), 0)
$$;

-- Counts the units that each session has of the SKU in the same place.
CREATE FUNCTION session_units(sessions bigint[], skus int[]) RETURNS int[] LANGUAGE sql STABLE AS $$
    SELECT array_agg(x.units ORDER BY u.o)
    FROM unnest(sessions, skus) WITH ORDINALITY u(session, sku, o), units_of(u.session, u.sku) x(units)
$$;

-- The units that the limits leave of those wanted.
CREATE TYPE allowance AS (
    units int,    -- so many may be had
    verdict text, -- the tightest limit where that is less than was wanted, else NULL
    figure int    -- the units that this limit allows altogether
);

-- Applies the limits of one SKU to one request: it has to be on sale, and there are bounds per order, per
-- session and per customer, and on all units of one order. NULL is no limit. `of_session` and
-- `of_customer` are units of the SKU that they have beside this request, `of_order` other units in it.
-- It is one expression, so that PostgreSQL takes it into its caller: a call would be dear for each item.
CREATE FUNCTION allowed_units(
    want int, on_sale boolean, per_order int, per_session int, of_session int,
    per_customer int, of_customer int, units_per_order int, of_order int)
RETURNS allowance LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE LEAST(want, CASE WHEN NOT on_sale THEN 0 END, per_order, per_session - of_session,
                      per_customer - of_customer, units_per_order - of_order)
        WHEN want THEN ROW (want, NULL, NULL)::allowance
        WHEN CASE WHEN NOT on_sale THEN 0 END THEN ROW (0, 'not_on_sale', 0)::allowance
        WHEN per_order THEN ROW (per_order, 'order_limit', per_order)::allowance
        WHEN per_session - of_session
            THEN ROW (GREATEST(per_session - of_session, 0), 'session_limit', per_session)::allowance
        WHEN per_customer - of_customer
            THEN ROW (GREATEST(per_customer - of_customer, 0), 'customer_limit', per_customer)::allowance
        ELSE ROW (GREATEST(units_per_order - of_order, 0), 'order_units', units_per_order)::allowance END
$$;

-- The free units of a room that may be had although others were promised some: behind a promise stands
-- only what is on sale, so the free units that are `off_sale` leave so much less.
CREATE FUNCTION units_beyond_promises(free bigint, off_sale bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT LEAST(free, GREATEST(free - off_sale, 0))
$$;

-- Counts the units that could go beyond what these changes take, and leave every promise kept; NULL where
-- they take nothing. It looks at all SKUs, at those on sale, and at those that stay on sale for as long
-- as a call lasts: those who were just called find the last ones still open.
CREATE FUNCTION slack_of(pool room_stock, skus int[], changes int[]) RETURNS bigint LANGUAGE sql STABLE AS $$
    WITH kinds AS (
        SELECT interval '0' AS ahead UNION ALL
        SELECT make_interval(secs => m.claim_window_s) FROM room m WHERE m.room_id = pool.room_id),
    taken AS (SELECT k AS item, u.q FROM unnest(skus, changes) u(id, q) JOIN sku k ON k.sku_id = u.id),
    asked AS (
        SELECT 0::bigint AS off_sale, sum(q) AS units FROM taken UNION ALL
        SELECT units_off_sale(pool.room_id, ahead), (SELECT sum(t.q) FROM taken t WHERE is_sold_for(t.item, ahead))
        FROM kinds WHERE pool.promised > 0)
    SELECT min(units_beyond_promises(free, off_sale) - units)::bigint
    FROM asked, (SELECT pool.on_hand - pool.held - pool.sold - pool.promised AS free) f WHERE units > 0
$$;

-- The units that a call in this room promises: none where nothing is sold.
CREATE FUNCTION promise_of(m room) RETURNS int LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN m.policy = 'guaranteed' AND (
            m.stock_elsewhere OR sells_skus(m.room_id))
        THEN m.units_promised ELSE 0 END
$$;

-- Locks a room's balance and returns how many calls its free units are enough for, at so many units
-- promised to each.
CREATE FUNCTION calls_afforded(m room, promise int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    pool room_stock;
BEGIN
    SELECT * INTO pool FROM room_stock x WHERE x.room_id = m.room_id FOR NO KEY UPDATE;
    PERFORM advance_off_sale(ARRAY[m.room_id]);
    RETURN GREATEST(pool.on_hand - pool.held - pool.sold - pool.promised - kept_units(m.room_id), 0) / promise;
END $$;

-- Changes what is on hand of one SKU, once for each key, and puts it on record. Verdicts: moved, replay,
-- other_body (the key moved something else), unknown. stock_never_oversold and promises_are_covered
-- refuse a correction below what is spoken for; behind a promise stands only what can be bought. With
-- `override` the units that are then missing are written down as `short`, and nothing is given out until
-- they are there again; the latest promises of this SKU become promises of anything.
CREATE FUNCTION move_stock(
    in_sku text, in_kind text, in_quantity int, in_who text, in_reason text, in_key uuid, override boolean,
    OUT verdict text, OUT now_on_hand int)
LANGUAGE plpgsql AS $$
DECLARE
    id int; rid int; done stock_movement; pool room_stock; missing bigint; bare int;
BEGIN
    SELECT k.sku_id, k.room_id INTO id, rid FROM sku k WHERE k.sku = in_sku;
    IF id IS NULL THEN verdict := 'unknown'; RETURN; END IF;
    PERFORM 1 FROM log_head h WHERE h.room_id = rid FOR NO KEY UPDATE;
    IF override THEN
        PERFORM 1 FROM admission a WHERE a.room_id = rid AND a.state IN ('called', 'claimed') AND a.promised_sku_id = id
            ORDER BY a.admission_id FOR NO KEY UPDATE;
    END IF;
    SELECT * INTO pool FROM room_stock k WHERE k.room_id = rid FOR NO KEY UPDATE;
    SELECT k.on_hand, k.promised - GREATEST(k.on_hand + in_quantity - k.held - k.sold, 0) INTO now_on_hand, bare
        FROM stock k WHERE k.sku_id = id FOR NO KEY UPDATE;
    IF NOT FOUND THEN verdict := 'unknown'; RETURN; END IF;
    SELECT * INTO done FROM stock_movement m WHERE m.sku_id = id AND m.idempotency_key = in_key;
    IF done.movement_id IS NOT NULL THEN
        verdict := CASE WHEN (done.kind, done.quantity, done.reason) = (in_kind, in_quantity, in_reason)
                        THEN 'replay' ELSE 'other_body' END;
        RETURN;
    END IF;
    IF override AND bare > 0 THEN PERFORM loosen_promises(id, rid, bare); END IF;
    IF NOT override AND (bare > 0 OR slack_of(pool, ARRAY[id], ARRAY[-in_quantity]) < 0) THEN
        RAISE EXCEPTION 'units are promised' USING ERRCODE = 'check_violation', CONSTRAINT = 'promises_are_covered';
    END IF;
    UPDATE stock k SET on_hand = k.on_hand + in_quantity,
            short = LEAST(CASE WHEN override THEN NULL ELSE k.short END,
                          GREATEST(k.held + k.sold - k.on_hand - in_quantity, 0))
        WHERE k.sku_id = id RETURNING k.on_hand INTO now_on_hand;
    missing := pool.held + pool.sold + pool.promised - pool.on_hand - in_quantity;
    missing := GREATEST(missing, LEAST(pool.promised, missing + units_off_sale(rid, '0')), 0);
    UPDATE room_stock k SET on_hand = k.on_hand + in_quantity,
            short = LEAST(CASE WHEN override THEN NULL ELSE k.short END, missing)
        WHERE k.room_id = rid;
    INSERT INTO stock_movement (sku_id, kind, quantity, reason, who, overridden, idempotency_key, at)
        VALUES (id, in_kind, in_quantity, in_reason, in_who, override, in_key, clock_timestamp());
    INSERT INTO operator_action (room_id, who, action, detail, reason)
        VALUES (rid, in_who, in_kind, jsonb_build_object('sku', in_sku, 'quantity', in_quantity,
                'on_hand', now_on_hand, 'override', override), in_reason);
    PERFORM append_log(rid, 'stock', jsonb_build_object('sku', in_sku, 'movement', in_kind, 'quantity', in_quantity)
        || CASE WHEN override THEN '{"override": true}' ELSE '{}' END::jsonb);
    verdict := 'moved';
END $$;

-- Keeps `room_stock.holds` in step with the holds that change. `write_holds` counts the new ones, as it writes
-- that row anyway. Every function that begins or ends a hold has locked it before.
CREATE FUNCTION count_holds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE room_stock k SET holds = k.holds + d.q FROM (
        SELECT x.room_id, sum(x.q) AS q FROM (
            SELECT n.room_id, 1 AS q FROM after n WHERE n.state = 'held'
            UNION ALL SELECT o.room_id, -1 FROM before o WHERE o.state = 'held') x
        GROUP BY x.room_id) d
        WHERE k.room_id = d.room_id AND d.q <> 0;
    RETURN NULL;
END $$;
CREATE TRIGGER open_holds_of_changed_holds AFTER UPDATE ON hold
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION count_holds();

-- The acts of one session that leave a row behind: the holds it may place, whatever became of them, its
-- changes of holds, and the SKUs it may wait for. No shopper comes near; a program that never stops must
-- not slow others down.
CREATE FUNCTION session_holds_max() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 200';
CREATE FUNCTION session_changes_max() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 500';
CREATE FUNCTION session_wishes_max() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 50';
