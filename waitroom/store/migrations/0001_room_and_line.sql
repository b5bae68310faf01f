-- The tables of rooms and of who waits in them. Invariants are constraints and are named for what they
-- promise; later files have the functions.

-- Whether operators may name this moment. The program checks the same bounds where a moment comes in:
-- PostgreSQL stores moments that it cannot read back. NULL is for the column to judge.
CREATE FUNCTION is_moment(at timestamptz) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT at >= '2000-01-01 00:00:00+00'::timestamptz AND at < '2200-01-01 00:00:00+00'::timestamptz
$$;

-- Codes that differ only in capitals are one code: people read them out, and the search of a spreadsheet
-- does not tell them apart.
CREATE FUNCTION one_code(code text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT lower(code COLLATE "C")
$$;

-- The shoppers' clock: one row. It stands still while no leader beats, and while no web worker serves
-- shoppers, so an outage costs no shopper a claim, a session or a hold. Deadlines are kept in shopper
-- time; `wall_time` turns one into a moment that a person can read.
CREATE TABLE office (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    term bigint NOT NULL DEFAULT 0,
    leader text NOT NULL DEFAULT '',
    beat_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- When a web worker last reported that it serves shoppers. Until the first of them has, the service
    -- has no web workers whose absence could cost a shopper anything.
    served_at timestamptz NOT NULL DEFAULT 'infinity',
    stopped interval NOT NULL DEFAULT '0'
);
INSERT INTO office DEFAULT VALUES;

-- Each stop of the shoppers' clock: when it ended, in wall time, how long the clock had stood, and the
-- moment at which it stood. So what happened before a stop keeps its time on the shoppers' clock.
CREATE TABLE clock_stop (
    until timestamptz PRIMARY KEY,
    length interval NOT NULL CHECK (length > '0'),
    stood_at timestamptz NOT NULL
);

CREATE TABLE operator (
    operator_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    role text NOT NULL CHECK (role IN ('admin', 'seller', 'operator', 'viewer')),
    password_hash text NOT NULL,
    active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE operator_session (
    session_hash bytea PRIMARY KEY,
    operator_id int NOT NULL REFERENCES operator,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    used_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- A shopper whom the shop's identity provider knows: the JWT's issuer and subject.
CREATE TABLE customer (
    customer_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    issuer text NOT NULL,
    subject text NOT NULL,
    email text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT customer_known_once UNIQUE (issuer, subject)
);
CREATE INDEX customer_by_email ON customer (lower(email) text_pattern_ops) WHERE email <> '';

CREATE TABLE room (
    room_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    room text NOT NULL UNIQUE CONSTRAINT room_is_a_slug CHECK (room ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    name text NOT NULL,
    public boolean NOT NULL DEFAULT true,
    status text NOT NULL DEFAULT 'scheduled'
        CHECK (status IN ('scheduled', 'open', 'paused', 'ended')),
    sold_out boolean NOT NULL DEFAULT false,
    message text NOT NULL DEFAULT '',
    message_at timestamptz,
    opens_at timestamptz,
    closes_at timestamptz,
    -- When the doors open before the sale does; NULL: with the sale, or at once where there is a draw.
    doors_at timestamptz,
    -- The order of arrivals before the opening.
    order_by text NOT NULL DEFAULT 'first_come' CHECK (order_by IN ('first_come', 'draw')),
    -- Where a public random value will be found that a draw takes in; NULL for none.
    public_value_source text,
    join_by text NOT NULL DEFAULT 'open' CHECK (join_by IN ('open', 'invitation', 'customer')),
    log_public text NOT NULL DEFAULT 'live' CHECK (log_public IN ('live', 'after')),
    fairness_public boolean NOT NULL DEFAULT false,
    -- The language of shoppers whose browser asks for none that there is; empty: English.
    language text NOT NULL DEFAULT '' CHECK (length(language) <= 16),
    -- The public log has a hash with this salt in place of a private text.
    log_salt uuid NOT NULL DEFAULT gen_random_uuid(),
    -- The stock lives in another shop, which says how much there is and what became of sessions.
    stock_elsewhere boolean NOT NULL DEFAULT false,
    stock_heard_at timestamptz,
    -- The other shop's own time of the figures that it gave last.
    stock_as_of timestamptz,
    policy text NOT NULL DEFAULT 'expected' CHECK (policy IN ('expected', 'guaranteed', 'rate')),
    -- The share of those called who may find nothing, where the policy is `expected`.
    disappointed_max real NOT NULL DEFAULT 0.01 CHECK (disappointed_max BETWEEN 0 AND 0.5),
    seats_max int NOT NULL DEFAULT 100 CHECK (seats_max >= 0),
    calls_per_minute int CHECK (calls_per_minute >= 0),
    batch_max int NOT NULL DEFAULT 500 CHECK (batch_max > 0),
    claim_window_s int NOT NULL DEFAULT 120 CHECK (claim_window_s > 0),
    session_s int NOT NULL DEFAULT 600 CHECK (session_s > 0),
    hold_s int NOT NULL DEFAULT 300 CHECK (hold_s > 0),
    hold_extensions_max int NOT NULL DEFAULT 1 CHECK (hold_extensions_max >= 0),
    payment_window_s int NOT NULL DEFAULT 600 CHECK (payment_window_s > 0),
    grace_s int NOT NULL DEFAULT 1800 CHECK (grace_s >= 0),
    units_promised int NOT NULL DEFAULT 1 CHECK (units_promised > 0),
    order_units_max int DEFAULT 10 CHECK (order_units_max > 0), -- of all SKUs; NULL for no limit
    held_share_max real NOT NULL DEFAULT 0.2 CHECK (held_share_max BETWEEN 0 AND 1),
    customers_only boolean NOT NULL DEFAULT false,
    -- The time to come for a shopper who stayed in line for returns and is called again.
    returns_window_s int NOT NULL DEFAULT 900 CHECK (returns_window_s > 0),
    -- Fixed when the room is made, since prices, holds and orders are amounts of it.
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT room_has_one_currency UNIQUE (room_id, currency),
    CONSTRAINT room_names_moments_of_our_time CHECK (
        is_moment(opens_at) AND is_moment(closes_at) AND is_moment(doors_at) AND is_moment(stock_as_of)),
    CONSTRAINT sale_closes_after_it_opens CHECK (closes_at > opens_at),
    CONSTRAINT doors_open_before_the_sale CHECK (doors_at <= opens_at)
);

-- The units of all SKUs of a room together, how many of them are promised, and the seats taken.
-- `promised` counts every promise, and `stock.promised` once more those of one SKU (`0032_named_promises.sql`).
CREATE TABLE room_stock (
    room_id int PRIMARY KEY REFERENCES room,
    on_hand bigint NOT NULL DEFAULT 0,
    promised bigint NOT NULL DEFAULT 0,
    held bigint NOT NULL DEFAULT 0, sold bigint NOT NULL DEFAULT 0,
    -- Units that an operator took away, by an override that is on record, from under what is spoken for.
    short bigint NOT NULL DEFAULT 0,
    -- The seats taken (admissions called or claimed), and the open holds: a tick has no time to count them.
    seats bigint NOT NULL DEFAULT 0, holds bigint NOT NULL DEFAULT 0,
    -- One constraint for all: PostgreSQL parses and plans each of them for every statement that writes here.
    CONSTRAINT room_stock_never_negative CHECK (LEAST(on_hand, promised, held, sold, short, seats, holds) >= 0),
    CONSTRAINT promises_are_covered CHECK (held + sold + promised <= on_hand + short)
) WITH (fillfactor = 20);

-- The sellers whose SKUs a room sells. Those of others may be prepared there, but no shopper sees or gets them.
CREATE TABLE room_seller (
    room_id int NOT NULL REFERENCES room,
    seller_id int NOT NULL REFERENCES operator,
    admitted_by text NOT NULL,
    admitted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT seller_admitted_once PRIMARY KEY (room_id, seller_id)
);

-- Rooms that once sold SKUs which they sell no longer stay shops, and call nobody.
CREATE TABLE shop (room_id int PRIMARY KEY REFERENCES room);

-- Every change by an operator. Rows are only ever added.
CREATE TABLE operator_action (
    action_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    room_id int REFERENCES room,
    who text NOT NULL,
    action text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    reason text NOT NULL DEFAULT ''
);
CREATE INDEX operator_action_by_room ON operator_action (room_id, action_id DESC);
CREATE INDEX operator_action_by_order ON operator_action ((detail ->> 'order')) WHERE action = 'cancel';

-- Only the functions that archive, which set this parameter while they run, take rows away.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('waitroom.archiving', true) = 'on' THEN RETURN OLD; END IF;
    RAISE EXCEPTION '% rows are only ever added', TG_TABLE_NAME;
END $$;
CREATE TRIGGER actions_are_append_only BEFORE UPDATE OR DELETE ON operator_action
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- The end of each room's log. Every writer to a room's log, line or rules locks this row first,
-- so what happens in one room has one order.
CREATE TABLE log_head (
    room_id int PRIMARY KEY REFERENCES room,
    seq bigint NOT NULL DEFAULT 0,
    hash bytea NOT NULL DEFAULT '\x'
) WITH (fillfactor = 50);

CREATE TABLE log_entry (
    room_id int NOT NULL,
    seq bigint NOT NULL,
    body text NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (room_id, seq)
);
CREATE TRIGGER log_is_append_only BEFORE UPDATE OR DELETE ON log_entry
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- A line is two numbers. A shopper who waits in it has no row anywhere. A room has one for each lane,
-- and new ones after a reset; `share` is the lane's part of the calls while others wait too.
CREATE TABLE line (
    line_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    room_id int NOT NULL REFERENCES room,
    line text NOT NULL,
    lane text NOT NULL DEFAULT 'main' CONSTRAINT lane_is_a_slug CHECK (lane ~ '^[a-z][a-z0-9]{0,30}$'),
    generation int NOT NULL DEFAULT 1,
    share real NOT NULL DEFAULT 1 CHECK (share > 0),
    joinable boolean NOT NULL DEFAULT true,
    -- Places taken before the opening that a draw will number.
    entries bigint NOT NULL DEFAULT 0 CHECK (entries >= 0),
    tail bigint NOT NULL DEFAULT 0 CHECK (tail >= 0),
    gate bigint NOT NULL DEFAULT 0 CHECK (gate >= 0),
    passed_by bigint NOT NULL DEFAULT 0 CHECK (passed_by >= 0), -- numbers whose SKU was not free at their turn
    CONSTRAINT line_named_once UNIQUE (room_id, line)
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX lane_has_one_line ON line (room_id, lane) WHERE joinable;

-- The state document as last published: what workers read when Valkey is away.
CREATE TABLE room_state (
    room_id int PRIMARY KEY REFERENCES room,
    version bigint NOT NULL DEFAULT 0,
    body bytea NOT NULL DEFAULT '\x',
    published_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The document says that the room has ended, and nothing that it tells can change by itself.
    is_final boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50);

-- A called number, or one that left (`left`) or stepped aside (`aside`) before its turn. `passed_at` is
-- when the gate passed the number, and `called_at` its latest call. A number that stood aside when the
-- gate passed it was not called: coming back makes it `missed`, to be called again, and among those of
-- all lanes that came back `passed_at` is the order. `ended_at` is when the state `missed`, `aside`,
-- `left` or `ended` began; for a number that was passed aside, when it was passed.
-- This table, and those of holds and movements, grow from nothing to a million rows within minutes, so
-- their statistics are refreshed after 2 % of growth and not only after the usual 10 %.
CREATE TABLE admission (
    admission_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    room_id int NOT NULL,
    line_id int NOT NULL,
    number bigint NOT NULL CHECK (number > 0),
    state text NOT NULL CHECK (state IN ('called', 'claimed', 'missed', 'aside', 'left', 'ended')),
    ticket_id bytea,
    customer_id bigint REFERENCES customer,
    network bytea, promised int NOT NULL DEFAULT 0 CHECK (promised >= 0),
    promised_sku_id int, -- while any unit is promised, one of them is of this SKU
    awaits_sku_id int, -- what a number that came back, or was passed by, is called again for
    times_called int NOT NULL DEFAULT 1,
    -- More time to come and to buy, for a shopper who asked for it.
    time_factor real NOT NULL DEFAULT 1 CHECK (time_factor BETWEEN 1 AND 5),
    -- It asked for something of which nothing was left.
    refused boolean NOT NULL DEFAULT false,
    -- The first SKU of which it asked for more than was left.
    missed_sku_id int,
    -- How often its session changed a hold or gave up waiting for units.
    changes int NOT NULL DEFAULT 0,
    called_at timestamptz,
    passed_at timestamptz,
    claim_until timestamptz,
    claimed_at timestamptz,
    expires_at timestamptz,
    came_back_at timestamptz,
    ended_at timestamptz,
    end_reason text,
    CONSTRAINT number_called_once UNIQUE (line_id, number),
    CONSTRAINT promise_needs_a_seat CHECK (promised = 0 OR state IN ('called', 'claimed')),
    CONSTRAINT session_is_bound CHECK (
        state <> 'claimed' OR (ticket_id IS NOT NULL AND expires_at IS NOT NULL)),
    CONSTRAINT only_a_missed_number_comes_back CHECK (came_back_at IS NULL OR state = 'missed'),
    CONSTRAINT only_a_returned_number_awaits CHECK (awaits_sku_id IS NULL OR came_back_at IS NOT NULL),
    CONSTRAINT no_seat_without_a_call CHECK (state NOT IN ('called', 'claimed', 'ended') OR called_at IS NOT NULL),
    CONSTRAINT missed_after_its_turn CHECK (state <> 'missed' OR called_at IS NOT NULL OR passed_at IS NOT NULL)
) WITH (fillfactor = 70, autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_scale_factor = 0.1,
        autovacuum_vacuum_insert_scale_factor = 0.05);
CREATE INDEX admission_claim_due ON admission (claim_until) WHERE state = 'called';
CREATE INDEX admission_session_due ON admission (expires_at) WHERE state = 'claimed';
CREATE INDEX admission_seated ON admission (room_id) WHERE state IN ('called', 'claimed');
CREATE INDEX admission_came_back ON admission (line_id, number)
    WHERE state = 'missed' AND came_back_at IS NOT NULL;
CREATE INDEX admission_awaits ON admission (line_id, awaits_sku_id, number) WHERE awaits_sku_id IS NOT NULL;
-- Numbers that the gate steps over, since they left or stepped aside before their turn.
CREATE INDEX admission_skipped ON admission (line_id, number)
    WHERE called_at IS NULL AND state IN ('left', 'aside');

CREATE TABLE draw (
    line_id int PRIMARY KEY REFERENCES line,
    commitment bytea NOT NULL,
    -- The seed as the service sealed it; the database alone does not know it before the reveal.
    sealed_seed text NOT NULL,
    log_key bytea NOT NULL,
    public_value_source text,
    announced_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Set at the closing: how many entries, and the chain's hash with the closing in it.
    count bigint CHECK (count >= 0),
    head bytea,
    signature bytea,
    value text,
    -- From now on entries stay as they are, since their numbers are being worked out.
    fixed_at timestamptz,
    seed bytea,
    key bytea,
    drawn_at timestamptz,
    CONSTRAINT drawn_after_the_closing CHECK (
        seed IS NULL OR (signature IS NOT NULL AND key IS NOT NULL AND fixed_at IS NOT NULL)),
    CONSTRAINT announced_value_is_taken_in CHECK (
        seed IS NULL OR (public_value_source IS NULL) = (value IS NULL))
);

-- A commitment stands; a draw that was made is not made again.
CREATE FUNCTION keep_draw() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.seed IS NOT NULL
        OR (OLD.commitment, OLD.sealed_seed, OLD.log_key) <> (NEW.commitment, NEW.sealed_seed, NEW.log_key)
        OR OLD.public_value_source IS DISTINCT FROM NEW.public_value_source
        OR (OLD.count IS NOT NULL AND (OLD.count, OLD.head) <> (NEW.count, NEW.head))
        OR (OLD.value IS NOT NULL AND OLD.value IS DISTINCT FROM NEW.value) THEN
        RAISE EXCEPTION 'a draw is made once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER a_draw_is_made_once BEFORE UPDATE OR DELETE ON draw
    FOR EACH ROW EXECUTE FUNCTION keep_draw();

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
    -- The SKU that its shopper named later than with the join, '' for none; NULL: as the ticket says.
    chosen text,
    changed_at timestamptz NOT NULL,
    -- The transaction of the last change. A reader continues from the oldest one that was still running
    -- at its last reading, so a change that commits late is not missed and hardly any is read twice.
    changed_in xid8 NOT NULL,
    -- How often it was changed.
    changes int NOT NULL DEFAULT 0,
    PRIMARY KEY (line_id, entered, number)
);
CREATE INDEX place_changed ON place (changed_in, line_id, entered, number);

CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.changed_at := clock_timestamp();
    NEW.changed_in := pg_current_xact_id();
    NEW.changes := CASE TG_OP WHEN 'INSERT' THEN 1 ELSE OLD.changes + 1 END;
    RETURN NEW;
END $$;
CREATE TRIGGER changes_have_a_time BEFORE INSERT OR UPDATE ON place
    FOR EACH ROW EXECUTE FUNCTION note_change();

-- The one place of somebody to whom one is due: a customer, or the bearer of an invitation. `key` is
-- a hash. Who comes again, from wherever, gets this ticket.
CREATE TABLE person_place (
    room_id int NOT NULL REFERENCES room,
    key bytea NOT NULL,
    line_id int NOT NULL,
    entered boolean NOT NULL,
    number bigint NOT NULL,
    ticket_id bytea NOT NULL,
    CONSTRAINT one_place_for_each PRIMARY KEY (room_id, key)
);
CREATE INDEX person_place_by_ticket ON person_place (ticket_id);

-- Links that were made together. A link is a signature over batch and index, so it has no row of its
-- own; that it was used stands in person_place.
CREATE TABLE invitation_batch (
    batch_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    room_id int NOT NULL REFERENCES room,
    lane text NOT NULL,
    count int NOT NULL CHECK (count > 0),
    note text NOT NULL DEFAULT '',
    expires_at timestamptz CONSTRAINT invitations_end_in_our_time CHECK (is_moment(expires_at)),
    revoked_at timestamptz,
    who text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX invitation_batch_by_room ON invitation_batch (room_id, batch_id);

-- Tickets that stay in line for returns after their session is over, or that left an address.
CREATE TABLE returns_wait (
    line_id int NOT NULL,
    number bigint NOT NULL,
    ticket_id bytea NOT NULL,
    email text NOT NULL DEFAULT '',
    -- The language in which the address is written to; empty: English.
    language text NOT NULL DEFAULT '' CHECK (length(language) <= 16),
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    told_at timestamptz,
    PRIMARY KEY (line_id, number)
);
