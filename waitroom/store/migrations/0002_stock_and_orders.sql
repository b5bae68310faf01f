-- The tables of what is sold: catalogue, stock, holds, orders and refunds.

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
CREATE UNIQUE INDEX product_is_one_in_any_capitals ON product (one_code(product));
CREATE INDEX product_by_room ON product (room_id, product);
CREATE INDEX product_by_seller ON product (seller_id, product) WHERE seller_id IS NOT NULL;

-- Signs that are spaces to both the catalogue and the search. Otherwise the parser would take MUG-01 for
-- a word and a negative number, and v1.2/eu for a file.
CREATE FUNCTION signs() RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT E'!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~\u00a0¡§«»¿–—‘’‚“”„…‹›×·•€£¥©®™'
$$;

-- Sets the letters apart of scripts that put no spaces between words (or, as Korean, few): each letter
-- becomes a word to the search, and what is written in one is found as a phrase. So 米 is found in
-- 純米大吟醸, which a search for beginnings of words would not find. The order is that of the code points:
-- Thai and Lao, Myanmar, Hangul, Khmer, Japanese and Chinese.
CREATE FUNCTION letters_apart(what text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT regexp_replace(what, '([\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u312f'
        '\u3130-\u318f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uffdc\U00020000-\U0003ffff])',
        ' \1 ', 'g')
$$;

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
    -- Triggers keep the product's name and seller here too: a generated column reads its own row alone, and
    -- whether a SKU may be sold is asked of each item of a batch.
    product_name text NOT NULL DEFAULT '',
    seller_id int,
    -- No language's endings are cut off, since a shop may speak any.
    search tsvector GENERATED ALWAYS AS (to_tsvector('simple'::regconfig, letters_apart(
        translate(sku || ' ' || name || ' ' || variant || ' ' || product_name, signs(), repeat(' ', 99))))) STORED,
    CONSTRAINT sale_ends_after_it_begins CHECK (on_sale_from < on_sale_until),
    CONSTRAINT sale_is_within_the_calendar CHECK (is_moment(on_sale_from) AND is_moment(on_sale_until)),
    CONSTRAINT variant_is_sold_with_its_product FOREIGN KEY (product_id, room_id)
        REFERENCES product (product_id, room_id),
    CONSTRAINT basket_has_one_currency FOREIGN KEY (room_id, currency) REFERENCES room (room_id, currency)
);
CREATE UNIQUE INDEX sku_is_one_in_any_capitals ON sku (one_code(sku));
CREATE INDEX sku_by_room ON sku (room_id, sku);
CREATE INDEX sku_by_seller ON sku (room_id, seller_id);
CREATE INDEX sku_by_product ON sku (product_id, sku);
CREATE INDEX sku_with_a_window ON sku (sku) WHERE on_sale_from IS NOT NULL OR on_sale_until IS NOT NULL;
CREATE INDEX sku_by_words ON sku USING gin (search);

-- The history of each SKU: of an import there is one action in the operators' list, and here
-- what it did to each. The code and not the id, so that it outlives the SKU.
CREATE TABLE sku_change (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku text NOT NULL,
    room_id int NOT NULL,
    seller_id int,
    what text NOT NULL CHECK (what IN ('added', 'changed', 'deleted')),
    changes jsonb NOT NULL DEFAULT '{}',
    who text NOT NULL,
    reason text NOT NULL DEFAULT '',
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX sku_change_by_sku ON sku_change (sku, change_id DESC);
CREATE TRIGGER sku_changes_are_append_only BEFORE UPDATE OR DELETE ON sku_change
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- The free units of one seller (0: the room itself) that are sold from one moment until another, as a
-- balance that triggers keep: a catalogue may be large, and have a few times or one for each SKU.
CREATE TABLE sale_time (
    sale_time_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    room_id int NOT NULL REFERENCES room,
    seller_id int NOT NULL DEFAULT 0,
    on_sale_from timestamptz NOT NULL DEFAULT '-infinity',
    on_sale_until timestamptz NOT NULL DEFAULT 'infinity',
    free bigint NOT NULL DEFAULT 0 CHECK (free >= 0),
    CONSTRAINT sale_time_kept_once UNIQUE (room_id, seller_id, on_sale_from, on_sale_until)
) WITH (fillfactor = 20);
CREATE INDEX sale_time_by_beginning ON sale_time (room_id, on_sale_from);
CREATE INDEX sale_time_by_end ON sale_time (room_id, on_sale_until);

-- `promised` counts the units of this SKU that called shoppers who named it were promised. `wished` counts the
-- units for which refused sessions wait: what comes free is theirs first.
CREATE TABLE stock (
    sku_id int PRIMARY KEY REFERENCES sku,
    -- NULL for a SKU of the room's own that is always on sale.
    sale_time_id int REFERENCES sale_time,
    on_hand int NOT NULL DEFAULT 0,
    held int NOT NULL DEFAULT 0,
    sold int NOT NULL DEFAULT 0,
    promised int NOT NULL DEFAULT 0,
    short int NOT NULL DEFAULT 0,
    wished int NOT NULL DEFAULT 0,
    -- One constraint for all, as in `room_stock`.
    CONSTRAINT stock_never_negative CHECK (LEAST(on_hand, held, sold, promised, short, wished) >= 0),
    CONSTRAINT stock_never_oversold CHECK (held + sold <= on_hand + short),
    CONSTRAINT named_promises_are_covered CHECK (promised = 0 OR held + sold + promised <= on_hand)
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
    delivery text, -- of the units that an import received; '' is the one without a name
    CONSTRAINT stock_moved_once UNIQUE (sku_id, idempotency_key)
) WITH (autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_scale_factor = 0.1,
        autovacuum_vacuum_insert_scale_factor = 0.05);
CREATE UNIQUE INDEX delivery_is_received_once ON stock_movement (sku_id, one_code(delivery)) WHERE delivery IS NOT NULL;
CREATE INDEX stock_movement_by_sku ON stock_movement (sku_id, at);
-- The traces of one order.
CREATE INDEX stock_movement_by_order ON stock_movement (order_id) WHERE order_id IS NOT NULL;

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
) WITH (fillfactor = 80, autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_scale_factor = 0.1,
        autovacuum_vacuum_insert_scale_factor = 0.05);
-- Its condition is one that only expiring asks for: on a table never analysed any look for held holds
-- would walk through all of it.
CREATE INDEX hold_due ON hold (room_id, expires_at) WHERE state = 'held' AND NOT paying;
-- What a shopper has now is read at every act, under the locks of its SKUs, so holds that are over must not
-- be walked through.
CREATE INDEX hold_of_session ON hold (session_id) WHERE state IN ('held', 'confirmed');
CREATE INDEX hold_of_customer ON hold (customer_id) WHERE customer_id IS NOT NULL AND state IN ('held', 'confirmed');
CREATE INDEX hold_by_customer ON hold (customer_id) WHERE customer_id IS NOT NULL;
-- Placing holds is the busiest write of all, so this one keeps a range for each block of pages and no entry
-- for each hold.
CREATE INDEX hold_placed ON hold USING brin (placed_at) WITH (autosummarize = on);
CREATE INDEX hold_ended ON hold USING brin (ended_at) WITH (autosummarize = on);

-- A hold's line is also its movement: the units are held when the hold was placed and released,
-- expired or confirmed when it ended. Quantity 0 is what is left of a line that was taken out.
-- `due_at` repeats the hold's deadline while the clock may end it, so that a request that is short
-- of one SKU finds the holds that are due on just that SKU.
CREATE TABLE hold_line (
    hold_id uuid NOT NULL,
    sku_id int NOT NULL,
    quantity int NOT NULL CHECK (quantity >= 0),
    price_minor bigint NOT NULL,
    due_at timestamptz,
    PRIMARY KEY (hold_id, sku_id)
) WITH (fillfactor = 80, autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_scale_factor = 0.1,
        autovacuum_vacuum_insert_scale_factor = 0.05);
CREATE INDEX hold_line_due ON hold_line (sku_id, due_at) WHERE due_at IS NOT NULL;

-- What a network (a keyed hash) holds, and its holds that ended. Writers have `room_stock` locked.
CREATE TABLE room_network (
    room_id int, network bytea, since timestamptz NOT NULL, held int DEFAULT 0 NOT NULL, paid int DEFAULT 0 NOT NULL, unpaid int DEFAULT 0 NOT NULL,
    CONSTRAINT network_counted_once PRIMARY KEY (room_id, network), CHECK (LEAST(held, paid, unpaid) >= 0)
) WITH (fillfactor = 50);

-- Each change of a held line after it was placed, so that the past can be recomputed.
CREATE TABLE hold_change (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hold_id uuid NOT NULL,
    sku_id int NOT NULL,
    quantity int NOT NULL CHECK (quantity <> 0),
    at timestamptz NOT NULL
) WITH (autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_scale_factor = 0.1,
        autovacuum_vacuum_insert_scale_factor = 0.05);
CREATE INDEX hold_change_by_hold ON hold_change (hold_id, sku_id);

-- Units that a session was refused for lack of any. What comes free is held for the earliest turn first.
CREATE TABLE wish (
    session_id bigint NOT NULL,
    sku_id int NOT NULL,
    line_id int NOT NULL,
    passed_at timestamptz NOT NULL,
    number bigint NOT NULL,
    quantity int NOT NULL CHECK (quantity > 0),
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (session_id, sku_id)
);
CREATE INDEX wish_by_turn ON wish (sku_id, passed_at, number, line_id);

-- The other shop's news of a session: units in its basket now, and units it bought. `taken` is
-- the most units that it ever had, `said_at` the shop's own time of what it said last, `heard` what
-- was counted already, so that news that come twice count once.
CREATE TABLE outcome_elsewhere (
    session_id bigint PRIMARY KEY REFERENCES admission,
    held_at timestamptz,
    held_until timestamptz,
    held int NOT NULL DEFAULT 0 CHECK (held >= 0),
    bought int NOT NULL DEFAULT 0 CHECK (bought >= 0),
    taken int NOT NULL DEFAULT 0,
    said_at timestamptz,
    heard text[] NOT NULL DEFAULT '{}'
) WITH (fillfactor = 70);

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
    -- A sentence for the shopper where the state does not say it all.
    detail text NOT NULL DEFAULT '',
    -- An operator called it off: money that still comes for it goes back.
    called_off boolean NOT NULL DEFAULT false,
    pay_by timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The lease of the process that drives the order, at first the one that wrote it (LEASE in
    -- checkout/driving/leased.py), its name while it drives, and how often it was taken since its state
    -- last changed.
    driven_until timestamptz NOT NULL DEFAULT clock_timestamp() + interval '35 seconds',
    driven_by uuid,
    drives int NOT NULL DEFAULT 0,
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
-- The daily comparison with the gateway walks along it.
CREATE INDEX purchase_by_time ON purchase (created_at, order_id);
-- Money paid and given back, from one moment to another.
CREATE INDEX purchase_paid ON purchase (room_id, paid_at) WHERE paid_at IS NOT NULL;
-- The orders of a room are listed from the newest by `purchase_by_room`. These find the rare ones among
-- many, and cost nothing while an order is being paid, since it is in none of them until later.
CREATE INDEX purchase_unbought ON purchase (room_id, state, created_at DESC, order_id)
    WHERE state IN ('declined', 'cancelled', 'refunded');
CREATE INDEX purchase_given_back ON purchase (room_id, created_at DESC, order_id) WHERE refunded_minor > 0;

-- The lines of an order, at the prices of the hold. `returned` units are back on the shelf; `refunded`
-- ones were paid back or are being paid back, on the shelf or not.
CREATE TABLE purchase_line (
    order_id uuid NOT NULL REFERENCES purchase,
    sku_id int NOT NULL REFERENCES sku,
    name text NOT NULL,
    quantity int NOT NULL CHECK (quantity > 0),
    price_minor bigint NOT NULL,
    -- The product's seller when it was ordered: a product that changes hands later takes no orders with it.
    seller_id int REFERENCES operator,
    refunded int NOT NULL DEFAULT 0 CHECK (refunded >= 0),
    returned int NOT NULL DEFAULT 0 CHECK (returned >= 0),
    PRIMARY KEY (order_id, sku_id),
    CONSTRAINT unit_refunded_once CHECK (refunded <= quantity),
    CONSTRAINT unit_returned_once CHECK (returned <= quantity)
) WITH (fillfactor = 80);
CREATE INDEX purchase_line_by_sku ON purchase_line (sku_id);
CREATE INDEX purchase_line_by_seller ON purchase_line (seller_id) WHERE seller_id IS NOT NULL;

-- Money on its way back: asked of the gateway until it says done or failed. `body_hash` tells a
-- repeat of the key from another wish under it.
CREATE TABLE refund (
    refund_id uuid PRIMARY KEY,
    order_id uuid NOT NULL REFERENCES purchase,
    idempotency_key uuid NOT NULL,
    body_hash bytea NOT NULL,
    state text NOT NULL DEFAULT 'asked' CHECK (state IN ('asked', 'done', 'failed')),
    amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
    -- Whether its units go back on the shelf when it is done.
    restock boolean NOT NULL,
    -- The operator gave the money back by other means, and the gateway is not asked.
    by_hand boolean NOT NULL,
    -- It was not asked for here: the money went back on the gateway's own pages.
    outside boolean NOT NULL DEFAULT false,
    who text NOT NULL,
    reason text NOT NULL,
    -- Why the gateway failed it, for operators.
    detail text NOT NULL DEFAULT '',
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    -- A refund that was done may fail later, when a bank sends it back. Then it is failed, with this moment.
    done_at timestamptz,
    -- As with an order.
    driven_until timestamptz NOT NULL DEFAULT clock_timestamp() + interval '35 seconds',
    driven_by uuid,
    drives int NOT NULL DEFAULT 0,
    CONSTRAINT refund_asked_once UNIQUE (order_id, idempotency_key),
    CONSTRAINT only_an_asked_refund_is_open CHECK ((state = 'asked') = (ended_at IS NULL)),
    CONSTRAINT refund_says_since_when_it_was_done CHECK (
        CASE state WHEN 'asked' THEN done_at IS NULL WHEN 'done' THEN done_at IS NOT NULL ELSE true END)
) WITH (fillfactor = 80);
CREATE INDEX refund_unsettled ON refund (asked_at) WHERE state = 'asked';
CREATE INDEX refund_done ON refund (ended_at) WHERE state = 'done';

CREATE TABLE refund_line (
    refund_id uuid NOT NULL REFERENCES refund,
    sku_id int NOT NULL REFERENCES sku,
    quantity int NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (refund_id, sku_id)
);

-- The payment of an order as it was put to a gateway, which knows it by the order's id. Whoever is
-- declined tries again with another order.
CREATE TABLE payment_attempt (
    order_id uuid PRIMARY KEY REFERENCES purchase,
    gateway text NOT NULL,
    -- What the gateway needs to start the payment again after a crash; never a card number.
    payment_token text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
    currency text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TRIGGER attempts_are_append_only BEFORE UPDATE OR DELETE ON payment_attempt
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- What the gateway said of a payment, or of a refund of it, each time that it said something new;
-- `unanswered` is a question that got no usable answer. `amount_minor` is the money captured or given
-- back. `detail` is the gateway's reason, for operators alone.
CREATE TABLE payment_event (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id uuid NOT NULL REFERENCES payment_attempt,
    refund_id uuid REFERENCES refund,
    said text NOT NULL,
    amount_minor bigint NOT NULL DEFAULT 0 CHECK (amount_minor >= 0),
    gateway_ref text NOT NULL DEFAULT '',
    detail text NOT NULL DEFAULT '',
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT gateway_said_a_word_that_we_know CHECK (said = 'unanswered' OR CASE WHEN refund_id IS NULL
        THEN said IN ('unknown', 'processing', 'authorized', 'captured', 'declined', 'voided')
        ELSE said IN ('pending', 'done', 'failed') END),
    CONSTRAINT only_money_that_moved_has_an_amount CHECK (amount_minor = 0 OR said IN ('captured', 'done'))
);
CREATE INDEX payment_event_by_order ON payment_event (order_id, event_id);
CREATE UNIQUE INDEX payment_is_captured_once ON payment_event (order_id) WHERE said = 'captured';
CREATE UNIQUE INDEX refund_is_done_once ON payment_event (refund_id) WHERE said = 'done';
CREATE TRIGGER payment_events_are_append_only BEFORE UPDATE OR DELETE ON payment_event
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
