-- Calling, claiming, leaving. A row of the table line is a `record` here, since PostgreSQL
-- has a geometric type of that name, which a plan made anew would find first.
-- One lock order: log_head by room, line, admission by id, room_stock, stock, hold.

-- Writes an event for each of these called numbers, if anybody listens.
CREATE FUNCTION tell_of_calls(in_line int, in_numbers bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT event_wanted('ticket.called') THEN RETURN; END IF;
    INSERT INTO outbox_event (room_id, kind, body)
        SELECT a.room_id, 'ticket.called', jsonb_build_object('room', m.room, 'line', l.line, 'number', a.number,
               'claim_until', wall_time(a.claim_until), 'times_called', a.times_called)
        FROM admission a JOIN line l USING (line_id) JOIN room m ON m.room_id = a.room_id
        WHERE a.line_id = in_line AND a.number = ANY (in_numbers) AND a.state = 'called';
END $$;

-- Says whether a room sells something and has none of it left for a call: units may have gone since the
-- gate was set ahead, with a seller, a correction, a time of sale or the holds of this very second.
CREATE FUNCTION is_empty_shop(m room) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (m.stock_elsewhere OR sells_skus(m.room_id)) AND (
        SELECT x.on_hand - x.held - x.sold - x.promised - kept_units(m.room_id) <= 0
        FROM room_stock x WHERE x.room_id = m.room_id);
END $$;

-- Calls numbers as they join, as many as the stock is enough for, and returns how many: up to the first whose SKU
-- (`sku_ids`) cannot be promised. Their claim window starts now, and ends at `claim_until` on the shoppers' clock.
CREATE FUNCTION call_joins(
    m room, in_line int, first_number bigint, wanted int, sku_ids int[], OUT called int, OUT claim_until timestamptz)
LANGUAGE plpgsql AS $$
DECLARE
    promise constant int := promise_of(m);
    last_number bigint;
    t timestamptz;
BEGIN
    called := wanted;
    IF promise > 0 THEN
        called := LEAST(wanted, calls_afforded(m, promise));
        IF sku_ids IS NOT NULL THEN
            called := COALESCE(array_position(share_units(sku_ids[1 : called], called), false) - 1, called);
            PERFORM count_named(sku_ids[1 : called], 1);
        END IF;
        UPDATE room_stock x SET promised = x.promised + called * promise WHERE x.room_id = m.room_id;
    ELSIF is_empty_shop(m) THEN
        called := 0;
    END IF;
    IF called = 0 THEN RETURN; END IF;
    t := shopper_now();
    claim_until := t + time_for(m.claim_window_s, 1);
    last_number := first_number + called - 1;
    INSERT INTO admission (room_id, line_id, number, state, promised, promised_sku_id, called_at, passed_at, claim_until)
        SELECT m.room_id, in_line, n, 'called', promise, CASE WHEN promise > 0 THEN sku_ids[n - first_number + 1] END, t, t,
               call_joins.claim_until
        FROM generate_series(first_number, last_number) n;
    PERFORM tell_of_calls(in_line, ARRAY(SELECT generate_series(first_number, last_number)));
END $$;

-- Moves a wanted gate beyond the numbers that left or stepped aside before their turn, also beyond those
-- that this brings into reach: `wanted` counts shoppers and not numbers.
CREATE FUNCTION step_over(in_line int, head bigint, wanted bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    left_number bigint;
BEGIN
    FOR left_number IN SELECT a.number FROM admission a WHERE a.line_id = in_line
            AND a.called_at IS NULL AND a.state IN ('left', 'aside') AND a.number > head ORDER BY a.number LOOP
        EXIT WHEN left_number > wanted;
        wanted := wanted + 1;
    END LOOP;
    RETURN GREATEST(wanted, head);
END $$;

-- Calls the numbers that a gate passes, from `head` to `last_number`, and returns how many there were.
-- Numbers that stand aside are passed, and their grace for coming back begins; one that stays in line for
-- returns is back at once. Numbers with a note belong to its ticket and have the time of its profile. `skus` are
-- those that the numbers named, from the first after the head.
CREATE FUNCTION call_passed(
    m room, in_line int, head bigint, last_number bigint, promise int, skus int[], t timestamptz, until timestamptz)
RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    called int;
    passed bigint[];
BEGIN
    INSERT INTO admission (room_id, line_id, number, state, promised, promised_sku_id, called_at, passed_at, claim_until)
        SELECT m.room_id, in_line, n, 'called', promise, skus[n - head], t, t, until
        FROM generate_series(head + 1, last_number) n
        ON CONFLICT ON CONSTRAINT number_called_once DO NOTHING;
    GET DIAGNOSTICS called = ROW_COUNT;
    WITH p AS (
        UPDATE admission a SET passed_at = t, ended_at = t
        WHERE a.line_id = in_line AND a.called_at IS NULL AND a.state = 'aside'
            AND a.number > head AND a.number <= last_number RETURNING a.admission_id)
    SELECT array_agg(p.admission_id) INTO passed FROM p;
    PERFORM come_back_for_returns(passed);
    UPDATE admission a SET ticket_id = p.owner, time_factor = COALESCE(f.time_factor, 1),
            claim_until = until + time_for(m.claim_window_s, COALESCE(f.time_factor, 1) - 1)
        FROM place p LEFT JOIN profile f ON f.room_id = m.room_id AND f.profile = p.profile
        WHERE p.line_id = in_line AND NOT p.entered AND p.number > head AND p.number <= last_number
            AND a.line_id = in_line AND a.number = p.number AND a.state IN ('called', 'missed');
    PERFORM count_named(skus, 1);
    RETURN called;
END $$;

-- Locks those of these admissions that came back after a missed call, and returns them by number.
CREATE FUNCTION lock_returned(ids bigint[]) RETURNS bigint[] LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT COALESCE(array_agg(x.admission_id ORDER BY x.number), '{}') FROM (
        SELECT a.admission_id, a.number FROM admission a
        WHERE a.admission_id = ANY (ids) AND a.state = 'missed' AND a.came_back_at IS NOT NULL
        ORDER BY a.admission_id FOR NO KEY UPDATE) x);
END $$;

-- Calls admissions again that came back. Returns their numbers and since when they waited: each forgets it
-- with this call, and the log shows whether anyone went before them meanwhile.
CREATE FUNCTION call_again(
    m room, ids bigint[], promise int, t timestamptz, until timestamptz, OUT numbers bigint[], OUT since text[])
LANGUAGE plpgsql AS $$
BEGIN
    SELECT array_agg(a.number ORDER BY a.number),
           array_agg(to_char(wall_time(a.came_back_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
                     ORDER BY a.number)
        INTO numbers, since FROM admission a WHERE a.admission_id = ANY (ids);
    IF promise > 0 THEN
        PERFORM count_named(ARRAY(SELECT a.awaits_sku_id FROM admission a WHERE a.admission_id = ANY (ids)), 1);
    END IF;
    UPDATE admission a SET state = 'called', promised = promise, called_at = t,
            promised_sku_id = CASE WHEN promise > 0 THEN a.awaits_sku_id END,
            claim_until = until + time_for(m.claim_window_s, a.time_factor - 1),
            came_back_at = NULL, ended_at = NULL, times_called = a.times_called + 1
        WHERE a.admission_id = ANY (ids);
END $$;

-- Returns when a call of this moment ends, on the shoppers' clock: a claim window after the latest moment
-- (wall clock) at which a published document told any of its numbers to ask again, or after now.
CREATE FUNCTION call_ends(m room, heard_by timestamptz, t timestamptz) RETURNS timestamptz LANGUAGE sql AS $$
    -- The clock may stand still, and the time since then is not yet in `stopped`.
    SELECT GREATEST(heard_by - (o.stopped + GREATEST(clock_timestamp() - clock_goes_until(o), interval '0')), t)
           + make_interval(secs => m.claim_window_s)
    FROM office o
$$;

-- Moves a line's gate and calls whom it passes, then those who came back, in one transaction. It writes
-- nothing for a leader whose term is over or that decided on a gate which has moved. `gate_wanted`
-- counts shoppers, so numbers that left are stepped over; `again` are admissions to be called again.
CREATE FUNCTION call_numbers(
    in_line int, my_term bigint, gate_read bigint, gate_wanted bigint, again bigint[],
    heard_by timestamptz, reason text, figures jsonb,
    OUT verdict text, OUT gate bigint, OUT tail bigint, OUT called int, OUT called_again int)
LANGUAGE plpgsql AS $$
DECLARE
    l record; m room; afford bigint; head bigint; last_number bigint; until timestamptz; t timestamptz;
    again_numbers bigint[]; again_since text[]; promise int; skus int[]; passed bigint[]; passed_skus int[];
BEGIN
    called := 0; called_again := 0;
    PERFORM 1 FROM log_head h JOIN line x USING (room_id) WHERE x.line_id = in_line FOR NO KEY UPDATE OF h;
    SELECT * INTO l FROM line x WHERE x.line_id = in_line FOR NO KEY UPDATE;
    SELECT * INTO m FROM room x WHERE x.room_id = l.room_id;
    gate := l.gate; tail := l.tail;
    again := lock_returned(again);
    PERFORM 1 FROM room_stock x WHERE x.room_id = l.room_id FOR NO KEY UPDATE;
    -- Every lock is had: the successor of a leader that waited for one may be in office by now.
    IF term_is_over(my_term) THEN verdict := 'stale_term'; RETURN; END IF;
    -- A line that a reset closed calls no more numbers.
    IF l.gate <> gate_read OR NOT l.joinable THEN verdict := 'gate_moved'; RETURN; END IF;
    verdict := 'done';
    head := LEAST(l.gate, l.tail);
    IF m.status <> 'open' OR draw_is_due(in_line) OR waits_behind(l.room_id, l.lane) THEN
        gate_wanted := head; again := '{}';
    END IF;
    promise := promise_of(m);
    IF promise > 0 THEN
        -- The stock may have fallen since it was read: no call goes beyond what is there.
        afford := calls_afforded(m, promise);
        SELECT p.* INTO again, gate, skus, passed, passed_skus
            FROM plan_calls(in_line, head, l.tail, gate_wanted - head, afford, again) p;
    ELSE
        gate := step_over(in_line, head, gate_wanted);
    END IF;
    last_number := LEAST(gate, l.tail);
    t := shopper_now();
    until := call_ends(m, heard_by, t);
    PERFORM pass_by(m, in_line, passed, passed_skus, t);
    IF last_number > head THEN called := call_passed(m, in_line, head, last_number, promise, skus, t, until); END IF;
    IF cardinality(again) > 0 THEN
        SELECT c.* INTO again_numbers, again_since FROM call_again(m, again, promise, t, until) c;
        called_again := cardinality(again_numbers);
    END IF;
    UPDATE line x SET gate = call_numbers.gate WHERE x.line_id = in_line AND x.gate <> call_numbers.gate;
    IF called + called_again > 0 THEN
        UPDATE room_stock x SET promised = x.promised + (called + called_again) * promise
            WHERE x.room_id = m.room_id AND promise > 0;
        PERFORM tell_returns(in_line, again_numbers || (SELECT array_agg(r.number) FROM returns_wait r
            WHERE r.line_id = in_line AND r.number > head AND r.number <= last_number), t);
        PERFORM tell_of_calls(in_line, again_numbers || ARRAY(SELECT generate_series(head + 1, last_number)));
    END IF;
    IF called + called_again > 0 OR gate < l.gate OR passed IS NOT NULL OR shows_turns(m.room_id, last_number > head) THEN
        PERFORM append_log(m.room_id, 'called', jsonb_build_object('line', l.line, 'from', head + 1,
            'to', last_number, 'called', called, 'again', COALESCE(to_jsonb(again_numbers), '[]'),
            'again_since', COALESCE(to_jsonb(again_since), '[]'),
            'gate', gate, 'term', my_term, 'reason', reason, 'figures', figures)
            || CASE WHEN passed IS NULL THEN '{}' ELSE jsonb_build_object('passed', passed) END);
    END IF;
END $$;

-- Says whether a number was called, or passed while it stood aside.
CREATE FUNCTION had_its_turn(a admission) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT a.called_at IS NOT NULL OR a.passed_at IS NOT NULL
$$;

-- Takes up calls, one verdict for each request in order: claimed, not_yet_called, missed (it will
-- be called again), aside (until it says that it is back), over, left, ended, other_ticket, line_over
-- (the room was reset), room_ended (it will be called no more). A repeated claim gets the first one's session.
-- A call that is due but not yet swept may still be claimed: only a committed change ends it.
-- A plan for the length of each batch would take longer to make than the batch to carry out.
CREATE FUNCTION claim_numbers(lines int[], numbers bigint[], ticket_ids bytea[], networks bytea[])
RETURNS TABLE (verdict text, fresh boolean, session_id bigint, expires_at timestamptz, seconds_left float8)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    t timestamptz;
    stopped_for interval;
    taken bigint[];
    takers bytea[];
    origins bytea[];
BEGIN
    -- The state is looked at behind the lock. As a condition here or below it would let a plan that was made on an
    -- empty table walk through all that were called, for each batch; so the number and the id are the ways to a row.
    SELECT COALESCE(array_agg(x.admission_id) FILTER (WHERE x.is_open), '{}'),
        array_agg(x.id) FILTER (WHERE x.is_open), array_agg(x.network) FILTER (WHERE x.is_open)
        INTO taken, takers, origins FROM (
        SELECT a.admission_id, q.id, q.network, a.state = 'called' AND (a.ticket_id IS NULL OR a.ticket_id = q.id) AS is_open
        FROM unnest(lines, numbers, ticket_ids, networks) WITH ORDINALITY q(l, n, id, network, o)
        JOIN admission a ON a.line_id = q.l AND a.number = q.n
        ORDER BY a.admission_id, q.o FOR NO KEY UPDATE OF a) x;
    SELECT shopper_time(o), o.stopped INTO t, stopped_for FROM office o;
    -- Of two tickets for one number the first takes it.
    UPDATE admission a SET state = 'claimed', ticket_id = q.id, network = q.network, claimed_at = t,
        expires_at = t + time_for(m.session_s, a.time_factor)
        FROM unnest(taken, takers, origins) q(admission_id, id, network), room m
        WHERE a.admission_id = q.admission_id AND m.room_id = a.room_id;
    IF cardinality(taken) < cardinality(numbers) THEN
        UPDATE admission a SET state = 'missed', came_back_at = t, ticket_id = q.id
            FROM unnest(lines, numbers, ticket_ids) q(l, n, id), room m
            WHERE a.line_id = q.l AND a.number = q.n AND m.room_id = a.room_id AND a.state IN ('missed', 'aside')
                AND had_its_turn(a) AND a.came_back_at IS NULL AND a.ended_at > t - time_for(m.grace_s, a.time_factor)
                AND m.status <> 'ended' AND (a.ticket_id IS NULL OR a.ticket_id = q.id);
    END IF;
    RETURN QUERY SELECT
        CASE WHEN NOT l.joinable AND a.state IS DISTINCT FROM 'claimed' THEN 'line_over'
             WHEN a.ticket_id <> q.id THEN 'other_ticket'
             WHEN m.status = 'ended' AND COALESCE(a.state, 'missed') IN ('missed', 'aside') THEN 'room_ended'
             WHEN a.admission_id IS NULL THEN 'not_yet_called'
             WHEN a.state IN ('missed', 'aside') AND had_its_turn(a) AND a.came_back_at IS NULL THEN 'over'
             -- It was called while this was decided; the next look finds it.
             WHEN a.state = 'called' THEN 'not_yet_called'
             ELSE a.state END,
        a.admission_id = ANY (taken), a.admission_id, a.expires_at + stopped_for,
        extract(epoch FROM a.expires_at - t)::float8
        FROM unnest(lines, numbers, ticket_ids) WITH ORDINALITY q(l, n, id, o)
        LEFT JOIN admission a ON a.line_id = q.l AND a.number = q.n
        LEFT JOIN line l ON l.line_id = q.l
        LEFT JOIN room m ON m.room_id = l.room_id ORDER BY q.o;
END $$;

-- The rooms with calls or sessions that are overdue. A plan that was made on an empty table would walk through
-- all of it at each look.
CREATE FUNCTION rooms_with_due_admissions() RETURNS TABLE (room_id int) LANGUAGE sql
SET enable_seqscan = off AS $$
    WITH clock AS MATERIALIZED (SELECT shopper_now() AS t)
    SELECT DISTINCT a.room_id FROM clock, admission a WHERE a.state = 'called' AND a.claim_until <= clock.t
    UNION SELECT DISTINCT a.room_id FROM clock, admission a WHERE a.state = 'claimed' AND a.expires_at <= clock.t
$$;

-- Gives up to `batch_max` unclaimed calls and as many overdue sessions back to the line. A session
-- with an open hold waits for it: the hold has a deadline of its own.
CREATE FUNCTION end_due_admissions(batch_max int, in_rooms int[], OUT missed int, OUT ended int)
LANGUAGE plpgsql
SET enable_seqscan = off AS $$
DECLARE
    t constant timestamptz := shopper_now();
    calls bigint[];
    sessions bigint[];
BEGIN
    SELECT array_agg(x.admission_id) INTO calls FROM (
        SELECT a.admission_id FROM admission a WHERE a.state = 'called' AND a.claim_until <= t
            AND a.room_id = ANY (in_rooms)
        ORDER BY a.claim_until LIMIT batch_max FOR NO KEY UPDATE SKIP LOCKED) x;
    SELECT array_agg(x.admission_id) INTO sessions FROM (
        SELECT a.admission_id FROM admission a WHERE a.state = 'claimed' AND a.expires_at <= t
            AND a.room_id = ANY (in_rooms)
            AND NOT EXISTS (SELECT FROM hold h WHERE h.session_id = a.admission_id AND h.state = 'held')
        ORDER BY a.expires_at LIMIT batch_max FOR NO KEY UPDATE OF a SKIP LOCKED) x;
    -- Once more, in a statement that sees what was committed before those locks were had.
    SELECT array_agg(s) INTO sessions FROM unnest(sessions) s
        WHERE NOT EXISTS (SELECT FROM hold h WHERE h.session_id = s AND h.state = 'held');
    missed := COALESCE(cardinality(calls), 0);
    ended := COALESCE(cardinality(sessions), 0);
    IF missed + ended = 0 THEN RETURN; END IF;
    PERFORM return_promises(calls || sessions);
    UPDATE admission SET state = 'missed', ended_at = t, promised = 0 WHERE admission_id = ANY (calls);
    UPDATE admission SET state = 'ended', end_reason = 'expired', ended_at = t, promised = 0
        WHERE admission_id = ANY (sessions);
    PERFORM drop_wishes(sessions);
    PERFORM come_back_for_returns(calls || sessions);
END $$;

-- Keeps `room_stock.seats` in step with the admissions, whatever changes them.
CREATE FUNCTION count_seats() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE room_stock k SET seats = k.seats + d.q FROM (
            SELECT n.room_id, count(*) AS q FROM after n WHERE n.state IN ('called', 'claimed') GROUP BY n.room_id) d
            WHERE k.room_id = d.room_id;
    ELSE
        -- Summed and not joined row by row: an admission stays in its room.
        UPDATE room_stock k SET seats = k.seats + d.q FROM (
            SELECT x.room_id, sum(x.q) AS q FROM (
                SELECT n.room_id, 1 AS q FROM after n WHERE n.state IN ('called', 'claimed')
                UNION ALL SELECT o.room_id, -1 FROM before o WHERE o.state IN ('called', 'claimed')) x
            GROUP BY x.room_id) d
            WHERE k.room_id = d.room_id AND d.q <> 0;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER seats_of_new_admissions AFTER INSERT ON admission
    REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION count_seats();
CREATE TRIGGER seats_of_changed_admissions AFTER UPDATE ON admission
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION count_seats();

-- Ends a session and releases its holds. Verdicts: ended, over (it had ended before), unknown,
-- payment_running (nothing was changed).
CREATE FUNCTION end_session(in_session bigint, reason text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    a admission;
    open_holds uuid[];
BEGIN
    SELECT * INTO a FROM admission x WHERE x.admission_id = in_session FOR NO KEY UPDATE;
    IF a.admission_id IS NULL THEN RETURN 'unknown'; END IF;
    IF a.state <> 'claimed' THEN RETURN 'over'; END IF;
    IF EXISTS (SELECT FROM hold h WHERE h.session_id = in_session AND h.paying) THEN
        RETURN 'payment_running';
    END IF;
    SELECT array_agg(h.hold_id) INTO open_holds FROM hold h
        WHERE h.session_id = in_session AND h.state = 'held';
    -- All that is touched below, in the one order.
    PERFORM 1 FROM room_stock k WHERE k.room_id = a.room_id FOR NO KEY UPDATE;
    PERFORM 1 FROM stock k WHERE k.sku_id IN (
            SELECT l.sku_id FROM hold_line l WHERE l.hold_id = ANY (open_holds)
            UNION SELECT w.sku_id FROM wish w WHERE w.session_id = in_session
            UNION SELECT a.promised_sku_id)
        ORDER BY k.sku_id FOR NO KEY UPDATE;
    PERFORM return_promises(ARRAY[in_session]);
    UPDATE admission SET state = 'ended', end_reason = reason, ended_at = shopper_now(), promised = 0
        WHERE admission_id = in_session;
    PERFORM end_holds(open_holds, 'released', false);
    PERFORM drop_wishes(ARRAY[in_session]);
    PERFORM come_back_for_returns(ARRAY[in_session]);
    RETURN 'ended';
END $$;

-- Gives up a place, called or not. Verdicts: left, payment_running, other_ticket, room_ended (nothing is
-- open that could be given up).
CREATE FUNCTION leave_line(in_line int, in_number bigint, in_ticket bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    a admission;
    verdict text;
BEGIN
    IF is_anothers(in_line, false, in_number, in_ticket) THEN RETURN 'other_ticket'; END IF;
    DELETE FROM call_mail w WHERE w.line_id = in_line AND NOT w.entered AND w.number = in_number AND w.ticket_id = in_ticket;
    INSERT INTO admission (room_id, line_id, number, state, ticket_id, ended_at)
        SELECT l.room_id, in_line, in_number, 'left', in_ticket, shopper_now() FROM line l
        WHERE l.line_id = in_line AND NOT has_ended(l.room_id)
        ON CONFLICT ON CONSTRAINT number_called_once DO NOTHING;
    IF FOUND THEN
        DELETE FROM returns_wait r WHERE r.line_id = in_line AND r.number = in_number AND r.ticket_id = in_ticket;
        RETURN 'left';
    END IF;
    SELECT * INTO a FROM admission x WHERE x.line_id = in_line AND x.number = in_number FOR NO KEY UPDATE;
    IF a.ticket_id <> in_ticket THEN RETURN 'other_ticket'; END IF;
    DELETE FROM returns_wait r WHERE r.line_id = in_line AND r.number = in_number AND r.ticket_id = in_ticket;
    IF a.state IN ('left', 'ended') THEN RETURN 'left'; END IF;
    IF COALESCE(a.state, '') NOT IN ('called', 'claimed') AND has_ended((
            SELECT l.room_id FROM line l WHERE l.line_id = in_line)) THEN
        RETURN 'room_ended';
    END IF;
    IF a.state = 'claimed' THEN
        verdict := end_session(a.admission_id, 'left');
        IF verdict <> 'ended' THEN RETURN verdict; END IF;
    ELSIF a.state = 'called' THEN
        PERFORM return_promises(ARRAY[a.admission_id]);
    END IF;
    UPDATE admission SET state = 'left', ticket_id = in_ticket, promised = 0, came_back_at = NULL,
            ended_at = shopper_now()
        WHERE admission_id = a.admission_id;
    RETURN 'left';
END $$;
