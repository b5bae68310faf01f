-- What comes free: first to the sessions that were refused it, by number; then to tickets that stayed
-- in line for returns; then to the line. Nobody gets it by asking again sooner.

-- Remembers refused sessions. The caller has their admissions and the SKUs' stock locked.
CREATE FUNCTION note_wishes(in_sessions bigint[], in_skus int[], quantities int[]) RETURNS void LANGUAGE sql AS $$
    WITH noted AS (
        INSERT INTO wish (session_id, sku_id, line_id, number, quantity)
            SELECT DISTINCT ON (d.s, d.k) d.s, d.k, a.line_id, a.number, d.q
            FROM unnest(in_sessions, in_skus, quantities) WITH ORDINALITY d(s, k, q, o)
            JOIN admission a ON a.admission_id = d.s ORDER BY d.s, d.k, d.o
            ON CONFLICT (session_id, sku_id) DO NOTHING
            RETURNING sku_id, quantity)
    UPDATE stock s SET wished = s.wished + d.q
        FROM (SELECT sku_id, sum(quantity)::int AS q FROM noted GROUP BY sku_id) d WHERE s.sku_id = d.sku_id;
    UPDATE admission a SET refused = true WHERE a.admission_id = ANY (in_sessions) AND NOT a.refused
$$;

-- Forgets wishes, those of the same place in both arrays. The caller has the SKUs' stock locked.
CREATE FUNCTION grant_wishes(in_sessions bigint[], in_skus int[]) RETURNS void LANGUAGE sql AS $$
    WITH granted AS (
        DELETE FROM wish w USING unnest(in_sessions, in_skus) d(s, k)
        WHERE w.session_id = d.s AND w.sku_id = d.k RETURNING w.sku_id, w.quantity)
    UPDATE stock s SET wished = s.wished - d.q
        FROM (SELECT sku_id, sum(quantity)::int AS q FROM granted GROUP BY sku_id) d WHERE s.sku_id = d.sku_id
$$;

-- Forgets all wishes of some sessions; their admissions and what else the caller needs of room_stock
-- are locked before.
CREATE FUNCTION drop_wishes(in_sessions bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM stock s WHERE s.sku_id IN (SELECT w.sku_id FROM wish w WHERE w.session_id = ANY (in_sessions))
        ORDER BY s.sku_id FOR NO KEY UPDATE;
    PERFORM grant_wishes(array_agg(w.session_id), array_agg(w.sku_id)) FROM wish w
        WHERE w.session_id = ANY (in_sessions);
END $$;

-- The units of a room that are free but not for new calls: refused sessions wait for them, or they are
-- not on sale for as long as a call lasts.
CREATE FUNCTION kept_units(in_room int) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT units_off_sale(m.room_id, make_interval(secs => m.claim_window_s)) + COALESCE((
        SELECT sum(LEAST(s.wished, GREATEST(s.on_hand - s.held - s.sold, 0)))
        FROM stock s JOIN sku k USING (sku_id) WHERE s.wished > 0 AND k.room_id = m.room_id
            AND is_sold_for(k, make_interval(secs => m.claim_window_s))), 0)::bigint
    FROM room m WHERE m.room_id = in_room
$$;

-- Holds what is free for the sessions that wait for it, lowest number first, and returns how many of
-- them got something. A wish of a session that is over, or that a limit now forbids, is forgotten.
CREATE FUNCTION serve_wishes(batch_max int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    waiting bigint[]; codes text[]; ids int[]; slots int[]; requests int[]; quantities int[]; firsts int[];
    n int; served int; v record;
BEGIN
    WITH free AS (
        SELECT s.sku_id, s.on_hand - s.held - s.sold AS units FROM stock s
        WHERE s.wished > 0 AND s.on_hand - s.held - s.sold > 0 ORDER BY s.sku_id LIMIT batch_max),
    turn AS (
        SELECT w.*, f.units, sum(w.quantity) OVER (PARTITION BY w.sku_id ORDER BY w.number, w.line_id)
                             - w.quantity AS before
        FROM free f, LATERAL (SELECT x.* FROM wish x WHERE x.sku_id = f.sku_id
                              ORDER BY x.number, x.line_id LIMIT batch_max) w),
    chosen AS (SELECT * FROM turn WHERE before < units ORDER BY number, line_id LIMIT batch_max),
    asking AS (SELECT session_id, row_number() OVER (ORDER BY min(number), session_id)::int AS i
               FROM chosen GROUP BY session_id),
    item AS (SELECT x.sku_id, k.sku, row_number() OVER (ORDER BY x.sku_id)::int AS slot
             FROM (SELECT DISTINCT sku_id FROM chosen) x JOIN sku k USING (sku_id)),
    line AS (SELECT a.i, m.slot, c.quantity, row_number() OVER (ORDER BY a.i, m.slot)::int AS o
             FROM chosen c JOIN asking a USING (session_id) JOIN item m USING (sku_id))
    SELECT (SELECT array_agg(session_id ORDER BY i) FROM asking), (SELECT array_agg(sku ORDER BY slot) FROM item),
           (SELECT array_agg(sku_id ORDER BY slot) FROM item),
           (SELECT array_agg(slot ORDER BY o) FROM line), (SELECT array_agg(i ORDER BY o) FROM line),
           (SELECT array_agg(quantity ORDER BY o) FROM line),
           (SELECT array_agg(x.first ORDER BY x.i) FROM (SELECT i, min(o) AS first FROM line GROUP BY i) x)
        INTO waiting, codes, ids, slots, requests, quantities, firsts;
    IF waiting IS NULL THEN RETURN 0; END IF;
    -- A wish may be gone once its session is locked: another sweeper served it, or the session asked again
    -- in its turn. Then nothing is served by this call; the next one reads anew.
    PERFORM 1 FROM admission x WHERE x.admission_id = ANY (waiting) ORDER BY x.admission_id FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM unnest(requests, slots) d(r, s)
               LEFT JOIN wish w ON w.session_id = waiting[d.r] AND w.sku_id = ids[d.s]
               WHERE w.session_id IS NULL) THEN
        RETURN 0;
    END IF;
    n := cardinality(slots);
    SELECT * INTO v FROM place_holds(
        (SELECT array_agg(gen_random_uuid()) FROM unnest(waiting)), (SELECT array_agg(gen_random_uuid()) FROM unnest(waiting)),
        (SELECT array_agg('\x'::bytea) FROM unnest(waiting)), (SELECT array_agg(true) FROM unnest(waiting)),
        (SELECT array_agg(i::int) FROM generate_series(1, cardinality(waiting)) i), waiting,
        firsts || (n + 1), slots, (SELECT array_agg(i::int) FROM generate_series(1, n) i), quantities,
        codes, requests, slots, true, true);
    PERFORM grant_wishes(array_agg(x.session), array_agg(x.sku)) FROM (
        SELECT waiting[d.r] AS session, ids[d.s] AS sku FROM unnest(requests, slots) AS d(r, s)
        WHERE v.verdicts[d.r] NOT IN (1, 5, 16)) x;
    SELECT count(*) INTO served FROM unnest(v.verdicts) d(verdict) WHERE d.verdict = 1;
    RETURN served;
END $$;

-- Keeps a ticket in line for returns, with an address or without: once its session is over unserved
-- it is called again, by number, before anyone new. Who could have something now cannot stay for it,
-- or one could put off buying for ever. Verdicts: waits, units_free, bought, left, other_ticket.
CREATE FUNCTION stay_for_returns(in_line int, in_number bigint, in_ticket bytea, address text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    a admission;
BEGIN
    -- Locked, so that no address is left behind in a line that is being begun anew.
    PERFORM 1 FROM line x WHERE x.line_id = in_line AND x.joinable FOR SHARE;
    IF NOT FOUND THEN RETURN 'left'; END IF;
    SELECT * INTO a FROM admission x WHERE x.line_id = in_line AND x.number = in_number FOR NO KEY UPDATE;
    IF a.ticket_id <> in_ticket THEN RETURN 'other_ticket'; END IF;
    IF a.state = 'left' THEN RETURN 'left'; END IF;
    IF a.state = 'ended' AND a.end_reason = 'ordered' THEN RETURN 'bought'; END IF;
    IF NOT EXISTS (SELECT FROM returns_wait r WHERE r.line_id = in_line AND r.number = in_number) AND (
            EXISTS (SELECT FROM hold h WHERE h.session_id = a.admission_id AND h.state = 'held')
            OR EXISTS (SELECT FROM line l JOIN room_stock k USING (room_id) WHERE l.line_id = in_line
                AND k.on_hand - k.held - k.sold - k.promised - kept_units(k.room_id) > 0)) THEN
        RETURN 'units_free';
    END IF;
    INSERT INTO returns_wait (line_id, number, ticket_id, email) VALUES (in_line, in_number, in_ticket, address)
        ON CONFLICT (line_id, number) DO UPDATE SET email = EXCLUDED.email, told_at = NULL
        WHERE returns_wait.ticket_id = EXCLUDED.ticket_id;
    IF NOT FOUND THEN RETURN 'other_ticket'; END IF;
    PERFORM come_back_for_returns(ARRAY[a.admission_id]);
    RETURN 'waits';
END $$;

-- Takes a ticket out of the line for returns. Whose session was over is called no more; whoever
-- missed a call and came back for it keeps that.
CREATE FUNCTION leave_returns(in_line int, in_number bigint, in_ticket bytea) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM admission a WHERE a.line_id = in_line AND a.number = in_number FOR NO KEY UPDATE;
    DELETE FROM returns_wait r WHERE r.line_id = in_line AND r.number = in_number AND r.ticket_id = in_ticket;
    IF FOUND THEN
        UPDATE admission a SET state = 'ended', came_back_at = NULL
            WHERE a.line_id = in_line AND a.number = in_number AND a.state = 'missed'
                AND a.came_back_at IS NOT NULL AND a.end_reason IS NOT NULL;
    END IF;
END $$;

-- Puts ended admissions of those who stayed for returns among those who are called again, unless they
-- were given something since they asked.
CREATE FUNCTION come_back_for_returns(ids bigint[]) RETURNS void LANGUAGE sql AS $$
    UPDATE admission a SET state = 'missed', came_back_at = shopper_now(), expires_at = NULL
        FROM returns_wait r
        WHERE a.admission_id = ANY (ids) AND r.line_id = a.line_id AND r.number = a.number
            AND (a.ticket_id IS NULL OR r.ticket_id = a.ticket_id)
            AND NOT EXISTS (SELECT FROM hold h WHERE h.session_id = a.admission_id AND h.placed_at > r.asked_at)
            AND ((a.state = 'ended' AND a.end_reason <> 'ordered') OR (a.state = 'missed' AND a.came_back_at IS NULL))
$$;

-- Tells those of these called numbers who left an address, gives everybody who stayed for returns
-- the longer window, and ends their waiting.
CREATE FUNCTION tell_returns(in_line int, numbers bigint[], t timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE admission a SET claim_until = GREATEST(a.claim_until, t + make_interval(secs => m.returns_window_s))
        FROM returns_wait r, room m
        WHERE a.line_id = in_line AND a.number = ANY (numbers) AND r.line_id = a.line_id AND r.number = a.number
            AND a.state = 'called' AND m.room_id = a.room_id;
    INSERT INTO mail (address, kind, facts)
        SELECT r.email, 'called_for_returns', jsonb_build_object('room', m.room, 'name', m.name, 'number', a.number,
               'claim_until', wall_time(a.claim_until))
        FROM returns_wait r JOIN admission a USING (line_id, number) JOIN room m USING (room_id)
        WHERE r.line_id = in_line AND r.number = ANY (numbers) AND r.email <> '' AND a.state = 'called';
    DELETE FROM returns_wait r WHERE r.line_id = in_line AND r.number = ANY (numbers);
END $$;
