-- The end, the change and the extension of a hold, and wishes: units that come free go first to the sessions
-- that were refused them, by number. Asking again sooner gains nothing.

-- Ends held holds together: `to_state` is confirmed, released or expired. With `only_due` it ends only
-- those whose deadline has passed. A hold that is being paid ends by being confirmed and by nothing
-- else. Returns those it ended.
CREATE FUNCTION end_holds(ids uuid[], to_state text, only_due boolean)
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
            unpaid = n.unpaid + CASE to_state WHEN 'confirmed' THEN 0 ELSE d.c END
        FROM (SELECT a.room_id, a.network, sum(x.q)::int AS q, count(*)::int AS c
              FROM hold h JOIN admission a ON a.admission_id = h.session_id,
                  LATERAL (SELECT sum(l.quantity) AS q FROM hold_line l WHERE l.hold_id = h.hold_id) x
              WHERE h.hold_id = ANY (ended) AND a.network IS NOT NULL GROUP BY a.room_id, a.network) d
        WHERE (n.room_id, n.network) = (d.room_id, d.network);
    IF ended <> '{}' AND event_wanted('hold.' || to_state) THEN
        PERFORM tell_of_holds('hold.' || to_state, ended);
    END IF;
    RETURN ended;
END $$;

-- Ends up to `batch_max` holds whose time has passed, those on the named SKUs first and then, or
-- without names, the longest overdue of these rooms; NULL stands for the rooms of the SKUs. A room whose
-- rows are locked for long stands in the way of no other. Returns how many it ended.
CREATE FUNCTION expire_holds(batch_max int, skus text[], in_rooms int[])
RETURNS int LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    t constant timestamptz := shopper_now();
    rooms constant int[] := COALESCE(in_rooms, ARRAY(
        SELECT DISTINCT k.room_id FROM sku k WHERE k.sku = ANY (skus)));
    due uuid[];
    overdue uuid[];
BEGIN
    SELECT array_agg(DISTINCT x.hold_id) INTO due FROM unnest(skus) u(sku) JOIN sku k USING (sku),
        LATERAL (SELECT l.hold_id FROM hold_line l WHERE l.sku_id = k.sku_id AND l.due_at <= t
                 ORDER BY l.due_at LIMIT batch_max) x;
    SELECT array_agg(x.hold_id) INTO overdue FROM (
        SELECT o.hold_id FROM unnest(rooms) r(id), LATERAL (
            SELECT h.hold_id, h.expires_at FROM hold h
            WHERE h.room_id = r.id AND h.state = 'held' AND h.expires_at <= t AND NOT h.paying
            ORDER BY h.expires_at LIMIT batch_max) o
        ORDER BY o.expires_at LIMIT GREATEST(batch_max - COALESCE(cardinality(due), 0), 0)) x;
    RETURN cardinality(end_holds(COALESCE(due, '{}') || COALESCE(overdue, '{}'), 'expired', true));
END $$;

-- The lines of holds, each beside its hold as a shopper sees it.
CREATE VIEW shown_hold AS
    SELECT h.hold_id, h.session_id, h.state, h.paying, h.placed_at, wall_time(h.expires_at) AS expires_at,
           extract(epoch FROM h.expires_at - shopper_now())::float8 AS seconds_left,
           m.hold_extensions_max - h.extensions AS extensions_left,
           k.sku, k.name, k.currency, l.quantity, l.price_minor
    FROM hold h JOIN room m USING (room_id) JOIN hold_line l USING (hold_id) JOIN sku k USING (sku_id)
    WHERE l.quantity > 0;

-- Says by how many units of each SKU a hold changes that is to have these.
CREATE FUNCTION change_of(in_hold uuid, skus int[], quantities int[]) RETURNS TABLE (sku_id int, q int)
LANGUAGE sql STABLE AS $$
    SELECT x.id, sum(x.q)::int FROM (
        SELECT l.sku_id AS id, -l.quantity AS q FROM hold_line l WHERE l.hold_id = in_hold
        UNION ALL SELECT * FROM unnest(skus, quantities)) x GROUP BY x.id HAVING sum(x.q) <> 0
$$;

-- Says what stands in the way of a change, the first line first: `verdict` is NULL if nothing does. Units
-- that a line had before are never refused, whatever the limits are now. The caller has locked all of it.
CREATE FUNCTION judge_change(
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
           GREATEST(network_units(m, r) - n.held + total - grow,
                    ordinary_basket(m, n) - (x.open_units - total + grow), 0)
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

-- Writes a change that nothing stands in the way of, and moves the balances by it. A line that is taken
-- out stays with no units, and a SKU that stays keeps the price it was held at.
CREATE FUNCTION write_change(h hold, own admission, ids int[], quantities int[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    grow bigint; items int[]; changes int[]; used int := 0;
BEGIN
    SELECT COALESCE(sum(d.q), 0), array_agg(d.sku_id), array_agg(d.q) INTO grow, items, changes
        FROM change_of(h.hold_id, ids, quantities) d;
    IF own.promised > 0 AND items IS NOT NULL THEN
        used := (SELECT promise_used(own, items, changes, slack_of(x, items, changes))
                 FROM room_stock x WHERE x.room_id = h.room_id);
        PERFORM take_up_promise(own, items, changes, used);
    END IF;
    INSERT INTO hold_change (hold_id, sku_id, quantity, at)
        SELECT h.hold_id, d.sku_id, d.q, clock_timestamp() FROM change_of(h.hold_id, ids, quantities) d;
    UPDATE room_stock x SET held = x.held + grow, promised = x.promised - used,
            short = LEAST(x.short, GREATEST(x.held + grow + x.sold + x.promised - used - x.on_hand, 0))
        WHERE x.room_id = h.room_id;
    UPDATE stock x SET held = x.held + d.q, short = LEAST(x.short, GREATEST(x.held + d.q + x.sold - x.on_hand, 0))
        FROM change_of(h.hold_id, ids, quantities) d WHERE x.sku_id = d.sku_id;
    -- It waits no longer for what it takes here.
    PERFORM grant_wishes(array_agg(own.admission_id), array_agg(d.sku_id))
        FROM change_of(h.hold_id, ids, quantities) d WHERE d.q > 0;
    UPDATE admission x SET changes = x.changes + 1 WHERE x.admission_id = own.admission_id;
    UPDATE room_network n SET held = n.held + grow WHERE n.room_id = h.room_id AND n.network = own.network;
    UPDATE hold_line l SET quantity = 0, due_at = NULL WHERE l.hold_id = h.hold_id AND NOT l.sku_id = ANY (ids);
    INSERT INTO hold_line (hold_id, sku_id, quantity, price_minor, due_at)
        SELECT h.hold_id, u.id, u.q, s.price_minor, h.expires_at
        FROM unnest(ids, quantities) u(id, q) JOIN sku s ON s.sku_id = u.id
        ON CONFLICT (hold_id, sku_id) DO UPDATE SET quantity = EXCLUDED.quantity, due_at = EXCLUDED.due_at,
            price_minor = CASE WHEN hold_line.quantity = 0 THEN EXCLUDED.price_minor ELSE hold_line.price_minor END;
END $$;

-- Changes the quantities of a held hold, all or nothing. Verdicts are those of place_holds, and
-- no_such_hold, hold_over, hold_sold, payment_running, too_many_changes; `culprit` is the place among `codes` of what stood in the
-- way, and `figure` the units that could be had there, or the limit.
CREATE FUNCTION change_hold(
    in_hold uuid, in_session bigint, codes text[], quantities int[],
    OUT verdict text, OUT culprit int, OUT figure int)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    own admission; h hold; ids int[]; t timestamptz;
BEGIN
    SELECT * INTO own FROM admission x WHERE x.admission_id = in_session FOR NO KEY UPDATE;
    SELECT * INTO h FROM hold x WHERE x.hold_id = in_hold AND x.session_id = in_session;
    IF h.hold_id IS NULL THEN verdict := 'no_such_hold'; RETURN; END IF;
    SELECT array_agg(s.sku_id ORDER BY u.o) INTO ids
        FROM unnest(codes) WITH ORDINALITY u(sku, o) LEFT JOIN sku s ON s.sku = u.sku AND s.room_id = h.room_id;
    culprit := array_position(ids, NULL);
    IF culprit IS NOT NULL THEN verdict := 'unknown_sku'; RETURN; END IF;
    PERFORM 1 FROM room_stock x WHERE x.room_id = h.room_id FOR NO KEY UPDATE;
    PERFORM 1 FROM stock s WHERE s.sku_id = ANY (ids)
        OR s.sku_id IN (SELECT l.sku_id FROM hold_line l WHERE l.hold_id = in_hold) OR s.sku_id = own.promised_sku_id
        ORDER BY s.sku_id FOR NO KEY UPDATE;
    SELECT * INTO h FROM hold x WHERE x.hold_id = in_hold FOR NO KEY UPDATE;
    t := shopper_now();
    verdict := CASE WHEN h.paying THEN 'payment_running'
                    WHEN h.state = 'confirmed' THEN 'hold_sold'
                    WHEN h.state <> 'held' OR h.expires_at <= t THEN 'hold_over'
                    WHEN own.state <> 'claimed' OR own.expires_at <= t THEN 'session_over'
                    WHEN own.changes >= session_changes_max() THEN 'too_many_changes' END;
    IF verdict IS NOT NULL THEN RETURN; END IF;
    SELECT j.* INTO verdict, culprit, figure FROM judge_change(h, own, ids, quantities) j;
    IF verdict IS NOT NULL THEN RETURN; END IF;
    PERFORM write_change(h, own, ids, quantities);
    verdict := 'placed';
END $$;

-- Moves a live hold's deadline to a full hold time from now, once for each key. Never revives one that
-- is over. Verdicts: placed (it is extended), no_such_hold, hold_over, hold_sold,
-- payment_running, no_extension_left.
CREATE FUNCTION extend_hold(in_hold uuid, in_session bigint, in_key uuid) RETURNS text LANGUAGE plpgsql AS $$
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
    IF h.extensions >= m.hold_extensions_max THEN RETURN 'no_extension_left'; END IF;
    full_time := (SELECT time_to_hold(time_for(m.hold_s, own.time_factor), x.unpaid, n.unpaid, n.paid)
        FROM holds_of(in_session) x LEFT JOIN room_network n ON n.room_id = h.room_id AND n.network = own.network);
    UPDATE hold SET expires_at = GREATEST(h.expires_at, t + full_time),
            extensions = extensions + 1, extension_key = in_key
        WHERE hold_id = in_hold RETURNING expires_at INTO t;
    UPDATE hold_line SET due_at = t WHERE hold_id = in_hold AND quantity > 0;
    RETURN 'placed';
END $$;

-- Remembers refused sessions, for at most `session_wishes_max` SKUs each. The caller has their admissions and the SKUs' stock locked.
CREATE FUNCTION note_wishes(in_sessions bigint[], in_skus int[], quantities int[]) RETURNS void LANGUAGE sql AS $$
    WITH noted AS (
        INSERT INTO wish (session_id, sku_id, line_id, passed_at, number, quantity)
            SELECT DISTINCT ON (d.s, d.k) d.s, d.k, a.line_id, COALESCE(a.passed_at, a.called_at), a.number, d.q
            FROM unnest(in_sessions, in_skus, quantities) WITH ORDINALITY d(s, k, q, o)
            JOIN admission a ON a.admission_id = d.s
            WHERE (SELECT count(*) FROM wish w WHERE w.session_id = d.s) < session_wishes_max() ORDER BY d.s, d.k, d.o
            ON CONFLICT (session_id, sku_id) DO NOTHING
            RETURNING sku_id, quantity)
    UPDATE stock s SET wished = s.wished + d.q
        FROM (SELECT sku_id, sum(quantity)::int AS q FROM noted GROUP BY sku_id) d WHERE s.sku_id = d.sku_id;
    UPDATE admission a SET refused = true, missed_sku_id = d.k FROM (
            SELECT DISTINCT ON (u.s) u.s, u.k FROM unnest(in_sessions, in_skus) WITH ORDINALITY u(s, k, o)
            ORDER BY u.s, u.o) d
        WHERE a.admission_id = d.s AND NOT a.refused
$$;

-- Forgets wishes, those of the same place in both arrays. The caller has the SKUs' stock locked.
CREATE FUNCTION grant_wishes(in_sessions bigint[], in_skus int[]) RETURNS void LANGUAGE sql AS $$
    WITH granted AS (
        DELETE FROM wish w USING unnest(in_sessions, in_skus) d(s, k)
        WHERE w.session_id = d.s AND w.sku_id = d.k RETURNING w.sku_id, w.quantity)
    UPDATE stock s SET wished = s.wished - d.q
        FROM (SELECT sku_id, sum(quantity)::int AS q FROM granted GROUP BY sku_id) d WHERE s.sku_id = d.sku_id
$$;

-- Forgets the wishes of sessions that were given something of what they waited for, and remembers those of
-- sessions that found nothing at all of a SKU.
CREATE FUNCTION settle_wishes(b hold_batch, f hold_facts, d hold_decisions, serving boolean)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF serving OR f.ahead IS NOT NULL THEN
        PERFORM grant_wishes(array_agg(b.sessions[b.pair_session[l.p]]), array_agg(f.sku_ids[b.pair_sku[l.p]]))
            FROM unnest(b.line_pair, d.line_request) l(p, r) WHERE l.r > 0;
    END IF;
    IF NOT serving AND 'out_of_stock' = ANY (d.verdicts) THEN
        PERFORM note_wishes(array_agg(b.sessions[r.s] ORDER BY r.o), array_agg(f.sku_ids[b.line_sku[r.j]] ORDER BY r.o),
                            array_agg(b.line_units[r.j] ORDER BY r.o))
            FROM unnest(d.verdicts, b.request_session, d.culprits, d.figures) WITH ORDINALITY r(verdict, s, j, figure, o)
            WHERE r.verdict = 'out_of_stock' AND r.figure = 0 HAVING count(*) > 0;
    END IF;
END $$;

-- Forgets all wishes of some sessions; their admissions and what else the caller needs of room_stock
-- are locked before.
CREATE FUNCTION drop_wishes(in_sessions bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM stock s WHERE s.sku_id IN (SELECT w.sku_id FROM wish w WHERE w.session_id = ANY (in_sessions))
        ORDER BY s.sku_id FOR NO KEY UPDATE;
    PERFORM grant_wishes(array_agg(w.session_id), array_agg(w.sku_id)) FROM wish w
        WHERE w.session_id = ANY (in_sessions);
END $$;

-- Lets a session wait for nothing any more. Verdicts: dropped, too_many_changes.
CREATE FUNCTION give_up_wishes(in_session bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    own admission;
BEGIN
    SELECT * INTO own FROM admission a WHERE a.admission_id = in_session FOR NO KEY UPDATE;
    IF NOT EXISTS (SELECT FROM wish w WHERE w.session_id = in_session) THEN RETURN 'dropped'; END IF;
    IF own.changes >= session_changes_max() THEN RETURN 'too_many_changes'; END IF;
    UPDATE admission a SET changes = a.changes + 1 WHERE a.admission_id = in_session;
    PERFORM drop_wishes(ARRAY[in_session]);
    RETURN 'dropped';
END $$;

-- The units of a room that are free but not for new calls: refused sessions wait for them, or they are
-- not on sale for as long as a call lasts.
CREATE FUNCTION kept_units(in_room int) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT units_off_sale(m.room_id, make_interval(secs => m.claim_window_s)) + COALESCE((
        SELECT sum(LEAST(s.wished, GREATEST(s.on_hand - s.held - s.sold - s.promised, 0)))
        FROM stock s JOIN sku k USING (sku_id) WHERE s.wished > 0 AND k.room_id = m.room_id
            AND is_sold_for(k, make_interval(secs => m.claim_window_s))), 0)::bigint
    FROM room m WHERE m.room_id = in_room
$$;

-- Chooses wishes that the free units are enough for, those of the earliest turns, as a batch with one
-- request for each session. Its keys are new, since a wish is served once. NULL where nobody can be served.
CREATE FUNCTION choose_wishes(batch_max int, in_rooms int[]) RETURNS hold_batch LANGUAGE plpgsql AS $$
DECLARE
    b hold_batch;
BEGIN
    WITH free AS (
        SELECT s.sku_id, s.on_hand - s.held - s.sold - s.promised AS units FROM stock s JOIN sku k USING (sku_id)
        WHERE s.wished > 0 AND k.room_id = ANY (in_rooms) AND s.on_hand - s.held - s.sold - s.promised > 0
            AND is_sold_for(k, '0')
        ORDER BY s.sku_id LIMIT batch_max),
    turn AS (
        SELECT w.*, f.units, sum(w.quantity) OVER (PARTITION BY w.sku_id ORDER BY w.passed_at, w.number, w.line_id)
                             - w.quantity AS before
        FROM free f, LATERAL (SELECT x.* FROM wish x WHERE x.sku_id = f.sku_id
                              ORDER BY x.passed_at, x.number, x.line_id LIMIT batch_max) w),
    chosen AS (SELECT * FROM turn WHERE before < units ORDER BY passed_at, number, line_id LIMIT batch_max),
    asking AS (SELECT session_id, row_number() OVER (ORDER BY min(passed_at), min(number), session_id)::int AS i
               FROM chosen GROUP BY session_id),
    item AS (SELECT x.sku_id, k.sku, row_number() OVER (ORDER BY x.sku_id)::int AS slot
             FROM (SELECT DISTINCT sku_id FROM chosen) x JOIN sku k USING (sku_id)),
    line AS (SELECT a.i, m.slot, c.quantity, row_number() OVER (ORDER BY a.i, m.slot)::int AS o
             FROM chosen c JOIN asking a USING (session_id) JOIN item m USING (sku_id))
    SELECT (SELECT array_agg(session_id ORDER BY i) FROM asking), (SELECT array_agg(sku ORDER BY slot) FROM item),
           (SELECT array_agg(x.first ORDER BY x.i) FROM (SELECT i, min(o) AS first FROM line GROUP BY i) x)
               || (SELECT count(*)::int + 1 FROM line),
           (SELECT array_agg(slot ORDER BY o) FROM line), (SELECT array_agg(quantity ORDER BY o) FROM line),
           (SELECT array_agg(i ORDER BY o) FROM line), (SELECT array_agg(o ORDER BY o) FROM line)
        INTO b.sessions, b.skus, b.line_first, b.line_sku, b.line_units, b.pair_session, b.line_pair;
    IF b.sessions IS NULL THEN RETURN NULL; END IF;
    b.pair_sku := b.line_sku;
    SELECT array_agg(gen_random_uuid()), array_agg(gen_random_uuid()), array_agg('\x'::bytea), array_agg(true),
           array_agg(u.i::int ORDER BY u.i)
        INTO b.hold_ids, b.keys, b.body_hashes, b.partial, b.request_session
        FROM unnest(b.sessions) WITH ORDINALITY u(id, i);
    RETURN b;
END $$;

-- Holds what is free in these rooms for the sessions that wait for it, by their turn, and returns how many of
-- them got something. A wish of a session that is over, or that a limit now forbids, is forgotten.
CREATE FUNCTION serve_wishes(batch_max int, in_rooms int[]) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    b hold_batch := choose_wishes(batch_max, in_rooms); v record;
BEGIN
    IF b.sessions IS NULL THEN RETURN 0; END IF;
    -- A wish may be gone once its session is locked: another sweeper served it, or the session asked again
    -- in its turn. Then nothing is served by this call; the next one reads anew.
    PERFORM 1 FROM admission a WHERE a.admission_id = ANY (b.sessions) ORDER BY a.admission_id FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM unnest(b.pair_session, b.pair_sku) p(s, k)
               LEFT JOIN sku x ON x.sku = b.skus[p.k]
               LEFT JOIN wish w ON w.session_id = b.sessions[p.s] AND w.sku_id = x.sku_id
               WHERE w.session_id IS NULL) THEN
        RETURN 0;
    END IF;
    SELECT * INTO v FROM place_holds(b, true, true);
    PERFORM grant_wishes(array_agg(b.sessions[p.s]), array_agg(x.sku_id))
        FROM unnest(b.pair_session, b.pair_sku) p(s, k) JOIN sku x ON x.sku = b.skus[p.k]
        WHERE v.verdicts[p.s] NOT IN ('placed', 'out_of_stock', 'not_on_sale');
    RETURN (SELECT count(*) FROM unnest(v.verdicts) d(verdict) WHERE d.verdict = 'placed');
END $$;
