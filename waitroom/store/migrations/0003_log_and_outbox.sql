-- The shoppers' clock, the public log of each room, and the tables of the outbox, whose functions have a file
-- of their own. Mail goes out the same way.

-- The moment up to which the shoppers' clock goes on: three seconds after the leader's last beat or after
-- the web workers' last report, whichever was earlier. Then it stands still.
CREATE FUNCTION clock_goes_until(o office) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT LEAST(o.beat_at, o.served_at) + interval '3 seconds'
$$;

-- The present moment on the shoppers' clock, for a query that reads the office's row anyway: as one expression
-- it becomes part of that query.
CREATE FUNCTION shopper_time(o office) RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
    SELECT LEAST(clock_timestamp(), clock_goes_until(o)) - o.stopped
$$;

CREATE FUNCTION shopper_now() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
    SELECT shopper_time(o) FROM office o
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
-- present offset alone would put what happened before a stop too early. It returns one row: a function in
-- FROM becomes part of the query, while any other is called for each row, which costs far more.
CREATE FUNCTION shopper_at(wall timestamptz) RETURNS SETOF timestamptz LANGUAGE sql STABLE AS $$
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

-- Says whether a later leader took office than the one of this term. Each statement of a leader asks once it
-- has its room's locks: what it would write while it waited for them is void.
CREATE FUNCTION term_is_over(my_term bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT o.term > my_term FROM office o
$$;

-- Says that the leader lives, or takes office when no leader was heard of for `lease_s`. Returns the
-- office as it is afterwards. It locks no row of any room, so no room keeps the others without a leader.
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
    IF term_is_over(my_term) THEN RETURN; END IF;
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

-- An event carries its own state. A reader that continued from the last id it saw would skip an event
-- that commits late under an earlier id. `body` is the whole `data` of what is sent. No foreign key to the room:
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

-- One event on its way to one endpoint. Its sender takes a lease and moves `due_at` to the lease's end,
-- so that another sender goes on with it if this one dies.
CREATE TABLE webhook_delivery (
    delivery_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    endpoint_id int NOT NULL REFERENCES webhook_endpoint ON DELETE CASCADE,
    event_id bigint NOT NULL REFERENCES outbox_event ON DELETE CASCADE,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease uuid,
    sent_by uuid,
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
    kind text NOT NULL CHECK (kind IN ('called_for_returns', 'bought', 'nearly', 'called')),
    facts jsonb NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'failed')),
    attempts int NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_by uuid,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The outcome of the last attempt in words of ours, since a relay's words may hold the address.
    outcome text NOT NULL DEFAULT '',
    ended_at timestamptz,
    CONSTRAINT address_is_forgotten CHECK (state = 'waiting' OR address = ''),
    CONSTRAINT what_is_over_has_ended CHECK ((state = 'waiting') = (ended_at IS NULL))
);
CREATE INDEX mail_waiting ON mail (next_at) WHERE state = 'waiting';
-- An order is written about once, however often its payment is repeated.
CREATE UNIQUE INDEX mail_of_order ON mail ((facts ->> 'order_id')) WHERE kind = 'bought';
CREATE INDEX mail_ended ON mail (ended_at) WHERE ended_at IS NOT NULL;
-- How often one address was written to of late, by its fingerprint.
CREATE INDEX mail_by_address ON mail ((facts ->> 'address_key'), created_at) WHERE kind IN ('nearly', 'called');

-- The places whose shoppers asked for a message shortly before their turn, and when it comes. The address goes
-- with the last message, and the row with the place; till then its key is in the links of the messages.
CREATE TABLE call_mail (
    line_id int NOT NULL,
    entered boolean NOT NULL,
    number bigint NOT NULL,
    ticket_id bytea NOT NULL,
    email text NOT NULL,
    -- A keyed fingerprint of the address, by which messages to one address are counted.
    address_key text NOT NULL,
    -- The language in which the address is written to; empty: English.
    language text NOT NULL DEFAULT '' CHECK (length(language) <= 16),
    key uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- When the message of shortly before was written, or since when it would say nothing new.
    near_at timestamptz,
    -- How often an address was left for this place.
    times_asked int NOT NULL DEFAULT 1,
    PRIMARY KEY (line_id, entered, number)
);
CREATE INDEX call_mail_due ON call_mail (line_id, number) WHERE NOT entered AND email <> '';
CREATE INDEX call_mail_near ON call_mail (line_id, number) WHERE NOT entered AND email <> '' AND near_at IS NULL;
CREATE INDEX call_mail_asked ON call_mail (asked_at) WHERE email <> '';
