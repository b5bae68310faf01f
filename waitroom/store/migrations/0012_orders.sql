-- Orders and their payments. Lock order as everywhere: admission, room_stock, stock, hold, then the order,
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
    ('paid', 'refunded'), ('refunded', 'paid'), ('refunded', 'returning');

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

-- Which PaymentIntent at Stripe belongs to a payment of ours. The first row decides for good: only
-- an intent that stands here is ever confirmed, and a payment that was barred before it had one has
-- none and never gets one. `payment_key` is the order's id; as with any gateway, no key of ours
-- binds its books to the orders.
CREATE TABLE stripe_payment (
    payment_key text PRIMARY KEY,
    intent_id text,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT intent_pays_once UNIQUE (intent_id)
);

-- Notes what a gateway said of a payment, or of a refund of it, unless it said the same before. Callers
-- that move the order as well note first, before they lock anything.
CREATE FUNCTION note_payment(
    in_order uuid, in_refund uuid, in_said text, amount bigint, ref text, why text)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO payment_event (order_id, refund_id, said, amount_minor, gateway_ref, detail)
    SELECT in_order, in_refund, in_said, amount, ref, why
    WHERE in_said IS NOT NULL AND in_said IS DISTINCT FROM (
        SELECT e.said FROM payment_event e
        WHERE e.order_id = in_order AND e.refund_id IS NOT DISTINCT FROM in_refund
        ORDER BY e.event_id DESC LIMIT 1)
    ON CONFLICT DO NOTHING
$$;

-- Says whether so many payments were declined that no other card may be tried: a checkout that answers
-- every try would tell a thief which of a list of stolen cards are good. A payment under way may be declined
-- yet, so it counts too, and many at once are no way around. The customer is locked, since sessions and
-- holds are new to one who comes again.
CREATE FUNCTION declined_too_often(in_session bigint, in_hold uuid, in_customer bigint)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM customer c WHERE c.customer_id = in_customer FOR NO KEY UPDATE;
    RETURN (SELECT count(*) FILTER (WHERE p.hold_id = in_hold) >= 5 OR count(*) >= 10
            FROM purchase p WHERE p.session_id = in_session AND p.state IN ('declined', 'authorizing'))
        OR (SELECT count(*) >= 20 FROM purchase p
            WHERE p.customer_id = in_customer AND p.state IN ('declined', 'authorizing')
                AND p.created_at > clock_timestamp() - interval '1 hour');
END $$;

-- Marks a live hold as being paid and writes its order, with lines of its own: the hold may be
-- changed after a decline. A repeat of the same key finds the same order. `shown` is the total that the
-- shopper saw, `shown_content` names the lines (`content_of` in inventory/hold.py says the same), each or NULL.
-- Verdicts: started, replay, other_body, no_such_hold, hold_expired,
-- payment_running, already_paid, total_changed (to `figure`), content_changed, too_soon (by `figure`
-- seconds), too_many_declines.
CREATE FUNCTION start_payment(
    in_order uuid, in_session bigint, in_hold uuid, key uuid, hash bytea, in_reference text,
    in_gateway text, token text, shown bigint, shown_content text, in_driver uuid,
    OUT verdict text, OUT found_order uuid, OUT figure bigint)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    a admission; h hold; p purchase; t timestamptz; total bigint; money text; room_window interval; first_at timestamptz;
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
        IF h.state = 'confirmed' AND (SELECT x.paid_at FROM purchase x WHERE x.order_id = found_order) IS NOT NULL THEN
            verdict := 'already_paid';
        END IF;
        RETURN;
    END IF;
    IF declined_too_often(in_session, in_hold, a.customer_id) THEN verdict := 'too_many_declines'; RETURN; END IF;
    SELECT sum(l.quantity * l.price_minor), min(k.currency) INTO total, money
        FROM hold_line l JOIN sku k USING (sku_id) WHERE l.hold_id = in_hold;
    IF shown_content <> (
        SELECT left(encode(sha256(convert_to(string_agg(k.sku || '=' || l.quantity || '@' || l.price_minor, ';'
                    ORDER BY k.sku COLLATE "C"), 'UTF8')), 'hex'), 16)
        FROM hold_line l JOIN sku k USING (sku_id) WHERE l.hold_id = in_hold AND l.quantity > 0) THEN
        verdict := 'content_changed'; RETURN;
    END IF;
    IF shown <> total THEN verdict := 'total_changed'; figure := total; RETURN; END IF;
    SELECT time_for(m.payment_window_s, a.time_factor), a.claimed_at + make_interval(secs => m.pay_after_s)
        INTO room_window, first_at FROM room m WHERE m.room_id = h.room_id;
    IF first_at > t THEN
        verdict := 'too_soon'; figure := ceil(extract(epoch FROM first_at - t)); RETURN;
    END IF;
    UPDATE hold x SET paying = true, unpaid_until = x.expires_at,
            payment_until = COALESCE(x.payment_until, GREATEST(x.expires_at, t + room_window)),
            expires_at = GREATEST(x.expires_at, COALESCE(x.payment_until, t + room_window))
        WHERE x.hold_id = in_hold RETURNING x.expires_at INTO t;
    UPDATE hold_line l SET due_at = NULL WHERE l.hold_id = in_hold;
    INSERT INTO purchase (order_id, reference, session_id, customer_id, room_id, hold_id, idempotency_key,
                          body_hash, total_minor, currency, pay_by, driven_by)
        VALUES (in_order, in_reference, in_session, a.customer_id, h.room_id, in_hold, key, hash, total, money, t,
                in_driver);
    INSERT INTO payment_attempt (order_id, gateway, payment_token, amount_minor, currency)
        VALUES (in_order, in_gateway, token, total, money);
    INSERT INTO purchase_line (order_id, sku_id, name, quantity, price_minor, seller_id)
        SELECT in_order, l.sku_id, k.name, l.quantity, l.price_minor, d.seller_id
        FROM hold_line l JOIN sku k USING (sku_id) JOIN product d USING (product_id) WHERE l.hold_id = in_hold AND l.quantity > 0;
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
            shopper_now() + time_for(LEAST(m.hold_s, 60), a.time_factor)))
        FROM room m, admission a
        WHERE h.hold_id = in_hold AND m.room_id = h.room_id AND a.admission_id = h.session_id;
    UPDATE hold_line l SET due_at = h.expires_at FROM hold h
        WHERE l.hold_id = in_hold AND h.hold_id = in_hold AND l.quantity > 0;
END $$;

-- Moves an order from one state to the next and its units with it, in one transaction. Returns the
-- state in which the order then is: not `to_state` if somebody else moved it first, and `returning`
-- instead of `authorized` for one that was called off.
CREATE FUNCTION settle_order(in_order uuid, from_state text, to_state text, why text)
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
    UPDATE purchase x SET state = to_state, detail = why, changed_at = clock_timestamp(), drives = 0,
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

-- Ends a payment of which nothing can be found out, since its gateway is no longer asked. Its money may have
-- been taken, so the order is returning: it waits for its gateway, or for an operator, and its hold does not.
CREATE FUNCTION end_unknown_payment(in_order uuid, why text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    p purchase;
BEGIN
    p := lock_order(in_order, true);
    IF p.state = 'authorizing' THEN PERFORM settle_order(in_order, 'authorizing', 'voiding', why); END IF;
    RETURN settle_order(in_order, 'voiding', 'returning', CASE WHEN p.called_off THEN p.detail ELSE why END);
END $$;

-- Sells the units of an order's lines to it anew, all or nothing, as a hold that is confirmed from the
-- start. Verdicts: taken, short, limit. Units behind others' promises, and those that refused
-- sessions wait for, are not to be had. The caller has locked the order with its stock.
CREATE FUNCTION take_units_again(p purchase) RETURNS text LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    a admission; pool room_stock; again uuid; q bigint; used int; slack bigint; skus int[]; units int[];
BEGIN
    SELECT * INTO a FROM admission x WHERE x.admission_id = p.session_id;
    SELECT * INTO pool FROM room_stock k WHERE k.room_id = p.room_id;
    SELECT sum(l.quantity), array_agg(l.sku_id), array_agg(l.quantity) INTO q, skus, units
        FROM purchase_line l WHERE l.order_id = p.order_id;
    slack := slack_of(pool, skus, units);
    used := promise_used(a, skus, units, slack);
    IF EXISTS (
        SELECT FROM purchase_line l JOIN sku k USING (sku_id),
            session_units(ARRAY[p.session_id], ARRAY[l.sku_id]) AS of_session,
            allowed_units(l.quantity, true, NULL, k.limit_per_session, of_session[1], k.limit_per_customer,
                          CASE WHEN p.customer_id IS NOT NULL THEN customer_units(p.customer_id, l.sku_id) END,
                          NULL, NULL) AS may
        WHERE l.order_id = p.order_id AND may.verdict IS NOT NULL) THEN
        RETURN 'limit';
    END IF;
    IF slack + used < 0 OR EXISTS (
        SELECT FROM purchase_line l JOIN stock s USING (sku_id)
        LEFT JOIN wish w ON w.session_id = p.session_id AND w.sku_id = l.sku_id
        WHERE l.order_id = p.order_id
            AND l.quantity > units_beyond_named(s, a) - GREATEST(s.wished - COALESCE(w.quantity, 0), 0)) THEN
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
    PERFORM take_up_promise(a, skus, units, used);
    UPDATE stock s SET sold = s.sold + l.quantity
        FROM purchase_line l WHERE l.order_id = p.order_id AND s.sku_id = l.sku_id;
    UPDATE purchase x SET hold_id = again WHERE x.order_id = p.order_id;
    IF event_wanted('hold.confirmed') THEN PERFORM tell_of_holds('hold.confirmed', ARRAY[again]); END IF;
    RETURN 'taken';
END $$;

-- Says what becomes of money that came after its order was declined or cancelled. A hold that is still
-- there is confirmed; else the units are taken again if they can be had; else the money goes back, and
-- the order says why. Returns the state in which the order then is, or `short` if nothing was written
-- since units may come free when what is due is ended; with `final` that is not waited for.
CREATE FUNCTION take_late_money(in_order uuid, final boolean) RETURNS text LANGUAGE plpgsql
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
            detail = COALESCE(why, ''), changed_at = clock_timestamp(), drives = 0,
            sold_at = CASE WHEN why IS NULL THEN clock_timestamp() ELSE x.sold_at END
        WHERE x.order_id = in_order RETURNING x.state INTO verdict;
    RETURN verdict;
END $$;

-- The statement that finds a room's orders, newest first, after the cursor if there is one. What is NULL is
-- not asked for and not in it, so each wish gets the plan that suits it; one for all would read whole
-- rooms for some. Orders of one moment stand by their ids, as in `purchase_by_room`.
CREATE FUNCTION orders_statement(
    in_room_id int, after_at timestamptz, after_id uuid, in_state text, given_back boolean,
    since timestamptz, until timestamptz, in_seller int, in_sku_id int, in_order uuid, in_reference text,
    reference_part text, address text, count_max int)
RETURNS text LANGUAGE sql STABLE AS $$
    SELECT format('SELECT p.* FROM purchase p WHERE p.room_id = %s', in_room_id) || concat(
        CASE WHEN after_at IS NOT NULL THEN format(
            ' AND p.created_at <= %1$L AND (p.created_at < %1$L OR p.order_id > %2$L)', after_at, after_id) END,
        CASE WHEN in_state IS NOT NULL THEN format(' AND p.state = %L', in_state) END,
        CASE given_back WHEN true THEN ' AND p.refunded_minor > 0' WHEN false THEN ' AND p.refunded_minor = 0' END,
        CASE WHEN since IS NOT NULL THEN format(' AND p.created_at >= %L', since) END,
        CASE WHEN until IS NOT NULL THEN format(' AND p.created_at < %L', until) END,
        CASE WHEN in_seller IS NOT NULL THEN format(
            ' AND EXISTS (SELECT FROM purchase_line l WHERE l.order_id = p.order_id AND l.seller_id = %s)',
            in_seller) END,
        CASE WHEN in_sku_id IS NOT NULL THEN format(
            ' AND EXISTS (SELECT FROM purchase_line l WHERE l.order_id = p.order_id AND l.sku_id = %s)',
            in_sku_id) END,
        CASE WHEN in_order IS NOT NULL THEN format(' AND p.order_id = %L', in_order) END,
        CASE WHEN in_reference IS NOT NULL THEN format(' AND p.reference = %L', in_reference) END,
        CASE WHEN reference_part IS NOT NULL THEN
            format(' AND position(%L IN p.reference) > 0', reference_part) END,
        CASE WHEN address IS NOT NULL THEN format(
            ' AND EXISTS (SELECT FROM customer c WHERE c.customer_id = p.customer_id AND c.email <> %L
                          AND lower(c.email) LIKE %L)', '', address) END)
        || format(' ORDER BY p.created_at DESC, p.order_id LIMIT %s', count_max)
$$;

CREATE FUNCTION find_orders(
    in_room_id int, after_at timestamptz, after_id uuid, in_state text, given_back boolean,
    since timestamptz, until timestamptz, in_seller int, in_sku_id int, in_order uuid, in_reference text,
    reference_part text, address text, count_max int)
RETURNS SETOF purchase LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY EXECUTE orders_statement(in_room_id, after_at, after_id, in_state, given_back, since, until,
        in_seller, in_sku_id, in_order, in_reference, reference_part, address, count_max);
END $$;
