-- Places about which something is remembered: most have no row. And the draw, which orders those who
-- came before the opening. The seed is fixed and its commitment published before anybody enters; which
-- order it makes depends on how many enter and on the log's chain at the closing, and on a public value
-- where one was announced.

-- Says whether a place has gone to another device than this ticket's.
CREATE FUNCTION is_anothers(in_line int, in_entered boolean, in_number bigint, in_ticket bytea)
RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM place p WHERE p.line_id = in_line AND p.entered = in_entered
        AND p.number = in_number AND p.owner <> in_ticket)
$$;

-- The changes of one place after which its shopper makes no more of them: each is an entry of the log, and
-- is read by every worker. Coming back, leaving and an operator's acts are never refused for it.
CREATE FUNCTION place_changes_max() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 100';

-- Says whether a place was changed too often for one more change by its shopper.
CREATE FUNCTION is_worn_out(in_line int, in_entered boolean, in_number bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM place p WHERE p.line_id = in_line AND p.entered = in_entered
        AND p.number = in_number AND p.changes >= place_changes_max())
$$;

-- Says whether entries have their numbers, or are about to get them. A function that changes an
-- entry's place asks this under the lock of the room's log, which the draw takes too; the verdict
-- `drawn` sends the caller to the number, which is there in a moment.
CREATE FUNCTION entries_are_fixed(in_line int) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM draw d WHERE d.line_id = in_line AND d.fixed_at IS NOT NULL)
$$;

-- Says whether a room has ended, so that it calls no number any more. Places that wait stay as they are then;
-- only a call or a session that is open is still used or given up.
CREATE FUNCTION has_ended(in_room int) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT m.status = 'ended' FROM room m WHERE m.room_id = in_room
$$;

-- Gives a place up before the draw. Verdicts: left, other_ticket, drawn, room_ended.
CREATE FUNCTION leave_entry(in_line int, in_entry bigint, in_ticket bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    l record;
BEGIN
    SELECT * INTO l FROM line x WHERE x.line_id = in_line;
    PERFORM 1 FROM log_head h WHERE h.room_id = l.room_id FOR NO KEY UPDATE;
    IF entries_are_fixed(in_line) THEN RETURN 'drawn'; END IF;
    IF has_ended(l.room_id) THEN RETURN 'room_ended'; END IF;
    DELETE FROM call_mail w WHERE w.line_id = in_line AND w.entered AND w.number = in_entry AND w.ticket_id = in_ticket;
    INSERT INTO place (line_id, entered, number, owner, has_left) VALUES (in_line, true, in_entry, in_ticket, true)
        ON CONFLICT (line_id, entered, number) DO UPDATE SET has_left = true, owner = EXCLUDED.owner
        WHERE place.owner IS NULL OR place.owner = EXCLUDED.owner;
    RETURN CASE WHEN FOUND THEN 'left' ELSE 'other_ticket' END;
END $$;

-- Moves a place to another device: from now on it belongs to the ticket `to_ticket` alone. To do it
-- again changes nothing. Verdicts: moved, other_ticket, inside (its session is that browser's), over,
-- drawn, room_ended, too_many_changes.
CREATE FUNCTION move_place(in_line int, in_entered boolean, in_number bigint, from_ticket bytea, to_ticket bytea)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    l record; p place; a admission;
BEGIN
    SELECT * INTO l FROM line x WHERE x.line_id = in_line;
    PERFORM 1 FROM log_head h WHERE h.room_id = l.room_id FOR NO KEY UPDATE;
    IF in_entered AND entries_are_fixed(in_line) THEN RETURN 'drawn'; END IF;
    SELECT * INTO p FROM place x WHERE x.line_id = in_line AND x.entered = in_entered AND x.number = in_number;
    IF p.owner = to_ticket THEN RETURN 'moved'; END IF;
    IF p.owner <> from_ticket THEN RETURN 'other_ticket'; END IF;
    IF p.has_left OR p.revoked THEN RETURN 'over'; END IF;
    IF in_entered AND has_ended(l.room_id) THEN RETURN 'room_ended'; END IF;
    IF is_worn_out(in_line, in_entered, in_number) THEN RETURN 'too_many_changes'; END IF;
    IF NOT in_entered THEN
        -- A claim does not lock the log: this row decides between it and the move.
        SELECT * INTO a FROM admission x WHERE x.line_id = in_line AND x.number = in_number FOR NO KEY UPDATE;
        IF a.ticket_id <> from_ticket THEN RETURN 'other_ticket'; END IF;
        IF a.state = 'claimed' THEN RETURN 'inside'; END IF;
        IF a.state IN ('left', 'ended') THEN RETURN 'over'; END IF;
        IF a.state IS DISTINCT FROM 'called' AND has_ended(l.room_id) THEN RETURN 'room_ended'; END IF;
        UPDATE admission SET ticket_id = to_ticket WHERE admission_id = a.admission_id;
    END IF;
    INSERT INTO place (line_id, entered, number, owner) VALUES (in_line, in_entered, in_number, to_ticket)
        ON CONFLICT (line_id, entered, number) DO UPDATE SET owner = EXCLUDED.owner;
    UPDATE person_place s SET ticket_id = to_ticket WHERE s.ticket_id = from_ticket;
    UPDATE returns_wait r SET ticket_id = to_ticket
        WHERE NOT in_entered AND r.line_id = in_line AND r.number = in_number AND r.ticket_id = from_ticket;
    UPDATE call_mail w SET ticket_id = to_ticket
        WHERE w.line_id = in_line AND w.entered = in_entered AND w.number = in_number AND w.ticket_id = from_ticket;
    PERFORM append_log(l.room_id, 'moved', jsonb_build_object('line', l.line, 'number', in_number)
        || CASE WHEN in_entered THEN '{"entry": true}' ELSE '{}' END::jsonb);
    RETURN 'moved';
END $$;

-- Steps aside: the turn goes to the next number. A shopper who comes back within the grace is called
-- before anyone new. Verdicts: aside, inside, over, other_ticket, room_ended, too_many_changes.
CREATE FUNCTION step_aside(in_line int, in_number bigint, in_ticket bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    l record; a admission;
BEGIN
    SELECT * INTO l FROM line x WHERE x.line_id = in_line;
    PERFORM 1 FROM log_head h WHERE h.room_id = l.room_id FOR NO KEY UPDATE;
    IF is_anothers(in_line, false, in_number, in_ticket) THEN RETURN 'other_ticket'; END IF;
    IF has_ended(l.room_id) THEN RETURN 'room_ended'; END IF;
    IF is_worn_out(in_line, false, in_number) THEN RETURN 'too_many_changes'; END IF;
    INSERT INTO admission (room_id, line_id, number, state, ticket_id, ended_at, time_factor)
        SELECT l.room_id, in_line, in_number, 'aside', in_ticket, shopper_now(), COALESCE((
            SELECT f.time_factor FROM place p JOIN profile f ON f.room_id = l.room_id AND f.profile = p.profile
            WHERE p.line_id = in_line AND NOT p.entered AND p.number = in_number), 1)
        ON CONFLICT ON CONSTRAINT number_called_once DO NOTHING;
    IF NOT FOUND THEN
        SELECT * INTO a FROM admission x WHERE x.line_id = in_line AND x.number = in_number FOR NO KEY UPDATE;
        IF a.ticket_id <> in_ticket THEN RETURN 'other_ticket'; END IF;
        IF a.state = 'claimed' THEN RETURN 'inside'; END IF;
        IF a.state IN ('left', 'ended') THEN RETURN 'over'; END IF;
        -- A missed number is not called before it comes back, so it has nothing to let pass.
        IF a.state = 'aside' OR (a.state = 'missed' AND a.came_back_at IS NULL) THEN RETURN 'aside'; END IF;
        PERFORM return_promises(ARRAY[a.admission_id]);
        UPDATE admission SET state = 'aside', ticket_id = in_ticket, promised = 0, came_back_at = NULL,
            ended_at = shopper_now() WHERE admission_id = a.admission_id;
    END IF;
    INSERT INTO place (line_id, entered, number, owner, aside) VALUES (in_line, false, in_number, in_ticket, true)
        ON CONFLICT (line_id, entered, number) DO UPDATE SET owner = EXCLUDED.owner, aside = true;
    PERFORM append_log(l.room_id, 'stepped_aside', jsonb_build_object('line', l.line, 'number', in_number));
    RETURN 'aside';
END $$;

-- Comes back after stepping aside. A number whose turn has not come waits on as if it had never
-- stepped aside; one that was passed is called again. Verdicts: waiting, missed (to be called again),
-- over, other_ticket, room_ended, and the admission's state where it never stepped aside.
CREATE FUNCTION step_back(in_line int, in_number bigint, in_ticket bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    l record; a admission;
BEGIN
    SELECT * INTO l FROM line x WHERE x.line_id = in_line;
    PERFORM 1 FROM log_head h WHERE h.room_id = l.room_id FOR NO KEY UPDATE;
    IF is_anothers(in_line, false, in_number, in_ticket) THEN RETURN 'other_ticket'; END IF;
    SELECT * INTO a FROM admission x WHERE x.line_id = in_line AND x.number = in_number FOR NO KEY UPDATE;
    IF a.ticket_id <> in_ticket THEN RETURN 'other_ticket'; END IF;
    IF a.state NOT IN ('aside', 'missed') THEN RETURN a.state; END IF;
    IF has_ended(l.room_id) THEN RETURN 'room_ended'; END IF;
    IF a.admission_id IS NULL THEN RETURN 'waiting'; END IF;
    UPDATE place p SET aside = false WHERE p.line_id = in_line AND NOT p.entered AND p.number = in_number;
    IF NOT had_its_turn(a) THEN
        DELETE FROM admission x WHERE x.admission_id = a.admission_id;
        RETURN 'waiting';
    END IF;
    UPDATE admission x SET state = 'missed', came_back_at = shopper_now(), ticket_id = in_ticket FROM room m
        WHERE x.admission_id = a.admission_id AND m.room_id = x.room_id
            AND (x.came_back_at IS NOT NULL OR x.ended_at > shopper_now() - time_for(m.grace_s, x.time_factor));
    RETURN CASE WHEN FOUND THEN 'missed' ELSE 'over' END;
END $$;

-- Takes a place away from its holder. To do it again changes nothing. Verdicts: revoked, unknown,
-- over (it was used or given up), payment_running, archived.
CREATE FUNCTION revoke_place(in_room text, in_line_name text, in_number bigint, in_who text, in_reason text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    l record; m room; a admission; verdict text;
BEGIN
    SELECT * INTO m FROM room x WHERE x.room = in_room;
    IF m.room_id IS NULL THEN RETURN 'unknown'; END IF;
    PERFORM 1 FROM log_head h WHERE h.room_id = m.room_id FOR NO KEY UPDATE;
    SELECT * INTO l FROM line x WHERE x.room_id = m.room_id AND x.line = in_line_name;
    IF is_sealed(m.room_id) THEN RETURN 'archived'; END IF;
    -- While the order is being drawn, a number belongs to no known ticket.
    IF l.line_id IS NULL OR in_number < 1 OR in_number > l.tail OR draw_is_due(l.line_id) THEN RETURN 'unknown'; END IF;
    INSERT INTO admission (room_id, line_id, number, state, end_reason, ended_at)
        VALUES (m.room_id, l.line_id, in_number, 'left', 'revoked', shopper_now())
        ON CONFLICT ON CONSTRAINT number_called_once DO NOTHING;
    IF NOT FOUND THEN
        SELECT * INTO a FROM admission x WHERE x.line_id = l.line_id AND x.number = in_number FOR NO KEY UPDATE;
        IF a.end_reason = 'revoked' AND a.state = 'left' THEN RETURN 'revoked'; END IF;
        IF a.state = 'left' OR (a.state = 'ended' AND a.end_reason = 'ordered') THEN RETURN 'over'; END IF;
        IF a.state = 'claimed' THEN
            verdict := end_session(a.admission_id, 'revoked');
            IF verdict = 'payment_running' THEN RETURN verdict; END IF;
        ELSIF a.state = 'called' THEN
            PERFORM return_promises(ARRAY[a.admission_id]);
        END IF;
        UPDATE admission SET state = 'left', end_reason = 'revoked', promised = 0, came_back_at = NULL,
            ended_at = shopper_now() WHERE admission_id = a.admission_id;
    END IF;
    INSERT INTO place (line_id, entered, number, revoked) VALUES (l.line_id, false, in_number, true)
        ON CONFLICT (line_id, entered, number) DO UPDATE SET revoked = true;
    DELETE FROM returns_wait r WHERE r.line_id = l.line_id AND r.number = in_number;
    DELETE FROM call_mail w WHERE w.line_id = l.line_id AND NOT w.entered AND w.number = in_number;
    PERFORM append_log(m.room_id, 'revoked', jsonb_strip_nulls(jsonb_build_object('line', l.line,
        'number', in_number, 'reason_hash', hidden(m, in_reason))));
    INSERT INTO operator_action (room_id, who, action, detail, reason)
        VALUES (m.room_id, in_who, 'revoke', jsonb_build_object('line', l.line, 'number', in_number), in_reason);
    RETURN 'revoked';
END $$;

-- Releases a customer's finished place so that they can take a new one. Verdicts: freed (or
-- another request was quicker), revoked (an operator took the place away, and that stands).
CREATE FUNCTION free_person_place(in_room int, in_key bytea, in_ticket bytea, in_line int, in_number bigint)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM admission a
               WHERE a.line_id = in_line AND a.number = in_number AND a.end_reason = 'revoked') THEN
        RETURN 'revoked';
    END IF;
    DELETE FROM person_place s WHERE s.room_id = in_room AND s.key = in_key AND s.ticket_id = in_ticket;
    RETURN 'freed';
END $$;

-- Says whether a line's entries are closed and not yet put in order.
CREATE FUNCTION draw_is_due(in_line int) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM draw d WHERE d.line_id = in_line AND d.count IS NOT NULL AND d.seed IS NULL)
$$;

-- Publishes the commitment to a line's seed, once. Entries are taken from then on.
CREATE FUNCTION announce_draw(in_line int, in_commitment bytea, in_sealed text, in_key bytea)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    l record; m room;
BEGIN
    SELECT * INTO l FROM line x WHERE x.line_id = in_line;
    PERFORM 1 FROM log_head h WHERE h.room_id = l.room_id FOR NO KEY UPDATE;
    SELECT * INTO m FROM room x WHERE x.room_id = l.room_id;
    IF m.order_by <> 'draw' OR m.status <> 'scheduled' THEN RETURN; END IF;
    INSERT INTO draw (line_id, commitment, sealed_seed, log_key, public_value_source)
        VALUES (in_line, in_commitment, in_sealed, in_key, m.public_value_source)
        ON CONFLICT (line_id) DO NOTHING;
    IF FOUND THEN
        PERFORM append_log(m.room_id, 'draw_announced', jsonb_build_object('line', l.line,
            'commitment', encode(in_commitment, 'hex'), 'key', encode(in_key, 'hex'),
            'public_value_source', m.public_value_source));
    END IF;
END $$;

-- Closes the entries of all lines of a room that is being opened; who comes now comes behind them.
-- The caller has the room's log and the room locked.
CREATE FUNCTION close_entries(in_room int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    l record;
BEGIN
    FOR l IN SELECT x.* FROM line x JOIN draw d USING (line_id)
             WHERE x.room_id = in_room AND x.joinable AND d.count IS NULL ORDER BY x.line_id FOR NO KEY UPDATE OF x LOOP
        PERFORM append_log(in_room, 'entries_closed', jsonb_build_object('line', l.line, 'count', l.entries));
        UPDATE draw d SET count = l.entries, head = h.hash FROM log_head h
            WHERE d.line_id = l.line_id AND h.room_id = in_room;
        UPDATE line x SET tail = l.entries WHERE x.line_id = l.line_id;
    END LOOP;
END $$;

-- Publishes the signature over a closing.
CREATE FUNCTION sign_closing(in_line int, in_signature bytea) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    l record; d draw;
BEGIN
    SELECT * INTO l FROM line x WHERE x.line_id = in_line;
    PERFORM 1 FROM log_head h WHERE h.room_id = l.room_id FOR NO KEY UPDATE;
    UPDATE draw x SET signature = in_signature
        WHERE x.line_id = in_line AND x.count IS NOT NULL AND x.signature IS NULL RETURNING * INTO d;
    IF FOUND THEN
        PERFORM append_log(l.room_id, 'closing_signed', jsonb_build_object('line', l.line, 'count', d.count,
            'head', encode(d.head, 'hex'), 'key', encode(d.log_key, 'hex'), 'signature', encode(in_signature, 'hex')));
    END IF;
END $$;

-- Takes in the public value that was announced, for every line of a room whose draw waits for it.
-- Returns how many lines that are.
CREATE FUNCTION give_public_value(in_room text, in_value text, in_who text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    m room; l record; given int := 0;
BEGIN
    SELECT * INTO m FROM room x WHERE x.room = in_room;
    IF m.room_id IS NULL THEN RETURN NULL; END IF;
    PERFORM 1 FROM log_head h WHERE h.room_id = m.room_id FOR NO KEY UPDATE;
    FOR l IN UPDATE draw d SET value = in_value FROM line x
             WHERE x.line_id = d.line_id AND x.room_id = m.room_id AND x.joinable AND d.signature IS NOT NULL
                 AND d.public_value_source IS NOT NULL AND d.value IS NULL RETURNING x.line, d.public_value_source LOOP
        PERFORM append_log(m.room_id, 'public_value', jsonb_build_object('line', l.line,
            'source', l.public_value_source, 'value', in_value));
        given := given + 1;
    END LOOP;
    IF given > 0 THEN
        -- A room that has ended is led again, also where its leader read it before this.
        UPDATE room x SET sold_out = x.sold_out WHERE x.room_id = m.room_id;
        INSERT INTO operator_action (room_id, who, action, detail)
            VALUES (m.room_id, in_who, 'public_value', jsonb_build_object('value', in_value));
    END IF;
    RETURN given;
END $$;

-- Says whether a draw can be revealed by the leader of this term: done, stale_term or not_due. The
-- caller has the room's log locked.
CREATE FUNCTION may_reveal(d draw, my_term bigint) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN term_is_over(my_term) THEN 'stale_term'
        WHEN d.seed IS NOT NULL OR d.signature IS NULL THEN 'not_due'
        WHEN d.public_value_source IS NOT NULL AND d.value IS NULL THEN 'not_due'
        ELSE 'done' END
$$;

-- Fixes the entries of a draw that is to be revealed, and returns those about which something is
-- remembered. From now on no shopper can change an entry, so the reveal cannot be made to begin again.
CREATE FUNCTION fix_entries(in_line int, my_term bigint, OUT verdict text, OUT entries bigint[])
LANGUAGE plpgsql AS $$
DECLARE
    d draw;
BEGIN
    PERFORM 1 FROM log_head h JOIN line x USING (room_id) WHERE x.line_id = in_line FOR NO KEY UPDATE OF h;
    PERFORM 1 FROM line x WHERE x.line_id = in_line FOR NO KEY UPDATE;
    SELECT * INTO d FROM draw x WHERE x.line_id = in_line FOR NO KEY UPDATE;
    verdict := may_reveal(d, my_term);
    IF verdict <> 'done' THEN RETURN; END IF;
    UPDATE draw x SET fixed_at = clock_timestamp() WHERE x.line_id = in_line AND x.fixed_at IS NULL;
    entries := ARRAY(SELECT p.number FROM place p WHERE p.line_id = in_line AND p.entered
        UNION SELECT w.number FROM call_mail w WHERE w.line_id = in_line AND w.entered
        UNION SELECT c.first_number + u.o - 1 FROM choice c, unnest(c.sku_ids) WITH ORDINALITY u(sku, o)
            WHERE c.line_id = in_line AND c.entered AND u.sku IS NOT NULL ORDER BY 1);
END $$;

-- Reveals the seed and with it the order. `entries` and `numbers` tell which numbers those places got
-- about which something is remembered. An entry that left needs no more than its number's row, so
-- workers do not read thousands of such places again. Verdicts: done, stale_term, not_due (also while
-- entries are not fixed).
CREATE FUNCTION reveal_draw(
    in_line int, my_term bigint, in_seed bytea, in_key bytea, entries bigint[], numbers bigint[])
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    l record; d draw; verdict text;
BEGIN
    PERFORM 1 FROM log_head h JOIN line x USING (room_id) WHERE x.line_id = in_line FOR NO KEY UPDATE OF h;
    SELECT * INTO l FROM line x WHERE x.line_id = in_line FOR NO KEY UPDATE;
    SELECT * INTO d FROM draw x WHERE x.line_id = in_line FOR NO KEY UPDATE;
    verdict := may_reveal(d, my_term);
    IF verdict <> 'done' THEN RETURN verdict; END IF;
    IF d.fixed_at IS NULL THEN RETURN 'not_due'; END IF;
    UPDATE draw x SET seed = in_seed, key = in_key, drawn_at = clock_timestamp() WHERE x.line_id = in_line;
    INSERT INTO admission (room_id, line_id, number, state, ticket_id, ended_at)
        SELECT l.room_id, in_line, m.n, 'left', p.owner, shopper_now()
        FROM unnest(entries, numbers) m(e, n)
        JOIN place p ON p.line_id = in_line AND p.entered AND p.number = m.e
        WHERE p.has_left
        ON CONFLICT ON CONSTRAINT number_called_once DO NOTHING;
    UPDATE place p SET entered = false, number = m.n FROM unnest(entries, numbers) m(e, n)
        WHERE p.line_id = in_line AND p.entered AND p.number = m.e AND NOT p.has_left;
    UPDATE call_mail w SET entered = false, number = m.n FROM unnest(entries, numbers) m(e, n)
        WHERE w.line_id = in_line AND w.entered AND w.number = m.e;
    PERFORM name_drawn(in_line, entries, numbers);
    PERFORM append_log(l.room_id, 'drawn', jsonb_build_object('line', l.line, 'seed', encode(in_seed, 'hex'),
        'head', encode(d.head, 'hex'), 'count', d.count, 'value', d.value));
    RETURN 'done';
END $$;
