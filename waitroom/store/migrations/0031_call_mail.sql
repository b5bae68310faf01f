-- Messages at one's turn. A shopper leaves an address, and is written to shortly before the turn and when it comes.
-- The leader's tick has no part in it: once a second the senders of mail look for the numbers whose turn has come.
-- What is written follows from the line as it stands, so a sender that dies leaves it to the next.

-- Leaves an address for a place, in place of the one before. `in_near` says that the turn is near already, so that
-- a message of it would say nothing new. Verdicts: asked, called (the turn is now), inside, over, other_ticket,
-- drawn, room_ended, too_many_changes.
CREATE FUNCTION ask_for_mail(
    in_line int, in_entered boolean, in_number bigint, in_ticket bytea,
    in_email text, in_address_key text, in_language text, in_near boolean, times_max int)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    l record; a admission;
BEGIN
    SELECT * INTO l FROM line x WHERE x.line_id = in_line AND x.joinable;
    IF NOT FOUND THEN RETURN 'over'; END IF;
    IF in_entered THEN
        -- The draw gives the row of an entry its number.
        PERFORM 1 FROM log_head h WHERE h.room_id = l.room_id FOR NO KEY UPDATE;
        IF entries_are_fixed(in_line) THEN RETURN 'drawn'; END IF;
    END IF;
    IF is_anothers(in_line, in_entered, in_number, in_ticket) THEN RETURN 'other_ticket'; END IF;
    IF EXISTS (SELECT FROM place p WHERE p.line_id = in_line AND p.entered = in_entered AND p.number = in_number
            AND (p.has_left OR p.revoked)) THEN
        RETURN 'over';
    END IF;
    IF NOT in_entered THEN
        SELECT * INTO a FROM admission x WHERE x.line_id = in_line AND x.number = in_number;
        IF a.ticket_id <> in_ticket THEN RETURN 'other_ticket'; END IF;
        IF a.state = 'claimed' THEN RETURN 'inside'; END IF;
        IF a.state = 'called' THEN RETURN 'called'; END IF;
        IF a.state IN ('left', 'ended') THEN RETURN 'over'; END IF;
    END IF;
    IF has_ended(l.room_id) THEN RETURN 'room_ended'; END IF;
    INSERT INTO call_mail AS w (line_id, entered, number, ticket_id, email, address_key, language, near_at)
        VALUES (in_line, in_entered, in_number, in_ticket, in_email, in_address_key, in_language,
                CASE WHEN in_near THEN clock_timestamp() END)
        ON CONFLICT (line_id, entered, number) DO UPDATE SET email = EXCLUDED.email,
            address_key = EXCLUDED.address_key, language = EXCLUDED.language, asked_at = EXCLUDED.asked_at,
            near_at = COALESCE(w.near_at, EXCLUDED.near_at), times_asked = w.times_asked + 1,
            ticket_id = EXCLUDED.ticket_id
        WHERE w.times_asked < times_max;
    RETURN CASE WHEN FOUND THEN 'asked' ELSE 'too_many_changes' END;
END $$;

-- Writes to a place no more. The row stays, so that asking again and again brings no more messages than asking
-- once; its key changes, so that the links in earlier messages are worth nothing. Verdicts: stopped, drawn.
CREATE FUNCTION stop_call_mail(in_line int, in_entered boolean, in_number bigint, in_ticket bytea)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF in_entered AND entries_are_fixed(in_line) THEN RETURN 'drawn'; END IF;
    UPDATE call_mail w SET email = '', address_key = '', key = gen_random_uuid()
        WHERE w.line_id = in_line AND w.entered = in_entered AND w.number = in_number AND w.ticket_id = in_ticket;
    RETURN 'stopped';
END $$;

-- Returns how many messages at their turn an address was sent within a day.
CREATE FUNCTION mails_of_day(in_address_key text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM mail m WHERE m.kind IN ('nearly', 'called') AND m.facts ->> 'address_key' = in_address_key
        AND m.created_at > clock_timestamp() - interval '1 day'
$$;

-- Queues a message for each of these rows, but for no address more than `day_max` in a day. One transaction at
-- a time does so, or two would count alike.
CREATE FUNCTION queue_call_mails(keys uuid[], in_kind text, day_max int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO mail (address, kind, facts)
        SELECT x.email, in_kind, jsonb_build_object('room', x.room, 'name', x.name, 'number', x.number,
               'claim_until', x.until, 'language', x.language, 'key', x.key, 'address_key', x.address_key)
        FROM (SELECT w.*, m.room, m.name, wall_time(a.claim_until) AS until,
                     row_number() OVER (PARTITION BY w.address_key ORDER BY w.line_id, w.number) AS nth
              FROM call_mail w JOIN line l USING (line_id) JOIN room m USING (room_id)
              LEFT JOIN admission a ON a.line_id = w.line_id AND a.number = w.number AND a.state = 'called'
              WHERE w.key = ANY (keys)) x
        WHERE x.nth + mails_of_day(x.address_key) <= day_max
        ORDER BY x.line_id, x.number
$$;

-- Writes to those who are called now, and forgets their addresses. Returns how many there were.
CREATE FUNCTION write_called(batch_max int, day_max int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    keys uuid[];
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('call_mail')) THEN RETURN 0; END IF;
    keys := ARRAY(SELECT w.key FROM line l CROSS JOIN LATERAL (
            SELECT x.key FROM call_mail x JOIN admission a USING (line_id, number)
            WHERE x.line_id = l.line_id AND NOT x.entered AND x.email <> '' AND a.state = 'called'
                AND x.number <= LEAST(l.gate, l.tail)
            ORDER BY x.number LIMIT batch_max FOR UPDATE OF x SKIP LOCKED) w
        WHERE l.joinable LIMIT batch_max);
    IF keys = '{}' THEN RETURN 0; END IF;
    PERFORM queue_call_mails(keys, 'called', day_max);
    UPDATE call_mail w SET email = '', near_at = COALESCE(w.near_at, clock_timestamp()) WHERE w.key = ANY (keys);
    RETURN cardinality(keys);
END $$;

-- Writes to those of a room whose turn is near: numbers of these lines, by name, up to these. Returns how many.
CREATE FUNCTION write_near(in_room_id int, names text[], uptos bigint[], batch_max int, day_max int)
RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    keys uuid[];
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('call_mail')) THEN RETURN 0; END IF;
    keys := ARRAY(SELECT w.key FROM unnest(names, uptos) q(name, upto)
        JOIN line l ON l.room_id = in_room_id AND l.line = q.name AND l.joinable
        JOIN call_mail w ON w.line_id = l.line_id AND w.number > l.gate AND w.number <= q.upto
        WHERE NOT w.entered AND w.email <> '' AND w.near_at IS NULL AND NOT EXISTS (
            SELECT FROM admission a WHERE a.line_id = w.line_id AND a.number = w.number)
        ORDER BY w.number LIMIT batch_max FOR UPDATE OF w SKIP LOCKED);
    IF keys = '{}' THEN RETURN 0; END IF;
    UPDATE call_mail w SET near_at = clock_timestamp() WHERE w.key = ANY (keys);
    PERFORM queue_call_mails(keys, 'nearly', day_max);
    RETURN cardinality(keys);
END $$;

-- Forgets the rows of places that are over: used, given up or taken back, missed for good, or of a room that has
-- ended. Returns how many.
CREATE FUNCTION end_call_mails(batch_max int) RETURNS int LANGUAGE sql AS $$
    WITH over AS (
        DELETE FROM call_mail w USING (
            SELECT x.key FROM line l JOIN room m USING (room_id) CROSS JOIN LATERAL (
                SELECT y.key FROM call_mail y WHERE y.line_id = l.line_id LIMIT batch_max) x
            WHERE NOT l.joinable OR m.status = 'ended'
            UNION ALL
            SELECT x.key FROM line l JOIN room m USING (room_id) CROSS JOIN LATERAL (
                SELECT y.key FROM call_mail y JOIN admission a USING (line_id, number)
                WHERE y.line_id = l.line_id AND NOT y.entered AND y.number <= LEAST(l.gate, l.tail)
                    AND (a.state IN ('claimed', 'left', 'ended') OR (a.state IN ('missed', 'aside')
                         AND had_its_turn(a) AND a.came_back_at IS NULL
                         AND a.ended_at <= shopper_now() - time_for(m.grace_s, a.time_factor)))
                LIMIT batch_max) x
            WHERE l.joinable AND m.status <> 'ended') o
        WHERE w.key = o.key RETURNING 1)
    SELECT count(*)::int FROM over
$$;
