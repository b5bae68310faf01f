-- The shoppers' clock, the public log of each room, and the outbox: what happened, for those who asked
-- to be told. An event is written by the transaction that makes it true, and only while some endpoint
-- wants its kind. Mail goes out the same way.

-- The moment up to which the shoppers' clock goes on: three seconds after the leader's last beat or after
-- the web workers' last report, whichever was earlier. Then it stands still.
CREATE FUNCTION clock_goes_until(o office) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT LEAST(o.beat_at, o.served_at) + interval '3 seconds'
$$;

CREATE FUNCTION shopper_now() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
    SELECT LEAST(clock_timestamp(), clock_goes_until(o)) - o.stopped FROM office o
$$;

-- The time that a shopper has for something for which everybody else has these seconds. Every deadline of a
-- shopper is made with it, so that more time is more time for each step: to come, to buy, to hold, to pay.
CREATE FUNCTION time_for(seconds int, factor float8) RETURNS interval LANGUAGE sql IMMUTABLE AS $$
    SELECT make_interval(secs => seconds * COALESCE(factor, 1))
$$;

CREATE FUNCTION wall_time(shopper_time timestamptz) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT shopper_time + stopped FROM office
$$;

-- `wall_time` and the present offset are for deadlines to come. What happened in the past lies before
-- the stops that came after it, so these two leave those stops out.

-- The moment on the shoppers' clock at which something happened, given its wall time. The clock's
-- present offset alone would put what happened before a stop too early.
CREATE FUNCTION shopper_at(wall timestamptz) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT wall - o.stopped + COALESCE(
        (SELECT sum(LEAST(s.length, s.until - wall)) FROM clock_stop s WHERE s.until > wall), interval '0')
    FROM office o
$$;

-- The wall time at which something happened, given its moment on the shoppers' clock.
CREATE FUNCTION wall_at(moment timestamptz) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT moment + o.stopped - COALESCE(
        (SELECT sum(s.length) FROM clock_stop s WHERE s.stood_at > moment), interval '0')
    FROM office o
$$;

-- Winds the shoppers' clock at `t`, by a new beat or a new report; the caller has locked `office`. The
-- time for which the clock stood until now is added to `stopped`, so every open deadline moves by it. The
-- clock may stand on, if the other of the two is still missing: only the part that is known is added.
CREATE FUNCTION wind_clock(o office, beat timestamptz, report timestamptz, t timestamptz) RETURNS office
LANGUAGE plpgsql AS $$
DECLARE
    stood_from constant timestamptz := LEAST(t, clock_goes_until(o));
    stood_until timestamptz;
BEGIN
    o.beat_at := beat;
    o.served_at := report;
    stood_until := LEAST(t, clock_goes_until(o));
    IF stood_until > stood_from THEN
        INSERT INTO clock_stop VALUES (stood_until, stood_until - stood_from, stood_from - o.stopped);
        o.stopped := o.stopped + (stood_until - stood_from);
    END IF;
    UPDATE office SET term = o.term, leader = o.leader, beat_at = o.beat_at, served_at = o.served_at,
        stopped = o.stopped;
    RETURN o;
END $$;

-- Says that the leader lives, or takes office when no leader was heard of for `lease_s`. Returns the
-- office as it is afterwards.
CREATE FUNCTION beat(me text, my_term bigint, lease_s float8) RETURNS office LANGUAGE plpgsql AS $$
DECLARE
    o office;
    t timestamptz;
BEGIN
    SELECT * INTO o FROM office FOR NO KEY UPDATE;
    t := clock_timestamp();
    IF NOT (o.leader = me AND o.term = my_term) THEN
        IF o.leader <> '' AND t - o.beat_at < make_interval(secs => lease_s) THEN RETURN o; END IF;
        o.term := o.term + 1;
        o.leader := me;
        -- In order of id, as a reset and a change of a room lock them: two of a room's lines locked
        -- crosswise would be a deadlock.
        PERFORM 1 FROM line l ORDER BY l.line_id FOR NO KEY UPDATE;
        UPDATE line SET term = o.term;
        t := clock_timestamp();
    END IF;
    RETURN wind_clock(o, t, o.served_at, t);
END $$;

-- Notes that a web worker serves shoppers. However many workers there are, the row is written twice a
-- second at most.
CREATE FUNCTION report_serving() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    o office;
    t timestamptz;
BEGIN
    SELECT * INTO o FROM office;
    IF isfinite(o.served_at) AND o.served_at > clock_timestamp() - interval '0.5 seconds' THEN RETURN; END IF;
    SELECT * INTO o FROM office FOR NO KEY UPDATE;
    t := clock_timestamp();
    PERFORM wind_clock(o, o.beat_at, t, t);
END $$;

-- Adds one entry to a room's log and returns its sequence number. The hash of an entry covers its
-- exact text and the hash before it, so no entry can be changed, left out or put in later.
CREATE FUNCTION append_log(in_room int, kind text, facts jsonb)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    last log_head;
    entry text;
    entry_hash bytea;
BEGIN
    SELECT * INTO last FROM log_head WHERE room_id = in_room FOR NO KEY UPDATE;
    entry := (jsonb_build_object('seq', last.seq + 1, 'kind', kind, 'at',
        to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) || facts)::text;
    entry_hash := sha256(last.hash || convert_to(entry, 'UTF8'));
    INSERT INTO log_entry VALUES (in_room, last.seq + 1, entry, entry_hash);
    UPDATE log_head SET seq = last.seq + 1, hash = entry_hash WHERE room_id = in_room;
    RETURN last.seq + 1;
END $$;

-- Says whether an entry is the line's own course, and neither an exception nor an act of a person.
CREATE FUNCTION is_routine(body text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT body LIKE ANY (ARRAY['%"kind": "entered"%', '%"kind": "joined"%', '%"kind": "called"%', '%"kind": "forecast"%'])
$$;

-- A rush writes tens of thousands of routine entries, among which people look for the others.
CREATE INDEX log_entry_exceptions ON log_entry (room_id, seq) WHERE NOT is_routine(body);

-- Returns the hash that stands in the public log for a private text; NULL for no text.
CREATE FUNCTION hidden(m room, private_text text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN private_text <> '' THEN
        encode(sha256(convert_to(m.log_salt::text || private_text, 'UTF8')), 'hex') END
$$;

-- Puts the forecast that shoppers were shown into the log, so that it can be compared with the outcome.
CREATE FUNCTION note_forecast(in_room_id int, my_term bigint, facts jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM log_head h WHERE h.room_id = in_room_id FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM line l WHERE l.room_id = in_room_id AND l.term > my_term) THEN RETURN; END IF;
    PERFORM append_log(in_room_id, 'forecast', facts);
END $$;

-- The first entry of a room's log that was not written before a moment, or the one that would come next.
-- Entries have no gaps and are never taken away, so it is found by halving.
CREATE FUNCTION log_seq_at(in_room_id int, moment timestamptz) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    low bigint := 1;
    high bigint := (SELECT h.seq + 1 FROM log_head h WHERE h.room_id = in_room_id);
    middle bigint;
BEGIN
    WHILE low < high LOOP
        middle := (low + high) / 2;
        IF (SELECT (e.body::jsonb ->> 'at')::timestamptz FROM log_between(in_room_id, middle, middle) e) < moment THEN
            low := middle + 1;
        ELSE
            high := middle;
        END IF;
    END LOOP;
    RETURN low;
END $$;

-- The numbers that each line of a room gave out from one moment to another. They follow one another, so two
-- entries of the log say all. Entries are looked at from both ends, up to the first that tells of joins.
CREATE FUNCTION numbers_joined(in_room_id int, since timestamptz, until timestamptz)
RETURNS TABLE (line_id int, first_number bigint, last_number bigint) LANGUAGE plpgsql STABLE AS $$
DECLARE
    low constant bigint := log_seq_at(in_room_id, since);
    high constant bigint := log_seq_at(in_room_id, until);
BEGIN
    RETURN QUERY SELECT l.line_id, (f.body::jsonb ->> 'first')::bigint, (g.body::jsonb ->> 'last')::bigint
        FROM line l, LATERAL (
            SELECT e.body FROM log_entry e WHERE e.room_id = in_room_id AND e.seq >= low AND e.seq < high
                AND e.body LIKE '%"kind": "joined"%' AND e.body::jsonb ->> 'line' = l.line
            ORDER BY e.seq LIMIT 1) f, LATERAL (
            SELECT e.body FROM log_entry e WHERE e.room_id = in_room_id AND e.seq >= low AND e.seq < high
                AND e.body LIKE '%"kind": "joined"%' AND e.body::jsonb ->> 'line' = l.line
            ORDER BY e.seq DESC LIMIT 1) g
        WHERE l.room_id = in_room_id;
END $$;

-- An endpoint's secret is not here: it is derived from a signing key of the service and this salt.
-- `kinds` empty means every kind.
CREATE TABLE webhook_endpoint (
    endpoint_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    url text NOT NULL CHECK (length(url) BETWEEN 1 AND 2000),
    description text NOT NULL DEFAULT '',
    kinds text[] NOT NULL DEFAULT '{}',
    active boolean NOT NULL DEFAULT true,
    -- Why it takes nothing: an operator paused it, it answered 410, or it failed for days.
    inactive_why text CHECK (inactive_why IN ('paused', 'gone', 'failing')),
    inactive_since timestamptz,
    salt bytea NOT NULL,
    key_id bytea NOT NULL,
    -- The secret before the last rotation signs too, until the receiver had time to change it.
    old_salt bytea,
    old_key_id bytea,
    old_until timestamptz,
    -- Since when every attempt has failed; NULL after a success.
    failing_since timestamptz,
    -- The receiver asked to be left alone until then.
    quiet_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT inactive_for_a_reason CHECK (active = (inactive_why IS NULL)),
    CONSTRAINT old_secret_has_an_end CHECK ((old_salt IS NULL) = (old_until IS NULL)
        AND (old_salt IS NULL) = (old_key_id IS NULL))
) WITH (fillfactor = 50);

-- An event carries its own state. Who reads on from the last id that was seen skips what commits
-- late under an earlier one. `body` is the whole `data` of what is sent. No foreign key to the room:
-- writers on the hot path have it already.
CREATE TABLE outbox_event (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook_id uuid NOT NULL DEFAULT gen_random_uuid(),
    kind text NOT NULL,
    room_id int,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    body jsonb NOT NULL DEFAULT '{}',
    fanned_out boolean NOT NULL DEFAULT false
);
CREATE INDEX outbox_event_waiting ON outbox_event (event_id) WHERE NOT fanned_out;

-- One event on its way to one endpoint. Who sends it takes a lease and moves `due_at` to the
-- lease's end, so that another sender goes on with it if this one dies.
CREATE TABLE webhook_delivery (
    delivery_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    endpoint_id int NOT NULL REFERENCES webhook_endpoint ON DELETE CASCADE,
    event_id bigint NOT NULL REFERENCES outbox_event ON DELETE CASCADE,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease uuid,
    attempts int NOT NULL DEFAULT 0,
    -- The last attempt: when, the answer's status or none, its first bytes or what went wrong.
    tried_at timestamptz,
    status int,
    answer text NOT NULL DEFAULT '',
    took_ms int,
    CONSTRAINT event_goes_to_an_endpoint_once UNIQUE (event_id, endpoint_id),
    CONSTRAINT only_what_is_pending_is_being_sent CHECK (lease IS NULL OR state = 'pending')
) WITH (fillfactor = 80);
CREATE INDEX webhook_delivery_due ON webhook_delivery (endpoint_id, due_at) WHERE state = 'pending';
CREATE INDEX webhook_delivery_by_state ON webhook_delivery (endpoint_id, state, delivery_id);

-- Messages to people who left an address, written in the transaction that calls them. A message
-- under way is leased: its `next_at` is the lease's end, and `attempts`, which grows with each
-- lease, tells one from another.
CREATE TABLE mail (
    mail_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    address text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('called_for_returns')),
    facts jsonb NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'failed')),
    attempts int NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The outcome of the last attempt in words of ours, since a relay's words may hold the address.
    outcome text NOT NULL DEFAULT '',
    ended_at timestamptz,
    CONSTRAINT address_is_forgotten CHECK (state = 'waiting' OR address = ''),
    CONSTRAINT what_is_over_has_ended CHECK ((state = 'waiting') = (ended_at IS NULL))
);
CREATE INDEX mail_waiting ON mail (next_at) WHERE state = 'waiting';
CREATE INDEX mail_ended ON mail (ended_at) WHERE ended_at IS NOT NULL;

-- Says whether anybody listens. There are few endpoints, so this is cheap enough for every batch;
-- a writer of many events asks once and not for each.
CREATE FUNCTION event_wanted(in_kind text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM webhook_endpoint e
                   WHERE e.active AND (e.kinds = '{}' OR in_kind = ANY (e.kinds)))
$$;

-- Writes one event, if an endpoint wants it, in the caller's transaction.
CREATE FUNCTION emit(in_room_id int, in_kind text, facts jsonb) RETURNS void LANGUAGE sql AS $$
    INSERT INTO outbox_event (room_id, kind, body)
    SELECT in_room_id, in_kind, facts WHERE event_wanted(in_kind)
$$;

-- An order's event says what every other reader of the order is told. Who bought is not in it: the
-- operators' API has that.
CREATE FUNCTION tell_of_order() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    kind text;
BEGIN
    kind := CASE
        WHEN NEW.refunded_minor > OLD.refunded_minor THEN 'order.refunded'
        WHEN NEW.state = OLD.state THEN NULL
        -- An order that comes back to `paid` was told of when the money first came.
        WHEN NEW.state = 'paid' AND OLD.paid_at IS NULL THEN 'order.paid'
        WHEN NEW.state = 'refunded' THEN 'order.refunded'
        WHEN NEW.state = 'cancelled' THEN 'order.cancelled' END;
    IF kind IS NOT NULL AND event_wanted(kind) THEN
        PERFORM emit(NEW.room_id, kind, order_document(NEW, NULL) || CASE kind WHEN 'order.refunded'
            THEN jsonb_build_object('refunded_now_minor', NEW.refunded_minor - OLD.refunded_minor)
            ELSE '{}' END);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER order_is_told_of AFTER UPDATE ON purchase FOR EACH ROW
    WHEN (NEW.state <> OLD.state OR NEW.refunded_minor > OLD.refunded_minor)
    EXECUTE FUNCTION tell_of_order();

-- A batch of holds updates a SKU's row once, so this runs once for each SKU and batch.
CREATE FUNCTION tell_of_stock() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before constant int := OLD.on_hand - OLD.held - OLD.sold;
    after constant int := NEW.on_hand - NEW.held - NEW.sold;
    k sku;
    kind text;
BEGIN
    IF NOT EXISTS (SELECT FROM webhook_endpoint e WHERE e.active
                   AND (e.kinds = '{}' OR e.kinds && '{stock.low,stock.out,stock.back}')) THEN
        RETURN NULL;
    END IF;
    SELECT * INTO k FROM sku x WHERE x.sku_id = NEW.sku_id;
    kind := CASE
        WHEN before > 0 AND after <= 0 THEN 'stock.out'
        WHEN before <= 0 AND after > 0 THEN 'stock.back'
        WHEN before > k.low_at AND after <= k.low_at THEN 'stock.low' END;
    IF kind IS NOT NULL THEN
        PERFORM emit(k.room_id, kind, jsonb_build_object(
            'room', (SELECT m.room FROM room m WHERE m.room_id = k.room_id), 'sku', k.sku, 'name', k.name,
            'available', GREATEST(after, 0), 'on_hand', NEW.on_hand, 'held', NEW.held,
            'sold', NEW.sold, 'low_at', k.low_at));
    END IF;
    RETURN NULL;
END $$;
-- A hold that is confirmed leaves what is available as it was, and pays nothing here.
CREATE TRIGGER stock_is_told_of AFTER UPDATE ON stock FOR EACH ROW
    WHEN (NEW.on_hand - NEW.held - NEW.sold <> OLD.on_hand - OLD.held - OLD.sold)
    EXECUTE FUNCTION tell_of_stock();

CREATE FUNCTION tell_of_room() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    kind text;
    facts constant jsonb := jsonb_build_object('room', NEW.room, 'name', NEW.name, 'status', NEW.status,
        'sold_out', NEW.sold_out);
BEGIN
    kind := CASE
        WHEN NEW.status = OLD.status THEN NULL
        WHEN NEW.status = 'open' AND OLD.status = 'paused' THEN 'room.resumed'
        WHEN NEW.status = 'open' THEN 'room.opened'
        WHEN NEW.status = 'paused' THEN 'room.paused'
        WHEN NEW.status = 'ended' THEN 'room.ended' END;
    IF kind IS NOT NULL THEN PERFORM emit(NEW.room_id, kind, facts); END IF;
    IF NEW.sold_out <> OLD.sold_out THEN
        PERFORM emit(NEW.room_id, CASE WHEN NEW.sold_out THEN 'room.sold_out' ELSE 'room.stock_back' END,
                     facts);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER room_is_told_of AFTER UPDATE ON room FOR EACH ROW
    WHEN (NEW.status <> OLD.status OR NEW.sold_out <> OLD.sold_out)
    EXECUTE FUNCTION tell_of_room();

-- Writes an event for each of these holds. The caller has asked whether anybody listens.
CREATE FUNCTION tell_of_holds(in_kind text, ids uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox_event (room_id, kind, body)
        SELECT h.room_id, in_kind, jsonb_build_object('hold_id', h.hold_id, 'room', m.room,
            'session', h.session_id::text, 'state', h.state, 'expires_at', wall_time(h.expires_at),
            'items', (SELECT jsonb_agg(jsonb_build_object('sku', k.sku, 'quantity', l.quantity) ORDER BY k.sku)
                      FROM hold_line l JOIN sku k USING (sku_id) WHERE l.hold_id = h.hold_id AND l.quantity > 0))
        FROM hold h JOIN room m USING (room_id) WHERE h.hold_id = ANY (ids);
END $$;

-- Makes a delivery for each waiting event and each endpoint that wants it, up to `batch_max` events.
-- Returns how many events it took. What another sender holds is skipped, and found by the next call
-- if that one fails; what commits late is found whenever it commits.
CREATE FUNCTION fan_out(batch_max int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    taken bigint[];
BEGIN
    SELECT array_agg(x.event_id) INTO taken FROM (
        SELECT v.event_id FROM outbox_event v WHERE NOT v.fanned_out
        ORDER BY v.event_id LIMIT batch_max FOR UPDATE SKIP LOCKED) x;
    IF taken IS NULL THEN RETURN 0; END IF;
    -- An endpoint that is deleted at this moment must not fail the batch.
    PERFORM 1 FROM webhook_endpoint e WHERE e.active ORDER BY e.endpoint_id FOR KEY SHARE;
    INSERT INTO webhook_delivery (endpoint_id, event_id)
        SELECT e.endpoint_id, v.event_id FROM outbox_event v
        JOIN webhook_endpoint e ON e.active AND (e.kinds = '{}' OR v.kind = ANY (e.kinds))
        WHERE v.event_id = ANY (taken) ORDER BY v.event_id;
    UPDATE outbox_event v SET fanned_out = true WHERE v.event_id = ANY (taken);
    RETURN cardinality(taken);
END $$;

-- Notes how an attempt ended. `to_state` is delivered, failed, or pending for another attempt in
-- `again_s`. A success counts from any sender; anything else only from the holder of the lease,
-- since a sender that lost it knows less than the one that took over. `gone` ends the endpoint, and so do
-- `failing_max` of failures alone; with `quiet_s` it is left alone for so long. Returns why the
-- endpoint was made inactive by this, or NULL. Locks the endpoint before the delivery, as a deletion
-- does.
CREATE FUNCTION note_attempt(
    in_delivery bigint, in_lease uuid, to_state text, again_s float8, in_status int, in_answer text,
    in_took_ms int, gone boolean, quiet_s float8, failing_max interval)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    d webhook_delivery;
    e webhook_endpoint;
    t timestamptz;
    why text;
BEGIN
    SELECT x.* INTO d FROM webhook_delivery x WHERE x.delivery_id = in_delivery;
    IF to_state = 'delivered' THEN
        UPDATE webhook_endpoint x SET failing_since = NULL
            WHERE x.endpoint_id = d.endpoint_id AND x.failing_since IS NOT NULL;
    ELSE
        SELECT * INTO e FROM webhook_endpoint x WHERE x.endpoint_id = d.endpoint_id FOR NO KEY UPDATE;
    END IF;
    SELECT x.* INTO d FROM webhook_delivery x WHERE x.delivery_id = in_delivery FOR UPDATE;
    IF d.delivery_id IS NULL OR (to_state <> 'delivered' AND d.lease IS DISTINCT FROM in_lease) THEN
        RETURN NULL;
    END IF;
    t := clock_timestamp();
    UPDATE webhook_delivery x SET state = to_state, lease = NULL,
            due_at = t + make_interval(secs => again_s), tried_at = t, status = in_status,
            answer = in_answer, took_ms = in_took_ms
        WHERE x.delivery_id = in_delivery;
    IF to_state = 'delivered' OR NOT e.active THEN RETURN NULL; END IF;
    why := CASE WHEN gone THEN 'gone' WHEN e.failing_since < t - failing_max THEN 'failing' END;
    UPDATE webhook_endpoint x SET failing_since = COALESCE(x.failing_since, t),
            quiet_until = CASE WHEN quiet_s > 0 THEN t + make_interval(secs => quiet_s)
                               ELSE x.quiet_until END,
            active = why IS NULL, inactive_why = why,
            inactive_since = CASE WHEN why IS NOT NULL THEN t END
        WHERE x.endpoint_id = e.endpoint_id;
    IF why IS NOT NULL THEN
        INSERT INTO operator_action (who, action, detail) VALUES ('webhooks', 'webhook_disabled',
            jsonb_build_object('endpoint_id', e.endpoint_id, 'why', why));
    END IF;
    RETURN why;
END $$;

-- Ends messages that are of no use any more: their call is over, or they were tried often enough by
-- senders that died over them. Returns how many.
CREATE FUNCTION give_up_mail(batch_max int, attempts_max int) RETURNS int LANGUAGE sql AS $$
    WITH over AS (
        SELECT x.mail_id FROM mail x
        WHERE x.state = 'waiting' AND x.next_at <= clock_timestamp()
            AND ((x.facts ->> 'claim_until')::timestamptz <= clock_timestamp() OR x.attempts >= attempts_max)
        ORDER BY x.next_at LIMIT batch_max FOR UPDATE SKIP LOCKED),
    ended AS (
        UPDATE mail m SET state = 'failed', address = '', ended_at = clock_timestamp(), outcome = CASE
                WHEN (m.facts ->> 'claim_until')::timestamptz <= clock_timestamp() THEN 'too late'
                ELSE 'given up' END
        FROM over WHERE m.mail_id = over.mail_id RETURNING m.mail_id)
    SELECT count(*)::int FROM ended
$$;
