-- Places that an operator took away by mistake are given back, and networks are put behind by hand.

-- Gives a place back that an operator took away: its number stands again. One that has not had its turn waits as if
-- nothing had happened, or stands aside as it did. One whose turn has passed is called again before anyone new, also where its session was ended:
-- no session and no hold comes back. Verdicts: given_back, unknown, not_revoked, line_over, room_ended, archived.
CREATE FUNCTION give_place_back(in_room text, in_line_name text, in_number bigint, in_who text, in_reason text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    l record; m room; a admission; p place; had_turn boolean; t timestamptz;
BEGIN
    SELECT * INTO m FROM room x WHERE x.room = in_room;
    IF m.room_id IS NULL THEN RETURN 'unknown'; END IF;
    PERFORM 1 FROM log_head h WHERE h.room_id = m.room_id FOR NO KEY UPDATE;
    -- Joins and calls write the log too, so the line stands still from here on.
    SELECT * INTO l FROM line x WHERE x.room_id = m.room_id AND x.line = in_line_name;
    IF l.line_id IS NULL THEN RETURN 'unknown'; END IF;
    IF is_sealed(m.room_id) THEN RETURN 'archived'; END IF;
    IF has_ended(m.room_id) THEN RETURN 'room_ended'; END IF;
    IF NOT l.joinable THEN RETURN 'line_over'; END IF;
    SELECT * INTO a FROM admission x WHERE x.line_id = l.line_id AND x.number = in_number FOR NO KEY UPDATE;
    IF a.state IS DISTINCT FROM 'left' OR a.end_reason IS DISTINCT FROM 'revoked' THEN RETURN 'not_revoked'; END IF;
    SELECT * INTO p FROM place x WHERE x.line_id = l.line_id AND NOT x.entered AND x.number = in_number;
    had_turn := had_its_turn(a) OR in_number <= l.gate;
    t := shopper_now();
    IF had_turn THEN
        UPDATE admission x SET state = 'missed', end_reason = NULL, ended_at = t, came_back_at = t,
            passed_at = COALESCE(x.passed_at, t), ticket_id = COALESCE(x.ticket_id, p.owner),
            time_factor = COALESCE((SELECT f.time_factor FROM profile f
                                    WHERE f.room_id = m.room_id AND f.profile = p.profile), x.time_factor),
            times_called = CASE WHEN x.called_at IS NULL THEN 0 ELSE x.times_called END
            WHERE x.admission_id = a.admission_id;
    ELSIF p.aside THEN
        UPDATE admission x SET state = 'aside', end_reason = NULL, ended_at = t WHERE x.admission_id = a.admission_id;
    ELSE
        DELETE FROM admission x WHERE x.admission_id = a.admission_id;
    END IF;
    UPDATE place x SET revoked = false, aside = x.aside AND NOT had_turn WHERE x.line_id = l.line_id AND NOT x.entered AND x.number = in_number;
    PERFORM append_log(m.room_id, 'given_back', jsonb_strip_nulls(jsonb_build_object('line', l.line,
        'number', in_number, 'reason_hash', hidden(m, in_reason))));
    INSERT INTO operator_action (room_id, who, action, detail, reason)
        VALUES (m.room_id, in_who, 'give back', jsonb_build_object('line', l.line, 'number', in_number), in_reason);
    RETURN 'given_back';
END $$;

-- The places of a room that are taken away now, the latest first, each with who did it and why. Pages end before an act.
CREATE FUNCTION places_revoked(in_room_id int, before bigint, most int)
RETURNS TABLE (action_id bigint, line text, number bigint, at timestamptz, who text, reason text) LANGUAGE sql STABLE AS $$
    SELECT o.action_id, l.line, a.number, o.at, o.who, o.reason
    FROM operator_action o
    JOIN line l ON l.room_id = o.room_id AND l.line = o.detail ->> 'line'
    JOIN admission a ON a.line_id = l.line_id AND a.number = (o.detail ->> 'number')::bigint
    WHERE o.room_id = in_room_id AND o.action = 'revoke' AND (before IS NULL OR o.action_id < before)
        AND a.state = 'left' AND a.end_reason = 'revoked'
        AND NOT EXISTS (SELECT FROM operator_action y WHERE y.room_id = o.room_id AND y.action = 'revoke'
                        AND y.action_id > o.action_id AND y.detail = o.detail)
    ORDER BY o.action_id DESC LIMIT most
$$;
CREATE INDEX operator_action_revoked ON operator_action (room_id, detail, action_id) WHERE action = 'revoke';

-- True: further places of this network are given in the lane behind, whatever its number of places.
ALTER TABLE room_network ADD COLUMN behind boolean NOT NULL DEFAULT false;
CREATE INDEX room_network_behind ON room_network (room_id) WHERE behind;

CREATE FUNCTION networks_behind_max() RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT 1000 $$;

-- Puts a network behind, or lifts that. The log has the number of such networks before and after, and none of their
-- names. To do it again changes nothing. Verdicts: set, unknown, room_ended, archived, too_many.
CREATE FUNCTION put_network_behind(in_room text, in_network bytea, is_behind boolean, in_who text, in_reason text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    m room; before int;
BEGIN
    SELECT * INTO m FROM room x WHERE x.room = in_room;
    IF m.room_id IS NULL THEN RETURN 'unknown'; END IF;
    PERFORM 1 FROM log_head h WHERE h.room_id = m.room_id FOR NO KEY UPDATE;
    IF is_sealed(m.room_id) THEN RETURN 'archived'; END IF;
    IF has_ended(m.room_id) THEN RETURN 'room_ended'; END IF;
    before := (SELECT count(*) FROM room_network n WHERE n.room_id = m.room_id AND n.behind);
    IF is_behind = EXISTS (SELECT FROM room_network n
                           WHERE n.room_id = m.room_id AND n.network = in_network AND n.behind) THEN RETURN 'set'; END IF;
    IF is_behind AND before >= networks_behind_max() THEN RETURN 'too_many'; END IF;
    INSERT INTO room_network AS n (room_id, network, since, behind)
        VALUES (m.room_id, in_network, clock_timestamp(), is_behind)
        ON CONFLICT ON CONSTRAINT network_counted_once DO UPDATE SET behind = is_behind;
    PERFORM append_log(m.room_id, 'rules', jsonb_strip_nulls(jsonb_build_object('changed',
        jsonb_build_object('networks_behind', jsonb_build_array(before, before + CASE WHEN is_behind THEN 1 ELSE -1 END)),
        'reason_hash', hidden(m, in_reason))));
    INSERT INTO operator_action (room_id, who, action, detail, reason)
        VALUES (m.room_id, in_who, CASE WHEN is_behind THEN 'put behind' ELSE 'lift behind' END,
                jsonb_build_object('network', encode(in_network, 'hex')), in_reason);
    RETURN 'set';
END $$;
