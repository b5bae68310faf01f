-- Orders and refunds. Lock order as everywhere: admission, room_stock, stock, hold, then the order,
-- then its refund. The SETs keep plans that were made while tables were empty from reading all of them.

-- The life of an order; TRANSITIONS in checkout/order.py says the same, and a test compares the two.
CREATE TABLE order_transition (
    from_state text NOT NULL,
    to_state text NOT NULL,
    PRIMARY KEY (from_state, to_state)
);
INSERT INTO order_transition VALUES
    ('authorizing', 'authorized'), ('authorizing', 'declined'), ('authorizing', 'voiding'),
    ('authorized', 'paid'), ('authorized', 'returning'),
    ('voiding', 'cancelled'), ('voiding', 'authorized'), ('voiding', 'returning'),
    ('declined', 'authorized'), ('declined', 'returning'),
    ('cancelled', 'authorized'), ('cancelled', 'returning'),
    ('returning', 'cancelled'), ('returning', 'refunded'),
    ('paid', 'refunded');

CREATE FUNCTION refuse_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM order_transition t WHERE (t.from_state, t.to_state) = (OLD.state, NEW.state)) THEN
        RAISE EXCEPTION 'an order that is % never becomes %', OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'orders_keep_to_their_life';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER orders_keep_to_their_life BEFORE UPDATE OF state ON purchase
    FOR EACH ROW WHEN (NEW.state <> OLD.state) EXECUTE FUNCTION refuse_transition();

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
    who text NOT NULL,
    reason text NOT NULL,
    gateway_ref text,
    detail text NOT NULL DEFAULT '',
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    CONSTRAINT refund_asked_once UNIQUE (order_id, idempotency_key),
    CONSTRAINT only_an_asked_refund_is_open CHECK ((state = 'asked') = (ended_at IS NULL))
) WITH (fillfactor = 80);
CREATE INDEX refund_unsettled ON refund (changed_at) WHERE state = 'asked';

CREATE TABLE refund_line (
    refund_id uuid NOT NULL REFERENCES refund,
    sku_id int NOT NULL REFERENCES sku,
    quantity int NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (refund_id, sku_id)
);

-- An order with its lines, as it is read everywhere.
CREATE VIEW full_order AS
    SELECT p.order_id, p.reference, p.session_id, p.customer_id, p.room_id, m.room, p.hold_id, p.state,
           p.total_minor, p.currency, p.refunded_minor, p.refunding_minor, p.gateway, p.gateway_ref,
           p.payment_token, p.detail, p.called_off, p.pay_by, p.created_at, p.paid_at,
           (SELECT json_agg(json_build_object('sku', k.sku, 'name', l.name, 'quantity', l.quantity,
                       'price_minor', l.price_minor, 'refunded', l.refunded, 'returned', l.returned)
                       ORDER BY k.sku)
            FROM purchase_line l JOIN sku k USING (sku_id) WHERE l.order_id = p.order_id)::text AS lines
    FROM purchase p JOIN room m USING (room_id);

-- A refund with its units, as it is read everywhere.
CREATE VIEW full_refund AS
    SELECT r.refund_id, r.order_id, r.state AS stage, r.amount_minor, p.currency, p.gateway, r.restock, r.by_hand,
           r.who, r.reason, r.detail, r.asked_at, r.ended_at,
           COALESCE((SELECT json_agg(json_build_object('sku', k.sku, 'quantity', l.quantity) ORDER BY k.sku)
                     FROM refund_line l JOIN sku k USING (sku_id) WHERE l.refund_id = r.refund_id), '[]')::text AS items
    FROM refund r JOIN purchase p USING (order_id);

-- Marks a live hold as being paid and writes its order, with lines of its own: the hold may be
-- changed after a decline. A repeat of the same key finds the same order. Verdicts: started, replay,
-- other_body, no_such_hold, hold_expired, payment_running.
CREATE FUNCTION start_payment(
    in_order uuid, in_session bigint, in_hold uuid, key uuid, hash bytea, in_reference text,
    in_gateway text, token text, OUT verdict text, OUT found_order uuid)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    a admission; h hold; p purchase; t timestamptz; total bigint; money text; room_window interval;
BEGIN
    -- Leaving locks the admission too, so a hold is not released under a payment that begins.
    SELECT * INTO a FROM admission x WHERE x.admission_id = in_session FOR NO KEY UPDATE;
    SELECT * INTO h FROM hold x WHERE x.hold_id = in_hold AND x.session_id = in_session FOR NO KEY UPDATE;
    SELECT * INTO p FROM purchase x WHERE x.session_id = in_session AND x.idempotency_key = key;
    IF p.order_id IS NOT NULL THEN
        verdict := CASE WHEN p.body_hash = hash THEN 'replay' ELSE 'other_body' END;
        found_order := p.order_id;
        RETURN;
    END IF;
    t := shopper_now();
    verdict := CASE WHEN h.hold_id IS NULL THEN 'no_such_hold'
                    WHEN h.paying OR h.state = 'confirmed' THEN 'payment_running'
                    WHEN h.state <> 'held' OR h.expires_at <= t THEN 'hold_expired' END;
    IF verdict IS NOT NULL THEN
        -- The living one, or else the one that this hold was sold to.
        SELECT x.order_id INTO found_order FROM purchase x
            WHERE x.hold_id = in_hold AND x.state NOT IN ('declined', 'cancelled', 'returning', 'refunded');
        IF NOT FOUND THEN
            SELECT x.order_id INTO found_order FROM purchase x
                WHERE x.hold_id = in_hold AND x.sold_at IS NOT NULL;
        END IF;
        RETURN;
    END IF;
    SELECT make_interval(secs => m.payment_window_s) INTO room_window FROM room m WHERE m.room_id = h.room_id;
    UPDATE hold x SET paying = true, unpaid_until = x.expires_at,
            payment_until = COALESCE(x.payment_until, GREATEST(x.expires_at, t + room_window)),
            expires_at = GREATEST(x.expires_at, COALESCE(x.payment_until, t + room_window))
        WHERE x.hold_id = in_hold RETURNING x.expires_at INTO t;
    UPDATE hold_line l SET due_at = NULL WHERE l.hold_id = in_hold;
    SELECT sum(l.quantity * l.price_minor), min(k.currency) INTO total, money
        FROM hold_line l JOIN sku k USING (sku_id) WHERE l.hold_id = in_hold;
    INSERT INTO purchase (order_id, reference, session_id, customer_id, room_id, hold_id, idempotency_key,
                          body_hash, total_minor, currency, gateway, payment_token, pay_by)
        VALUES (in_order, in_reference, in_session, a.customer_id, h.room_id, in_hold, key,
                hash, total, money, in_gateway, token, t);
    INSERT INTO purchase_line (order_id, sku_id, name, quantity, price_minor)
        SELECT in_order, l.sku_id, k.name, l.quantity, l.price_minor
        FROM hold_line l JOIN sku k USING (sku_id) WHERE l.hold_id = in_hold AND l.quantity > 0;
    verdict := 'started';
    found_order := in_order;
END $$;

-- Locks an order and, before it, all that a change of it may touch; returns the order as it then is.
-- `with_stock` when units may move or the session may end.
CREATE FUNCTION lock_order(in_order uuid, with_stock boolean) RETURNS purchase LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    p purchase;
BEGIN
    SELECT * INTO p FROM purchase x WHERE x.order_id = in_order;
    PERFORM 1 FROM admission a WHERE a.admission_id = p.session_id FOR NO KEY UPDATE;
    -- Whoever gives an order another hold, or its hold other lines, has had the admission locked.
    SELECT * INTO p FROM purchase x WHERE x.order_id = in_order;
    IF with_stock THEN
        PERFORM 1 FROM room_stock k WHERE k.room_id = p.room_id FOR NO KEY UPDATE;
        PERFORM 1 FROM stock k WHERE k.sku_id IN (
                SELECT l.sku_id FROM hold_line l WHERE l.hold_id = p.hold_id
                UNION SELECT l.sku_id FROM purchase_line l WHERE l.order_id = in_order
                UNION SELECT w.sku_id FROM wish w WHERE w.session_id = p.session_id)
            ORDER BY k.sku_id FOR NO KEY UPDATE;
    END IF;
    PERFORM 1 FROM hold h WHERE h.hold_id = p.hold_id FOR NO KEY UPDATE;
    SELECT * INTO p FROM purchase x WHERE x.order_id = in_order FOR NO KEY UPDATE;
    RETURN p;
END $$;

-- Puts units that were sold to an order back on the shelf. The caller has locked the order with its
-- stock. One key returns them once.
CREATE FUNCTION return_units(p purchase, skus int[], quantities int[], in_who text, why text, key uuid)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    q bigint := (SELECT COALESCE(sum(d.q), 0) FROM unnest(quantities) d(q));
BEGIN
    UPDATE room_stock k SET sold = k.sold - q,
            short = LEAST(k.short, GREATEST(k.held + k.sold - q + k.promised - k.on_hand, 0))
        WHERE k.room_id = p.room_id;
    UPDATE stock k SET sold = k.sold - d.q, short = LEAST(k.short, GREATEST(k.held + k.sold - d.q - k.on_hand, 0))
        FROM unnest(skus, quantities) d(id, q) WHERE k.sku_id = d.id;
    UPDATE purchase_line l SET returned = l.returned + d.q
        FROM unnest(skus, quantities) d(id, q) WHERE l.order_id = p.order_id AND l.sku_id = d.id;
    INSERT INTO stock_movement (sku_id, kind, quantity, reason, who, order_id, idempotency_key)
        SELECT d.id, 'returned', d.q, why, in_who, p.order_id, key FROM unnest(skus, quantities) d(id, q);
END $$;

-- Takes back everything that was sold to an order. The caller has locked the order with its stock.
CREATE FUNCTION return_all_units(p purchase, in_who text, why text) RETURNS void LANGUAGE sql AS $$
    SELECT return_units(p, array_agg(l.sku_id), array_agg(l.quantity - l.returned), in_who, why, p.order_id)
    FROM purchase_line l WHERE l.order_id = p.order_id AND l.quantity > l.returned HAVING count(*) > 0
$$;

-- Lets the clock of an order's hold count again, as it stood before the payment; whoever was declined
-- has a minute for another card. Nothing goes beyond the payment's own extension.
CREATE FUNCTION resume_clock(in_hold uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE hold h SET paying = false, expires_at = LEAST(
            GREATEST(h.payment_until, h.unpaid_until), GREATEST(h.unpaid_until,
            shopper_now() + LEAST(make_interval(secs => m.hold_s), interval '60 seconds')))
        FROM room m WHERE h.hold_id = in_hold AND m.room_id = h.room_id;
    UPDATE hold_line l SET due_at = h.expires_at FROM hold h
        WHERE l.hold_id = in_hold AND h.hold_id = in_hold AND l.quantity > 0;
END $$;

-- Moves an order from one state to the next and its units with it, in one transaction. Returns the
-- state in which the order then is: not `to_state` if somebody else moved it first, and `returning`
-- instead of `authorized` for one that was called off.
CREATE FUNCTION settle_order(in_order uuid, from_state text, to_state text, ref text, why text)
RETURNS text LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    p purchase;
BEGIN
    p := lock_order(in_order, to_state IN ('authorized', 'paid', 'returning'));
    IF p.state <> from_state THEN RETURN p.state; END IF;
    IF to_state = 'authorized' AND p.called_off THEN
        to_state := 'returning';
        why := p.detail;
    END IF;
    IF to_state = 'authorized' AND end_holds(ARRAY[p.hold_id], 'confirmed', false) = '{}' THEN
        -- While it was being paid nothing else could end this hold, so this cannot be.
        RAISE EXCEPTION 'order % is authorized but its hold is not held', in_order;
    END IF;
    IF from_state = 'authorized' AND to_state = 'returning' THEN
        PERFORM return_all_units(p, 'gateway', why);
    END IF;
    IF from_state IN ('authorizing', 'voiding') AND to_state IN ('declined', 'cancelled', 'returning') THEN
        PERFORM resume_clock(p.hold_id);
    END IF;
    UPDATE purchase x SET state = to_state, gateway_ref = COALESCE(ref, x.gateway_ref), detail = why,
            changed_at = clock_timestamp(),
            sold_at = CASE to_state WHEN 'authorized' THEN clock_timestamp() ELSE x.sold_at END,
            paid_at = CASE to_state WHEN 'paid' THEN clock_timestamp() ELSE x.paid_at END
        WHERE x.order_id = in_order;
    IF to_state = 'paid' AND NOT EXISTS (
            SELECT FROM hold h WHERE h.session_id = p.session_id AND h.state = 'held') THEN
        -- Whoever has paid for everything is done: the seat goes to the next in line at once.
        PERFORM end_session(p.session_id, 'ordered');
    END IF;
    RETURN to_state;
END $$;

-- Sells the units of an order's lines to it anew, all or nothing, as a hold that is confirmed from the
-- start. Verdicts: taken, short, limit. Units behind others' promises, and those that refused
-- sessions wait for, are not to be had. The caller has locked the order with its stock.
CREATE FUNCTION take_units_again(p purchase) RETURNS text LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    a admission; pool room_stock; again uuid; q bigint; used int; slack bigint;
BEGIN
    SELECT * INTO a FROM admission x WHERE x.admission_id = p.session_id;
    SELECT * INTO pool FROM room_stock k WHERE k.room_id = p.room_id;
    SELECT sum(l.quantity) INTO q FROM purchase_line l WHERE l.order_id = p.order_id;
    used := LEAST(a.promised, q);
    slack := (SELECT slack_of(pool, array_agg(l.sku_id), array_agg(l.quantity)) FROM purchase_line l
              WHERE l.order_id = p.order_id);
    IF EXISTS (
        SELECT FROM purchase_line l JOIN sku k USING (sku_id) WHERE l.order_id = p.order_id
            AND ((p.customer_id IS NOT NULL
                  AND l.quantity + customer_units(p.customer_id, l.sku_id) > k.limit_per_customer)
                 OR l.quantity + (SELECT COALESCE(sum(z.quantity), 0) FROM hold y JOIN hold_line z USING (hold_id)
                                  WHERE y.session_id = p.session_id AND y.state IN ('held', 'confirmed')
                                    AND z.sku_id = l.sku_id) > k.limit_per_session)) THEN
        RETURN 'limit';
    END IF;
    IF slack + used < 0 OR EXISTS (
        SELECT FROM purchase_line l JOIN stock s USING (sku_id)
        LEFT JOIN wish w ON w.session_id = p.session_id AND w.sku_id = l.sku_id
        WHERE l.order_id = p.order_id
            AND l.quantity > s.on_hand - s.held - s.sold - GREATEST(s.wished - COALESCE(w.quantity, 0), 0)) THEN
        RETURN 'short';
    END IF;
    again := gen_random_uuid();
    INSERT INTO hold (hold_id, session_id, room_id, idempotency_key, body_hash, state, customer_id,
                      placed_at, expires_at, ended_at)
        VALUES (again, p.session_id, p.room_id, again, p.body_hash, 'confirmed', p.customer_id,
                clock_timestamp(), shopper_now(), clock_timestamp());
    INSERT INTO hold_line (hold_id, sku_id, quantity, price_minor)
        SELECT again, l.sku_id, l.quantity, l.price_minor FROM purchase_line l WHERE l.order_id = p.order_id;
    UPDATE room_stock k SET sold = k.sold + q, promised = k.promised - used WHERE k.room_id = p.room_id;
    UPDATE stock s SET sold = s.sold + l.quantity
        FROM purchase_line l WHERE l.order_id = p.order_id AND s.sku_id = l.sku_id;
    UPDATE admission x SET promised = x.promised - used WHERE x.admission_id = p.session_id AND used > 0;
    UPDATE purchase x SET hold_id = again WHERE x.order_id = p.order_id;
    IF event_wanted('hold.confirmed') THEN PERFORM tell_of_holds('hold.confirmed', ARRAY[again]); END IF;
    RETURN 'taken';
END $$;

-- Says what becomes of money that came after its order was declined or cancelled. A hold that is still
-- there is confirmed; else the units are taken again if they can be had; else the money goes back, and
-- the order says why. Returns the state in which the order then is, or `short` if nothing was written
-- since units may come free when what is due is ended; with `final` that is not waited for.
CREATE FUNCTION take_late_money(in_order uuid, ref text, final boolean) RETURNS text LANGUAGE plpgsql
SET enable_seqscan = off AS $$
DECLARE
    p purchase; h hold; verdict text; why text;
BEGIN
    p := lock_order(in_order, true);
    IF p.state NOT IN ('declined', 'cancelled') THEN RETURN p.state; END IF;
    SELECT * INTO h FROM hold x WHERE x.hold_id = p.hold_id;
    IF p.called_off OR p.sold_at IS NOT NULL THEN
        why := 'The payment came after this order had been cancelled.';
    ELSIF EXISTS (SELECT FROM purchase x WHERE x.hold_id = p.hold_id AND x.sold_at IS NOT NULL)
        OR EXISTS (SELECT FROM purchase x WHERE x.hold_id = p.hold_id
                   AND x.state NOT IN ('declined', 'cancelled', 'returning', 'refunded')) THEN
        why := 'The payment came after another one for the same items had begun.';
    ELSIF h.state = 'held' AND NOT EXISTS (
            -- Whoever changed the basket since keeps it, and what was paid for is taken beside it.
            SELECT FROM (SELECT x.sku_id, x.quantity FROM hold_line x WHERE x.hold_id = p.hold_id AND x.quantity > 0) l
            FULL JOIN (SELECT x.sku_id, x.quantity FROM purchase_line x WHERE x.order_id = in_order) o USING (sku_id)
            WHERE l.quantity IS DISTINCT FROM o.quantity) THEN
        IF h.expires_at <= shopper_now() AND NOT final THEN RETURN 'short'; END IF;
        PERFORM end_holds(ARRAY[p.hold_id], 'confirmed', false);
    ELSE
        verdict := take_units_again(p);
        IF verdict = 'short' AND NOT final THEN RETURN verdict; END IF;
        why := CASE verdict WHEN 'short' THEN 'The payment came after the items had gone to others.'
                            WHEN 'limit' THEN 'The payment came late, and with what was bought meanwhile it is more than one shopper may have.' END;
    END IF;
    UPDATE purchase x SET state = CASE WHEN why IS NULL THEN 'authorized' ELSE 'returning' END,
            gateway_ref = COALESCE(ref, x.gateway_ref), detail = COALESCE(why, ''), changed_at = clock_timestamp(),
            sold_at = CASE WHEN why IS NULL THEN clock_timestamp() ELSE x.sold_at END
        WHERE x.order_id = in_order RETURNING x.state INTO verdict;
    RETURN verdict;
END $$;

-- Writes a refund and sets its money and units aside, so that no other can give them back as well. The
-- caller has locked the order. never_refunded_beyond_paid and unit_refunded_once refuse too much.
CREATE FUNCTION write_refund(
    p purchase, in_refund uuid, key uuid, hash bytea, amount bigint, skus int[], quantities int[],
    in_restock boolean, in_by_hand boolean, in_who text, why text)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO refund (refund_id, order_id, idempotency_key, body_hash, amount_minor, restock, by_hand, who, reason)
        VALUES (in_refund, p.order_id, key, hash, amount, in_restock, in_by_hand, in_who, why);
    INSERT INTO refund_line (refund_id, sku_id, quantity) SELECT in_refund, d.id, d.q FROM unnest(skus, quantities) d(id, q);
    UPDATE purchase x SET refunding_minor = x.refunding_minor + amount WHERE x.order_id = p.order_id;
    UPDATE purchase_line l SET refunded = l.refunded + d.q
        FROM unnest(skus, quantities) d(id, q) WHERE l.order_id = p.order_id AND l.sku_id = d.id;
END $$;

-- Writes a refund of everything that was not given back so far.
CREATE FUNCTION write_full_refund(
    p purchase, in_refund uuid, key uuid, hash bytea, in_restock boolean, in_by_hand boolean, in_who text, why text)
RETURNS void LANGUAGE sql AS $$
    SELECT write_refund(p, in_refund, key, hash, p.total_minor - p.refunded_minor - p.refunding_minor,
        COALESCE(array_agg(l.sku_id), '{}'), COALESCE(array_agg(l.quantity - l.refunded), '{}'),
        in_restock, in_by_hand, in_who, why)
    FROM purchase_line l WHERE l.order_id = p.order_id AND l.quantity > l.refunded
$$;

-- An operator's refund: `full`, or of lines, or of an amount (as goodwill; or less than the lines are
-- worth). A repeat of the same key finds the same refund. Verdicts: asked, replay, other_body,
-- unknown_order, not_refundable, unknown_sku and too_many_units (of the line `culprit`, with
-- `figure` units left), too_large (with `figure` left to give back, or what the lines are worth).
CREATE FUNCTION ask_refund(
    in_refund uuid, in_order uuid, key uuid, hash bytea, is_full boolean, amount bigint, skus text[],
    quantities int[], in_restock boolean, in_by_hand boolean, in_who text, why text,
    OUT verdict text, OUT found_refund uuid, OUT culprit int, OUT figure bigint)
LANGUAGE plpgsql AS $$
DECLARE
    p purchase; r refund; ids int[]; worth bigint := 0; j record;
BEGIN
    SELECT * INTO p FROM purchase x WHERE x.order_id = in_order FOR NO KEY UPDATE;
    IF p.order_id IS NULL THEN verdict := 'unknown_order'; RETURN; END IF;
    SELECT * INTO r FROM refund x WHERE x.order_id = in_order AND x.idempotency_key = key;
    IF r.refund_id IS NOT NULL THEN
        verdict := CASE WHEN r.body_hash = hash THEN 'replay' ELSE 'other_body' END;
        found_refund := r.refund_id;
        RETURN;
    END IF;
    figure := p.total_minor - p.refunded_minor - p.refunding_minor;
    -- What goes back by itself is left to that, unless the gateway has refused it for good.
    IF NOT (p.state = 'paid' OR (p.state = 'returning' AND EXISTS (
                SELECT FROM refund x WHERE x.order_id = in_order AND x.state = 'failed')))
        OR (figure = 0 AND NOT EXISTS (
                SELECT FROM purchase_line l WHERE l.order_id = in_order AND l.quantity > l.refunded)) THEN
        verdict := 'not_refundable'; RETURN;
    END IF;
    FOR j IN SELECT u.o, u.q, l.sku_id, l.price_minor, l.quantity - l.refunded AS remaining
             FROM unnest(skus, quantities) WITH ORDINALITY u(sku, q, o) LEFT JOIN sku k USING (sku)
             LEFT JOIN purchase_line l ON l.order_id = in_order AND l.sku_id = k.sku_id ORDER BY u.o LOOP
        culprit := j.o;
        IF j.sku_id IS NULL THEN verdict := 'unknown_sku'; RETURN; END IF;
        IF j.q > j.remaining THEN verdict := 'too_many_units'; figure := j.remaining; RETURN; END IF;
        ids := ids || j.sku_id;
        worth := worth + j.q * j.price_minor;
    END LOOP;
    culprit := NULL;
    IF ids IS NOT NULL THEN
        amount := COALESCE(amount, worth);
        figure := LEAST(figure, worth);
    END IF;
    IF amount > figure THEN verdict := 'too_large'; RETURN; END IF;
    -- On an order whose units were taken back or never sold there is nothing to put on the shelf.
    in_restock := in_restock AND p.state = 'paid';
    IF is_full THEN
        PERFORM write_full_refund(p, in_refund, key, hash, in_restock, in_by_hand, in_who, why);
    ELSE
        PERFORM write_refund(p, in_refund, key, hash, amount, COALESCE(ids, '{}'),
            CASE WHEN ids IS NULL THEN '{}' ELSE quantities END, in_restock, in_by_hand, in_who, why);
    END IF;
    INSERT INTO operator_action (room_id, who, action, detail, reason)
        SELECT p.room_id, in_who, 'refund', jsonb_build_object('order', p.reference, 'refund_id', f.refund_id,
               'amount_minor', f.amount_minor, 'items', f.items::jsonb, 'restock', f.restock, 'by_hand', f.by_hand), why
        FROM full_refund f WHERE f.refund_id = in_refund;
    verdict := 'asked';
    found_refund := in_refund;
END $$;

-- The refund by which money goes back by itself: written once, and again by nobody but an operator if
-- the gateway has refused it for good. Returns the open refund of an order that is returning, if any.
CREATE FUNCTION give_back(in_order uuid, in_refund uuid) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    p purchase;
BEGIN
    SELECT * INTO p FROM purchase x WHERE x.order_id = in_order FOR NO KEY UPDATE;
    IF p.state = 'returning' AND NOT EXISTS (SELECT FROM refund x WHERE x.order_id = in_order) THEN
        PERFORM write_full_refund(p, in_refund, in_refund, '', false, false, 'waitroom', p.detail);
        RETURN in_refund;
    END IF;
    RETURN (SELECT x.refund_id FROM refund x WHERE x.order_id = in_order AND x.state = 'asked'
            ORDER BY x.asked_at LIMIT 1);
END $$;

-- Ends a refund as done or failed, once. Done moves the money from one column to the other and puts
-- the units on the shelf; failed gives both back to the order. Returns the state it is then in.
CREATE FUNCTION finish_refund(in_refund uuid, to_state text, ref text, why text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    r refund; p purchase; ids int[]; quantities int[]; all_back boolean;
BEGIN
    SELECT * INTO r FROM refund x WHERE x.refund_id = in_refund;
    p := lock_order(r.order_id, r.restock);
    SELECT * INTO r FROM refund x WHERE x.refund_id = in_refund FOR NO KEY UPDATE;
    IF r.state <> 'asked' THEN RETURN r.state; END IF;
    UPDATE refund x SET state = to_state, gateway_ref = ref, detail = why,
            changed_at = clock_timestamp(), ended_at = clock_timestamp()
        WHERE x.refund_id = in_refund;
    SELECT array_agg(l.sku_id ORDER BY l.sku_id), array_agg(l.quantity ORDER BY l.sku_id) INTO ids, quantities
        FROM refund_line l WHERE l.refund_id = in_refund;
    IF to_state = 'failed' THEN
        UPDATE purchase x SET refunding_minor = x.refunding_minor - r.amount_minor WHERE x.order_id = r.order_id;
        UPDATE purchase_line l SET refunded = l.refunded - d.q
            FROM unnest(ids, quantities) d(id, q) WHERE l.order_id = r.order_id AND l.sku_id = d.id;
        RETURN to_state;
    END IF;
    IF r.restock AND ids IS NOT NULL THEN PERFORM return_units(p, ids, quantities, r.who, r.reason, in_refund); END IF;
    -- An order that cost nothing is refunded when all its units are.
    all_back := p.refunded_minor + r.amount_minor = p.total_minor AND (p.total_minor > 0 OR NOT EXISTS (
        SELECT FROM purchase_line l WHERE l.order_id = p.order_id AND l.quantity > l.refunded));
    UPDATE purchase x SET refunding_minor = x.refunding_minor - r.amount_minor,
            refunded_minor = x.refunded_minor + r.amount_minor, changed_at = clock_timestamp(),
            state = CASE WHEN all_back THEN 'refunded' ELSE x.state END,
            detail = CASE WHEN NOT all_back THEN x.detail
                          WHEN x.state = 'returning' THEN x.detail || ' Your money has gone back to you.'
                          WHEN x.called_off THEN 'The shop cancelled this order. Your money has gone back to you.'
                          ELSE 'The shop has given your money back.' END
        WHERE x.order_id = p.order_id;
    RETURN to_state;
END $$;

-- An operator calls an order off. What the gateway has not decided is voided there first; units that
-- were sold but not paid for go back at once; what was paid is refunded, with `in_refund` as its
-- refund. Whatever comes late goes back. Verdicts: called_off, replay, unknown_order, not_cancellable.
CREATE FUNCTION call_off_order(in_order uuid, in_refund uuid, in_restock boolean, in_who text, why text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    p purchase;
BEGIN
    p := lock_order(in_order, true);
    IF p.order_id IS NULL THEN RETURN 'unknown_order'; END IF;
    -- A refund that failed leaves a paid order that was called off: then it may be tried again.
    IF p.called_off AND (p.state <> 'paid' OR p.refunding_minor > 0) THEN RETURN 'replay'; END IF;
    IF p.state NOT IN ('authorizing', 'voiding', 'authorized', 'paid') THEN RETURN 'not_cancellable'; END IF;
    IF p.state = 'authorized' THEN PERFORM return_all_units(p, in_who, why); END IF;
    IF p.state = 'paid' AND (p.refunded_minor + p.refunding_minor < p.total_minor OR EXISTS (
            SELECT FROM purchase_line l WHERE l.order_id = in_order AND l.quantity > l.refunded)) THEN
        PERFORM write_full_refund(p, in_refund, in_refund, '', in_restock, false, in_who, why);
    END IF;
    UPDATE purchase x SET called_off = true, changed_at = clock_timestamp(),
            state = CASE x.state WHEN 'authorizing' THEN 'voiding' WHEN 'authorized' THEN 'returning' ELSE x.state END,
            detail = CASE x.state WHEN 'paid' THEN x.detail ELSE 'The shop cancelled this order.' END
        WHERE x.order_id = in_order;
    INSERT INTO operator_action (room_id, who, action, detail, reason)
        VALUES (p.room_id, in_who, 'cancel', jsonb_build_object('order', p.reference, 'was', p.state,
                'restock', in_restock), why);
    RETURN 'called_off';
END $$;

-- Every way in which money and units of orders could disagree with their refunds and returns, a row
-- for each that does. Empty when all is well; conservation_breach looks at the stock.
CREATE VIEW money_breach AS
    SELECT 'refunded differs from the refunds done' AS breach, p.order_id AS id, p.refunded_minor AS kept,
           COALESCE(r.q, 0)::bigint AS counted
    FROM purchase p LEFT JOIN (
        SELECT order_id, sum(amount_minor) AS q FROM refund WHERE state = 'done' GROUP BY order_id) r USING (order_id)
    WHERE p.refunded_minor <> COALESCE(r.q, 0)
    UNION ALL
    SELECT 'refunding differs from the refunds asked', p.order_id, p.refunding_minor, COALESCE(r.q, 0)::bigint
    FROM purchase p LEFT JOIN (
        SELECT order_id, sum(amount_minor) AS q FROM refund WHERE state = 'asked' GROUP BY order_id) r USING (order_id)
    WHERE p.refunding_minor <> COALESCE(r.q, 0)
    UNION ALL
    SELECT 'the total differs from the lines', p.order_id, p.total_minor, COALESCE(l.q, 0)::bigint
    FROM purchase p LEFT JOIN (
        SELECT order_id, sum(quantity * price_minor) AS q FROM purchase_line GROUP BY order_id) l USING (order_id)
    WHERE p.total_minor <> COALESCE(l.q, 0)
    UNION ALL
    SELECT 'refunded units differ from the refunds', l.order_id, l.refunded, COALESCE(r.q, 0)::bigint
    FROM purchase_line l LEFT JOIN (
        SELECT f.order_id, x.sku_id, sum(x.quantity) AS q FROM refund f JOIN refund_line x USING (refund_id)
        WHERE f.state <> 'failed' GROUP BY f.order_id, x.sku_id) r USING (order_id, sku_id)
    WHERE l.refunded <> COALESCE(r.q, 0)
    UNION ALL
    SELECT 'returned units differ from the movements', l.order_id, l.returned, COALESCE(m.q, 0)::bigint
    FROM purchase_line l LEFT JOIN (
        SELECT order_id, sku_id, sum(quantity) AS q FROM stock_movement WHERE kind = 'returned'
        GROUP BY order_id, sku_id) m USING (order_id, sku_id)
    WHERE l.returned <> COALESCE(m.q, 0)
    UNION ALL
    SELECT 'units were returned that were not sold', l.order_id, l.returned, 0
    FROM purchase_line l JOIN purchase p USING (order_id) WHERE l.returned > 0 AND p.sold_at IS NULL
    UNION ALL
    SELECT 'an order that is over without money keeps units', p.order_id, l.quantity, l.returned
    FROM purchase p JOIN purchase_line l USING (order_id)
    WHERE p.sold_at IS NOT NULL AND p.state IN ('returning', 'cancelled') AND l.returned < l.quantity
    UNION ALL
    SELECT 'what is refunded is not all', p.order_id, p.total_minor, p.refunded_minor
    FROM purchase p WHERE (p.state = 'refunded' AND p.refunded_minor <> p.total_minor)
        OR (p.state NOT IN ('paid', 'returning', 'refunded') AND p.refunded_minor + p.refunding_minor > 0);

-- What the test gateway says of a payment at this moment.
CREATE FUNCTION test_gateway_state(g test_gateway_payment) RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT CASE WHEN g.decides_at <= clock_timestamp()
                     AND (g.state = 'processing' OR (g.state = 'declined' AND g.token = 'tok_late'))
                THEN 'authorized' ELSE g.state END
$$;
