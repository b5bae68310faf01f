-- Rooms: made, opened, paused, changed, reset; their lanes, profiles and invitations. A change of a
-- room locks its log first, so the change has a place in the same order as joins and calls, and is
-- itself an entry.

-- How a room looks to shoppers: the draft, which operators preview, and what is live.
CREATE TABLE room_look (
    room_id int PRIMARY KEY REFERENCES room,
    -- Objects as `waitroom.look.look.RoomLook` has them; a room without a row looks as all pages do.
    draft jsonb NOT NULL DEFAULT '{}',
    live jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT look_is_small CHECK (octet_length(draft::text) <= 65536 AND octet_length(live::text) <= 65536)
);

-- Says whether places are taken before the sale opens.
CREATE FUNCTION doors_open(m room) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN m.doors_at IS NULL THEN m.order_by = 'draw' ELSE m.doors_at <= clock_timestamp() END
$$;

-- Says why a room takes no arrivals on a line; NULL if it does. With `drawing` they are entries.
CREATE FUNCTION why_closed(m room, in_line int, joinable boolean, drawing boolean) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE
        WHEN m.status = 'ended' THEN 'room_ended'
        -- The room was reset, and this worker does not know it yet.
        WHEN NOT joinable THEN 'line_begun_anew'
        WHEN m.status = 'scheduled' AND NOT doors_open(m) THEN 'not_open'
        -- A draw takes no entry before its seed is fixed.
        WHEN drawing AND NOT EXISTS (SELECT FROM draw d WHERE d.line_id = in_line) THEN 'not_open'
        WHEN m.sold_out THEN 'sold_out' END;
END $$;

CREATE FUNCTION create_room(in_room text, in_name text, who text, in_currency text)
RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    id int;
BEGIN
    INSERT INTO room (room, name, currency) VALUES (in_room, in_name, in_currency) RETURNING room_id INTO id;
    INSERT INTO log_head (room_id) VALUES (id);
    INSERT INTO line (room_id, line) VALUES (id, 'main-1');
    INSERT INTO room_state (room_id) VALUES (id);
    INSERT INTO room_stock (room_id) VALUES (id);
    INSERT INTO profile (room_id, profile, name, time_factor) VALUES (id, 'extra-time', 'More time', 2);
    PERFORM append_log(id, 'room_created', jsonb_build_object('room', in_room, 'line', 'main-1'));
    INSERT INTO operator_action (room_id, who, action) VALUES (id, who, 'create');
    RETURN id;
END $$;

-- Draws the gates of a room back to the tails: arrivals after this are not called as they join. The
-- lines are locked in order of id, as a leader that takes office locks them.
CREATE FUNCTION draw_gates_back(in_room int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM line l WHERE l.room_id = in_room ORDER BY l.line_id FOR NO KEY UPDATE;
    UPDATE line l SET gate = l.tail WHERE l.room_id = in_room AND l.gate > l.tail;
END $$;

-- Sets a room's status. A room that is not open calls no one, so the gate goes back to the tail at
-- most: an arrival after this is not called as it joins. The operator's reason stays private; the
-- public log has the fact. Returns the status before, or NULL for an unknown room.
CREATE FUNCTION set_room_status(in_room text, in_status text, in_who text, in_reason text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    m room;
BEGIN
    SELECT * INTO m FROM room x WHERE x.room = in_room;
    IF m.room_id IS NULL THEN RETURN NULL; END IF;
    PERFORM 1 FROM log_head h WHERE h.room_id = m.room_id FOR NO KEY UPDATE;
    SELECT * INTO m FROM room x WHERE x.room = in_room FOR NO KEY UPDATE;
    IF m.status = in_status THEN RETURN m.status; END IF;
    -- A sale that was announced as ended stays ended; what has not opened cannot be
    -- paused. The caller sees from the status before that nothing was changed.
    IF m.status = 'ended' OR (m.status, in_status) = ('scheduled', 'paused') THEN RETURN m.status; END IF;
    UPDATE room SET status = in_status WHERE room_id = m.room_id;
    IF in_status <> 'open' THEN
        PERFORM draw_gates_back(m.room_id);
    END IF;
    PERFORM append_log(m.room_id, 'status', jsonb_strip_nulls(jsonb_build_object(
        'from', m.status, 'to', in_status, 'reason_hash', hidden(m, in_reason),
        -- With these the sale can be played again; changes later on are entries of their own.
        'rules', CASE WHEN m.status = 'scheduled' THEN jsonb_build_object(
            'policy', m.policy, 'disappointed_max', m.disappointed_max, 'seats_max', m.seats_max,
            'calls_per_minute', m.calls_per_minute, 'batch_max', m.batch_max, 'claim_window_s', m.claim_window_s,
            'session_s', m.session_s, 'hold_s', m.hold_s, 'hold_extensions_max', m.hold_extensions_max,
            'payment_window_s', m.payment_window_s, 'pay_after_s', m.pay_after_s, 'grace_s', m.grace_s, 'units_promised', m.units_promised,
            'places_per_address_max', m.places_per_address_max, 'order_units_max', m.order_units_max, 'held_share_max', m.held_share_max::numeric, 'returns_window_s', m.returns_window_s) END)));
    IF m.status = 'scheduled' AND in_status = 'open' THEN PERFORM close_entries(m.room_id); END IF;
    INSERT INTO operator_action (room_id, who, action, detail, reason)
        VALUES (m.room_id, in_who, 'status', jsonb_build_object('from', m.status, 'to', in_status), in_reason);
    RETURN m.status;
END $$;

-- Notes whether everything that was ever on hand is sold. It goes by the books and not by what its
-- caller has read, so a leader of the past can say nothing wrong.
CREATE FUNCTION note_sold_out(in_room_id int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    now_sold_out boolean;
BEGIN
    PERFORM 1 FROM log_head h WHERE h.room_id = in_room_id FOR NO KEY UPDATE;
    SELECT CASE WHEN m.stock_elsewhere THEN m.stock_heard_at IS NOT NULL AND k.on_hand = 0
                ELSE k.on_hand > b.units AND k.sold >= k.on_hand - b.units END
        INTO now_sold_out FROM room_stock k JOIN room m USING (room_id), units_barred(in_room_id) b(units)
        WHERE k.room_id = in_room_id;
    UPDATE room SET sold_out = now_sold_out WHERE room_id = in_room_id AND sold_out <> now_sold_out;
    IF FOUND THEN
        PERFORM append_log(in_room_id, CASE WHEN now_sold_out THEN 'sold_out' ELSE 'stock_back' END, '{}');
    END IF;
END $$;

-- Opens or ends a room whose time has come, by the room's own hours and the database's clock.
CREATE FUNCTION keep_hours(in_room_id int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    m room;
    due text;
BEGIN
    PERFORM 1 FROM log_head h WHERE h.room_id = in_room_id FOR NO KEY UPDATE;
    SELECT * INTO m FROM room x WHERE x.room_id = in_room_id;
    due := CASE WHEN m.status IN ('scheduled', 'open', 'paused') AND m.closes_at <= clock_timestamp() THEN 'ended'
                WHEN m.status = 'scheduled' AND m.opens_at <= clock_timestamp() THEN 'open' END;
    IF due IS NOT NULL THEN PERFORM set_room_status(m.room, due, 'schedule', ''); END IF;
END $$;

-- Lets a room's stock live in another shop, or here again: before it opens, and never in both.
CREATE FUNCTION move_stock_elsewhere(m room, elsewhere boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF m.status <> 'scheduled' THEN
        RAISE EXCEPTION 'the sale is open' USING ERRCODE = 'check_violation', CONSTRAINT = 'stock_moves_before_the_opening';
    END IF;
    IF elsewhere AND EXISTS (SELECT FROM sku k WHERE k.room_id = m.room_id) THEN
        RAISE EXCEPTION 'there are SKUs' USING ERRCODE = 'check_violation', CONSTRAINT = 'stock_lives_in_one_place';
    END IF;
    -- Nothing is known of the stock until the shop speaks, or units are received.
    UPDATE room_stock k SET on_hand = 0, held = 0, sold = 0, short = k.promised WHERE k.room_id = m.room_id;
    UPDATE room x SET stock_heard_at = NULL, stock_as_of = NULL WHERE x.room_id = m.room_id;
END $$;

-- Changes a room's rules; `changes` holds column names and values that the caller has checked.
-- Returns what was changed from what, or NULL for an unknown room. A policy takes effect for the
-- calls that follow: promises already given stand.
CREATE FUNCTION change_room(in_room text, changes jsonb, in_who text, in_reason text)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    m room; changed room; before jsonb; after jsonb; diff jsonb;
BEGIN
    SELECT * INTO m FROM room x WHERE x.room = in_room;
    IF m.room_id IS NULL THEN RETURN NULL; END IF;
    -- No SKU is added while it is decided where the stock lives.
    IF changes ? 'stock_elsewhere' THEN PERFORM lock_catalogue(m.room_id); END IF;
    PERFORM 1 FROM log_head h WHERE h.room_id = m.room_id FOR NO KEY UPDATE;
    SELECT * INTO m FROM room x WHERE x.room = in_room FOR NO KEY UPDATE;
    changed := jsonb_populate_record(m, changes);
    IF changed.message <> m.message THEN changed.message_at := clock_timestamp(); END IF;
    IF (changed.order_by, changed.public_value_source) IS DISTINCT FROM (m.order_by, m.public_value_source)
        AND EXISTS (SELECT FROM line l JOIN draw d USING (line_id) WHERE l.room_id = m.room_id AND l.joinable) THEN
        -- Shoppers entered for the draw that was announced.
        RAISE EXCEPTION 'the draw was announced' USING ERRCODE = 'check_violation', CONSTRAINT = 'announced_draw_stands';
    END IF;
    IF changed.order_by = 'draw' AND m.order_by <> 'draw' AND m.status <> 'scheduled' THEN
        RAISE EXCEPTION 'the sale is open' USING ERRCODE = 'check_violation', CONSTRAINT = 'draw_comes_before_the_opening';
    END IF;
    IF changed.order_by = 'draw' AND m.order_by <> 'draw' AND EXISTS (
            SELECT FROM line l WHERE l.room_id = m.room_id AND l.joinable AND l.tail > 0) THEN
        RAISE EXCEPTION 'numbers were given' USING ERRCODE = 'check_violation', CONSTRAINT = 'draw_comes_before_any_number';
    END IF;
    IF changed.closes_at IS DISTINCT FROM m.closes_at AND changed.closes_at <= clock_timestamp() THEN
        -- An end by a slip in a date could not be taken back.
        RAISE EXCEPTION 'that moment is over' USING ERRCODE = 'check_violation', CONSTRAINT = 'closing_lies_ahead';
    END IF;
    IF changed.stock_elsewhere <> m.stock_elsewhere THEN PERFORM move_stock_elsewhere(m, changed.stock_elsewhere); END IF;
    UPDATE room SET name = changed.name, public = changed.public, message = changed.message,
        message_at = changed.message_at, opens_at = changed.opens_at, closes_at = changed.closes_at,
        policy = changed.policy, seats_max = changed.seats_max,
        calls_per_minute = changed.calls_per_minute, batch_max = changed.batch_max,
        claim_window_s = changed.claim_window_s, session_s = changed.session_s, hold_s = changed.hold_s,
        hold_extensions_max = changed.hold_extensions_max, payment_window_s = changed.payment_window_s,
        pay_after_s = changed.pay_after_s, places_per_address_max = changed.places_per_address_max,
        proof_of_work = changed.proof_of_work,
        human_check = changed.human_check, human_check_away = changed.human_check_away,
        grace_s = changed.grace_s, units_promised = changed.units_promised,
        order_units_max = changed.order_units_max, customers_only = changed.customers_only,
        returns_window_s = changed.returns_window_s, doors_at = changed.doors_at,
        order_by = changed.order_by, public_value_source = changed.public_value_source,
        join_by = changed.join_by, log_public = changed.log_public,
        fairness_public = changed.fairness_public, language = changed.language, stock_elsewhere = changed.stock_elsewhere,
        disappointed_max = changed.disappointed_max, held_share_max = changed.held_share_max
        WHERE room_id = m.room_id;
    before := to_jsonb(m); after := to_jsonb(changed);
    SELECT COALESCE(jsonb_object_agg(k, jsonb_build_array(before -> k, after -> k)), '{}') INTO diff
        FROM jsonb_object_keys(changes) k WHERE before -> k IS DISTINCT FROM after -> k;
    IF diff <> '{}' THEN
        -- What stands ahead of the tail was decided by the old rules.
        PERFORM draw_gates_back(m.room_id);
        PERFORM append_log(m.room_id, 'rules', jsonb_strip_nulls(
            jsonb_build_object('changed', diff, 'reason_hash', hidden(m, in_reason))));
        INSERT INTO operator_action (room_id, who, action, detail, reason)
            VALUES (m.room_id, in_who, 'change', diff, in_reason);
    END IF;
    RETURN diff;
END $$;

-- Begins a room anew: its lines are closed, calls that stand are taken back, new lines begin at 1.
-- Who is inside stays until the deadline, with holds, wishes and promise. The room waits to be opened
-- again, also one that had ended. Verdicts: done, unknown, draw_is_due (entries are closed and their
-- order is not out yet: whoever knows the key could have looked, so it has to be shown first).
CREATE FUNCTION reset_room(in_room text, in_who text, in_reason text, OUT verdict text, OUT calls_taken_back int)
LANGUAGE plpgsql AS $$
DECLARE
    m room; l record; touched bigint[]; calls bigint[]; following text; made text[] := '{}';
BEGIN
    calls_taken_back := 0;
    SELECT * INTO m FROM room x WHERE x.room = in_room;
    IF m.room_id IS NULL THEN verdict := 'unknown'; RETURN; END IF;
    PERFORM 1 FROM log_head h WHERE h.room_id = m.room_id FOR NO KEY UPDATE;
    SELECT * INTO m FROM room x WHERE x.room = in_room FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM line x WHERE x.room_id = m.room_id AND x.joinable AND draw_is_due(x.line_id)) THEN
        verdict := 'draw_is_due';
        RETURN;
    END IF;
    FOR l IN SELECT * FROM line x WHERE x.room_id = m.room_id AND x.joinable ORDER BY x.line_id FOR NO KEY UPDATE LOOP
        following := l.lane || '-' || (l.generation + 1);
        UPDATE line x SET joinable = false, gate = LEAST(x.gate, x.tail) WHERE x.line_id = l.line_id;
        INSERT INTO line (room_id, line, lane, generation, share)
            VALUES (m.room_id, following, l.lane, l.generation + 1, l.share);
        PERFORM append_log(m.room_id, 'reset', jsonb_strip_nulls(jsonb_build_object('from_line', l.line,
            'to_line', following, 'reason_hash', hidden(m, in_reason))));
        made := made || following;
    END LOOP;
    -- All that is touched below, in the one order; what it is now is known when the locks are had.
    SELECT array_agg(x.admission_id) INTO touched FROM (
        SELECT a.admission_id FROM admission a
        WHERE a.room_id = m.room_id AND (a.state = 'called' OR (a.state = 'missed' AND a.came_back_at IS NOT NULL))
        ORDER BY a.admission_id FOR NO KEY UPDATE) x;
    SELECT array_agg(a.admission_id) INTO calls FROM admission a
        WHERE a.admission_id = ANY (touched) AND a.state = 'called';
    PERFORM return_promises(calls);
    UPDATE admission a SET state = 'left', end_reason = 'reset', promised = 0, ended_at = shopper_now()
        WHERE a.admission_id = ANY (calls);
    UPDATE admission a SET came_back_at = NULL WHERE a.admission_id = ANY (touched) AND a.state = 'missed';
    DELETE FROM person_place s WHERE s.room_id = m.room_id;
    DELETE FROM returns_wait r USING line x WHERE x.line_id = r.line_id AND x.room_id = m.room_id;
    DELETE FROM call_mail w USING line x WHERE x.line_id = w.line_id AND x.room_id = m.room_id;
    UPDATE profile f SET taken = 0 WHERE f.room_id = m.room_id;
    UPDATE room x SET status = 'scheduled', opens_at = NULL, closes_at = NULL, doors_at = NULL WHERE x.room_id = m.room_id;
    IF m.status <> 'scheduled' THEN
        PERFORM append_log(m.room_id, 'status', jsonb_build_object('from', m.status, 'to', 'scheduled'));
    END IF;
    calls_taken_back := COALESCE(cardinality(calls), 0);
    INSERT INTO operator_action (room_id, who, action, detail, reason) VALUES (m.room_id, in_who, 'reset',
        jsonb_build_object('lines', to_jsonb(made), 'calls_taken_back', calls_taken_back), in_reason);
    verdict := 'done';
END $$;

-- Refuses an operator's act in a room that is archived. The caller has the room's log locked.
CREATE FUNCTION refuse_archived(in_room_id int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF is_sealed(in_room_id) THEN
        RAISE EXCEPTION 'the room is archived' USING ERRCODE = 'check_violation', CONSTRAINT = 'archived_room_stands';
    END IF;
END $$;

-- Adds a lane to a room, or changes its share of the calls. Returns its line's name, NULL for an unknown
-- room. Each lane costs the leader a look at every tick, so they are bounded.
CREATE FUNCTION set_lane(in_room text, in_lane text, in_share real, in_who text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    m room; l record; main record;
BEGIN
    SELECT * INTO m FROM room x WHERE x.room = in_room;
    IF m.room_id IS NULL THEN RETURN NULL; END IF;
    PERFORM 1 FROM log_head h WHERE h.room_id = m.room_id FOR NO KEY UPDATE;
    PERFORM refuse_archived(m.room_id);
    SELECT * INTO main FROM line x WHERE x.room_id = m.room_id AND x.joinable AND x.lane = 'main';
    SELECT * INTO l FROM line x WHERE x.room_id = m.room_id AND x.joinable AND x.lane = in_lane FOR NO KEY UPDATE;
    IF l.line_id IS NULL THEN
        IF in_lane <> 'behind' AND (SELECT count(*) FROM line x
                WHERE x.room_id = m.room_id AND x.joinable AND x.lane <> 'behind') >= 16 THEN
            RAISE EXCEPTION 'too many lanes' USING ERRCODE = 'check_violation', CONSTRAINT = 'sixteen_lanes_at_most';
        END IF;
        INSERT INTO line (room_id, line, lane, generation, share)
            VALUES (m.room_id, in_lane || '-' || main.generation, in_lane, main.generation, in_share)
            RETURNING * INTO l;
    ELSIF l.share = in_share THEN
        RETURN l.line;
    ELSE
        UPDATE line x SET share = in_share WHERE x.line_id = l.line_id;
    END IF;
    PERFORM append_log(m.room_id, 'lane_added', jsonb_build_object('line', l.line, 'share', in_share));
    INSERT INTO operator_action (room_id, who, action, detail)
        VALUES (m.room_id, in_who, 'lane', jsonb_build_object('line', l.line, 'share', in_share));
    RETURN l.line;
END $$;

-- Adds a profile to a room, or changes it. Returns false for an unknown room.
CREATE FUNCTION set_profile(
    in_room text, in_profile text, in_name text, in_factor real, in_places int, in_who text)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    m room; before jsonb; after jsonb;
BEGIN
    SELECT * INTO m FROM room x WHERE x.room = in_room;
    IF m.room_id IS NULL THEN RETURN false; END IF;
    PERFORM 1 FROM log_head h WHERE h.room_id = m.room_id FOR NO KEY UPDATE;
    PERFORM refuse_archived(m.room_id);
    SELECT to_jsonb(f) - '{room_id,taken}'::text[] INTO before FROM profile f
        WHERE f.room_id = m.room_id AND f.profile = in_profile;
    INSERT INTO profile AS f (room_id, profile, name, time_factor, places_max)
        VALUES (m.room_id, in_profile, in_name, in_factor, in_places)
        ON CONFLICT (room_id, profile) DO UPDATE SET
            name = EXCLUDED.name, time_factor = EXCLUDED.time_factor, places_max = EXCLUDED.places_max
        RETURNING to_jsonb(f) - '{room_id,taken}'::text[] INTO after;
    IF before IS DISTINCT FROM after THEN
        -- It is a rule of the room like any other.
        PERFORM append_log(m.room_id, 'rules', jsonb_build_object('changed',
            jsonb_build_object('profile ' || in_profile, jsonb_build_array(before, after))));
        INSERT INTO operator_action (room_id, who, action, detail) VALUES (m.room_id, in_who, 'profile',
            jsonb_build_object('from', before, 'to', after));
    END IF;
    RETURN true;
END $$;

-- Makes a batch of invitations and returns its id; NULL for an unknown room or lane.
CREATE FUNCTION invite(in_room text, in_lane text, in_count int, in_note text, in_until timestamptz, in_who text)
RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    m room; l record; made int;
BEGIN
    SELECT * INTO m FROM room x WHERE x.room = in_room;
    PERFORM 1 FROM log_head h WHERE h.room_id = m.room_id FOR NO KEY UPDATE;
    PERFORM refuse_archived(m.room_id);
    SELECT * INTO l FROM line x WHERE x.room_id = m.room_id AND x.joinable AND x.lane = in_lane;
    IF l.line_id IS NULL THEN RETURN NULL; END IF;
    IF in_until <= clock_timestamp() THEN
        RAISE EXCEPTION 'that is over' USING ERRCODE = 'check_violation', CONSTRAINT = 'invitation_ends_in_the_future';
    END IF;
    INSERT INTO invitation_batch (room_id, lane, count, note, expires_at, who)
        VALUES (m.room_id, in_lane, in_count, in_note, in_until, in_who) RETURNING batch_id INTO made;
    PERFORM append_log(m.room_id, 'invited', jsonb_build_object('line', l.line, 'count', in_count, 'batch', made));
    INSERT INTO operator_action (room_id, who, action, detail)
        VALUES (m.room_id, in_who, 'invite', jsonb_build_object('batch', made, 'lane', in_lane, 'count', in_count));
    RETURN made;
END $$;

-- Says how many invitations of a batch have a place: their keys lie together (`waitroom/line/invitation.py`).
CREATE FUNCTION invitations_used(b invitation_batch) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM person_place s WHERE s.room_id = b.room_id
        AND s.key > convert_to('invitation:', 'UTF8') || int4send(b.batch_id)
        AND s.key < convert_to('invitation:', 'UTF8') || int4send(b.batch_id) || '\xffffffff'
$$;

-- Takes those invitations of a batch back that have no place yet. Returns how many these were, NULL for
-- an unknown room or batch.
CREATE FUNCTION revoke_invitations(in_room text, in_batch int, in_who text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    m room; b invitation_batch; unused bigint;
BEGIN
    SELECT * INTO m FROM room x WHERE x.room = in_room;
    PERFORM 1 FROM log_head h WHERE h.room_id = m.room_id FOR NO KEY UPDATE;
    PERFORM refuse_archived(m.room_id);
    SELECT * INTO b FROM invitation_batch x WHERE x.batch_id = in_batch AND x.room_id = m.room_id;
    IF b.batch_id IS NULL THEN RETURN NULL; END IF;
    unused := b.count - invitations_used(b);
    IF b.revoked_at IS NOT NULL THEN RETURN unused; END IF;
    UPDATE invitation_batch x SET revoked_at = clock_timestamp() WHERE x.batch_id = in_batch;
    PERFORM append_log(m.room_id, 'invitations_revoked', jsonb_build_object('batch', in_batch, 'count', unused));
    INSERT INTO operator_action (room_id, who, action, detail)
        VALUES (m.room_id, in_who, 'revoke invitations', jsonb_build_object('batch', in_batch, 'count', unused));
    RETURN unused;
END $$;

-- Counts the places of a room's present lines that were called, passed or given up, by what became of them. It
-- reads the rows of these lines alone, however many other rooms have.
CREATE FUNCTION count_places(
    in_room int, OUT called bigint, OUT missed bigint, OUT came_back bigint, OUT "left" bigint, OUT ended bigint)
LANGUAGE plpgsql STABLE
SET enable_seqscan = off AS $$
BEGIN
    SELECT count(*) FILTER (WHERE a.state = 'called'),
           count(*) FILTER (WHERE a.state = 'aside' OR (a.state = 'missed' AND a.came_back_at IS NULL)),
           count(*) FILTER (WHERE a.state = 'missed' AND a.came_back_at IS NOT NULL),
           count(*) FILTER (WHERE a.state = 'left'),
           count(*) FILTER (WHERE a.state = 'ended')
        INTO called, missed, came_back, "left", ended
        FROM line l JOIN admission a USING (line_id) WHERE l.room_id = in_room AND l.joinable;
END $$;
