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

CREATE TABLE operator (
    operator_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    role text NOT NULL CHECK (role IN ('admin', 'seller', 'operator', 'viewer')),
    password_hash text NOT NULL,
    active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
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
    -- How those who come before the opening are put in order.
    order_by text NOT NULL DEFAULT 'first_come' CHECK (order_by IN ('first_come', 'draw')),
    -- Where a public random value will be found that a draw takes in; NULL for none.
    public_value_source text,
    join_by text NOT NULL DEFAULT 'open' CHECK (join_by IN ('open', 'invitation', 'customer')),
    log_public text NOT NULL DEFAULT 'live' CHECK (log_public IN ('live', 'after')),
    fairness_public boolean NOT NULL DEFAULT false,
    -- What stands in the public log in place of a private text is hashed with this.
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
    -- Units of all SKUs together in one order; NULL for no limit.
    order_units_max int CHECK (order_units_max > 0),
    customers_only boolean NOT NULL DEFAULT false,
    -- How long whoever stayed in line for returns has to come, once called again.
    returns_window_s int NOT NULL DEFAULT 900 CHECK (returns_window_s > 0),
    currency text NOT NULL DEFAULT 'EUR' CHECK (currency ~ '^[A-Z]{3}$'),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT room_has_one_currency UNIQUE (room_id, currency),
    CONSTRAINT sale_closes_after_it_opens CHECK (closes_at > opens_at),
    CONSTRAINT doors_open_before_the_sale CHECK (doors_at <= opens_at)
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
    term bigint NOT NULL DEFAULT 0,
    CONSTRAINT line_named_once UNIQUE (room_id, line)
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX lane_has_one_line ON line (room_id, lane) WHERE joinable;

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
    customer_id bigint REFERENCES customer,
    promised int NOT NULL DEFAULT 0 CHECK (promised >= 0),
    times_called int NOT NULL DEFAULT 1,
    -- More time to come and to buy, for whoever asked for it.
    time_factor real NOT NULL DEFAULT 1 CHECK (time_factor BETWEEN 1 AND 5),
    -- It asked for something of which nothing was left.
    refused boolean NOT NULL DEFAULT false,
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
-- Numbers that the gate steps over, since they left or stepped aside before their turn.
CREATE INDEX admission_skipped ON admission (line_id, number)
    WHERE called_at IS NULL AND state IN ('left', 'missed');

-- The units of all SKUs of a room together, how many of them are promised to called shoppers, and
-- the seats taken.
-- A promise is "one unit of something in this room", so it lives here and not at a single SKU;
-- in a room with one SKU the two are the same.
CREATE TABLE room_stock (
    room_id int PRIMARY KEY REFERENCES room,
    on_hand bigint NOT NULL DEFAULT 0 CHECK (on_hand >= 0),
    promised bigint NOT NULL DEFAULT 0 CHECK (promised >= 0),
    held bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
    sold bigint NOT NULL DEFAULT 0 CHECK (sold >= 0),
    -- Units that an operator took away, by an override that is on record, from under what is spoken for.
    short bigint NOT NULL DEFAULT 0 CHECK (short >= 0),
    -- The seats taken: admissions called or claimed. Kept here, since a tick has no time to count them.
    seats bigint NOT NULL DEFAULT 0 CHECK (seats >= 0),
    CONSTRAINT promises_are_covered CHECK (held + sold + promised <= on_hand + short)
) WITH (fillfactor = 20);

CREATE TABLE product (
    product_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product text NOT NULL UNIQUE CHECK (product ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'),
    room_id int NOT NULL REFERENCES room,
    seller_id int REFERENCES operator,
    name text NOT NULL,
    description text NOT NULL DEFAULT '',
    picture text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT product_is_in_one_room UNIQUE (product_id, room_id)
);
CREATE INDEX product_by_room ON product (room_id, product);
CREATE INDEX product_by_seller ON product (seller_id, product) WHERE seller_id IS NOT NULL;

-- A SKU is one variant of a product; `name` is the whole name, `variant` what tells it from its
-- sisters. Empty texts fall back to the product's.
CREATE TABLE sku (
    sku_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku text NOT NULL UNIQUE CHECK (sku ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'),
    product_id int NOT NULL,
    room_id int NOT NULL,
    name text NOT NULL,
    variant text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    picture text NOT NULL DEFAULT '',
    price_minor bigint NOT NULL CHECK (price_minor >= 0),
    currency text NOT NULL,
    limit_per_order int CHECK (limit_per_order > 0),
    limit_per_session int NOT NULL DEFAULT 4 CHECK (limit_per_session > 0),
    limit_per_customer int CHECK (limit_per_customer > 0),
    -- It is sold from the one moment until the other; NULL for no bound.
    on_sale_from timestamptz,
    on_sale_until timestamptz,
    -- `stock.low` is said when no more than this many are available.
    low_at int NOT NULL DEFAULT 0 CHECK (low_at >= 0),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT sale_ends_after_it_begins CHECK (on_sale_from < on_sale_until),
    CONSTRAINT variant_is_sold_with_its_product FOREIGN KEY (product_id, room_id)
        REFERENCES product (product_id, room_id),
    CONSTRAINT basket_has_one_currency FOREIGN KEY (room_id, currency) REFERENCES room (room_id, currency)
);
CREATE INDEX sku_by_room ON sku (room_id, sku);
CREATE INDEX sku_with_times_by_room ON sku (room_id) WHERE on_sale_from IS NOT NULL OR on_sale_until IS NOT NULL;
CREATE INDEX sku_by_product ON sku (product_id, sku);

-- `wished` counts the units for which refused sessions wait: what comes free is theirs first.
CREATE TABLE stock (
    sku_id int PRIMARY KEY REFERENCES sku,
    on_hand int NOT NULL DEFAULT 0 CHECK (on_hand >= 0),
    held int NOT NULL DEFAULT 0 CHECK (held >= 0),
    sold int NOT NULL DEFAULT 0 CHECK (sold >= 0),
    short int NOT NULL DEFAULT 0 CHECK (short >= 0),
    wished int NOT NULL DEFAULT 0 CHECK (wished >= 0),
    CONSTRAINT stock_never_oversold CHECK (held + sold <= on_hand + short)
) WITH (fillfactor = 20);
CREATE INDEX stock_wished ON stock (sku_id) WHERE wished > 0;

-- Changes of stock that no hold explains. What is received or adjusted changes what is on hand;
-- what is returned was sold before and is on the shelf again. One key moves stock once.
CREATE TABLE stock_movement (
    movement_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku_id int NOT NULL REFERENCES sku,
    kind text NOT NULL CHECK (kind IN ('received', 'adjusted', 'returned')),
    quantity int NOT NULL CHECK (quantity <> 0),
    reason text NOT NULL DEFAULT '',
    who text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    overridden boolean NOT NULL DEFAULT false,
    order_id uuid,
    idempotency_key uuid,
    CONSTRAINT stock_moved_once UNIQUE (sku_id, idempotency_key)
);
CREATE INDEX stock_movement_by_sku ON stock_movement (sku_id, at);

-- A hold has no foreign key to its admission: the function that places it has that row locked.
CREATE TABLE hold (
    hold_id uuid PRIMARY KEY,
    session_id bigint NOT NULL,
    room_id int NOT NULL,
    idempotency_key uuid NOT NULL,
    body_hash bytea NOT NULL,
    state text NOT NULL DEFAULT 'held'
        CHECK (state IN ('held', 'confirmed', 'released', 'expired')),
    customer_id bigint,
    -- Deadlines are in shopper time; when it was placed and when it ended is wall time.
    placed_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    extensions int NOT NULL DEFAULT 0,
    extension_key uuid,
    -- While a payment runs the clock does not end the hold; the payment's outcome does.
    paying boolean NOT NULL DEFAULT false,
    -- The deadline without the payment's extension, and the one with it, which is given once.
    unpaid_until timestamptz,
    payment_until timestamptz,
    ended_at timestamptz,
    CONSTRAINT hold_placed_once UNIQUE (session_id, idempotency_key),
    CONSTRAINT only_a_held_hold_is_paid CHECK (NOT paying OR state = 'held')
) WITH (fillfactor = 80);
-- Its condition is one that only expiring asks for: on a table never analysed any look for held holds
-- would walk through all of it.
CREATE INDEX hold_due ON hold (expires_at) WHERE state = 'held' AND NOT paying;
CREATE INDEX hold_by_customer ON hold (customer_id) WHERE customer_id IS NOT NULL;

-- A hold's line is also its movement: the units are held when the hold was placed and released,
-- expired or confirmed when it ended. Quantity 0 is what is left of a line that was taken out.
-- `due_at` repeats the hold's deadline while the clock may end it, so that whoever is short of one
-- SKU finds what is due on just that SKU.
CREATE TABLE hold_line (
    hold_id uuid NOT NULL,
    sku_id int NOT NULL,
    quantity int NOT NULL CHECK (quantity >= 0),
    price_minor bigint NOT NULL,
    due_at timestamptz,
    PRIMARY KEY (hold_id, sku_id)
) WITH (fillfactor = 80);
CREATE INDEX hold_line_due ON hold_line (sku_id, due_at) WHERE due_at IS NOT NULL;

-- What a held line was changed by after it was placed, so that the past can be recomputed.
CREATE TABLE hold_change (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hold_id uuid NOT NULL,
    sku_id int NOT NULL,
    quantity int NOT NULL CHECK (quantity <> 0),
    at timestamptz NOT NULL
);
CREATE INDEX hold_change_by_hold ON hold_change (hold_id, sku_id);

-- What a session was refused because nothing of it was left. Units that come free are held for it,
-- lowest number first, before anybody else can have them.
CREATE TABLE wish (
    session_id bigint NOT NULL,
    sku_id int NOT NULL,
    line_id int NOT NULL,
    number bigint NOT NULL,
    quantity int NOT NULL CHECK (quantity > 0),
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (session_id, sku_id)
);
CREATE INDEX wish_by_number ON wish (sku_id, number, line_id);

-- Tickets that stay in line for returns after their session is over, or that left an address.
CREATE TABLE returns_wait (
    line_id int NOT NULL,
    number bigint NOT NULL,
    ticket_id bytea NOT NULL,
    email text NOT NULL DEFAULT '',
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    told_at timestamptz,
    PRIMARY KEY (line_id, number)
);

-- "order" is a reserved word of SQL.
CREATE TABLE purchase (
    order_id uuid PRIMARY KEY,
    reference text NOT NULL UNIQUE,
    session_id bigint NOT NULL,
    customer_id bigint REFERENCES customer,
    room_id int NOT NULL REFERENCES room,
    hold_id uuid NOT NULL REFERENCES hold,
    idempotency_key uuid NOT NULL,
    body_hash bytea NOT NULL,
    state text NOT NULL DEFAULT 'authorizing' CHECK (state IN
        ('authorizing', 'authorized', 'paid', 'declined', 'voiding', 'cancelled', 'returning', 'refunded')),
    total_minor bigint NOT NULL CHECK (total_minor >= 0),
    currency text NOT NULL,
    -- Money that went back, and money that is on its way back.
    refunded_minor bigint NOT NULL DEFAULT 0 CHECK (refunded_minor >= 0),
    refunding_minor bigint NOT NULL DEFAULT 0 CHECK (refunding_minor >= 0),
    gateway text NOT NULL,
    gateway_ref text,
    -- What the gateway needs to start the payment again after a crash; never a card number.
    payment_token text NOT NULL,
    detail text NOT NULL DEFAULT '',
    -- An operator called it off: money that still comes for it goes back.
    called_off boolean NOT NULL DEFAULT false,
    pay_by timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- When its hold was confirmed for it. That happens once, whatever becomes of the order later.
    sold_at timestamptz,
    paid_at timestamptz,
    CONSTRAINT order_placed_once UNIQUE (session_id, idempotency_key),
    CONSTRAINT money_is_taken_only_for_sold_units CHECK (
        state NOT IN ('authorized', 'paid') OR sold_at IS NOT NULL),
    CONSTRAINT never_refunded_beyond_paid CHECK (refunded_minor + refunding_minor <= total_minor)
) WITH (fillfactor = 80);
-- One hold becomes at most one order; a declined one may be tried again, also while late money for
-- the first try is on its way back.
CREATE UNIQUE INDEX one_living_order_per_hold ON purchase (hold_id)
    WHERE state NOT IN ('declined', 'cancelled', 'returning', 'refunded');
CREATE UNIQUE INDEX hold_is_sold_once ON purchase (hold_id) WHERE sold_at IS NOT NULL;
CREATE INDEX purchase_unsettled ON purchase (changed_at)
    WHERE state IN ('authorizing', 'authorized', 'voiding', 'returning');
CREATE INDEX purchase_by_room ON purchase (room_id, created_at DESC, order_id);
CREATE INDEX purchase_by_session ON purchase (session_id);
CREATE INDEX purchase_by_customer ON purchase (customer_id, created_at DESC, order_id)
    WHERE customer_id IS NOT NULL;

-- What was ordered, at the prices of the hold. `returned` units are back on the shelf; `refunded`
-- ones were paid back or are being paid back, on the shelf or not.
CREATE TABLE purchase_line (
    order_id uuid NOT NULL REFERENCES purchase,
    sku_id int NOT NULL REFERENCES sku,
    name text NOT NULL,
    quantity int NOT NULL CHECK (quantity > 0),
    price_minor bigint NOT NULL,
    refunded int NOT NULL DEFAULT 0 CHECK (refunded >= 0),
    returned int NOT NULL DEFAULT 0 CHECK (returned >= 0),
    PRIMARY KEY (order_id, sku_id),
    CONSTRAINT unit_refunded_once CHECK (refunded <= quantity),
    CONSTRAINT unit_returned_once CHECK (returned <= quantity)
) WITH (fillfactor = 80);
CREATE INDEX purchase_line_by_sku ON purchase_line (sku_id);

-- The test gateway's own books. It stands for a company elsewhere: nothing else reads them. The
-- token says what becomes of the payment later on; `decides_at` is when.
CREATE TABLE test_gateway_payment (
    payment_key text PRIMARY KEY,
    gateway_ref text NOT NULL,
    state text NOT NULL CHECK (state IN ('processing', 'authorized', 'captured', 'declined', 'voided')),
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    decides_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    token text NOT NULL DEFAULT '',
    refunded_minor bigint NOT NULL DEFAULT 0,
    CONSTRAINT gateway_returns_what_it_took CHECK (
        refunded_minor = 0 OR (state = 'captured' AND refunded_minor <= amount_minor))
);
CREATE TABLE test_gateway_refund (
    refund_key text PRIMARY KEY,
    payment_key text NOT NULL REFERENCES test_gateway_payment,
    gateway_ref text NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'done', 'failed')),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    decides_at timestamptz NOT NULL DEFAULT clock_timestamp()
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
