-- Promises of a SKU. Where a room's policy is `guaranteed`, a shopper who named what they came for is called once
-- a unit of it is free, and is promised that one. Until then the gate passes the number by: it stands among those
-- that came back, so it is called before anyone new, by number, as soon as its SKU is free.
--
-- Of each SKU, held + sold + promised <= on_hand (`named_promises_are_covered`), and of the room the same over all
-- promises, named or not (`promises_are_covered`). So a unit stands behind every promise at once: only promises of
-- one SKU ask for a unit of it, and all together for a unit of the room, which is all that Hall's theorem asks.

-- The numbers that one tick may pass by. More of them wait for the next tick.
CREATE FUNCTION passed_by_max() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 500';

-- Counts the units of a SKU that can be promised to a call: free, promised to no other, kept for no refused
-- session, and on sale for as long as the call lasts.
CREATE FUNCTION units_for_call(in_sku int) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT GREATEST(s.on_hand - s.held - s.sold - s.promised - s.wished, 0)::bigint
    FROM stock s JOIN sku k USING (sku_id) JOIN room m ON m.room_id = k.room_id
    WHERE s.sku_id = in_sku AND is_sold_for(k, make_interval(secs => m.claim_window_s))
$$;

-- Shares out what is free among shoppers by the SKUs that they came for (NULL for anything), in their order, until
-- so many calls are used up. Returns who is called; the array ends with the last whom it came to. The caller has
-- the room's balance locked.
CREATE FUNCTION share_units(wanted int[], calls bigint) RETURNS boolean[] LANGUAGE plpgsql AS $$
DECLARE
    ids int[]; free bigint[]; called boolean[] := '{}'; at int; fits boolean;
BEGIN
    PERFORM 1 FROM stock s WHERE s.sku_id = ANY (wanted) ORDER BY s.sku_id FOR NO KEY UPDATE;
    SELECT array_agg(d.id), array_agg(COALESCE(units_for_call(d.id), 0)) INTO ids, free
        FROM (SELECT DISTINCT u.id FROM unnest(wanted) u(id) WHERE u.id IS NOT NULL) d;
    FOR i IN 1 .. COALESCE(cardinality(wanted), 0) LOOP
        EXIT WHEN calls <= 0;
        at := array_position(ids, wanted[i]);
        fits := wanted[i] IS NULL OR free[at] > 0;
        called := called || fits;
        CONTINUE WHEN NOT fits;
        calls := calls - 1;
        IF wanted[i] IS NOT NULL THEN free[at] := free[at] - 1; END IF;
    END LOOP;
    RETURN called;
END $$;

-- Counts the promises of these called shoppers at the SKUs that they are of.
CREATE FUNCTION count_named(skus int[], sign int) RETURNS void LANGUAGE sql AS $$
    UPDATE stock s SET promised = s.promised + sign * d.q
        FROM (SELECT u.id, count(*)::int AS q FROM unnest(skus) u(id) GROUP BY u.id) d WHERE s.sku_id = d.id
$$;

-- Says which numbers a call with promises reaches. `again` are admissions that came back, `wanted` counts new
-- shoppers, and `afford` the calls that the room has units for. Returns those of `again` that can be called, the new
-- gate, and up to there the SKU that each number named (`skus`, from the first after the head) and the numbers that
-- are passed by, with what they wait for.
CREATE FUNCTION plan_calls(
    in_line int, head bigint, tail bigint, wanted bigint, afford bigint,
    INOUT again bigint[], OUT gate bigint, OUT skus int[], OUT passed bigint[], OUT passed_skus int[])
LANGUAGE plpgsql
SET enable_seqscan = off AS $$
DECLARE
    back int[]; numbers bigint[]; named int[]; called boolean[]; calls bigint; returned int;
    reach constant bigint := LEAST(tail, head + wanted + passed_by_max());
BEGIN
    back := ARRAY(SELECT a.awaits_sku_id FROM unnest(again) WITH ORDINALITY u(id, o)
                  JOIN admission a ON a.admission_id = u.id ORDER BY u.o);
    returned := cardinality(back);
    calls := LEAST(afford, returned + wanted);
    IF EXISTS (SELECT FROM choice c WHERE c.line_id = in_line AND NOT c.entered AND c.first_number <= reach) THEN
        -- Numbers that left or stepped aside have a row before their turn; the gate steps over them.
        SELECT array_agg(n ORDER BY n), array_agg((SELECT * FROM choice_of(in_line, false, n)) ORDER BY n)
            INTO numbers, named FROM generate_series(head + 1, reach) n
            WHERE NOT EXISTS (SELECT FROM admission a WHERE a.line_id = in_line AND a.number = n);
    END IF;
    called := share_units(back || named, calls);
    again := ARRAY(SELECT u.id FROM unnest(again, called) WITH ORDINALITY u(id, fits, o)
                   WHERE u.o <= returned AND u.fits ORDER BY u.o);
    calls := calls - (SELECT count(*) FROM unnest(called) u(fits) WHERE u.fits);
    IF numbers IS NULL THEN
        gate := step_over(in_line, head, head + LEAST(wanted, calls));
        RETURN;
    END IF;
    called := called[returned + 1 :];
    gate := CASE WHEN calls > 0 AND reach = tail THEN tail + LEAST(calls, wanted) WHEN calls > 0 THEN reach
                 ELSE COALESCE(numbers[cardinality(called)], head) END;
    SELECT array_agg(CASE WHEN u.fits THEN u.sku END ORDER BY n),
           array_agg(n ORDER BY n) FILTER (WHERE NOT u.fits), array_agg(u.sku ORDER BY n) FILTER (WHERE NOT u.fits)
        INTO skus, passed, passed_skus
        FROM generate_series(head + 1, LEAST(gate, tail)) n
        LEFT JOIN unnest(numbers, named, called) u(number, sku, fits) ON u.number = n;
END $$;

-- Passes numbers by: they wait before anyone new for the SKUs that they came for.
CREATE FUNCTION pass_by(m room, in_line int, numbers bigint[], skus int[], t timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO admission (room_id, line_id, number, state, awaits_sku_id, times_called, passed_at, came_back_at, ended_at)
        SELECT m.room_id, in_line, u.n, 'missed', u.sku, 0, t, t, t FROM unnest(numbers, skus) u(n, sku);
    UPDATE line x SET passed_by = x.passed_by + cardinality(numbers) WHERE x.line_id = in_line AND numbers <> '{}';
END $$;

-- A number that comes back waits for what its shopper came for, and forgets it with the call.
CREATE FUNCTION note_what_is_awaited() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.awaits_sku_id := CASE WHEN NEW.came_back_at IS NOT NULL
        THEN (SELECT * FROM choice_of(NEW.line_id, false, NEW.number)) END;
    RETURN NEW;
END $$;
CREATE TRIGGER returned_numbers_await BEFORE UPDATE ON admission FOR EACH ROW
    WHEN (NEW.came_back_at IS DISTINCT FROM OLD.came_back_at) EXECUTE FUNCTION note_what_is_awaited();

-- The numbers of a line that came back, in the order in which they are called again. Where calls promise what a
-- shopper came for, of each SKU only as many as there are units for: however many were passed by, a tick reads few.
CREATE FUNCTION waits_for_call(m room, in_line int) RETURNS SETOF admission LANGUAGE plpgsql STABLE
SET enable_seqscan = off AS $$
BEGIN
    IF promise_of(m) = 0 THEN
        RETURN QUERY SELECT a.* FROM admission a WHERE a.line_id = in_line AND a.state = 'missed'
            AND a.came_back_at IS NOT NULL ORDER BY a.number LIMIT m.batch_max;
        RETURN;
    END IF;
    RETURN QUERY WITH RECURSIVE awaited AS (
        SELECT min(a.awaits_sku_id) AS id FROM admission a WHERE a.line_id = in_line AND a.state = 'missed'
            AND a.came_back_at IS NOT NULL AND a.awaits_sku_id IS NOT NULL
        UNION ALL
        SELECT (SELECT min(a.awaits_sku_id) FROM admission a WHERE a.line_id = in_line AND a.state = 'missed'
            AND a.came_back_at IS NOT NULL AND a.awaits_sku_id > w.id) FROM awaited w WHERE w.id IS NOT NULL)
    SELECT * FROM (
        SELECT x.* FROM awaited w, LATERAL (
            SELECT a.* FROM admission a WHERE a.line_id = in_line AND a.state = 'missed'
                AND a.came_back_at IS NOT NULL AND a.awaits_sku_id = w.id
            ORDER BY a.number LIMIT LEAST(COALESCE(units_for_call(w.id), 0), m.batch_max)) x
        UNION ALL
        SELECT y.* FROM (
            SELECT a.* FROM admission a WHERE a.line_id = in_line AND a.state = 'missed'
                AND a.came_back_at IS NOT NULL AND a.awaits_sku_id IS NULL
            ORDER BY a.number LIMIT m.batch_max) y) z
    ORDER BY z.number LIMIT m.batch_max;
END $$;

-- Follows a shopper who was called, or waits to be called again, and came for something else since. Their promise
-- becomes one of that SKU if a unit of it can be promised; else it stays as it is. The caller has the admission locked.
CREATE FUNCTION promise_other(a admission, wanted int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF a.came_back_at IS NOT NULL THEN
        UPDATE admission x SET awaits_sku_id = wanted WHERE x.admission_id = a.admission_id;
    END IF;
    IF a.state IS DISTINCT FROM 'called' OR a.promised = 0 OR a.promised_sku_id IS NOT DISTINCT FROM wanted THEN RETURN; END IF;
    PERFORM 1 FROM room_stock k WHERE k.room_id = a.room_id FOR NO KEY UPDATE;
    PERFORM 1 FROM stock s WHERE s.sku_id IN (a.promised_sku_id, wanted) ORDER BY s.sku_id FOR NO KEY UPDATE;
    IF wanted IS NOT NULL AND COALESCE(units_for_call(wanted), 0) = 0 THEN RETURN; END IF;
    PERFORM count_named(ARRAY[a.promised_sku_id], -1);
    PERFORM count_named(ARRAY[wanted], 1);
    UPDATE admission x SET promised_sku_id = wanted WHERE x.admission_id = a.admission_id;
END $$;

-- Counts the free units of a SKU that a session may take: all but those promised to others by name.
CREATE FUNCTION units_beyond_named(s stock, own admission) RETURNS int LANGUAGE sql IMMUTABLE AS $$
    SELECT s.on_hand - s.held - s.sold - s.promised
           + CASE WHEN own.promised > 0 AND own.promised_sku_id = s.sku_id THEN 1 ELSE 0 END
$$;

-- Says whether a change of holds takes a unit of the SKU that its session was promised.
CREATE FUNCTION takes_named(own admission, skus int[], changes int[]) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT EXISTS (SELECT FROM unnest(skus, changes) u(id, q) WHERE u.id = own.promised_sku_id AND u.q > 0)
$$;

-- Says how many of a session's promised units a change of its holds takes up, where `slack` is what the room would
-- have beyond all promises. A promise of a SKU is kept for that SKU as long as the rest can be given without it.
CREATE FUNCTION promise_used(own admission, skus int[], changes int[], slack bigint) RETURNS int LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN x.used > 0 AND x.used = own.promised AND own.promised_sku_id IS NOT NULL
                     AND slack + x.used > 0 AND NOT takes_named(own, skus, changes)
           THEN x.used - 1 ELSE x.used END
    FROM (SELECT LEAST(own.promised, GREATEST(sum(u.q), 0))::int AS used FROM unnest(changes) u(q)) x
$$;

-- Writes down that so many of a session's promised units were taken up, and with them the one of its SKU if it took
-- that or has no promise left. The caller has all of it locked.
CREATE FUNCTION take_up_promise(own admission, skus int[], changes int[], used int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    ends constant boolean := own.promised > 0 AND own.promised_sku_id IS NOT NULL
        AND (used = own.promised OR takes_named(own, skus, changes));
BEGIN
    IF ends THEN PERFORM count_named(ARRAY[own.promised_sku_id], -1); END IF;
    IF used = 0 AND NOT ends THEN RETURN; END IF;
    UPDATE admission x SET promised = x.promised - used,
            promised_sku_id = CASE WHEN NOT ends THEN x.promised_sku_id END
        WHERE x.admission_id = own.admission_id;
END $$;

-- Gives the promises of admissions back that are about to end, and locks their rooms' balances, with the stock of
-- the SKUs that were promised.
CREATE FUNCTION return_promises(ids bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    d record; named int[];
BEGIN
    PERFORM 1 FROM room_stock k WHERE k.room_id IN (
            SELECT a.room_id FROM admission a WHERE a.admission_id = ANY (ids))
        ORDER BY k.room_id FOR NO KEY UPDATE;
    FOR d IN SELECT a.room_id, sum(a.promised) AS q FROM admission a WHERE a.admission_id = ANY (ids)
             GROUP BY a.room_id HAVING sum(a.promised) > 0 ORDER BY a.room_id LOOP
        UPDATE room_stock k SET promised = k.promised - d.q,
                short = LEAST(k.short, GREATEST(k.held + k.sold + k.promised - d.q - k.on_hand, 0))
            WHERE k.room_id = d.room_id;
    END LOOP;
    named := ARRAY(SELECT a.promised_sku_id FROM admission a
                   WHERE a.admission_id = ANY (ids) AND a.promised > 0 AND a.promised_sku_id IS NOT NULL);
    IF named = '{}' THEN RETURN; END IF;
    PERFORM 1 FROM stock s WHERE s.sku_id = ANY (named) ORDER BY s.sku_id FOR NO KEY UPDATE;
    PERFORM count_named(named, -1);
END $$;

-- Turns the latest promises of a SKU into promises of anything, since so many units of it were taken away. The
-- caller has the admissions locked, and then the balances.
CREATE FUNCTION loosen_promises(in_sku int, in_room int, units bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH loosened AS (
        UPDATE admission a SET promised_sku_id = NULL WHERE a.admission_id IN (
            SELECT x.admission_id FROM admission x WHERE x.room_id = in_room AND x.state IN ('called', 'claimed')
                AND x.promised > 0 AND x.promised_sku_id = in_sku
            ORDER BY x.passed_at DESC, x.number DESC LIMIT units)
        RETURNING 1)
    UPDATE stock s SET promised = s.promised - d.q FROM (SELECT count(*)::int AS q FROM loosened) d WHERE s.sku_id = in_sku;
END $$;

-- Names for drawn numbers what their entries had named.
CREATE FUNCTION name_drawn(in_line int, entries bigint[], numbers bigint[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO choice
        SELECT in_line, false, 1000 * b.block + 1, array_agg(named.sku ORDER BY s.n)
        FROM (SELECT DISTINCT (n - 1) / 1000 AS block FROM unnest(numbers) n) b
        CROSS JOIN LATERAL generate_series(
            1000 * b.block + 1, LEAST(1000 * b.block + 1000, (SELECT max(n) FROM unnest(numbers) n))) s(n)
        LEFT JOIN (
            SELECT u.n, c.sku FROM unnest(entries, numbers) u(e, n), LATERAL choice_of(in_line, true, u.e) c(sku)) named
            ON named.n = s.n
        GROUP BY b.block
$$;
