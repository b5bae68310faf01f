-- What is kept of a room that is over, and for how long. An operator, or the retention sweep, seals a room;
-- from then on nothing opens in it again. Its rows are then turned into balances batch by batch. Each batch
-- adds what it deletes to the balances in the same transaction and moves its cursor on, so an archive that
-- breaks off at any moment goes on where it stood. Orders stay, with the rows that speak of them, until
-- `forget_orders`. The log moves to pages, from which the same entries with the same hashes are read.

-- One row for each room that has ended. The steps are taken in this order; a NULL is a step to come.
CREATE TABLE retention (
    room_id int PRIMARY KEY REFERENCES room,
    ended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- A sweep that found something open looks again after this moment.
    look_after timestamptz NOT NULL DEFAULT '-infinity',
    sealed_at timestamptz,
    archived_at timestamptz,
    people_forgotten_at timestamptz,
    orders_forgotten_at timestamptz,
    -- How far the archive has come: the part that it is at, and the last row of it that is done.
    part text NOT NULL DEFAULT 'admissions' CHECK (part IN ('admissions', 'places', 'movements', 'log', 'done')),
    line_done int NOT NULL DEFAULT 0,
    row_done bigint NOT NULL DEFAULT 0,
    CONSTRAINT only_a_sealed_room_is_archived CHECK (archived_at IS NULL OR sealed_at IS NOT NULL)
);
CREATE INDEX retention_unsealed ON retention (ended_at) WHERE sealed_at IS NULL;
CREATE INDEX retention_sealed ON retention (room_id) WHERE sealed_at IS NOT NULL AND archived_at IS NULL;
CREATE INDEX retention_people ON retention (ended_at) WHERE people_forgotten_at IS NULL;
CREATE INDEX retention_orders ON retention (ended_at) WHERE orders_forgotten_at IS NULL;

-- Admissions and holds that were archived, by how they ended.
CREATE TABLE archived_count (
    room_id int NOT NULL REFERENCES room,
    what text NOT NULL CHECK (what IN ('admission', 'hold')),
    state text NOT NULL,
    count bigint NOT NULL CHECK (count > 0),
    PRIMARY KEY (room_id, what, state)
);

-- Entries of an archived log. A hash is not kept for each entry, since it follows from the one before.
CREATE TABLE log_page (
    room_id int NOT NULL REFERENCES room,
    first_seq bigint NOT NULL,
    last_seq bigint NOT NULL,
    before bytea NOT NULL,
    bodies text[] NOT NULL,
    exceptions int NOT NULL,
    PRIMARY KEY (room_id, first_seq),
    CONSTRAINT page_has_every_entry CHECK (cardinality(bodies) = last_seq - first_seq + 1)
);
CREATE TRIGGER pages_are_append_only BEFORE UPDATE OR DELETE ON log_page
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Without these, deleting a hold or a refund would walk through every order.
CREATE INDEX purchase_by_hold ON purchase (hold_id);
CREATE INDEX payment_event_by_refund ON payment_event (refund_id) WHERE refund_id IS NOT NULL;
CREATE INDEX admission_by_customer ON admission (customer_id) WHERE customer_id IS NOT NULL;

CREATE FUNCTION note_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status = 'ended' THEN
        INSERT INTO retention (room_id) VALUES (NEW.room_id);
    ELSE
        DELETE FROM retention r WHERE r.room_id = NEW.room_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER an_end_begins_the_retention AFTER UPDATE OF status ON room
    FOR EACH ROW WHEN ((OLD.status = 'ended') <> (NEW.status = 'ended')) EXECUTE FUNCTION note_end();

CREATE FUNCTION is_sealed(in_room_id int) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM retention r WHERE r.room_id = in_room_id AND r.sealed_at IS NOT NULL)
$$;

-- A sealed room takes no units in. What comes back from its orders does.
CREATE FUNCTION refuse_units() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF is_sealed((SELECT k.room_id FROM sku k WHERE k.sku_id = NEW.sku_id)) THEN
        RAISE EXCEPTION 'the room is archived' USING ERRCODE = 'check_violation', CONSTRAINT = 'archived_room_stands';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER archived_rooms_take_no_units BEFORE INSERT ON stock_movement
    FOR EACH ROW WHEN (NEW.kind <> 'returned') EXECUTE FUNCTION refuse_units();

-- A sealed room is not begun anew.
CREATE FUNCTION keep_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF is_sealed(NEW.room_id) THEN
        RAISE EXCEPTION 'the room is archived' USING ERRCODE = 'check_violation', CONSTRAINT = 'archived_room_stands';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER archived_rooms_stay_ended BEFORE UPDATE OF status ON room
    FOR EACH ROW WHEN (OLD.status = 'ended' AND NEW.status <> 'ended') EXECUTE FUNCTION keep_sealed();

-- The entries of a page, each with the hash that it had.
CREATE FUNCTION page_entries(p log_page) RETURNS TABLE (seq bigint, body text, hash bytea) LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    seq := p.first_seq - 1;
    hash := p.before;
    FOREACH body IN ARRAY p.bodies LOOP
        seq := seq + 1;
        hash := sha256(hash || convert_to(body, 'UTF8'));
        RETURN NEXT;
    END LOOP;
END $$;

-- The entries of a room's log from one number to another, in no order. A log has no gaps.
CREATE FUNCTION log_between(in_room_id int, low bigint, high bigint)
RETURNS TABLE (seq bigint, body text, hash bytea) LANGUAGE sql STABLE AS $$
    SELECT e.seq, e.body, e.hash FROM log_entry e WHERE e.room_id = in_room_id AND e.seq BETWEEN low AND high
    UNION ALL
    SELECT x.seq, x.body, x.hash FROM log_page p, LATERAL page_entries(p) x
    WHERE p.room_id = in_room_id AND p.first_seq <= high AND p.last_seq >= low AND x.seq BETWEEN low AND high
$$;

-- What is still open in a room, in one word; NULL if nothing is.
CREATE FUNCTION what_is_open(in_room_id int) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN k.seats > 0 THEN 'sessions'
        WHEN k.holds > 0 OR (k.held > 0 AND NOT m.stock_elsewhere) THEN 'holds'
        WHEN EXISTS (SELECT FROM purchase p WHERE p.room_id = in_room_id
                     AND p.state IN ('authorizing', 'authorized', 'voiding', 'returning')) THEN 'orders'
        WHEN EXISTS (SELECT FROM refund f JOIN purchase p USING (order_id)
                     WHERE f.state = 'asked' AND p.room_id = in_room_id) THEN 'refunds'
        WHEN EXISTS (SELECT FROM line l JOIN draw d USING (line_id)
                     WHERE l.room_id = in_room_id AND l.joinable AND draw_is_due(l.line_id)) THEN 'draw' END
    FROM room_stock k JOIN room m USING (room_id) WHERE k.room_id = in_room_id
$$;

-- Seals a room, after which its archive may be made. Verdicts: sealed (also when it was before), unknown,
-- not_ended, open: `open` says what.
CREATE FUNCTION seal_room(in_room text, in_who text, in_reason text, OUT verdict text, OUT open text)
LANGUAGE plpgsql AS $$
DECLARE
    m room; r retention;
BEGIN
    SELECT * INTO m FROM room x WHERE x.room = in_room;
    IF m.room_id IS NULL THEN verdict := 'unknown'; RETURN; END IF;
    -- A reset, a movement of stock and whatever else is written into the log waits here.
    PERFORM 1 FROM log_head h WHERE h.room_id = m.room_id FOR NO KEY UPDATE;
    SELECT * INTO m FROM room x WHERE x.room = in_room FOR NO KEY UPDATE;
    IF m.status <> 'ended' THEN verdict := 'not_ended'; RETURN; END IF;
    SELECT * INTO r FROM retention x WHERE x.room_id = m.room_id FOR NO KEY UPDATE;
    IF r.sealed_at IS NULL THEN
        open := what_is_open(m.room_id);
        IF open IS NOT NULL THEN
            UPDATE retention x SET look_after = clock_timestamp() + interval '1 hour' WHERE x.room_id = m.room_id;
            verdict := 'open';
            RETURN;
        END IF;
        UPDATE retention x SET sealed_at = clock_timestamp() WHERE x.room_id = m.room_id;
        INSERT INTO operator_action (room_id, who, action, reason) VALUES (m.room_id, in_who, 'archive', in_reason);
    END IF;
    verdict := 'sealed';
END $$;

-- Adds holds that are over to the balances and deletes them. Returns how many.
CREATE FUNCTION fold_holds(in_room_id int, ids uuid[]) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
    IF ids IS NULL THEN RETURN 0; END IF;
    INSERT INTO archived_stock AS x (sku_id, confirmed, until)
        SELECT l.sku_id, COALESCE(sum(l.quantity) FILTER (WHERE h.state = 'confirmed'), 0), max(h.ended_at)
        FROM hold h JOIN hold_line l USING (hold_id) WHERE h.hold_id = ANY (ids) GROUP BY l.sku_id
        ON CONFLICT (sku_id) DO UPDATE SET confirmed = x.confirmed + EXCLUDED.confirmed,
            until = GREATEST(x.until, EXCLUDED.until);
    PERFORM count_archived(in_room_id, 'hold', ARRAY(SELECT h.state FROM hold h WHERE h.hold_id = ANY (ids)));
    DELETE FROM hold_change c WHERE c.hold_id = ANY (ids);
    DELETE FROM hold_line l WHERE l.hold_id = ANY (ids);
    DELETE FROM hold h WHERE h.hold_id = ANY (ids) AND h.state <> 'held';
    -- Nothing opens in a sealed room, so a hold that is held here is a mistake of ours.
    IF EXISTS (SELECT FROM hold h WHERE h.hold_id = ANY (ids)) THEN
        RAISE EXCEPTION 'a hold is open' USING ERRCODE = 'check_violation', CONSTRAINT = 'only_what_is_over_is_archived';
    END IF;
    RETURN cardinality(ids);
END $$;

CREATE FUNCTION count_archived(in_room_id int, in_what text, states text[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO archived_count AS x (room_id, what, state, count)
    SELECT in_room_id, in_what, s.state, count(*) FROM unnest(states) s(state) GROUP BY s.state
    ON CONFLICT (room_id, what, state) DO UPDATE SET count = x.count + EXCLUDED.count
$$;

-- Archives the next admissions of a sealed room, with their holds. Those with orders stay, and of their
-- holds the ones that the orders are for. Returns whether there may be more.
CREATE FUNCTION archive_admissions(r retention, batch_max int) RETURNS boolean LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    ids bigint[]; last bigint; gone bigint[]; people bigint[];
BEGIN
    SELECT array_agg(x.admission_id), max(x.number) INTO ids, last FROM (
        SELECT a.admission_id, a.number FROM admission a
        WHERE a.line_id = r.line_done AND a.number > r.row_done ORDER BY a.number LIMIT batch_max) x;
    IF ids IS NULL THEN
        UPDATE retention x SET row_done = 0, line_done = (
            SELECT min(l.line_id) FROM line l WHERE l.room_id = r.room_id AND l.line_id > r.line_done)
            WHERE x.room_id = r.room_id AND EXISTS (
                SELECT FROM line l WHERE l.room_id = r.room_id AND l.line_id > r.line_done);
        RETURN FOUND;
    END IF;
    PERFORM fold_holds(r.room_id, (SELECT array_agg(h.hold_id) FROM hold h WHERE h.session_id = ANY (ids)
        AND NOT EXISTS (SELECT FROM purchase p WHERE p.hold_id = h.hold_id)));
    SELECT array_agg(a.admission_id), array_agg(DISTINCT a.customer_id) FILTER (WHERE a.customer_id IS NOT NULL)
        INTO gone, people FROM admission a WHERE a.admission_id = ANY (ids)
        AND NOT EXISTS (SELECT FROM purchase p WHERE p.session_id = a.admission_id);
    PERFORM count_archived(r.room_id, 'admission',
        ARRAY(SELECT a.state FROM admission a WHERE a.admission_id = ANY (gone)));
    DELETE FROM wish w WHERE w.session_id = ANY (gone);
    DELETE FROM outcome_elsewhere e WHERE e.session_id = ANY (gone);
    DELETE FROM admission a WHERE a.admission_id = ANY (gone);
    IF people IS NOT NULL THEN PERFORM forget_strangers(people); END IF;
    UPDATE retention x SET row_done = last WHERE x.room_id = r.room_id;
    RETURN true;
END $$;

-- Deletes what was remembered of the places of a sealed room. Returns whether there may be more.
CREATE FUNCTION archive_places(r retention, batch_max int) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    n int; gone int := 0;
BEGIN
    DELETE FROM place p USING (
        SELECT x.line_id, x.entered, x.number FROM line l JOIN place x USING (line_id)
        WHERE l.room_id = r.room_id LIMIT batch_max) o
        WHERE (p.line_id, p.entered, p.number) = (o.line_id, o.entered, o.number);
    GET DIAGNOSTICS n = ROW_COUNT; gone := gone + n;
    DELETE FROM choice c USING (
        SELECT x.line_id, x.entered, x.first_number FROM line l JOIN choice x USING (line_id)
        WHERE l.room_id = r.room_id LIMIT batch_max) o
        WHERE (c.line_id, c.entered, c.first_number) = (o.line_id, o.entered, o.first_number);
    GET DIAGNOSTICS n = ROW_COUNT; gone := gone + n;
    DELETE FROM person_place p USING (
        SELECT x.key FROM person_place x WHERE x.room_id = r.room_id LIMIT batch_max) o
        WHERE p.room_id = r.room_id AND p.key = o.key;
    GET DIAGNOSTICS n = ROW_COUNT; gone := gone + n;
    DELETE FROM returns_wait w USING (
        SELECT x.line_id, x.number FROM line l JOIN returns_wait x USING (line_id)
        WHERE l.room_id = r.room_id LIMIT batch_max) o
        WHERE (w.line_id, w.number) = (o.line_id, o.number);
    GET DIAGNOSTICS n = ROW_COUNT;
    DELETE FROM journey_change c WHERE c.room_id = r.room_id;
    RETURN gone + n > 0;
END $$;

-- Adds movements to the balances and deletes them.
CREATE FUNCTION fold_movements(ids bigint[]) RETURNS void LANGUAGE sql AS $$
    WITH gone AS (DELETE FROM stock_movement m WHERE m.movement_id = ANY (ids) RETURNING m.*)
    INSERT INTO archived_stock AS x (sku_id, received, adjusted, returned, until)
        SELECT g.sku_id, COALESCE(sum(g.quantity) FILTER (WHERE g.kind = 'received'), 0),
               COALESCE(sum(g.quantity) FILTER (WHERE g.kind = 'adjusted'), 0),
               COALESCE(sum(g.quantity) FILTER (WHERE g.kind = 'returned'), 0), max(g.at)
        FROM gone g GROUP BY g.sku_id
        ON CONFLICT (sku_id) DO UPDATE SET received = x.received + EXCLUDED.received,
            adjusted = x.adjusted + EXCLUDED.adjusted, returned = x.returned + EXCLUDED.returned,
            until = GREATEST(x.until, EXCLUDED.until)
$$;

-- Archives the movements of the next SKUs of a sealed room; what was returned of an order stays with it.
CREATE FUNCTION archive_movements(r retention, batch_max int) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    skus int[]; ids bigint[];
BEGIN
    SELECT array_agg(x.sku_id) INTO skus FROM (
        SELECT k.sku_id FROM sku k WHERE k.room_id = r.room_id AND k.sku_id > r.row_done
        ORDER BY k.sku_id LIMIT batch_max) x;
    IF skus IS NULL THEN RETURN false; END IF;
    SELECT array_agg(x.movement_id) INTO ids FROM (
        SELECT m.movement_id FROM stock_movement m
        WHERE m.sku_id = ANY (skus) AND (m.kind <> 'returned' OR m.order_id IS NULL) LIMIT batch_max) x;
    PERFORM fold_movements(ids);
    IF COALESCE(cardinality(ids), 0) < batch_max THEN
        UPDATE retention x SET row_done = (SELECT max(s.id) FROM unnest(skus) s(id)) WHERE x.room_id = r.room_id;
    END IF;
    RETURN true;
END $$;

-- Moves the next entries of a sealed room's log to a page. The page is read back before the entries go: a
-- log that would not be the same afterwards stays where it is.
CREATE FUNCTION archive_log(r retention, batch_max int) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    p log_page;
BEGIN
    SELECT r.room_id, min(e.seq), max(e.seq), array_agg(e.body ORDER BY e.seq),
           count(*) FILTER (WHERE NOT is_routine(e.body))
        INTO p.room_id, p.first_seq, p.last_seq, p.bodies, p.exceptions
        FROM (SELECT x.seq, x.body FROM log_entry x WHERE x.room_id = r.room_id ORDER BY x.seq LIMIT batch_max) e;
    IF p.first_seq IS NULL THEN RETURN false; END IF;
    p.before := COALESCE((SELECT x.hash FROM log_between(r.room_id, p.first_seq - 1, p.first_seq - 1) x), '\x');
    IF EXISTS (SELECT FROM page_entries(p) x LEFT JOIN log_entry e ON e.room_id = r.room_id AND e.seq = x.seq
               WHERE (e.body, e.hash) IS DISTINCT FROM (x.body, x.hash)) THEN
        RAISE EXCEPTION 'the log is no chain' USING ERRCODE = 'check_violation', CONSTRAINT = 'archived_log_is_the_log';
    END IF;
    INSERT INTO log_page VALUES (p.*);
    PERFORM set_config('waitroom.archiving', 'on', true);
    DELETE FROM log_entry e WHERE e.room_id = r.room_id AND e.seq BETWEEN p.first_seq AND p.last_seq;
    PERFORM set_config('waitroom.archiving', '', true);
    RETURN true;
END $$;

-- Says whether the balances of a room's SKUs are the archived ones and what is still there.
CREATE FUNCTION archive_agrees(in_room_id int) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT NOT EXISTS (
        SELECT FROM sku k JOIN stock s USING (sku_id) LEFT JOIN archived_stock x USING (sku_id), LATERAL (
            SELECT COALESCE(sum(m.quantity) FILTER (WHERE m.kind <> 'returned'), 0) AS moved,
                   COALESCE(sum(m.quantity) FILTER (WHERE m.kind = 'returned'), 0) AS returned
            FROM stock_movement m WHERE m.sku_id = k.sku_id) m, LATERAL (
            SELECT COALESCE(sum(l.quantity), 0) AS sold FROM purchase_line l JOIN purchase p USING (order_id)
            WHERE l.sku_id = k.sku_id AND p.sold_at IS NOT NULL) o
        WHERE k.room_id = in_room_id AND (
            s.on_hand <> m.moved + COALESCE(x.received + x.adjusted, 0)
            OR s.sold <> o.sold - m.returned + COALESCE(x.confirmed - x.returned, 0)))
$$;

-- Takes one batch of a sealed room's archive. Returns whether there is more to do; NULL while another sweep
-- is at it.
CREATE FUNCTION archive_step(in_room_id int, batch_max int) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    r retention; more boolean;
BEGIN
    SELECT * INTO r FROM retention x WHERE x.room_id = in_room_id FOR UPDATE SKIP LOCKED;
    IF r.room_id IS NULL THEN RETURN NULL; END IF;
    IF r.sealed_at IS NULL OR r.archived_at IS NOT NULL THEN RETURN false; END IF;
    more := CASE r.part
        WHEN 'admissions' THEN archive_admissions(r, batch_max)
        WHEN 'places' THEN archive_places(r, batch_max)
        WHEN 'movements' THEN archive_movements(r, batch_max)
        WHEN 'log' THEN archive_log(r, batch_max) END;
    IF more THEN RETURN true; END IF;
    IF r.part = 'log' AND NOT archive_agrees(in_room_id) THEN
        RAISE EXCEPTION 'the balances differ' USING ERRCODE = 'check_violation', CONSTRAINT = 'archive_keeps_the_books';
    END IF;
    UPDATE retention x SET line_done = 0, row_done = 0,
            part = CASE r.part WHEN 'admissions' THEN 'places' WHEN 'places' THEN 'movements'
                               WHEN 'movements' THEN 'log' ELSE 'done' END,
            archived_at = CASE r.part WHEN 'log' THEN clock_timestamp() END
        WHERE x.room_id = in_room_id;
    RETURN r.part <> 'log';
END $$;
