-- Holds. One lock order for everybody: admission by id, room_stock by room, stock by SKU, hold by id.
-- Every function reads the clock after it has its locks.

-- Whether a SKU is on sale now and for so long.
CREATE FUNCTION is_sold_for(k sku, ahead interval) RETURNS boolean LANGUAGE sql VOLATILE AS $$
    SELECT COALESCE(k.on_sale_from <= clock_timestamp(), true)
       AND COALESCE(k.on_sale_until > clock_timestamp() + ahead, true)
$$;

-- The free units of a room that are not on sale now and for so long.
CREATE FUNCTION units_off_sale(in_room int, ahead interval) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT COALESCE(sum(GREATEST(s.on_hand - s.held - s.sold, 0)), 0)::bigint
    FROM sku k JOIN stock s USING (sku_id)
    WHERE k.room_id = in_room AND (k.on_sale_from IS NOT NULL OR k.on_sale_until IS NOT NULL)
        AND NOT is_sold_for(k, ahead)
$$;

-- Places a batch of holds, first come first served, a verdict for each. A basket is all or nothing;
-- with `partial` it is what can be given.
-- Request i asks for the lines line_first[i] .. line_first[i + 1] - 1; a line names its SKU by a slot
-- of `skus` and its pair of session and SKU by a slot of the pair arrays, so that two requests of
-- one session in one batch share its limit. `sessions` and each key within a session are distinct
-- per slot; the caller folds repeats within a batch.
-- Verdicts are those of inventory/hold.py. When something is short while a hold that could free it is
-- due, or while free units wait for a session that was refused before, nothing is written and
-- `must_settle` is true: the caller settles those and asks again. With `final` the batch is decided as
-- things stand. Whoever finds none of a SKU is remembered in `wish`; with `serving` the requests are
-- such wishes, lowest number first, and nobody stands before them.
-- The SETs pin the plans: with plans cached on empty tables throughput falls to a tenth.
CREATE FUNCTION place_holds(
    ids uuid[], keys uuid[], hashes bytea[], partial boolean[], req_session int[], sessions bigint[],
    line_first int[], line_slot int[], line_pair int[], line_quantity int[],
    skus text[], pair_session int[], pair_slot int[], final boolean, serving boolean,
    OUT verdicts smallint[], OUT culprits int[], OUT figures int[], OUT expires timestamptz[],
    OUT seconds_left float8[], OUT given int[], OUT prices bigint[], OUT currencies text[], OUT names text[],
    OUT must_settle boolean)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    n constant int := cardinality(ids);
    sku_ids int[]; sku_rooms int[]; free int[]; caps int[]; order_caps int[]; customer_caps int[];
    on_sale boolean[]; lasting boolean[]; wished int[];
    taken int[] := array_fill(0, ARRAY[cardinality(skus)]);
    session_rooms int[]; promise int[]; live smallint[]; hold_for interval[]; customers bigint[]; unit_caps int[];
    promise_used int[] := array_fill(0, ARRAY[cardinality(sessions)]);
    rooms int[]; room_free bigint[]; room_closed bigint[]; room_closing bigint[];
    room_taken bigint[]; room_promise_used bigint[];
    pair_had int[]; customer_pair int[]; customer_had int[];
    pair_ahead int[] := array_fill(0, ARRAY[cardinality(pair_slot)]);
    line_request int[] := array_fill(0, ARRAY[cardinality(line_slot)]);
    wish_session int[] := '{}'; wish_slot int[] := '{}'; wish_quantity int[] := '{}';
    t timestamptz; at_wall timestamptz; stopped_for interval;
    a int; b int; s int; w int; r int; q int; p int; c int; want int; can int; spare bigint; used int; soon int;
    verdict smallint; why smallint; culprit int; figure int;
    changed int := 0; short int[] := '{}'; pool_short boolean := false; behind boolean := false;
BEGIN
    PERFORM 1 FROM admission x WHERE x.admission_id = ANY (sessions)
        ORDER BY x.admission_id FOR NO KEY UPDATE;
    SELECT array_agg(k.sku_id ORDER BY u.o), array_agg(k.room_id ORDER BY u.o),
           array_agg(k.limit_per_session ORDER BY u.o), array_agg(k.limit_per_order ORDER BY u.o),
           array_agg(k.limit_per_customer ORDER BY u.o), array_agg(k.price_minor ORDER BY u.o),
           array_agg(k.currency ORDER BY u.o), array_agg(k.name ORDER BY u.o),
           array_agg(is_sold_for(k, '0') ORDER BY u.o)
        INTO sku_ids, sku_rooms, caps, order_caps, customer_caps, prices, currencies, names, on_sale
        FROM unnest(skus) WITH ORDINALITY u(sku, o) LEFT JOIN sku k ON k.sku = u.sku;
    SELECT array_agg(x.room_id), array_agg(x.f), array_agg(0::bigint), array_agg(0::bigint)
        INTO rooms, room_free, room_taken, room_promise_used
        FROM (SELECT rs.room_id, rs.on_hand - rs.held - rs.sold - rs.promised AS f FROM room_stock rs
              WHERE rs.room_id = ANY (sku_rooms) ORDER BY rs.room_id FOR NO KEY UPDATE) x;
    PERFORM 1 FROM stock k WHERE k.sku_id = ANY (sku_ids) ORDER BY k.sku_id FOR NO KEY UPDATE;
    t := shopper_now();
    at_wall := clock_timestamp();
    stopped_for := (SELECT o.stopped FROM office o);
    -- Behind a promise stands what is on sale, for as long as a call lasts.
    SELECT array_agg(CASE WHEN x.promised > 0 THEN units_off_sale(x.room_id, '0') ELSE 0 END ORDER BY u.o),
           array_agg(CASE WHEN x.promised > 0 THEN units_off_sale(x.room_id, make_interval(secs => m.claim_window_s))
                          ELSE 0 END ORDER BY u.o)
        INTO room_closed, room_closing
        FROM unnest(rooms) WITH ORDINALITY u(id, o) JOIN room_stock x ON x.room_id = u.id JOIN room m USING (room_id);
    IF 0 < ANY (room_closing) THEN
        SELECT array_agg(is_sold_for(k, make_interval(secs => m.claim_window_s)) ORDER BY u.o)
            INTO lasting FROM unnest(sku_ids) WITH ORDINALITY u(id, o)
            LEFT JOIN sku k ON k.sku_id = u.id LEFT JOIN room m USING (room_id);
    END IF;

    -- A SKU may have been deleted since it was read.
    SELECT array_agg(COALESCE(k.on_hand - k.held - k.sold, 0) ORDER BY u.o), array_agg(COALESCE(k.wished, 0) ORDER BY u.o)
        INTO free, wished FROM unnest(sku_ids) WITH ORDINALITY u(id, o) LEFT JOIN stock k ON k.sku_id = u.id;
    SELECT array_agg(CASE WHEN x.state = 'claimed' AND x.expires_at > t
                          THEN CASE WHEN m.customers_only AND x.customer_id IS NULL THEN 12 ELSE 0 END
                          ELSE 4 END ORDER BY u.o),
           array_agg(COALESCE(x.promised, 0) ORDER BY u.o), array_agg(x.room_id ORDER BY u.o),
           -- Whoever gets something in their absence has as long as for a call, and not as for a basket.
           array_agg(make_interval(secs => CASE WHEN serving THEN LEAST(m.hold_s, m.claim_window_s) ELSE m.hold_s END)
                     ORDER BY u.o), array_agg(x.customer_id ORDER BY u.o),
           array_agg(m.order_units_max ORDER BY u.o)
        INTO live, promise, session_rooms, hold_for, customers, unit_caps
        FROM unnest(sessions) WITH ORDINALITY u(id, o)
        LEFT JOIN admission x ON x.admission_id = u.id LEFT JOIN room m ON m.room_id = x.room_id;
    SELECT array_agg(COALESCE(
               (SELECT CASE WHEN h.body_hash = u.hash THEN 2 ELSE 3 END FROM hold h
                WHERE h.session_id = sessions[u.s] AND h.idempotency_key = u.key),
               live[u.s])::smallint ORDER BY u.o)
        INTO verdicts FROM unnest(keys, hashes, req_session) WITH ORDINALITY u(key, hash, s, o);
    SELECT array_agg(COALESCE((
               SELECT sum(l.quantity)::int FROM hold h, LATERAL (
                   SELECT z.quantity FROM hold_line z
                   WHERE z.hold_id = h.hold_id AND z.sku_id = sku_ids[u.k] OFFSET 0) l
               WHERE h.session_id = sessions[u.s] AND h.state IN ('held', 'confirmed')), 0)
               - COALESCE((
               SELECT sum(l.returned)::int FROM purchase o, LATERAL (
                   SELECT z.returned FROM purchase_line z
                   WHERE z.order_id = o.order_id AND z.sku_id = sku_ids[u.k] OFFSET 0) l
               WHERE o.session_id = sessions[u.s]), 0) ORDER BY u.o)
        INTO pair_had FROM unnest(pair_session, pair_slot) WITH ORDINALITY u(s, k, o);
    IF array_remove(customer_caps, NULL) <> '{}' AND array_remove(customers, NULL) <> '{}' THEN
        -- The sessions of one customer share a slot, in which their units are counted together.
        SELECT array_agg(x.slot ORDER BY x.o), array_agg(customer_units(customers[x.s], sku_ids[x.k]) ORDER BY x.o)
            INTO customer_pair, customer_had FROM (
                SELECT u.o, u.s, u.k, min(u.o) OVER (
                    PARTITION BY COALESCE(customers[u.s], -sessions[u.s]), u.k)::int AS slot
                FROM unnest(pair_session, pair_slot) WITH ORDINALITY u(s, k, o)) x;
    END IF;
    IF NOT serving AND 0 < ANY (wished) THEN
        -- Who was refused before stands before everybody who was not, and by number among themselves.
        SELECT array_agg(COALESCE((
                   SELECT sum(x.quantity)::int FROM wish x
                   LEFT JOIN wish own ON own.session_id = sessions[u.s] AND own.sku_id = sku_ids[u.k]
                   WHERE x.sku_id = sku_ids[u.k] AND x.session_id <> sessions[u.s]
                     AND (own.number IS NULL OR (x.number, x.line_id) < (own.number, own.line_id))), 0)
                   ORDER BY u.o)
            INTO pair_ahead FROM unnest(pair_session, pair_slot) WITH ORDINALITY u(s, k, o);
    END IF;
    culprits := array_fill(0, ARRAY[n]);
    figures := array_fill(0, ARRAY[n]);
    expires := array_fill(NULL::timestamptz, ARRAY[n]);
    seconds_left := array_fill(0::float8, ARRAY[n]);
    given := array_fill(0, ARRAY[cardinality(line_slot)]);
    must_settle := false;

    FOR i IN 1 .. n LOOP
        CONTINUE WHEN verdicts[i] <> 0;
        a := line_first[i]; b := line_first[i + 1] - 1; w := req_session[i];
        verdict := 1; q := 0; soon := 0;
        r := array_position(rooms, session_rooms[w]);
        FOR j IN a .. b LOOP
            s := line_slot[j]; p := line_pair[j]; want := line_quantity[j]; can := want; figure := 0;
            IF sku_rooms[s] IS DISTINCT FROM session_rooms[w] THEN
                verdict := 7; culprits[i] := s; figures[i] := 0; q := 0; EXIT;
            END IF;
            IF NOT on_sale[s] THEN can := 0; why := 16; END IF;
            IF order_caps[s] < can THEN can := order_caps[s]; why := 13; figure := can; END IF;
            IF caps[s] - pair_had[p] < can THEN can := GREATEST(caps[s] - pair_had[p], 0); why := 6; figure := caps[s]; END IF;
            IF customer_pair IS NOT NULL AND customers[w] IS NOT NULL
                AND customer_caps[s] - customer_had[customer_pair[p]] < can THEN
                can := GREATEST(customer_caps[s] - customer_had[customer_pair[p]], 0); why := 14; figure := customer_caps[s];
            END IF;
            IF unit_caps[w] - q < can THEN can := unit_caps[w] - q; why := 15; figure := unit_caps[w]; END IF;
            IF can = want OR partial[i] THEN
                -- Units that stand behind other shoppers' promises are not to be had, and only a
                -- promise of one's own goes before those who wait for what comes free.
                spare := LEAST(free[s] - CASE WHEN q + can <= promise[w] THEN 0 ELSE pair_ahead[p] END,
                               LEAST(room_free[r], GREATEST(0, room_free[r] - CASE
                                   WHEN lasting[s] THEN room_closing[r] - soon ELSE room_closed[r] END))
                               + promise[w] - q);
                IF spare < can THEN
                    short := short || sku_ids[s];
                    pool_short := pool_short OR free[s] >= can;
                    behind := behind OR (pair_ahead[p] > 0 AND free[s] > 0);
                    can := GREATEST(spare, 0); why := 5; figure := can;
                END IF;
            END IF;
            IF can < want AND (can = 0 OR NOT partial[i]) AND culprits[i] = 0 THEN
                culprits[i] := s; figures[i] := figure; verdict := why;
                culprit := j;
            END IF;
            IF can < want AND NOT partial[i] THEN EXIT; END IF;
            given[j] := can; q := q + can;
            IF NOT lasting[s] THEN soon := soon + can; END IF;
        END LOOP;
        IF partial[i] AND q > 0 THEN verdict := 1; END IF;
        verdicts[i] := verdict;
        IF verdict <> 1 THEN
            IF verdict = 5 AND figures[i] = 0 THEN
                wish_session := wish_session || w;
                wish_slot := wish_slot || line_slot[culprit];
                wish_quantity := wish_quantity || line_quantity[culprit];
            END IF;
            CONTINUE;
        END IF;
        FOR j IN a .. b LOOP
            CONTINUE WHEN given[j] = 0;
            s := line_slot[j]; p := line_pair[j];
            free[s] := free[s] - given[j];
            taken[s] := taken[s] + given[j];
            pair_had[p] := pair_had[p] + given[j];
            IF customer_pair IS NOT NULL THEN
                c := customer_pair[p];
                customer_had[c] := customer_had[c] + given[j];
            END IF;
            line_request[j] := i;
        END LOOP;
        used := LEAST(promise[w], q);
        IF used > 0 THEN
            promise[w] := promise[w] - used;
            promise_used[w] := promise_used[w] + used;
            room_promise_used[r] := room_promise_used[r] + used;
        END IF;
        room_free[r] := room_free[r] - (q - used);
        room_closing[r] := room_closing[r] - soon;
        room_taken[r] := room_taken[r] + q;
        expires[i] := t + hold_for[w];
        changed := changed + 1;
    END LOOP;

    IF NOT final AND cardinality(short) > 0 THEN
        must_settle := behind
            OR EXISTS (SELECT FROM hold_line l WHERE l.sku_id = ANY (short) AND l.due_at <= t)
            OR (pool_short AND EXISTS (SELECT FROM hold h WHERE h.state = 'held' AND h.expires_at <= t
                                           AND NOT h.paying));
        IF must_settle THEN RETURN; END IF;
    END IF;

    IF changed > 0 THEN
        UPDATE room_stock k SET held = k.held + d.q, promised = k.promised - d.u
            FROM unnest(rooms, room_taken, room_promise_used) AS d(room, q, u)
            WHERE k.room_id = d.room AND d.q > 0;
        UPDATE stock k SET held = k.held + d.q
            FROM unnest(sku_ids, taken) AS d(id, q) WHERE k.sku_id = d.id AND d.q > 0;
        UPDATE admission x SET promised = x.promised - d.u
            FROM unnest(sessions, promise_used) AS d(id, u) WHERE x.admission_id = d.id AND d.u > 0;
        INSERT INTO hold (hold_id, session_id, room_id, idempotency_key, body_hash, customer_id, placed_at, expires_at)
            SELECT d.id, sessions[d.s], session_rooms[d.s], d.key, d.hash, customers[d.s], at_wall, d.until
            FROM unnest(ids, req_session, keys, hashes, expires) AS d(id, s, key, hash, until)
            WHERE d.until IS NOT NULL;
        INSERT INTO hold_line (hold_id, sku_id, quantity, price_minor, due_at)
            SELECT ids[d.r], sku_ids[d.s], d.q, prices[d.s], expires[d.r]
            FROM unnest(line_request, line_slot, given) AS d(r, s, q) WHERE d.r > 0;
        IF 0 < ANY (wished) THEN
            PERFORM grant_wishes(
                (SELECT array_agg(sessions[pair_session[d.p]]) FROM unnest(line_request, line_pair) d(r, p) WHERE d.r > 0),
                (SELECT array_agg(sku_ids[pair_slot[d.p]]) FROM unnest(line_request, line_pair) d(r, p) WHERE d.r > 0));
        END IF;
        IF event_wanted('hold.placed') THEN
            PERFORM tell_of_holds('hold.placed', (SELECT array_agg(d.id) FROM unnest(ids, expires) AS d(id, until)
                                                  WHERE d.until IS NOT NULL));
        END IF;
    END IF;
    IF wish_slot <> '{}' AND NOT serving THEN
        PERFORM note_wishes(
            (SELECT array_agg(sessions[d.w] ORDER BY d.o) FROM unnest(wish_session) WITH ORDINALITY d(w, o)),
            (SELECT array_agg(sku_ids[d.s] ORDER BY d.o) FROM unnest(wish_slot) WITH ORDINALITY d(s, o)),
            wish_quantity);
    END IF;
    FOR i IN 1 .. n LOOP
        IF expires[i] IS NOT NULL THEN
            seconds_left[i] := extract(epoch FROM expires[i] - t);
            expires[i] := expires[i] + stopped_for;
        END IF;
    END LOOP;
END $$;

-- The units of one SKU that a customer has, over all sessions and orders: held or bought, and not
-- returned.
CREATE FUNCTION customer_units(in_customer bigint, in_sku int) RETURNS int LANGUAGE sql STABLE AS $$
    SELECT COALESCE((SELECT sum(l.quantity) FROM hold h JOIN hold_line l USING (hold_id)
                     WHERE h.customer_id = in_customer AND l.sku_id = in_sku
                       AND h.state IN ('held', 'confirmed')), 0)::int
         - COALESCE((SELECT sum(l.returned) FROM purchase p JOIN purchase_line l USING (order_id)
                     WHERE p.customer_id = in_customer AND l.sku_id = in_sku), 0)::int
$$;

-- Ends held holds together: `to_state` is confirmed, released or expired. With `only_due` it ends
-- only those whose deadline has passed. A hold that is being paid is ended by being confirmed and by
-- nothing else. Returns those it ended.
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
    IF ended <> '{}' AND event_wanted('hold.' || to_state) THEN
        PERFORM tell_of_holds('hold.' || to_state, ended);
    END IF;
    RETURN ended;
END $$;

-- Ends up to `batch_max` holds whose time has passed, those on the named SKUs first and then, or
-- without names, the longest overdue. Returns how many it ended.
CREATE FUNCTION expire_holds(batch_max int, skus text[] DEFAULT '{}')
RETURNS int LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    t constant timestamptz := shopper_now();
    due uuid[];
    overdue uuid[];
BEGIN
    SELECT array_agg(DISTINCT x.hold_id) INTO due FROM unnest(skus) u(sku) JOIN sku k USING (sku),
        LATERAL (SELECT l.hold_id FROM hold_line l WHERE l.sku_id = k.sku_id AND l.due_at <= t
                 ORDER BY l.due_at LIMIT batch_max) x;
    SELECT array_agg(x.hold_id) INTO overdue FROM (
        SELECT h.hold_id FROM hold h WHERE h.state = 'held' AND h.expires_at <= t AND NOT h.paying
        ORDER BY h.expires_at LIMIT GREATEST(batch_max - COALESCE(cardinality(due), 0), 0)) x;
    RETURN cardinality(end_holds(COALESCE(due, '{}') || COALESCE(overdue, '{}'), 'expired', true));
END $$;

-- How many units more than these changes take could go and leave every promise kept; NULL where they
-- take nothing. It is looked at over all SKUs, over those on sale, and over those that are on sale for
-- as long as a call lasts: those who were just called find the last ones still open.
CREATE FUNCTION slack_of(pool room_stock, skus int[], changes int[]) RETURNS bigint LANGUAGE sql STABLE AS $$
    WITH kinds AS (
        SELECT interval '0' AS ahead UNION ALL
        SELECT make_interval(secs => m.claim_window_s) FROM room m WHERE m.room_id = pool.room_id),
    taken AS (SELECT k AS item, u.q FROM unnest(skus, changes) u(id, q) JOIN sku k ON k.sku_id = u.id),
    asked AS (
        SELECT 0::bigint AS off_sale, sum(q) AS units FROM taken UNION ALL
        SELECT units_off_sale(pool.room_id, ahead), (SELECT sum(t.q) FROM taken t WHERE is_sold_for(t.item, ahead))
        FROM kinds WHERE pool.promised > 0)
    SELECT min(CASE WHEN off_sale = 0 THEN free ELSE LEAST(free, GREATEST(free - off_sale, 0)) END - units)::bigint
    FROM asked, (SELECT pool.on_hand - pool.held - pool.sold - pool.promised AS free) f WHERE units > 0
$$;

-- By how many units of each SKU a hold would change that is to have these.
CREATE FUNCTION change_of(in_hold uuid, skus int[], quantities int[]) RETURNS TABLE (sku_id int, q int)
LANGUAGE sql STABLE AS $$
    SELECT x.id, sum(x.q)::int FROM (
        SELECT l.sku_id AS id, -l.quantity AS q FROM hold_line l WHERE l.hold_id = in_hold
        UNION ALL SELECT * FROM unnest(skus, quantities)) x GROUP BY x.id HAVING sum(x.q) <> 0
$$;

-- Changes the quantities of a held hold, all or nothing. Verdicts as in place_holds, and
-- 8 no such hold, 9 hold over, 10 payment running.
CREATE FUNCTION change_hold(
    in_hold uuid, in_session bigint, skus text[], quantities int[],
    OUT verdict smallint, OUT culprit int, OUT figure int)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    h hold; k record; own admission; pool room_stock; m room; sku_ids int[];
    grow bigint := 0; total bigint := 0; used int; slack bigint; t timestamptz;
BEGIN
    SELECT * INTO own FROM admission x WHERE x.admission_id = in_session FOR NO KEY UPDATE;
    SELECT * INTO h FROM hold x WHERE x.hold_id = in_hold AND x.session_id = in_session;
    IF h.hold_id IS NULL THEN verdict := 8; RETURN; END IF;
    SELECT * INTO m FROM room x WHERE x.room_id = h.room_id;
    SELECT array_agg(s.sku_id ORDER BY u.o) INTO sku_ids
        FROM unnest(skus) WITH ORDINALITY u(sku, o) LEFT JOIN sku s ON s.sku = u.sku AND s.room_id = h.room_id;
    IF array_position(sku_ids, NULL) IS NOT NULL THEN
        verdict := 7; culprit := array_position(sku_ids, NULL); RETURN;
    END IF;
    SELECT * INTO pool FROM room_stock x WHERE x.room_id = h.room_id FOR NO KEY UPDATE;
    PERFORM 1 FROM stock s WHERE s.sku_id = ANY (sku_ids)
        OR s.sku_id IN (SELECT l.sku_id FROM hold_line l WHERE l.hold_id = in_hold)
        ORDER BY s.sku_id FOR NO KEY UPDATE;
    SELECT * INTO h FROM hold x WHERE x.hold_id = in_hold FOR NO KEY UPDATE;
    t := shopper_now();
    IF h.paying THEN verdict := 10; RETURN; END IF;
    IF h.state <> 'held' OR h.expires_at <= t THEN verdict := 9; RETURN; END IF;
    IF own.state <> 'claimed' OR own.expires_at <= t THEN verdict := 4; RETURN; END IF;
    FOR k IN SELECT u.o, s.limit_per_session AS cap, s.limit_per_order AS order_cap, s.limit_per_customer AS customer_cap,
                    -- What others were refused is theirs first, also before a hold that grows.
                    b.on_hand - b.held - b.sold - GREATEST(b.wished - COALESCE(w.quantity, 0), 0) AS free, u.q,
                    is_sold_for(s, '0') AS on_sale,
                    COALESCE(l.quantity, 0) AS had,
                    COALESCE((SELECT sum(z.quantity) FROM hold y JOIN hold_line z USING (hold_id)
                              WHERE y.session_id = in_session AND y.hold_id <> in_hold
                                AND y.state IN ('held', 'confirmed') AND z.sku_id = u.id), 0)
                    - COALESCE((SELECT sum(z.returned) FROM purchase y JOIN purchase_line z USING (order_id)
                                WHERE y.session_id = in_session AND z.sku_id = u.id), 0) AS elsewhere,
                    CASE WHEN s.limit_per_customer IS NOT NULL AND own.customer_id IS NOT NULL
                         THEN customer_units(own.customer_id, u.id) END AS of_customer
             FROM unnest(sku_ids, quantities) WITH ORDINALITY u(id, q, o)
             JOIN sku s ON s.sku_id = u.id JOIN stock b ON b.sku_id = u.id
             LEFT JOIN wish w ON w.session_id = in_session AND w.sku_id = u.id
             LEFT JOIN hold_line l ON l.hold_id = in_hold AND l.sku_id = u.id ORDER BY u.o LOOP
        culprit := k.o;
        total := total + k.q;
        -- Whoever asks for less is never refused.
        CONTINUE WHEN k.q <= k.had;
        IF NOT k.on_sale THEN verdict := 16; RETURN; END IF;
        IF k.q > k.order_cap THEN verdict := 13; figure := k.order_cap; RETURN; END IF;
        IF k.q + k.elsewhere > k.cap THEN verdict := 6; figure := k.cap; RETURN; END IF;
        IF k.q - k.had + k.of_customer > k.customer_cap THEN verdict := 14; figure := k.customer_cap; RETURN; END IF;
        IF k.q - k.had > k.free THEN verdict := 5; figure := GREATEST(k.free, 0) + k.had; RETURN; END IF;
    END LOOP;
    culprit := NULL;
    grow := total - (SELECT sum(l.quantity) FROM hold_line l WHERE l.hold_id = in_hold);
    IF grow > 0 AND total > m.order_units_max THEN
        verdict := 15; culprit := 1; figure := m.order_units_max; RETURN;
    END IF;
    used := LEAST(own.promised, GREATEST(grow, 0));
    slack := (SELECT slack_of(pool, array_agg(d.sku_id), array_agg(d.q)) FROM change_of(in_hold, sku_ids, quantities) d);
    IF slack + used < 0 THEN
        verdict := 5; culprit := 1; figure := GREATEST(slack + grow, 0); RETURN;
    END IF;
    INSERT INTO hold_change (hold_id, sku_id, quantity, at)
        SELECT in_hold, d.sku_id, d.q, clock_timestamp() FROM change_of(in_hold, sku_ids, quantities) d;
    UPDATE room_stock x SET held = x.held + grow, promised = x.promised - used,
            short = LEAST(x.short, GREATEST(x.held + grow + x.sold + x.promised - used - x.on_hand, 0))
        WHERE x.room_id = h.room_id;
    UPDATE stock x SET held = x.held + d.q, short = LEAST(x.short, GREATEST(x.held + d.q + x.sold - x.on_hand, 0))
        FROM change_of(in_hold, sku_ids, quantities) d WHERE x.sku_id = d.sku_id;
    UPDATE admission x SET promised = x.promised - used WHERE x.admission_id = in_session AND used > 0;
    UPDATE hold_line l SET quantity = 0, due_at = NULL WHERE l.hold_id = in_hold AND NOT l.sku_id = ANY (sku_ids);
    -- A SKU that stays keeps the price it was held at.
    INSERT INTO hold_line (hold_id, sku_id, quantity, price_minor, due_at)
        SELECT in_hold, u.id, u.q, s.price_minor, h.expires_at
        FROM unnest(sku_ids, quantities) u(id, q) JOIN sku s ON s.sku_id = u.id
        ON CONFLICT (hold_id, sku_id) DO UPDATE SET quantity = EXCLUDED.quantity, due_at = EXCLUDED.due_at,
            price_minor = CASE WHEN hold_line.quantity = 0 THEN EXCLUDED.price_minor ELSE hold_line.price_minor END;
    verdict := 1;
END $$;

-- Moves a live hold's deadline to a full hold time from now, once for each key. Never revives one
-- that is over. Verdicts: 1 extended, 8 no such hold, 9 hold over, 10 payment running,
-- 11 no extension left.
CREATE FUNCTION extend_hold(in_hold uuid, in_session bigint, in_key uuid) RETURNS smallint LANGUAGE plpgsql AS $$
DECLARE
    h hold; m room; t timestamptz;
BEGIN
    SELECT * INTO h FROM hold x WHERE x.hold_id = in_hold AND x.session_id = in_session FOR NO KEY UPDATE;
    IF h.hold_id IS NULL THEN RETURN 8; END IF;
    SELECT * INTO m FROM room WHERE room_id = h.room_id;
    t := shopper_now();
    IF h.paying THEN RETURN 10; END IF;
    IF h.state <> 'held' OR h.expires_at <= t THEN RETURN 9; END IF;
    IF h.extension_key = in_key THEN RETURN 1; END IF;
    IF h.extensions >= m.hold_extensions_max THEN RETURN 11; END IF;
    UPDATE hold SET expires_at = GREATEST(h.expires_at, t + make_interval(secs => m.hold_s)),
            extensions = extensions + 1, extension_key = in_key
        WHERE hold_id = in_hold RETURNING expires_at INTO t;
    UPDATE hold_line SET due_at = t WHERE hold_id = in_hold AND quantity > 0;
    RETURN 1;
END $$;
