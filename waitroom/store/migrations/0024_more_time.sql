-- More time for a shopper who asks: profiles are given to places, and lengthen what has not passed.

-- Gives a turn that has come its longer time at once: the call or the session, open holds, and payments that
-- run. A deadline that has passed stands, also while the sweep has yet to come. The caller has the admission
-- locked.
CREATE FUNCTION lengthen_turn(in_admission bigint, m room, factor real) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    to_hold constant interval := time_for(m.hold_s, factor - 1);
    to_pay constant interval := time_for(m.payment_window_s, factor - 1);
    t timestamptz;
BEGIN
    PERFORM 1 FROM hold h WHERE h.session_id = in_admission AND h.state = 'held' ORDER BY h.hold_id FOR NO KEY UPDATE;
    t := shopper_now();
    UPDATE admission x SET time_factor = factor,
            claim_until = CASE WHEN x.claim_until > t THEN x.claim_until + time_for(m.claim_window_s, factor - 1)
                               ELSE x.claim_until END,
            expires_at = CASE WHEN x.expires_at > t THEN x.expires_at + time_for(m.session_s, factor - 1)
                              ELSE x.expires_at END
        WHERE x.admission_id = in_admission;
    -- Before the holds: a payment has until its hold's deadline.
    UPDATE purchase p SET pay_by = p.pay_by + to_pay
        WHERE p.session_id = in_admission AND p.state = 'authorizing' AND p.pay_by > t;
    UPDATE hold h SET expires_at = h.expires_at + CASE WHEN h.paying THEN to_pay ELSE to_hold END,
            unpaid_until = h.unpaid_until + to_hold, payment_until = h.payment_until + to_pay
        WHERE h.session_id = in_admission AND h.state = 'held' AND h.expires_at > t;
    UPDATE hold_line l SET due_at = h.expires_at FROM hold h
        WHERE h.session_id = in_admission AND h.state = 'held' AND l.hold_id = h.hold_id AND l.due_at IS NOT NULL;
END $$;

-- Says whether nothing of a turn is left that more time could lengthen: it was left or is over, or its last
-- deadline has passed and the sweep has yet to come.
CREATE FUNCTION turn_is_over(a admission, grace_s int) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    t constant timestamptz := shopper_now();
BEGIN
    RETURN CASE
        WHEN a.state IN ('left', 'ended') THEN true
        WHEN a.state = 'claimed' THEN a.expires_at <= t AND NOT EXISTS (SELECT FROM hold h
            WHERE h.session_id = a.admission_id AND h.state = 'held' AND h.expires_at > t)
        WHEN a.state IN ('missed', 'aside') THEN had_its_turn(a) AND a.came_back_at IS NULL
            AND a.ended_at <= t - time_for(grace_s, a.time_factor)
        ELSE false END;
END $$;

-- Gives a place a profile, once, while any are left. Verdicts: given, none_left, unknown, over,
-- other_ticket, drawn, room_ended.
CREATE FUNCTION take_profile(in_line int, in_entered boolean, in_number bigint, in_ticket bytea, in_profile text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    l record; m room; a admission; p place; f profile;
BEGIN
    SELECT * INTO l FROM line x WHERE x.line_id = in_line;
    PERFORM 1 FROM log_head h WHERE h.room_id = l.room_id FOR NO KEY UPDATE;
    IF in_entered AND entries_are_fixed(in_line) THEN RETURN 'drawn'; END IF;
    SELECT * INTO m FROM room x WHERE x.room_id = l.room_id;
    SELECT * INTO p FROM place x WHERE x.line_id = in_line AND x.entered = in_entered AND x.number = in_number FOR NO KEY UPDATE;
    IF p.owner <> in_ticket THEN RETURN 'other_ticket'; END IF;
    IF p.has_left OR p.revoked THEN RETURN 'over'; END IF;
    IF p.profile IS NOT NULL THEN RETURN 'given'; END IF;
    IF NOT in_entered THEN
        SELECT * INTO a FROM admission x WHERE x.line_id = in_line AND x.number = in_number FOR NO KEY UPDATE;
        IF a.ticket_id <> in_ticket THEN RETURN 'other_ticket'; END IF;
        IF turn_is_over(a, m.grace_s) THEN RETURN 'over'; END IF;
    END IF;
    IF m.status = 'ended' AND COALESCE(a.state, '') NOT IN ('called', 'claimed') THEN RETURN 'room_ended'; END IF;
    SELECT * INTO f FROM profile x WHERE x.room_id = m.room_id AND x.profile = in_profile FOR NO KEY UPDATE;
    IF NOT FOUND THEN RETURN 'unknown'; END IF;
    IF f.taken >= f.places_max THEN RETURN 'none_left'; END IF;
    UPDATE profile x SET taken = x.taken + 1 WHERE x.room_id = m.room_id AND x.profile = in_profile;
    INSERT INTO place (line_id, entered, number, owner, profile) VALUES (in_line, in_entered, in_number, in_ticket, in_profile)
        ON CONFLICT (line_id, entered, number) DO UPDATE SET owner = EXCLUDED.owner, profile = EXCLUDED.profile;
    -- A turn that has come gets its longer time at once.
    PERFORM lengthen_turn(a.admission_id, m, f.time_factor);
    PERFORM append_log(m.room_id, 'extra_time', jsonb_build_object('line', l.line, 'number', in_number,
        'profile', in_profile) || CASE WHEN in_entered THEN '{"entry": true}' ELSE '{}' END::jsonb);
    RETURN 'given';
END $$;
