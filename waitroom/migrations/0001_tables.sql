-- The tables. Invariants are constraints here and are named for what they promise.

-- The shoppers' clock: one row. It stands still while no leader beats, so an outage costs nobody a
-- claim, a session or a hold. Deadlines are kept in shopper time; `wall_time` turns one into a
-- moment that a person can read.
CREATE TABLE office (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    term bigint NOT NULL DEFAULT 0,
    leader text NOT NULL DEFAULT '',
    beat_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    stopped interval NOT NULL DEFAULT '0'
);
INSERT INTO office DEFAULT VALUES;

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
    policy text NOT NULL DEFAULT 'guaranteed' CHECK (policy IN ('guaranteed', 'rate')),
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
    currency text NOT NULL DEFAULT 'EUR' CHECK (currency ~ '^[A-Z]{3}$'),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT room_has_one_currency UNIQUE (room_id, currency)
);

-- The end of each room's log. Whoever writes to a room's log, line or rules locks this row first,
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

-- A line is two numbers. A shopper who waits in it has no row anywhere.
CREATE TABLE line (
    line_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    room_id int NOT NULL REFERENCES room,
    line text NOT NULL,
    joinable boolean NOT NULL DEFAULT true,
    tail bigint NOT NULL DEFAULT 0 CHECK (tail >= 0),
    gate bigint NOT NULL DEFAULT 0 CHECK (gate >= 0),
    term bigint NOT NULL DEFAULT 0,
    CONSTRAINT line_named_once UNIQUE (room_id, line)
) WITH (fillfactor = 50);

-- The state document as last published: what workers read when Valkey is away.
CREATE TABLE room_state (
    room_id int PRIMARY KEY REFERENCES room,
    version bigint NOT NULL DEFAULT 0,
    body bytea NOT NULL DEFAULT '\x',
    published_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

-- A called number. `left` may also be the row of a number that gave its place up while waiting.
CREATE TABLE admission (
    admission_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    room_id int NOT NULL,
    line_id int NOT NULL,
    number bigint NOT NULL CHECK (number > 0),
    state text NOT NULL CHECK (state IN ('called', 'claimed', 'missed', 'left', 'ended')),
    ticket_id bytea,
    promised int NOT NULL DEFAULT 0 CHECK (promised >= 0),
    times_called int NOT NULL DEFAULT 1,
    called_at timestamptz,
    claim_until timestamptz,
    claimed_at timestamptz,
    expires_at timestamptz,
    came_back_at timestamptz,
    ended_at timestamptz,
    end_reason text,
    CONSTRAINT number_called_once UNIQUE (line_id, number),
    CONSTRAINT promise_needs_a_seat CHECK (promised = 0 OR state IN ('called', 'claimed')),
    CONSTRAINT session_is_bound CHECK (
        state <> 'claimed' OR (ticket_id IS NOT NULL AND expires_at IS NOT NULL))
) WITH (fillfactor = 70);
CREATE INDEX admission_claim_due ON admission (claim_until) WHERE state = 'called';
CREATE INDEX admission_session_due ON admission (expires_at) WHERE state = 'claimed';
CREATE INDEX admission_seated ON admission (room_id) WHERE state IN ('called', 'claimed');
CREATE INDEX admission_came_back ON admission (line_id, number)
    WHERE state = 'missed' AND came_back_at IS NOT NULL;
CREATE INDEX admission_left ON admission (line_id, number) WHERE state = 'left';

-- The units of all SKUs of a room together, and how many of them are promised to called shoppers.
-- A promise is "one unit of something in this room", so it lives here and not at a single SKU;
-- in a room with one SKU the two are the same.
CREATE TABLE room_stock (
    room_id int PRIMARY KEY REFERENCES room,
    on_hand bigint NOT NULL DEFAULT 0 CHECK (on_hand >= 0),
    promised bigint NOT NULL DEFAULT 0 CHECK (promised >= 0),
    held bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    sold bigint NOT NULL DEFAULT 0 CHECK (sold >= 0),
    CONSTRAINT promises_are_covered CHECK (held + sold + promised <= on_hand)
) WITH (fillfactor = 20);

CREATE TABLE sku (
    sku_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku text NOT NULL UNIQUE CHECK (sku ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'),
    room_id int NOT NULL,
    name text NOT NULL,
    description text NOT NULL DEFAULT '',
    picture text NOT NULL DEFAULT '',
    price_minor bigint NOT NULL CHECK (price_minor >= 0),
    currency text NOT NULL,
    limit_per_session int NOT NULL DEFAULT 4 CHECK (limit_per_session > 0),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT basket_has_one_currency FOREIGN KEY (room_id, currency) REFERENCES room (room_id, currency)
);
CREATE INDEX sku_by_room ON sku (room_id, sku);

CREATE TABLE stock (
    sku_id int PRIMARY KEY REFERENCES sku,
    on_hand int NOT NULL DEFAULT 0 CHECK (on_hand >= 0),
    held int NOT NULL DEFAULT 0 CHECK (held >= 0),
    sold int NOT NULL DEFAULT 0 CHECK (sold >= 0),
    CONSTRAINT stock_never_oversold CHECK (held + sold <= on_hand)
) WITH (fillfactor = 20);

-- Changes of what is on hand; a hold's lines are the movements of held and sold.
CREATE TABLE stock_movement (
    movement_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku_id int NOT NULL REFERENCES sku,
    kind text NOT NULL CHECK (kind IN ('received', 'adjusted')),
    quantity int NOT NULL CHECK (quantity <> 0),
    reason text NOT NULL DEFAULT '',
    who text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX stock_movement_by_sku ON stock_movement (sku_id, movement_id);

-- A hold has no foreign key to its admission: the function that places it has that row locked.
CREATE TABLE hold (
    hold_id uuid PRIMARY KEY,
    session_id bigint NOT NULL,
    room_id int NOT NULL,
    idempotency_key uuid NOT NULL,
    body_hash bytea NOT NULL,
    state text NOT NULL DEFAULT 'held'
        CHECK (state IN ('held', 'confirmed', 'released', 'expired')),
    placed_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    extensions int NOT NULL DEFAULT 0,
    -- While a payment runs the clock does not end the hold; the payment's outcome does.
    paying boolean NOT NULL DEFAULT false,
    -- The deadline without the payment's extension, and the one with it, which is given once.
    unpaid_until timestamptz,
    payment_until timestamptz,
    ended_at timestamptz,
    CONSTRAINT hold_placed_once UNIQUE (session_id, idempotency_key),
    CONSTRAINT only_a_held_hold_is_paid CHECK (NOT paying OR state = 'held')
) WITH (fillfactor = 80);
CREATE INDEX hold_due ON hold (expires_at) WHERE state = 'held';

-- `due_at` repeats the hold's deadline while the clock may end it, so that whoever is short of one
-- SKU finds what is due on just that SKU.
CREATE TABLE hold_line (
    hold_id uuid NOT NULL,
    sku_id int NOT NULL,
    quantity int NOT NULL CHECK (quantity > 0),
    price_minor bigint NOT NULL,
    due_at timestamptz,
    PRIMARY KEY (hold_id, sku_id)
) WITH (fillfactor = 80);
CREATE INDEX hold_line_due ON hold_line (sku_id, due_at) WHERE due_at IS NOT NULL;

-- "order" is a reserved word of SQL.
CREATE TABLE purchase (
    order_id uuid PRIMARY KEY,
    reference text NOT NULL UNIQUE,
    session_id bigint NOT NULL,
    room_id int NOT NULL REFERENCES room,
    hold_id uuid NOT NULL REFERENCES hold,
    idempotency_key uuid NOT NULL,
    body_hash bytea NOT NULL,
    state text NOT NULL DEFAULT 'authorizing' CHECK (state IN
        ('authorizing', 'authorized', 'paid', 'declined', 'voiding', 'cancelled', 'refunded')),
    total_minor bigint NOT NULL CHECK (total_minor >= 0),
    currency text NOT NULL,
    gateway text NOT NULL,
    gateway_ref text,
    -- What the gateway needs to start the payment again after a crash; never a card number.
    payment_token text NOT NULL,
    detail text NOT NULL DEFAULT '',
    pay_by timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    paid_at timestamptz,
    CONSTRAINT order_placed_once UNIQUE (session_id, idempotency_key)
) WITH (fillfactor = 80);
-- One hold becomes at most one order; a declined one may be tried again.
CREATE UNIQUE INDEX one_living_order_per_hold ON purchase (hold_id)
    WHERE state NOT IN ('declined', 'cancelled');
CREATE INDEX purchase_unsettled ON purchase (changed_at)
    WHERE state IN ('authorizing', 'authorized', 'voiding');
CREATE INDEX purchase_by_room ON purchase (room_id, created_at DESC, order_id);

-- The test gateway's own books. It stands for a company elsewhere: nothing else reads them.
CREATE TABLE test_gateway_payment (
    payment_key text PRIMARY KEY,
    gateway_ref text NOT NULL,
    state text NOT NULL CHECK (state IN ('processing', 'authorized', 'captured', 'declined', 'voided')),
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    decides_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE operator (
    operator_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    role text NOT NULL CHECK (role IN ('admin', 'operator', 'viewer')),
    password_hash text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE operator_session (
    session_hash bytea PRIMARY KEY,
    operator_id int NOT NULL REFERENCES operator,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    used_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Who changed what. Rows are only ever added.
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
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows are only ever added', TG_TABLE_NAME;
END $$;
CREATE TRIGGER actions_are_append_only BEFORE UPDATE OR DELETE ON operator_action
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER log_is_append_only BEFORE UPDATE OR DELETE ON log_entry
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
