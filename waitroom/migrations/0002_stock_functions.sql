-- Stock and holds. One lock order for everybody: admission by id, room_stock by room, stock by SKU,
-- hold by id. Every function reads the clock after it has its locks.

-- How far ahead of the last beat the shoppers' clock may run before it stands still.
CREATE FUNCTION shopper_now() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
    SELECT LEAST(clock_timestamp(), beat_at + interval '3 seconds') - stopped FROM office
$$;

CREATE FUNCTION wall_time(shopper_time timestamptz) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT shopper_time + stopped FROM office
$$;

-- Changes what is on hand of one SKU and returns the new figure, or NULL for an unknown SKU.
-- stock_never_oversold and promises_are_covered refuse a correction below what is spoken for.
CREATE FUNCTION move_stock(in_sku text, in_kind text, in_quantity int, in_who text, in_reason text)
RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    id int;
    rid int;
    now_on_hand int;
BEGIN
    SELECT k.sku_id, k.room_id INTO id, rid FROM sku k WHERE k.sku = in_sku;
    IF id IS NULL THEN RETURN NULL; END IF;
    UPDATE room_stock SET on_hand = on_hand + in_quantity WHERE room_id = rid;
    UPDATE stock SET on_hand = on_hand + in_quantity WHERE sku_id = id RETURNING on_hand INTO now_on_hand;
    INSERT INTO stock_movement (sku_id, kind, quantity, reason, who)
        VALUES (id, in_kind, in_quantity, in_reason, in_who);
    RETURN now_on_hand;
END $$;

-- Places a batch of holds, first come first served, baskets all or nothing, a verdict for each.
-- Request i asks for the lines line_first[i] .. line_first[i + 1] - 1; a line names its SKU by a slot
-- of `skus` and its pair of session and SKU by a slot of the pair arrays, so that two requests of
-- one session in one batch share its limit. `sessions` and each key within a session are distinct
-- per slot; the caller folds repeats within a batch.
-- Verdicts: 1 placed, 2 replay, 3 key with another body, 4 session over, 5 out of stock,
-- 6 limit reached, 7 unknown SKU. When something is short while a hold that could free it is due,
-- nothing is written and `must_expire` is true: the caller ends what is due and asks again. With
-- `final` the batch is decided as things stand.
-- The SETs pin the plans: with plans cached on empty tables throughput falls to a tenth.
CREATE FUNCTION place_holds(
    ids uuid[], keys uuid[], hashes bytea[], req_session int[], sessions bigint[],
    line_first int[], line_slot int[], line_pair int[], line_quantity int[],
    skus text[], pair_session int[], pair_slot int[], final boolean,
    OUT verdicts smallint[], OUT culprits int[], OUT figures int[], OUT expires timestamptz[],
    OUT seconds_left float8[], OUT prices bigint[], OUT currencies text[], OUT names text[],
    OUT must_expire boolean)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    n constant int := cardinality(ids);
    sku_ids int[]; sku_rooms int[]; free int[]; caps int[];
    taken int[] := array_fill(0, ARRAY[cardinality(skus)]);
    session_rooms int[]; promise int[]; live boolean[]; hold_for interval[];
    promise_used int[] := array_fill(0, ARRAY[cardinality(sessions)]);
    rooms int[]; room_free bigint[]; room_taken bigint[]; room_promise_used bigint[];
    pair_had int[];
    line_request int[] := array_fill(0, ARRAY[cardinality(line_slot)]);
    t timestamptz; stopped_for interval;
    a int; b int; s int; w int; r int; q int; p int; used int; verdict smallint;
    changed int := 0; short int[] := '{}'; pool_short boolean := false;
BEGIN
    PERFORM 1 FROM admission x WHERE x.admission_id = ANY (sessions)
        ORDER BY x.admission_id FOR NO KEY UPDATE;
    SELECT array_agg(k.sku_id ORDER BY u.o), array_agg(k.room_id ORDER BY u.o),
           array_agg(k.limit_per_session ORDER BY u.o), array_agg(k.price_minor ORDER BY u.o),
           array_agg(k.currency ORDER BY u.o), array_agg(k.name ORDER BY u.o)
        INTO sku_ids, sku_rooms, caps, prices, currencies, names
        FROM unnest(skus) WITH ORDINALITY u(sku, o) LEFT JOIN sku k ON k.sku = u.sku;
    SELECT array_agg(x.room_id), array_agg(x.f), array_agg(0::bigint), array_agg(0::bigint)
        INTO rooms, room_free, room_taken, room_promise_used
        FROM (SELECT rs.room_id, rs.on_hand - rs.held - rs.sold - rs.promised AS f FROM room_stock rs
              WHERE rs.room_id = ANY (sku_rooms) ORDER BY rs.room_id FOR NO KEY UPDATE) x;
    PERFORM 1 FROM stock k WHERE k.sku_id = ANY (sku_ids) ORDER BY k.sku_id FOR NO KEY UPDATE;
    t := shopper_now();
    stopped_for := (SELECT o.stopped FROM office o);

    SELECT array_agg(k.on_hand - k.held - k.sold ORDER BY u.o) INTO free
        FROM unnest(sku_ids) WITH ORDINALITY u(id, o) LEFT JOIN stock k ON k.sku_id = u.id;
    SELECT array_agg(COALESCE(x.state = 'claimed' AND x.expires_at > t, false) ORDER BY u.o),
           array_agg(COALESCE(x.promised, 0) ORDER BY u.o), array_agg(x.room_id ORDER BY u.o),
           array_agg(make_interval(secs => m.hold_s) ORDER BY u.o)
        INTO live, promise, session_rooms, hold_for
        FROM unnest(sessions) WITH ORDINALITY u(id, o)
        LEFT JOIN admission x ON x.admission_id = u.id LEFT JOIN room m ON m.room_id = x.room_id;
    SELECT array_agg(COALESCE(
               (SELECT CASE WHEN h.body_hash = u.hash THEN 2 ELSE 3 END FROM hold h
                WHERE h.session_id = sessions[u.s] AND h.idempotency_key = u.key),
               CASE WHEN live[u.s] THEN 0 ELSE 4 END)::smallint ORDER BY u.o)
        INTO verdicts FROM unnest(keys, hashes, req_session) WITH ORDINALITY u(key, hash, s, o);
    SELECT array_agg(COALESCE((
               SELECT sum(l.quantity)::int FROM hold h, LATERAL (
                   SELECT z.quantity FROM hold_line z
                   WHERE z.hold_id = h.hold_id AND z.sku_id = sku_ids[u.k] OFFSET 0) l
               WHERE h.session_id = sessions[u.s] AND h.state IN ('held', 'confirmed')), 0) ORDER BY u.o)
        INTO pair_had FROM unnest(pair_session, pair_slot) WITH ORDINALITY u(s, k, o);
    culprits := array_fill(0, ARRAY[n]);
    figures := array_fill(0, ARRAY[n]);
    expires := array_fill(NULL::timestamptz, ARRAY[n]);
    seconds_left := array_fill(0::float8, ARRAY[n]);
    must_expire := false;

    FOR i IN 1 .. n LOOP
        CONTINUE WHEN verdicts[i] <> 0;
        a := line_first[i]; b := line_first[i + 1] - 1; w := req_session[i];
        verdict := 1; q := 0;
        r := array_position(rooms, session_rooms[w]);
        FOR j IN a .. b LOOP
            s := line_slot[j];
            IF sku_rooms[s] IS DISTINCT FROM session_rooms[w] THEN
                verdict := 7; culprits[i] := s; EXIT;
            END IF;
            IF pair_had[line_pair[j]] + line_quantity[j] > caps[s] THEN
                verdict := 6; culprits[i] := s; figures[i] := caps[s]; EXIT;
            END IF;
            q := q + line_quantity[j];
            -- Units that stand behind other shoppers' promises are not to be had.
            IF free[s] < line_quantity[j] OR room_free[r] + promise[w] < q THEN
                verdict := 5; culprits[i] := s;
                figures[i] := GREATEST(LEAST(free[s], room_free[r] + promise[w] - q + line_quantity[j]), 0);
                short := short || sku_ids[s];
                pool_short := pool_short OR free[s] >= line_quantity[j];
                EXIT;
            END IF;
        END LOOP;
        verdicts[i] := verdict;
        CONTINUE WHEN verdict <> 1;
        FOR j IN a .. b LOOP
            s := line_slot[j]; p := line_pair[j];
            free[s] := free[s] - line_quantity[j];
            taken[s] := taken[s] + line_quantity[j];
            pair_had[p] := pair_had[p] + line_quantity[j];
            line_request[j] := i;
        END LOOP;
        used := LEAST(promise[w], q);
        IF used > 0 THEN
            promise[w] := promise[w] - used;
            promise_used[w] := promise_used[w] + used;
            room_promise_used[r] := room_promise_used[r] + used;
        END IF;
        room_free[r] := room_free[r] - (q - used);
        room_taken[r] := room_taken[r] + q;
        expires[i] := t + hold_for[w];
        changed := changed + 1;
    END LOOP;

    IF NOT final AND cardinality(short) > 0 THEN
        must_expire := EXISTS (SELECT FROM hold_line l WHERE l.sku_id = ANY (short) AND l.due_at <= t)
            OR (pool_short AND EXISTS (SELECT FROM hold h WHERE h.state = 'held' AND h.expires_at <= t
                                           AND NOT h.paying));
        IF must_expire THEN RETURN; END IF;
    END IF;

    IF changed > 0 THEN
        UPDATE room_stock k SET held = k.held + d.q, promised = k.promised - d.u
            FROM unnest(rooms, room_taken, room_promise_used) AS d(room, q, u)
            WHERE k.room_id = d.room AND d.q > 0;
        UPDATE stock k SET held = k.held + d.q
            FROM unnest(sku_ids, taken) AS d(id, q) WHERE k.sku_id = d.id AND d.q > 0;
        UPDATE admission x SET promised = x.promised - d.u
            FROM unnest(sessions, promise_used) AS d(id, u) WHERE x.admission_id = d.id AND d.u > 0;
        INSERT INTO hold (hold_id, session_id, room_id, idempotency_key, body_hash, placed_at, expires_at)
            SELECT d.id, sessions[d.s], session_rooms[d.s], d.key, d.hash, t, d.until
            FROM unnest(ids, req_session, keys, hashes, expires) AS d(id, s, key, hash, until)
            WHERE d.until IS NOT NULL;
        INSERT INTO hold_line (hold_id, sku_id, quantity, price_minor, due_at)
            SELECT ids[d.r], sku_ids[d.s], d.q, prices[d.s], expires[d.r]
            FROM unnest(line_request, line_slot, line_quantity) AS d(r, s, q) WHERE d.r > 0;
    END IF;
    FOR i IN 1 .. n LOOP
        IF expires[i] IS NOT NULL THEN
            seconds_left[i] := extract(epoch FROM expires[i] - t);
            expires[i] := expires[i] + stopped_for;
        END IF;
    END LOOP;
END $$;

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
    ended uuid[];
BEGIN
    SELECT array_agg(DISTINCT l.sku_id), array_agg(DISTINCT h.room_id) INTO locked, rooms
        FROM hold h JOIN hold_line l USING (hold_id) WHERE h.hold_id = ANY (ids) AND h.state = 'held';
    IF locked IS NULL THEN RETURN '{}'; END IF;
    PERFORM 1 FROM room_stock k WHERE k.room_id = ANY (rooms) ORDER BY k.room_id FOR NO KEY UPDATE;
    PERFORM 1 FROM stock k WHERE k.sku_id = ANY (locked) ORDER BY k.sku_id FOR NO KEY UPDATE;
    PERFORM 1 FROM hold h WHERE h.hold_id = ANY (ids) ORDER BY h.hold_id FOR NO KEY UPDATE;
    t := shopper_now();
    -- A basket that meanwhile took in a SKU without our lock is left for the next call.
    WITH over AS (
        UPDATE hold h SET state = to_state, paying = false, ended_at = t
        WHERE h.hold_id = ANY (ids) AND h.state = 'held'
            AND (NOT only_due OR h.expires_at <= t) AND (to_state = 'confirmed' OR NOT h.paying)
            AND NOT EXISTS (SELECT FROM hold_line l
                            WHERE l.hold_id = h.hold_id AND NOT l.sku_id = ANY (locked))
        RETURNING h.hold_id)
    SELECT COALESCE(array_agg(over.hold_id), '{}') INTO ended FROM over;
    UPDATE hold_line l SET due_at = NULL WHERE l.hold_id = ANY (ended) AND l.due_at IS NOT NULL;
    UPDATE stock k SET held = k.held - d.q, sold = k.sold + CASE to_state WHEN 'confirmed' THEN d.q ELSE 0 END
        FROM (SELECT l.sku_id, sum(l.quantity)::int AS q FROM hold_line l
              WHERE l.hold_id = ANY (ended) GROUP BY l.sku_id) d WHERE k.sku_id = d.sku_id;
    UPDATE room_stock k SET held = k.held - d.q, sold = k.sold + CASE to_state WHEN 'confirmed' THEN d.q ELSE 0 END
        FROM (SELECT h.room_id, sum(l.quantity) AS q FROM hold h JOIN hold_line l USING (hold_id)
              WHERE h.hold_id = ANY (ended) GROUP BY h.room_id) d WHERE k.room_id = d.room_id;
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

-- Changes the quantities of a held hold, all or nothing. Verdicts as in place_holds, and
-- 8 no such hold, 9 hold over, 10 payment running.
CREATE FUNCTION change_hold(
    in_hold uuid, in_session bigint, skus text[], quantities int[],
    OUT verdict smallint, OUT culprit int, OUT figure int)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    h hold; k record; own admission; pool room_stock; sku_ids int[];
    grow bigint; used int; t timestamptz;
BEGIN
    SELECT * INTO own FROM admission x WHERE x.admission_id = in_session FOR NO KEY UPDATE;
    SELECT * INTO h FROM hold x WHERE x.hold_id = in_hold AND x.session_id = in_session;
    IF h.hold_id IS NULL THEN verdict := 8; RETURN; END IF;
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
    grow := 0;
    FOR k IN SELECT u.o, s.limit_per_session AS cap, b.on_hand - b.held - b.sold AS free, u.q,
                    COALESCE(l.quantity, 0) AS had,
                    COALESCE((SELECT sum(z.quantity) FROM hold y JOIN hold_line z USING (hold_id)
                              WHERE y.session_id = in_session AND y.hold_id <> in_hold
                                AND y.state IN ('held', 'confirmed') AND z.sku_id = u.id), 0) AS elsewhere
             FROM unnest(sku_ids, quantities) WITH ORDINALITY u(id, q, o)
             JOIN sku s ON s.sku_id = u.id JOIN stock b ON b.sku_id = u.id
             LEFT JOIN hold_line l ON l.hold_id = in_hold AND l.sku_id = u.id LOOP
        IF k.q + k.elsewhere > k.cap THEN verdict := 6; culprit := k.o; figure := k.cap; RETURN; END IF;
        IF k.q - k.had > k.free THEN verdict := 5; culprit := k.o; figure := k.free + k.had; RETURN; END IF;
        grow := grow + k.q;
    END LOOP;
    grow := grow - (SELECT sum(l.quantity) FROM hold_line l WHERE l.hold_id = in_hold);
    used := LEAST(own.promised, GREATEST(grow, 0));
    IF grow - used > pool.on_hand - pool.held - pool.sold - pool.promised THEN
        verdict := 5; culprit := 1; figure := GREATEST(pool.on_hand - pool.held - pool.sold - pool.promised, 0);
        RETURN;
    END IF;
    UPDATE room_stock x SET held = x.held + grow, promised = x.promised - used WHERE x.room_id = h.room_id;
    UPDATE stock x SET held = x.held + d.q FROM (
        SELECT id, sum(q)::int AS q FROM (
            SELECT l.sku_id AS id, -l.quantity AS q FROM hold_line l WHERE l.hold_id = in_hold
            UNION ALL SELECT * FROM unnest(sku_ids, quantities)) both_sides GROUP BY id) d
        WHERE x.sku_id = d.id AND d.q <> 0;
    UPDATE admission x SET promised = x.promised - used WHERE x.admission_id = in_session AND used > 0;
    DELETE FROM hold_line l WHERE l.hold_id = in_hold AND NOT l.sku_id = ANY (sku_ids);
    -- A SKU that stays keeps the price it was held at.
    INSERT INTO hold_line (hold_id, sku_id, quantity, price_minor, due_at)
        SELECT in_hold, u.id, u.q, s.price_minor, h.expires_at
        FROM unnest(sku_ids, quantities) u(id, q) JOIN sku s ON s.sku_id = u.id
        ON CONFLICT (hold_id, sku_id) DO UPDATE SET quantity = EXCLUDED.quantity;
    verdict := 1;
END $$;

-- Moves a live hold's deadline to a full hold time from now. Never revives one that is over.
-- Verdicts: 1 extended, 8 no such hold, 9 hold over, 10 payment running,
-- 11 no extension left.
CREATE FUNCTION extend_hold(in_hold uuid, in_session bigint) RETURNS smallint LANGUAGE plpgsql AS $$
DECLARE
    h hold; m room; t timestamptz;
BEGIN
    SELECT * INTO h FROM hold x WHERE x.hold_id = in_hold AND x.session_id = in_session FOR NO KEY UPDATE;
    IF h.hold_id IS NULL THEN RETURN 8; END IF;
    SELECT * INTO m FROM room WHERE room_id = h.room_id;
    t := shopper_now();
    IF h.paying THEN RETURN 10; END IF;
    IF h.state <> 'held' OR h.expires_at <= t THEN RETURN 9; END IF;
    IF h.extensions >= m.hold_extensions_max THEN RETURN 11; END IF;
    UPDATE hold SET expires_at = GREATEST(h.expires_at, t + make_interval(secs => m.hold_s)),
            extensions = extensions + 1
        WHERE hold_id = in_hold RETURNING expires_at INTO t;
    UPDATE hold_line SET due_at = t WHERE hold_id = in_hold;
    RETURN 1;
END $$;

-- Every way in which the books could disagree, a row for each that does. Empty when all is well.
CREATE VIEW conservation_breach AS
    SELECT 'held differs from the open holds' AS breach, s.sku_id AS id, s.held::bigint AS kept,
           COALESCE(h.q, 0)::bigint AS counted
    FROM stock s LEFT JOIN (
        SELECT l.sku_id, sum(l.quantity) AS q FROM hold h JOIN hold_line l USING (hold_id)
        WHERE h.state = 'held' GROUP BY l.sku_id) h USING (sku_id)
    WHERE s.held <> COALESCE(h.q, 0)
    UNION ALL
    SELECT 'sold differs from the confirmed holds', s.sku_id, s.sold, COALESCE(h.q, 0)
    FROM stock s LEFT JOIN (
        SELECT l.sku_id, sum(l.quantity) AS q FROM hold h JOIN hold_line l USING (hold_id)
        WHERE h.state = 'confirmed' GROUP BY l.sku_id) h USING (sku_id)
    WHERE s.sold <> COALESCE(h.q, 0)
    UNION ALL
    SELECT 'on hand differs from the movements', s.sku_id, s.on_hand, COALESCE(m.q, 0)
    FROM stock s LEFT JOIN (
        SELECT sku_id, sum(quantity) AS q FROM stock_movement GROUP BY sku_id) m USING (sku_id)
    WHERE s.on_hand <> COALESCE(m.q, 0)
    UNION ALL
    SELECT 'the room differs from its SKUs', r.room_id, r.on_hand + r.held + r.sold,
           COALESCE(k.q, 0)
    FROM room_stock r LEFT JOIN (
        SELECT room_id, sum(on_hand) AS o, sum(held) AS h, sum(sold) AS s,
               sum(on_hand + held + sold) AS q
        FROM stock JOIN sku USING (sku_id) GROUP BY room_id) k USING (room_id)
    WHERE (r.on_hand, r.held, r.sold) IS DISTINCT FROM (COALESCE(k.o, 0), COALESCE(k.h, 0), COALESCE(k.s, 0))
    UNION ALL
    SELECT 'promised differs from the admissions', r.room_id, r.promised, COALESCE(a.q, 0)
    FROM room_stock r LEFT JOIN (
        SELECT room_id, sum(promised) AS q FROM admission GROUP BY room_id) a USING (room_id)
    WHERE r.promised <> COALESCE(a.q, 0)
    UNION ALL
    SELECT 'sold differs from the orders', h.room_id, sum(l.quantity),
           sum(l.quantity) FILTER (WHERE p.order_id IS NOT NULL)
    FROM hold h JOIN hold_line l USING (hold_id)
    LEFT JOIN purchase p ON p.hold_id = h.hold_id AND p.state IN ('authorized', 'paid', 'refunded')
    WHERE h.state = 'confirmed' GROUP BY h.room_id
    HAVING sum(l.quantity) <> COALESCE(sum(l.quantity) FILTER (WHERE p.order_id IS NOT NULL), 0);
