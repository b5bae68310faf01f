-- The share of one network: it grows as the network's shoppers pay, and shrinks as they leave baskets unpaid. It bounds
-- the units that they hold, the time for which they hold them, and the seats that they take.

ALTER TABLE room_network ADD COLUMN lapsed int DEFAULT 0 NOT NULL CHECK (lapsed >= 0);

-- Says whether a basket that ended unpaid had more than half of its room's time, on the wall's clock and on the shoppers'.
CREATE FUNCTION has_lapsed(h hold, m room, t timestamptz) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT h.ended_at - h.placed_at > make_interval(secs => m.hold_s / 2.0)
        AND t > h.expires_at - make_interval(secs => m.hold_s / 2.0)
$$;

-- How far a network's unpaid baskets outweigh its paid ones: 0, or 1 to 3 as 10, 20 and 40 more than twice those that were
-- paid ended unpaid, or 6, 12 and 24 more than five times as many lapsed. A network of ordinary shoppers stays at 0.
CREATE FUNCTION network_level(n room_network) RETURNS int LANGUAGE sql IMMUTABLE AS $$
    SELECT COALESCE(GREATEST(width_bucket(n.unpaid - 2 * n.paid, ARRAY[10, 20, 40]),
                             width_bucket(n.lapsed - 5 * n.paid, ARRAY[6, 12, 24])), 0)
$$;

-- The units that the sessions of one network may hold: a quarter of a share of those that are not sold, another quarter for
-- each of the first three baskets that it pays, and no fewer than one order has. With each level it is an eighth of that:
-- two at least at the first, and perhaps none at the others. A share of the whole is no bound.
CREATE FUNCTION network_units(m room, s room_stock, n room_network) RETURNS int LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN m.held_share_max = 1 THEN GREATEST(s.on_hand - s.sold, COALESCE(m.order_units_max, 10))
        WHEN network_level(n) = 0 THEN GREATEST(
            ceil(m.held_share_max::numeric * (s.on_hand - s.sold) * LEAST(1 + COALESCE(n.paid, 0), 4) / 4), COALESCE(m.order_units_max, 10))
        ELSE GREATEST(floor(m.held_share_max * (s.on_hand - s.sold) / power(8, network_level(n))),
                      CASE network_level(n) WHEN 1 THEN 2 ELSE 0 END) END::int
$$;

-- The units that a session may hold whatever others of its network hold, so that all people behind one address of a
-- carrier can buy. A network that leaves most baskets unpaid loses them, except those that calls promise, and so does a
-- session that left baskets `unpaid` while more of its network's baskets lapsed than were paid.
CREATE FUNCTION ordinary_basket(m room, n room_network, unpaid int) RETURNS int LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN network_level(n) > 0 OR (unpaid > 0 AND n.lapsed > n.paid)
                THEN CASE m.policy WHEN 'guaranteed' THEN m.units_promised ELSE 0 END
                ELSE GREATEST(2, m.units_promised) END
$$;

-- Says whether the baskets of a network may last no longer: it leaves most of them unpaid, or it holds more than the whole
-- share of what is left, as it could when more was left, and would leave most unpaid if it paid for none of these.
CREATE FUNCTION is_beyond_its_share(m room, in_network bytea) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT COALESCE((
        SELECT network_level(n) > 0
            OR (n.held > GREATEST(m.held_share_max::numeric * (s.on_hand - s.sold), COALESCE(m.order_units_max, 10))
                AND outweighs_paid(n.unpaid + n.held, n.paid))
        FROM room_network n JOIN room_stock s USING (room_id)
        WHERE (n.room_id, n.network) = (m.room_id, in_network)), false)
$$;

-- As before, with the share by the network's record.
CREATE OR REPLACE FUNCTION read_facts(b hold_batch, locked int[], rooms int[], serving boolean)
RETURNS hold_facts LANGUAGE plpgsql AS $$
DECLARE
    f hold_facts; refused text[];
    any_promised boolean; any_wished boolean; limits_customers boolean; knows_customers boolean;
BEGIN
    f.rooms := rooms;
    SELECT shopper_time(o), clock_timestamp(), o.stopped, r.free, r.promised
        INTO f.t, f.at_wall, f.stopped, f.room_free, any_promised
        FROM office o, (
            SELECT array_agg(x.on_hand - x.held - x.sold - x.promised ORDER BY x.room_id) AS free,
                   bool_or(x.promised > 0) AS promised
            FROM room_stock x WHERE x.room_id = ANY (rooms)) r;
    f.room_off_sale := array_fill(0, ARRAY[cardinality(rooms)]); f.room_closing := f.room_off_sale;
    IF any_promised THEN SELECT * INTO f.room_off_sale, f.room_closing FROM read_off_sale(rooms); END IF;
    SELECT array_agg(ROW (array_position(rooms, k.room_id), is_sold_for(k, '0'),
                          is_sold_for(k, make_interval(secs => m.claim_window_s)),
                          k.limit_per_order, k.limit_per_session, k.limit_per_customer)::sku_facts ORDER BY u.o),
           array_agg(k.sku_id ORDER BY u.o), array_agg(COALESCE(s.on_hand - s.held - s.sold, 0) ORDER BY u.o),
           array_agg(COALESCE(s.promised, 0) ORDER BY u.o),
           array_agg(k.price_minor ORDER BY u.o), array_agg(k.currency ORDER BY u.o),
           array_agg(k.name ORDER BY u.o), bool_or(s.wished > 0), bool_or(k.limit_per_customer IS NOT NULL)
        INTO f.skus, f.sku_ids, f.free, f.by_name, f.prices, f.currencies, f.names, any_wished, limits_customers
        FROM unnest(b.skus) WITH ORDINALITY u(sku, o)
        LEFT JOIN sku k ON k.sku = u.sku AND k.sku_id = ANY (locked)
        LEFT JOIN stock s ON s.sku_id = k.sku_id LEFT JOIN room m ON m.room_id = k.room_id;
    SELECT array_agg(ROW (array_position(rooms, a.room_id),
                          time_to_hold(time_for(CASE WHEN serving THEN LEAST(m.hold_s, m.claim_window_s) ELSE m.hold_s END,
                                                a.time_factor), h.unpaid, n.unpaid, n.paid),
                          m.order_units_max, LEAST(session_holds_max() - h.placed, session_unpaid_max() - h.unpaid),
                          h.open_units, ordinary_basket(m, n, h.unpaid))::session_facts ORDER BY u.o),
           array_agg(a.room_id ORDER BY u.o), array_agg(a.customer_id ORDER BY u.o),
           array_agg(a.network ORDER BY u.o), array_agg(COALESCE(n.held, 0) ORDER BY u.o),
           array_agg(network_units(m, x, n) ORDER BY u.o),
           array_agg(COALESCE(a.promised, 0) ORDER BY u.o),
           array_agg(CASE WHEN a.promised > 0 THEN a.promised_sku_id END ORDER BY u.o), bool_or(a.customer_id IS NOT NULL),
           array_agg(CASE WHEN a.state IS DISTINCT FROM 'claimed' OR a.expires_at <= f.t THEN 'session_over'
                          WHEN m.customers_only AND a.customer_id IS NULL THEN 'customer_needed' END ORDER BY u.o)
        INTO f.sessions, f.session_rooms, f.customers, f.networks, f.network_held, f.network_max, f.promised, f.named,
             knows_customers, refused
        FROM unnest(b.sessions) WITH ORDINALITY u(id, o)
        LEFT JOIN admission a ON a.admission_id = u.id LEFT JOIN room m ON m.room_id = a.room_id
        LEFT JOIN room_stock x ON x.room_id = a.room_id
        LEFT JOIN room_network n ON n.room_id = a.room_id AND n.network = a.network,
            holds_of(u.id) h;
    f.network_slot := CASE WHEN array_length(array_remove(f.networks, NULL), 1) > 0 THEN ARRAY(
        SELECT CASE WHEN u.n IS NOT NULL THEN min(u.o) OVER (PARTITION BY u.room, u.n)::int END
        FROM unnest(f.session_rooms, f.networks) WITH ORDINALITY u(room, n, o) ORDER BY u.o) END;
    f.verdicts := known_verdicts(b, refused);
    SELECT array_agg(x.units ORDER BY u.o) INTO f.had
        FROM unnest(b.pair_session, b.pair_sku) WITH ORDINALITY u(s, k, o),
            units_of(b.sessions[u.s], f.sku_ids[u.k]) x(units);
    IF limits_customers AND knows_customers THEN
        SELECT * INTO f.customer_pair, f.customer_had FROM count_by_customer(b, f.customers, f.sku_ids);
    END IF;
    IF any_wished AND NOT serving THEN f.ahead := units_ahead(b, f.sku_ids); END IF;
    RETURN f;
END $$;

-- As before, with the share by the network's record.
CREATE OR REPLACE FUNCTION judge_change(
    h hold, own admission, ids int[], quantities int[], OUT verdict text, OUT culprit int, OUT figure int)
LANGUAGE plpgsql AS $$
DECLARE
    total constant int := (SELECT sum(u.q) FROM unnest(quantities) u(q));
    grow constant bigint := total - (SELECT sum(l.quantity) FROM hold_line l WHERE l.hold_id = h.hold_id);
    of_session constant int[] := session_units(array_fill(own.admission_id, ARRAY[cardinality(ids)]), ids);
    units_per_order int; most int; open_units int; k record; may allowance; slack bigint; used int;
BEGIN
    -- The units of its other open holds count as well.
    SELECT m.order_units_max, x.open_units - total + grow,
           GREATEST(network_units(m, r, n) - n.held + total - grow,
                    ordinary_basket(m, n, x.unpaid) - (x.open_units - total + grow), 0)
        INTO units_per_order, open_units, most
        FROM room m JOIN room_stock r USING (room_id)
        LEFT JOIN room_network n ON n.room_id = m.room_id AND n.network = own.network, holds_of(own.admission_id) x
        WHERE m.room_id = h.room_id AND grow > 0;
    IF own.network IS NULL THEN most := NULL; END IF;
    FOR k IN SELECT u.o, u.q, COALESCE(l.quantity, 0) AS had, is_sold_for(s, '0') AS on_sale,
                    s.limit_per_order AS per_order, s.limit_per_session AS per_session,
                    s.limit_per_customer AS per_customer,
                    CASE WHEN s.limit_per_customer IS NOT NULL AND own.customer_id IS NOT NULL
                         THEN customer_units(own.customer_id, u.id) END AS of_customer,
                    -- What others were promised or refused is theirs first, also before a hold that grows.
                    units_beyond_named(b, own) - GREATEST(b.wished - COALESCE(w.quantity, 0), 0) AS free
             FROM unnest(ids, quantities) WITH ORDINALITY u(id, q, o)
             JOIN sku s ON s.sku_id = u.id JOIN stock b ON b.sku_id = u.id
             LEFT JOIN wish w ON w.session_id = own.admission_id AND w.sku_id = u.id
             LEFT JOIN hold_line l ON l.hold_id = h.hold_id AND l.sku_id = u.id ORDER BY u.o LOOP
        CONTINUE WHEN k.q <= k.had;
        culprit := k.o;
        may := allowed_units(k.q, k.on_sale, k.per_order, k.per_session, of_session[k.o] - k.had,
                             k.per_customer, k.of_customer - k.had, units_per_order, open_units + total - k.q);
        IF may.verdict IS NULL AND total > most THEN may := ROW (most, 'network_limit', most)::allowance; END IF;
        verdict := may.verdict; figure := may.figure;
        IF verdict IS NOT NULL THEN RETURN; END IF;
        IF k.q - k.had > k.free THEN verdict := 'out_of_stock'; figure := GREATEST(k.free, 0) + k.had; RETURN; END IF;
    END LOOP;
    culprit := NULL;
    slack := (SELECT slack_of(x, array_agg(d.sku_id), array_agg(d.q))
              FROM room_stock x, change_of(h.hold_id, ids, quantities) d WHERE x.room_id = h.room_id GROUP BY x);
    used := (SELECT promise_used(own, array_agg(d.sku_id), array_agg(d.q), slack)
             FROM change_of(h.hold_id, ids, quantities) d);
    IF slack + used < 0 THEN
        verdict := 'out_of_stock'; culprit := 1; figure := GREATEST(slack + grow, 0);
    END IF;
END $$;

DROP FUNCTION network_units(room, room_stock), ordinary_basket(room, room_network);

-- Moves a live hold's deadline to a full hold time from now, once for each key. Never revives one that
-- is over. Verdicts: placed (it is extended), no_such_hold, hold_over, hold_sold,
-- payment_running, no_extension_left.
CREATE OR REPLACE FUNCTION extend_hold(in_hold uuid, in_session bigint, in_key uuid) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    h hold; m room; t timestamptz; own admission; full_time interval;
BEGIN
    SELECT * INTO own FROM admission a WHERE a.admission_id = in_session;
    SELECT * INTO h FROM hold x WHERE x.hold_id = in_hold AND x.session_id = in_session FOR NO KEY UPDATE;
    IF h.hold_id IS NULL THEN RETURN 'no_such_hold'; END IF;
    SELECT * INTO m FROM room WHERE room_id = h.room_id;
    t := shopper_now();
    IF h.paying THEN RETURN 'payment_running'; END IF;
    IF h.state = 'confirmed' THEN RETURN 'hold_sold'; END IF;
    IF h.state <> 'held' OR h.expires_at <= t THEN RETURN 'hold_over'; END IF;
    IF h.extension_key = in_key THEN RETURN 'placed'; END IF;
    IF h.extensions >= m.hold_extensions_max OR is_beyond_its_share(m, own.network) THEN RETURN 'no_extension_left'; END IF;
    full_time := (SELECT time_to_hold(time_for(m.hold_s, own.time_factor), x.unpaid, n.unpaid, n.paid)
        FROM holds_of(in_session) x LEFT JOIN room_network n ON n.room_id = h.room_id AND n.network = own.network);
    UPDATE hold SET expires_at = GREATEST(h.expires_at, t + full_time),
            extensions = extensions + 1, extension_key = in_key
        WHERE hold_id = in_hold RETURNING expires_at INTO t;
    UPDATE hold_line SET due_at = t WHERE hold_id = in_hold AND quantity > 0;
    RETURN 'placed';
END $$;

-- As before, and it counts the baskets that lapsed.
CREATE OR REPLACE FUNCTION end_holds(ids uuid[], to_state text, only_due boolean)
RETURNS uuid[] LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    locked int[];
    rooms int[];
    t timestamptz;
    at_wall timestamptz;
    ended uuid[];
BEGIN
    SELECT array_agg(DISTINCT l.sku_id), array_agg(DISTINCT h.room_id) INTO locked, rooms
        FROM hold h JOIN hold_line l USING (hold_id) WHERE h.hold_id = ANY (ids) AND h.state = 'held';
    IF locked IS NULL THEN RETURN '{}'; END IF;
    PERFORM 1 FROM room_stock k WHERE k.room_id = ANY (rooms) ORDER BY k.room_id FOR NO KEY UPDATE;
    PERFORM 1 FROM stock k WHERE k.sku_id = ANY (locked) ORDER BY k.sku_id FOR NO KEY UPDATE;
    PERFORM 1 FROM hold h WHERE h.hold_id = ANY (ids) ORDER BY h.hold_id FOR NO KEY UPDATE;
    t := shopper_now();
    at_wall := clock_timestamp();
    -- A basket that meanwhile took in a SKU without our lock is left for the next call.
    WITH over AS (
        UPDATE hold h SET state = to_state, paying = false, ended_at = at_wall
        WHERE h.hold_id = ANY (ids) AND h.state = 'held'
            AND (NOT only_due OR h.expires_at <= t) AND (to_state = 'confirmed' OR NOT h.paying)
            AND NOT EXISTS (SELECT FROM hold_line l
                            WHERE l.hold_id = h.hold_id AND NOT l.sku_id = ANY (locked))
        RETURNING h.hold_id)
    SELECT COALESCE(array_agg(over.hold_id), '{}') INTO ended FROM over;
    UPDATE hold_line l SET due_at = NULL WHERE l.hold_id = ANY (ended) AND l.due_at IS NOT NULL;
    UPDATE stock k SET held = k.held - d.q, sold = k.sold + d.s,
            short = LEAST(k.short, GREATEST(k.held - d.q + k.sold + d.s - k.on_hand, 0))
        FROM (SELECT l.sku_id, sum(l.quantity)::int AS q,
                     CASE to_state WHEN 'confirmed' THEN sum(l.quantity)::int ELSE 0 END AS s FROM hold_line l
              WHERE l.hold_id = ANY (ended) GROUP BY l.sku_id) d WHERE k.sku_id = d.sku_id;
    UPDATE room_stock k SET held = k.held - d.q, sold = k.sold + d.s,
            short = LEAST(k.short, GREATEST(k.held - d.q + k.sold + d.s + k.promised - k.on_hand, 0))
        FROM (SELECT h.room_id, sum(l.quantity) AS q,
                     CASE to_state WHEN 'confirmed' THEN sum(l.quantity) ELSE 0 END AS s FROM hold h JOIN hold_line l USING (hold_id)
              WHERE h.hold_id = ANY (ended) GROUP BY h.room_id) d WHERE k.room_id = d.room_id;
    UPDATE room_network n SET held = n.held - d.q, paid = n.paid + CASE to_state WHEN 'confirmed' THEN d.c ELSE 0 END,
            unpaid = n.unpaid + CASE to_state WHEN 'confirmed' THEN 0 ELSE d.c END,
            lapsed = n.lapsed + CASE to_state WHEN 'confirmed' THEN 0 ELSE d.lapsed END
        FROM (SELECT a.room_id, a.network, sum(x.q)::int AS q, count(*)::int AS c,
                     count(*) FILTER (WHERE has_lapsed(h, m, t))::int AS lapsed
              FROM hold h JOIN admission a ON a.admission_id = h.session_id JOIN room m ON m.room_id = a.room_id,
                  LATERAL (SELECT sum(l.quantity) AS q FROM hold_line l WHERE l.hold_id = h.hold_id) x
              WHERE h.hold_id = ANY (ended) AND a.network IS NOT NULL GROUP BY a.room_id, a.network) d
        WHERE (n.room_id, n.network) = (d.room_id, d.network);
    IF ended <> '{}' AND event_wanted('hold.' || to_state) THEN
        PERFORM tell_of_holds('hold.' || to_state, ended);
    END IF;
    RETURN ended;
END $$;

-- The networks of a room that stand out, as before. `unpaid` are now those whose share has shrunk.
CREATE OR REPLACE FUNCTION suspicions(in_room_id int, most int) RETURNS TABLE (
    network text, signals text[], since timestamptz, sessions int, inside int, at_once int,
    held int, paid int, unpaid int, declined int)
LANGUAGE sql STABLE AS $$
    WITH claims AS (
        SELECT a.network, min(a.claimed_at) AS since, count(*)::int AS sessions,
               count(*) FILTER (WHERE a.state = 'claimed')::int AS inside,
               count(*) FILTER (WHERE a.claimed_at < a.called_at + interval '1 second')::int AS at_once
        FROM line l JOIN admission a USING (line_id)
        WHERE l.room_id = in_room_id AND a.network IS NOT NULL GROUP BY a.network),
    declines AS (
        SELECT a.network, count(*)::int AS declined FROM purchase p JOIN admission a ON a.admission_id = p.session_id
        WHERE p.room_id = in_room_id AND p.state = 'declined' AND a.network IS NOT NULL GROUP BY a.network),
    counted AS (
        SELECT encode(c.network, 'hex') AS network, wall_time(c.since) AS since, c.sessions, c.inside, c.at_once,
               COALESCE(n.held, 0) AS held, COALESCE(n.paid, 0) AS paid, COALESCE(n.unpaid, 0) AS unpaid, network_level(n) AS level,
               COALESCE(d.declined, 0) AS declined
        FROM claims c LEFT JOIN room_network n ON n.room_id = in_room_id AND n.network = c.network
        LEFT JOIN declines d ON d.network = c.network)
    SELECT x.network, s.signals, x.since, x.sessions, x.inside, x.at_once, x.held, x.paid, x.unpaid, x.declined
    FROM counted x CROSS JOIN LATERAL (SELECT array_remove(ARRAY[
        CASE WHEN x.level > 0 THEN 'unpaid' END,
        CASE WHEN outweighs_paid(x.declined, x.paid) THEN 'declined' END,
        CASE WHEN x.at_once >= 5 AND 2 * x.at_once > x.sessions THEN 'at_once' END,
        CASE WHEN x.sessions >= 30 THEN 'sessions' END], NULL) AS signals) s
    WHERE s.signals <> '{}'
    ORDER BY GREATEST(x.unpaid - 2 * x.paid, x.declined - 2 * x.paid, 0) DESC, x.at_once DESC, x.sessions DESC LIMIT most
$$;

-- The sessions of one network are found by it. As many entries are written as before.
DROP INDEX admission_seated;
CREATE INDEX admission_seated ON admission (room_id, network) WHERE state IN ('called', 'claimed');

-- The sessions that a network may have open at once, NULL for any number. One that leaves most of its baskets unpaid has
-- its share of the seats, as of the units, or a quarter of the baskets that it paid, and always two.
CREATE FUNCTION network_seats(m room, n room_network) RETURNS int LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN network_level(n) > 0 AND m.held_share_max < 1 THEN
        GREATEST(floor(m.held_share_max * m.seats_max / power(8, network_level(n)))::int, n.paid / 4, 2) END
$$;

-- Returns those of the admissions `open` for which the network of their claim has no session to spare, and the networks
-- that have none beside these claims. Claims of one network at two services at once may pass its bound by one batch.
CREATE FUNCTION claims_beyond(
    lines int[], numbers bigint[], networks bytea[], open bigint[], OUT beyond bigint[], OUT full_networks bytea[])
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    SELECT COALESCE(array_agg(x.admission_id) FILTER (WHERE x.nth > x.spare), '{}'),
           array_agg(x.network) FILTER (WHERE x.nth >= x.spare)
        INTO beyond, full_networks FROM (
        SELECT a.admission_id, q.network, b.most - i.inside AS spare,
               count(*) FILTER (WHERE a.admission_id = ANY (open)) OVER (PARTITION BY q.network ORDER BY q.o) AS nth
        FROM unnest(lines, numbers, networks) WITH ORDINALITY q(l, n, network, o)
        JOIN admission a ON a.line_id = q.l AND a.number = q.n
        JOIN room m ON m.room_id = a.room_id
        JOIN room_network r ON r.room_id = a.room_id AND r.network = q.network,
        LATERAL (SELECT network_seats(m, r) AS most) b,
        LATERAL (SELECT count(*) AS inside FROM (
            SELECT FROM admission o WHERE o.room_id = r.room_id AND o.network = r.network AND o.state = 'claimed'
            LIMIT b.most) y) i
        WHERE b.most IS NOT NULL) x;
END $$;

-- Takes up calls, one verdict for each request in order: claimed, not_yet_called, missed (it will
-- be called again), aside (until it says that it is back), over, left, ended, other_ticket, line_over
-- (the room was reset), room_ended (it will be called no more), network_full (others of its network are inside, and that
-- network may have no more sessions; nothing changes). A repeated claim gets the first one's session.
-- A call that is due but not yet swept may still be claimed: only a committed change ends it.
-- A plan for the length of each batch would take longer to make than the batch to carry out.
CREATE OR REPLACE FUNCTION claim_numbers(lines int[], numbers bigint[], ticket_ids bytea[], networks bytea[])
RETURNS TABLE (verdict text, fresh boolean, session_id bigint, expires_at timestamptz, seconds_left float8)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    t timestamptz;
    stopped_for interval;
    taken bigint[];
    takers bytea[];
    origins bytea[];
    is_bounded boolean;
    beyond bigint[];
    full_networks bytea[];
BEGIN
    -- The state is looked at behind the lock. As a condition here or below it would let a plan that was made on an
    -- empty table walk through all that were called, for each batch; so the number and the id are the ways to a row.
    SELECT COALESCE(array_agg(x.admission_id) FILTER (WHERE x.is_open), '{}'),
        array_agg(x.id) FILTER (WHERE x.is_open), array_agg(x.network) FILTER (WHERE x.is_open), bool_or(x.pays_for_few)
        INTO taken, takers, origins, is_bounded FROM (
        SELECT a.admission_id, q.id, q.network, a.state = 'called' AND (a.ticket_id IS NULL OR a.ticket_id = q.id) AS is_open,
               network_level(r) > 0 AS pays_for_few
        FROM unnest(lines, numbers, ticket_ids, networks) WITH ORDINALITY q(l, n, id, network, o)
        JOIN admission a ON a.line_id = q.l AND a.number = q.n
        LEFT JOIN room_network r ON r.room_id = a.room_id AND r.network = q.network
        ORDER BY a.admission_id, q.o FOR NO KEY UPDATE OF a) x;
    IF is_bounded THEN
        SELECT * INTO beyond, full_networks FROM claims_beyond(lines, numbers, networks, taken);
        SELECT COALESCE(array_agg(u.admission_id), '{}'), array_agg(u.id), array_agg(u.network) INTO taken, takers, origins
            FROM unnest(taken, takers, origins) u(admission_id, id, network) WHERE NOT u.admission_id = ANY (beyond);
    END IF;
    SELECT shopper_time(o), o.stopped INTO t, stopped_for FROM office o;
    -- Of two tickets for one number the first takes it.
    UPDATE admission a SET state = 'claimed', ticket_id = q.id, network = q.network, claimed_at = t,
        expires_at = t + time_for(m.session_s, a.time_factor)
        FROM unnest(taken, takers, origins) q(admission_id, id, network), room m
        WHERE a.admission_id = q.admission_id AND m.room_id = a.room_id;
    IF cardinality(taken) < cardinality(numbers) THEN
        UPDATE admission a SET state = 'missed', came_back_at = t, ticket_id = q.id
            FROM unnest(lines, numbers, ticket_ids, networks) q(l, n, id, network), room m
            WHERE a.line_id = q.l AND a.number = q.n AND m.room_id = a.room_id AND a.state IN ('missed', 'aside')
                AND had_its_turn(a) AND a.came_back_at IS NULL AND a.ended_at > t - time_for(m.grace_s, a.time_factor)
                AND m.status <> 'ended' AND (a.ticket_id IS NULL OR a.ticket_id = q.id)
                AND (q.network = ANY (full_networks)) IS NOT TRUE;
    END IF;
    RETURN QUERY SELECT
        CASE WHEN NOT l.joinable AND a.state IS DISTINCT FROM 'claimed' THEN 'line_over'
             WHEN a.ticket_id <> q.id THEN 'other_ticket'
             WHEN m.status = 'ended' AND COALESCE(a.state, 'missed') IN ('missed', 'aside') THEN 'room_ended'
             WHEN a.admission_id IS NULL THEN 'not_yet_called'
             WHEN a.state IN ('missed', 'aside') AND had_its_turn(a) AND a.came_back_at IS NULL THEN
                 CASE WHEN q.network = ANY (full_networks) AND a.ended_at > t - time_for(m.grace_s, a.time_factor)
                      THEN 'network_full' ELSE 'over' END
             WHEN a.state = 'called' AND q.network = ANY (full_networks) THEN 'network_full'
             -- It was called while this was decided; the next look finds it.
             WHEN a.state = 'called' THEN 'not_yet_called'
             ELSE a.state END,
        a.admission_id = ANY (taken), a.admission_id, a.expires_at + stopped_for,
        extract(epoch FROM a.expires_at - t)::float8
        FROM unnest(lines, numbers, ticket_ids, networks) WITH ORDINALITY q(l, n, id, network, o)
        LEFT JOIN admission a ON a.line_id = q.l AND a.number = q.n
        LEFT JOIN line l ON l.line_id = q.l
        LEFT JOIN room m ON m.room_id = l.room_id ORDER BY q.o;
END $$;
