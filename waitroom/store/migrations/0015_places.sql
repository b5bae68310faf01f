-- Places about which something is remembered. Most have no row here.

-- Profiles that a shopper may ask for: more time to come and to buy, for a bounded number of places.
CREATE TABLE profile (
    room_id int NOT NULL REFERENCES room,
    profile text NOT NULL CONSTRAINT profile_is_a_slug CHECK (profile ~ '^[a-z0-9][a-z0-9-]{0,30}$'),
    name text NOT NULL,
    time_factor real NOT NULL CHECK (time_factor BETWEEN 1 AND 5),
    places_max int CHECK (places_max >= 0),
    taken int NOT NULL DEFAULT 0,
    PRIMARY KEY (room_id, profile),
    CONSTRAINT profile_within_its_bound CHECK (places_max IS NULL OR taken <= places_max)
);

-- `entered`: the number is an entry's, before the draw. `owner` is the id of the ticket that the
-- place belongs to; when it moved to another device, the ticket before it is worth nothing. Workers
-- read what changed, since the state document says of all who wait no more than that they wait.
CREATE TABLE place (
    line_id int NOT NULL REFERENCES line,
    entered boolean NOT NULL,
    number bigint NOT NULL,
    owner bytea,
    profile text,
    has_left boolean NOT NULL DEFAULT false,
    aside boolean NOT NULL DEFAULT false,
    revoked boolean NOT NULL DEFAULT false,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (line_id, entered, number)
);
CREATE INDEX place_changed ON place (changed_at);

CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.changed_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER changes_have_a_time BEFORE INSERT OR UPDATE ON place
    FOR EACH ROW EXECUTE FUNCTION note_change();

-- The one place of somebody to whom one is due: a customer, or the bearer of an invitation. `key` is
-- a hash. Who comes again, from wherever, gets this ticket.
CREATE TABLE sole_place (
    room_id int NOT NULL REFERENCES room,
    key bytea NOT NULL,
    line_id int NOT NULL,
    entered boolean NOT NULL,
    number bigint NOT NULL,
    ticket_id bytea NOT NULL,
    CONSTRAINT one_place_for_each PRIMARY KEY (room_id, key)
);
CREATE INDEX sole_place_by_ticket ON sole_place (ticket_id);

-- Links that were made together. A link is a signature over batch and index, so it has no row of its
-- own; that it was used stands in sole_place.
CREATE TABLE invitation_batch (
    batch_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    room_id int NOT NULL REFERENCES room,
    lane text NOT NULL,
    count int NOT NULL CHECK (count > 0),
    note text NOT NULL DEFAULT '',
    expires_at timestamptz,
    revoked_at timestamptz,
    who text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX invitation_batch_by_room ON invitation_batch (room_id, batch_id);

-- Says whether a place has gone to another device than this ticket's.
CREATE FUNCTION is_anothers(in_line int, in_entered boolean, in_number bigint, in_ticket bytea)
RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM place p WHERE p.line_id = in_line AND p.entered = in_entered
        AND p.number = in_number AND p.owner <> in_ticket)
$$;

-- Says whether entries have their numbers. Whoever does something with an entry's place asks this
-- under the lock of the room's log, which the draw takes too; the verdict `drawn` sends the caller
-- to the number.
CREATE FUNCTION is_drawn(in_line int) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM draw d WHERE d.line_id = in_line AND d.seed IS NOT NULL)
$$;

-- Gives a place up before the draw. Verdicts: left, other_ticket, drawn.
CREATE FUNCTION leave_entry(in_line int, in_entry bigint, in_ticket bytea) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM log_head h JOIN line l USING (room_id) WHERE l.line_id = in_line FOR NO KEY UPDATE OF h;
    IF is_drawn(in_line) THEN RETURN 'drawn'; END IF;
    INSERT INTO place (line_id, entered, number, owner, has_left) VALUES (in_line, true, in_entry, in_ticket, true)
        ON CONFLICT (line_id, entered, number) DO UPDATE SET has_left = true, owner = EXCLUDED.owner
        WHERE place.owner IS NULL OR place.owner = EXCLUDED.owner;
    RETURN CASE WHEN FOUND THEN 'left' ELSE 'other_ticket' END;
END $$;

-- Moves a place to another device: from now on it belongs to the ticket `to_ticket` alone. To do it
-- again changes nothing. Verdicts: moved, other_ticket, inside (its session is that browser's), over,
-- drawn.
CREATE FUNCTION move_place(in_line int, in_entered boolean, in_number bigint, from_ticket bytea, to_ticket bytea)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    l record; p place; a admission;
BEGIN
    SELECT * INTO l FROM line x WHERE x.line_id = in_line;
    PERFORM 1 FROM log_head h WHERE h.room_id = l.room_id FOR NO KEY UPDATE;
    IF in_entered AND is_drawn(in_line) THEN RETURN 'drawn'; END IF;
    SELECT * INTO p FROM place x WHERE x.line_id = in_line AND x.entered = in_entered AND x.number = in_number;
    IF p.owner = to_ticket THEN RETURN 'moved'; END IF;
    IF p.owner <> from_ticket THEN RETURN 'other_ticket'; END IF;
    IF p.has_left OR p.revoked THEN RETURN 'over'; END IF;
    IF NOT in_entered THEN
        -- A claim does not lock the log: this row decides between it and the move.
        SELECT * INTO a FROM admission x WHERE x.line_id = in_line AND x.number = in_number FOR NO KEY UPDATE;
        IF a.ticket_id <> from_ticket THEN RETURN 'other_ticket'; END IF;
        IF a.state = 'claimed' THEN RETURN 'inside'; END IF;
        IF a.state IN ('left', 'ended') THEN RETURN 'over'; END IF;
        UPDATE admission SET ticket_id = to_ticket WHERE admission_id = a.admission_id;
    END IF;
    INSERT INTO place (line_id, entered, number, owner) VALUES (in_line, in_entered, in_number, to_ticket)
        ON CONFLICT (line_id, entered, number) DO UPDATE SET owner = EXCLUDED.owner;
    UPDATE sole_place s SET ticket_id = to_ticket WHERE s.ticket_id = from_ticket;
    UPDATE returns_wait r SET ticket_id = to_ticket
        WHERE NOT in_entered AND r.line_id = in_line AND r.number = in_number AND r.ticket_id = from_ticket;
    PERFORM append_log(l.room_id, 'moved', jsonb_build_object('line', l.line, 'number', in_number)
        || CASE WHEN in_entered THEN '{"entry": true}' ELSE '{}' END::jsonb);
    RETURN 'moved';
END $$;

-- Steps aside: the turn goes to the next, and who comes back within the grace is called before anyone
-- new. An admission that is missed without ever having had a deadline, or that has it no longer,
-- stepped aside. Verdicts: aside, inside, over, other_ticket.
CREATE FUNCTION step_aside(in_line int, in_number bigint, in_ticket bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    l record; a admission;
BEGIN
    SELECT * INTO l FROM line x WHERE x.line_id = in_line;
    PERFORM 1 FROM log_head h WHERE h.room_id = l.room_id FOR NO KEY UPDATE;
    IF is_anothers(in_line, false, in_number, in_ticket) THEN RETURN 'other_ticket'; END IF;
    INSERT INTO admission (room_id, line_id, number, state, ticket_id, ended_at, time_factor)
        SELECT l.room_id, in_line, in_number, 'missed', in_ticket, shopper_now(), COALESCE((
            SELECT f.time_factor FROM place p JOIN profile f ON f.room_id = l.room_id AND f.profile = p.profile
            WHERE p.line_id = in_line AND NOT p.entered AND p.number = in_number), 1)
        ON CONFLICT ON CONSTRAINT number_called_once DO NOTHING;
    IF NOT FOUND THEN
        SELECT * INTO a FROM admission x WHERE x.line_id = in_line AND x.number = in_number FOR NO KEY UPDATE;
        IF a.ticket_id <> in_ticket THEN RETURN 'other_ticket'; END IF;
        IF a.state = 'claimed' THEN RETURN 'inside'; END IF;
        IF a.state IN ('left', 'ended') THEN RETURN 'over'; END IF;
        IF a.state = 'missed' AND a.came_back_at IS NULL THEN RETURN 'aside'; END IF;
        PERFORM return_promises(ARRAY[a.admission_id]);
        UPDATE admission SET state = 'missed', ticket_id = in_ticket, promised = 0, came_back_at = NULL,
            claim_until = NULL, ended_at = shopper_now() WHERE admission_id = a.admission_id;
    END IF;
    INSERT INTO place (line_id, entered, number, owner, aside) VALUES (in_line, false, in_number, in_ticket, true)
        ON CONFLICT (line_id, entered, number) DO UPDATE SET owner = EXCLUDED.owner, aside = true;
    PERFORM append_log(l.room_id, 'stepped_aside', jsonb_build_object('line', l.line, 'number', in_number));
    RETURN 'aside';
END $$;

-- Comes back after stepping aside. A number whose turn has not come waits on as if it had never
-- stepped aside; one that was passed is called again. Verdicts: waiting, missed (to be called again),
-- over, other_ticket, and the admission's state where it never stepped aside.
CREATE FUNCTION step_back(in_line int, in_number bigint, in_ticket bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    l record; a admission;
BEGIN
    SELECT * INTO l FROM line x WHERE x.line_id = in_line;
    PERFORM 1 FROM log_head h WHERE h.room_id = l.room_id FOR NO KEY UPDATE;
    SELECT * INTO a FROM admission x WHERE x.line_id = in_line AND x.number = in_number FOR NO KEY UPDATE;
    IF a.admission_id IS NULL THEN RETURN 'waiting'; END IF;
    IF a.ticket_id <> in_ticket THEN RETURN 'other_ticket'; END IF;
    IF a.state <> 'missed' THEN RETURN a.state; END IF;
    UPDATE place p SET aside = false WHERE p.line_id = in_line AND NOT p.entered AND p.number = in_number;
    IF a.called_at IS NULL THEN
        DELETE FROM admission x WHERE x.admission_id = a.admission_id;
        RETURN 'waiting';
    END IF;
    UPDATE admission x SET came_back_at = shopper_now(), ticket_id = in_ticket FROM room m
        WHERE x.admission_id = a.admission_id AND m.room_id = x.room_id
            AND (x.came_back_at IS NOT NULL OR x.ended_at > shopper_now() - make_interval(secs => m.grace_s));
    RETURN CASE WHEN FOUND THEN 'missed' ELSE 'over' END;
END $$;

-- Gives a place a profile, once, while any are left. Verdicts: given, none_left, unknown, over,
-- other_ticket, drawn.
CREATE FUNCTION take_profile(in_line int, in_entered boolean, in_number bigint, in_ticket bytea, in_profile text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    l record; m room; a admission; p place; f profile;
BEGIN
    SELECT * INTO l FROM line x WHERE x.line_id = in_line;
    PERFORM 1 FROM log_head h WHERE h.room_id = l.room_id FOR NO KEY UPDATE;
    IF in_entered AND is_drawn(in_line) THEN RETURN 'drawn'; END IF;
    SELECT * INTO m FROM room x WHERE x.room_id = l.room_id;
    SELECT * INTO p FROM place x WHERE x.line_id = in_line AND x.entered = in_entered AND x.number = in_number FOR NO KEY UPDATE;
    IF p.owner <> in_ticket THEN RETURN 'other_ticket'; END IF;
    IF p.has_left OR p.revoked THEN RETURN 'over'; END IF;
    IF p.profile IS NOT NULL THEN RETURN 'given'; END IF;
    IF NOT in_entered THEN
        SELECT * INTO a FROM admission x WHERE x.line_id = in_line AND x.number = in_number FOR NO KEY UPDATE;
        IF a.ticket_id <> in_ticket THEN RETURN 'other_ticket'; END IF;
        IF a.state IN ('left', 'ended') THEN RETURN 'over'; END IF;
    END IF;
    SELECT * INTO f FROM profile x WHERE x.room_id = m.room_id AND x.profile = in_profile FOR NO KEY UPDATE;
    IF NOT FOUND THEN RETURN 'unknown'; END IF;
    IF f.taken >= f.places_max THEN RETURN 'none_left'; END IF;
    UPDATE profile x SET taken = x.taken + 1 WHERE x.room_id = m.room_id AND x.profile = in_profile;
    INSERT INTO place (line_id, entered, number, owner, profile) VALUES (in_line, in_entered, in_number, in_ticket, in_profile)
        ON CONFLICT (line_id, entered, number) DO UPDATE SET owner = EXCLUDED.owner, profile = EXCLUDED.profile;
    -- A turn that has come gets its longer time at once.
    UPDATE admission x SET time_factor = f.time_factor,
            claim_until = x.claim_until + make_interval(secs => m.claim_window_s * (f.time_factor - 1)),
            expires_at = x.expires_at + make_interval(secs => m.session_s * (f.time_factor - 1))
        WHERE x.admission_id = a.admission_id;
    PERFORM append_log(m.room_id, 'extra_time', jsonb_build_object('line', l.line, 'number', in_number,
        'profile', in_profile) || CASE WHEN in_entered THEN '{"entry": true}' ELSE '{}' END::jsonb);
    RETURN 'given';
END $$;

-- Takes a place away from its holder. To do it again changes nothing. Verdicts: revoked, unknown,
-- over (it was used or given up), payment_running.
CREATE FUNCTION revoke_place(in_room text, in_line_name text, in_number bigint, in_who text, in_reason text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    l record; m room; a admission; verdict text;
BEGIN
    SELECT * INTO m FROM room x WHERE x.room = in_room;
    IF m.room_id IS NULL THEN RETURN 'unknown'; END IF;
    PERFORM 1 FROM log_head h WHERE h.room_id = m.room_id FOR NO KEY UPDATE;
    SELECT * INTO l FROM line x WHERE x.room_id = m.room_id AND x.line = in_line_name;
    -- While the order is being drawn nobody can say whose number it is.
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
    PERFORM append_log(m.room_id, 'revoked', jsonb_strip_nulls(jsonb_build_object('line', l.line,
        'number', in_number, 'reason_hash', hidden(m, in_reason))));
    INSERT INTO operator_action (room_id, who, action, detail, reason)
        VALUES (m.room_id, in_who, 'revoke', jsonb_build_object('line', l.line, 'number', in_number), in_reason);
    RETURN 'revoked';
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
    SELECT * INTO main FROM line x WHERE x.room_id = m.room_id AND x.joinable AND x.lane = 'main';
    SELECT * INTO l FROM line x WHERE x.room_id = m.room_id AND x.joinable AND x.lane = in_lane FOR NO KEY UPDATE;
    IF l.line_id IS NULL THEN
        IF (SELECT count(*) FROM line x WHERE x.room_id = m.room_id AND x.joinable) >= 16 THEN
            RAISE EXCEPTION 'too many lanes' USING ERRCODE = 'check_violation', CONSTRAINT = 'sixteen_lanes_at_most';
        END IF;
        INSERT INTO line (room_id, line, lane, generation, share, term)
            VALUES (m.room_id, in_lane || '-' || main.generation, in_lane, main.generation, in_share, main.term)
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

-- Makes a batch of invitations and returns its id; NULL for an unknown room or lane.
CREATE FUNCTION invite(in_room text, in_lane text, in_count int, in_note text, in_until timestamptz, in_who text)
RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    m room; l record; made int;
BEGIN
    SELECT * INTO m FROM room x WHERE x.room = in_room;
    PERFORM 1 FROM log_head h WHERE h.room_id = m.room_id FOR NO KEY UPDATE;
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
        INSERT INTO line (room_id, line, lane, generation, share, term)
            VALUES (m.room_id, following, l.lane, l.generation + 1, l.share, l.term);
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
    DELETE FROM sole_place s WHERE s.room_id = m.room_id;
    DELETE FROM returns_wait r USING line x WHERE x.line_id = r.line_id AND x.room_id = m.room_id;
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

-- Says how many invitations of a batch have a place: their keys lie together (`waitroom/line/invitation.py`).
CREATE FUNCTION invitations_used(b invitation_batch) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM sole_place s WHERE s.room_id = b.room_id
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

-- Lets somebody to whom one place is due have another, now that this one is over. Verdicts: freed (or
-- another request was quicker), revoked (an operator took the place away, and that stands).
CREATE FUNCTION free_sole_place(in_room int, in_key bytea, in_ticket bytea, in_line int, in_number bigint)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM admission a
               WHERE a.line_id = in_line AND a.number = in_number AND a.end_reason = 'revoked') THEN
        RETURN 'revoked';
    END IF;
    DELETE FROM sole_place s WHERE s.room_id = in_room AND s.key = in_key AND s.ticket_id = in_ticket;
    RETURN 'freed';
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
