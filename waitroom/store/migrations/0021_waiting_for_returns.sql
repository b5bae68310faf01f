-- The line for returns: tickets that stay for units that come back, after the sessions that were refused
-- them and before the line.

-- Keeps a ticket in line for returns, with an address or without: once its session is over unserved
-- it is called again, by number, before anyone new. A shopper who could have something now
-- cannot stay for it, or buying could be put off for ever. Verdicts: waits, units_free, bought, left, other_ticket,
-- room_ended, too_many_changes.
CREATE FUNCTION stay_for_returns(in_line int, in_number bigint, in_ticket bytea, address text, in_language text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    a admission;
BEGIN
    -- Locked, so that no address is left behind in a line that a reset closes.
    PERFORM 1 FROM line x WHERE x.line_id = in_line AND x.joinable FOR SHARE;
    IF NOT FOUND THEN RETURN 'left'; END IF;
    -- An end locks the lines too.
    IF has_ended((SELECT x.room_id FROM line x WHERE x.line_id = in_line)) THEN RETURN 'room_ended'; END IF;
    IF is_anothers(in_line, false, in_number, in_ticket) THEN RETURN 'other_ticket'; END IF;
    SELECT * INTO a FROM admission x WHERE x.line_id = in_line AND x.number = in_number FOR NO KEY UPDATE;
    IF a.ticket_id <> in_ticket THEN RETURN 'other_ticket'; END IF;
    IF a.state = 'left' THEN RETURN 'left'; END IF;
    IF a.changes >= session_changes_max() THEN RETURN 'too_many_changes'; END IF;
    IF a.state = 'ended' AND a.end_reason = 'ordered' THEN RETURN 'bought'; END IF;
    IF NOT EXISTS (SELECT FROM returns_wait r WHERE r.line_id = in_line AND r.number = in_number) AND (
            EXISTS (SELECT FROM hold h WHERE h.session_id = a.admission_id AND h.state = 'held')
            OR EXISTS (SELECT FROM line l JOIN room_stock k USING (room_id) WHERE l.line_id = in_line
                AND k.on_hand - k.held - k.sold - k.promised - kept_units(k.room_id) > 0)) THEN
        RETURN 'units_free';
    END IF;
    INSERT INTO returns_wait (line_id, number, ticket_id, email, language)
        VALUES (in_line, in_number, in_ticket, address, in_language)
        ON CONFLICT (line_id, number) DO UPDATE SET email = EXCLUDED.email, language = EXCLUDED.language, told_at = NULL
        WHERE returns_wait.ticket_id = EXCLUDED.ticket_id;
    IF NOT FOUND THEN RETURN 'other_ticket'; END IF;
    UPDATE admission x SET changes = x.changes + 1 WHERE x.admission_id = a.admission_id;
    PERFORM come_back_for_returns(ARRAY[a.admission_id]);
    RETURN 'waits';
END $$;

-- Takes a ticket out of the line for returns. A number whose session was over is called no more. One that
-- missed a call and came back for it keeps that.
CREATE FUNCTION leave_returns(in_line int, in_number bigint, in_ticket bytea) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM admission a WHERE a.line_id = in_line AND a.number = in_number FOR NO KEY UPDATE;
    DELETE FROM returns_wait r WHERE r.line_id = in_line AND r.number = in_number AND r.ticket_id = in_ticket;
    IF FOUND THEN
        UPDATE admission a SET state = 'ended', came_back_at = NULL
            WHERE a.line_id = in_line AND a.number = in_number AND a.state = 'missed'
                AND a.came_back_at IS NOT NULL AND a.end_reason IS NOT NULL AND a.called_at IS NOT NULL;
    END IF;
END $$;

-- Puts admissions that stayed for returns and whose turn is over among those that are called again,
-- unless they were given something since they asked. A number that stands aside before its turn stays in
-- its place: staying for returns brings none before others who wait.
CREATE FUNCTION come_back_for_returns(ids bigint[]) RETURNS void LANGUAGE sql AS $$
    UPDATE admission a SET state = 'missed', came_back_at = shopper_now(), expires_at = NULL
        FROM returns_wait r
        WHERE a.admission_id = ANY (ids) AND r.line_id = a.line_id AND r.number = a.number
            AND (a.ticket_id IS NULL OR r.ticket_id = a.ticket_id)
            AND NOT EXISTS (SELECT FROM hold h WHERE h.session_id = a.admission_id AND h.placed_at > r.asked_at)
            AND ((a.state = 'ended' AND a.end_reason <> 'ordered')
                 OR (a.state IN ('missed', 'aside') AND had_its_turn(a) AND a.came_back_at IS NULL))
$$;

-- Sends a message to each of these numbers that was called and left an address. All that were called and
-- stayed for returns get the longer claim window, and stay no longer.
CREATE FUNCTION tell_returns(in_line int, numbers bigint[], t timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE admission a SET claim_until = GREATEST(a.claim_until, t + time_for(m.returns_window_s, a.time_factor))
        FROM returns_wait r, room m
        WHERE a.line_id = in_line AND a.number = ANY (numbers) AND r.line_id = a.line_id AND r.number = a.number
            AND a.state = 'called' AND m.room_id = a.room_id;
    INSERT INTO mail (address, kind, facts)
        SELECT r.email, 'called_for_returns', jsonb_build_object('room', m.room, 'name', m.name, 'number', a.number,
               'claim_until', wall_time(a.claim_until), 'language', r.language)
        FROM returns_wait r JOIN admission a USING (line_id, number) JOIN room m USING (room_id)
        WHERE r.line_id = in_line AND r.number = ANY (numbers) AND r.email <> '' AND a.state = 'called';
    -- One message is enough.
    UPDATE call_mail w SET email = '' FROM returns_wait r
        WHERE r.line_id = in_line AND r.number = ANY (numbers) AND r.email <> ''
            AND w.line_id = in_line AND NOT w.entered AND w.number = r.number;
    DELETE FROM returns_wait r USING admission a
        WHERE r.line_id = in_line AND r.number = ANY (numbers)
            AND a.line_id = r.line_id AND a.number = r.number AND a.state = 'called';
END $$;
