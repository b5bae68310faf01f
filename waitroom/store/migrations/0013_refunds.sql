-- Refunds, and orders as they are looked back on by operators, sellers and receipts.

-- A refund that was asked ends once. One that was done may still fail, when a bank sends it back, and one that
-- the gateway's own pages gave is done whenever the gateway says so, even if it called that refund failed before.
CREATE FUNCTION refuse_refund_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a refund that is % never becomes %', OLD.state, NEW.state
        USING ERRCODE = 'check_violation', CONSTRAINT = 'refunds_keep_to_their_life';
END $$;
CREATE TRIGGER refunds_keep_to_their_life BEFORE UPDATE OF state ON refund FOR EACH ROW
    WHEN (NEW.state <> OLD.state AND (NEW.state = 'asked' OR (OLD.state = 'failed'
          AND NOT (OLD.outside AND OLD.done_at IS NULL AND NEW.state = 'done'))))
    EXECUTE FUNCTION refuse_refund_transition();

-- A refund with its units, as it is read everywhere.
CREATE VIEW full_refund AS
    SELECT r.refund_id, r.order_id, r.state AS stage, r.amount_minor, p.currency, a.gateway, r.restock, r.by_hand, r.outside,
           r.who, r.reason, r.detail, r.asked_at, r.ended_at, r.done_at,
           COALESCE((SELECT json_agg(json_build_object('sku', k.sku, 'quantity', l.quantity) ORDER BY k.sku)
                     FROM refund_line l JOIN sku k USING (sku_id) WHERE l.refund_id = r.refund_id), '[]')::text AS items
    FROM refund r JOIN purchase p USING (order_id) JOIN payment_attempt a USING (order_id);

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
    -- Money that may not have been taken is left to the gateway's answer; a refund says that it was taken. Where
    -- the gateway is no longer asked, an operator may have given the money back by hand.
    IF NOT (p.state = 'paid' OR (p.state = 'returning' AND (
                (in_by_hand AND p.driven_until <= clock_timestamp() - interval '10 minutes')
                OR EXISTS (SELECT FROM refund x WHERE x.order_id = in_order))))
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

-- Says whether an order's money waits for an operator: the gateway has refused for good to give it back, or a
-- bank has sent it back. A refund on the gateway's own pages that came to nothing stops no other.
CREATE FUNCTION waits_for_operator(in_order uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM refund r WHERE r.order_id = in_order AND r.state = 'failed'
                   AND (NOT r.outside OR r.done_at IS NOT NULL))
$$;

-- The refund by which money goes back by itself: of all that is left, whenever none of ours is asked, and by
-- an operator's hand alone once the gateway has refused it for good. Returns the open refund of an order that
-- is returning, if any, ours before one from the gateway's own pages.
CREATE FUNCTION give_back(in_order uuid, in_refund uuid) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    p purchase;
BEGIN
    SELECT * INTO p FROM purchase x WHERE x.order_id = in_order FOR NO KEY UPDATE;
    IF p.state = 'returning' AND (p.total_minor = 0 OR p.refunded_minor + p.refunding_minor < p.total_minor)
        AND NOT waits_for_operator(in_order) AND NOT EXISTS (
            SELECT FROM refund x WHERE x.order_id = in_order AND x.state = 'asked' AND NOT x.outside) THEN
        PERFORM write_full_refund(p, in_refund, in_refund, '', false, false, 'waitroom', p.detail);
        RETURN in_refund;
    END IF;
    RETURN (SELECT x.refund_id FROM refund x WHERE x.order_id = in_order AND x.state = 'asked'
            ORDER BY x.outside, x.asked_at LIMIT 1);
END $$;

-- Ends a refund as done or failed, once. Done moves the money from one column to the other and puts
-- the units on the shelf; failed gives both back to the order. Returns the state it is then in.
CREATE FUNCTION finish_refund(in_refund uuid, to_state text, why text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    r refund; p purchase; ids int[]; quantities int[]; all_back boolean;
BEGIN
    SELECT * INTO r FROM refund x WHERE x.refund_id = in_refund;
    p := lock_order(r.order_id, r.restock);
    SELECT * INTO r FROM refund x WHERE x.refund_id = in_refund FOR NO KEY UPDATE;
    IF r.state <> 'asked' AND NOT (r.state = 'failed' AND r.outside AND r.done_at IS NULL AND to_state = 'done') THEN
        RETURN r.state;
    END IF;
    UPDATE refund x SET state = to_state, detail = why, ended_at = clock_timestamp(),
            done_at = CASE to_state WHEN 'done' THEN clock_timestamp() END
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

-- Shares a refund out over the SKUs of its order. One that names units is shared out by what these
-- cost, one that names none by what all lines cost. The shares of a refund add up to it exactly.
CREATE FUNCTION shares_of_refund(in_refund uuid)
RETURNS TABLE (sku_id int, units int, share_minor bigint) LANGUAGE sql STABLE AS $$
    SELECT x.sku_id, x.units,
           COALESCE(round(x.amount_minor * x.until / x.whole)
                    - round(x.amount_minor * (x.until - x.worth) / x.whole), 0)::bigint
    FROM (
        SELECT w.sku_id, w.units, w.worth, w.amount_minor::numeric AS amount_minor,
               sum(w.worth) OVER (ORDER BY w.sku_id) AS until, NULLIF(sum(w.worth) OVER (), 0) AS whole
        FROM (
            SELECT l.sku_id, COALESCE(f.quantity, 0) AS units, r.amount_minor,
                   l.price_minor * CASE
                       WHEN EXISTS (SELECT FROM refund_line n WHERE n.refund_id = in_refund)
                       THEN COALESCE(f.quantity, 0) ELSE l.quantity END AS worth
            FROM refund r JOIN purchase_line l ON l.order_id = r.order_id
            LEFT JOIN refund_line f ON f.refund_id = r.refund_id AND f.sku_id = l.sku_id
            WHERE r.refund_id = in_refund) w) x
$$;

-- An order's lines with what was given back for each, and their sums: of one seller's products, or of all
-- of them for NULL. For all of them the sums are the order's own.
CREATE FUNCTION part_of_order(
    in_order uuid, in_seller int,
    OUT items text, OUT total_minor bigint, OUT refunded_minor bigint, OUT refunding_minor bigint)
LANGUAGE sql STABLE AS $$
    SELECT json_agg(json_build_object('sku', k.sku, 'name', l.name, 'quantity', l.quantity,
                        'price_minor', l.price_minor, 'refunded', l.refunded, 'returned', l.returned,
                        'refunded_minor', COALESCE(b.done, 0)) ORDER BY k.sku)::text,
           sum(l.quantity * l.price_minor)::bigint, COALESCE(sum(b.done), 0)::bigint,
           COALESCE(sum(b.asked), 0)::bigint
    FROM purchase_line l JOIN sku k ON k.sku_id = l.sku_id
    LEFT JOIN (
        SELECT s.sku_id, sum(s.share_minor) FILTER (WHERE r.state = 'done') AS done,
               sum(s.share_minor) FILTER (WHERE r.state = 'asked') AS asked
        FROM refund r, LATERAL shares_of_refund(r.refund_id) s
        WHERE r.order_id = in_order AND r.state <> 'failed' GROUP BY s.sku_id) b ON b.sku_id = l.sku_id
    WHERE l.order_id = in_order AND (in_seller IS NULL OR l.seller_id = in_seller)
$$;

-- A refund as it is seen: all of it, or for a seller the share and the units of their products.
CREATE FUNCTION part_of_refund(in_refund uuid, in_seller int, OUT items text, OUT amount_minor bigint)
LANGUAGE sql STABLE AS $$
    SELECT COALESCE(json_agg(json_build_object('sku', k.sku, 'quantity', s.units) ORDER BY k.sku)
                        FILTER (WHERE s.units > 0), '[]')::text,
           sum(s.share_minor)::bigint
    FROM refund r JOIN purchase_line l USING (order_id) JOIN sku k USING (sku_id)
    JOIN shares_of_refund(in_refund) s ON s.sku_id = l.sku_id
    WHERE r.refund_id = in_refund AND (in_seller IS NULL OR l.seller_id = in_seller)
$$;

-- A moment as RFC 3339 has it, whatever the connection's time zone.
CREATE FUNCTION utc_text(at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

-- An order as every reader is told of it: API, pages, history, operators, exports and webhooks. For a
-- seller it has their products' lines and sums, and it is NULL where they have no part in it. Whether
-- money of it went back is said of the whole order. `state` is a word of the books; what shoppers and
-- operators are told instead is made of it in checkout/order.py. Moments are in UTC.
CREATE FUNCTION order_document(p purchase, in_seller int) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'order_id', p.order_id, 'number', p.reference,
        'room', (SELECT m.room FROM room m WHERE m.room_id = p.room_id),
        'hold_id', p.hold_id, 'session', p.session_id::text, 'state', p.state,
        'total_minor', CASE WHEN in_seller IS NULL THEN p.total_minor ELSE part.total_minor END,
        'refunded_minor', CASE WHEN in_seller IS NULL THEN p.refunded_minor ELSE part.refunded_minor END,
        'refunding_minor', CASE WHEN in_seller IS NULL THEN p.refunding_minor ELSE part.refunding_minor END,
        'currency', p.currency,
        'partly_refunded', p.state = 'paid' AND p.refunded_minor > 0,
        'called_off', p.called_off, 'detail', p.detail,
        'created_at', utc_text(p.created_at), 'paid_at', utc_text(p.paid_at),
        'items', part.items::jsonb)
    FROM part_of_order(p.order_id, in_seller) part WHERE part.items IS NOT NULL
$$;

CREATE VIEW full_order AS
    SELECT p.order_id, p.session_id, p.customer_id, p.created_at, order_document(p, NULL)::text AS document
    FROM purchase p;

-- What the gateway calls a payment, as it last said.
CREATE FUNCTION gateway_ref_of(in_order uuid) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT e.gateway_ref FROM payment_event e
    WHERE e.order_id = in_order AND e.refund_id IS NULL AND e.gateway_ref <> '' ORDER BY e.event_id DESC LIMIT 1
$$;

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
        WHERE f.state <> 'failed' OR (f.done_at IS NOT NULL AND f.restock) GROUP BY f.order_id, x.sku_id) r USING (order_id, sku_id)
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
        OR (p.state NOT IN ('paid', 'returning', 'refunded') AND p.refunded_minor + p.refunding_minor > 0)
    UNION ALL
    SELECT 'captured differs from the total', p.order_id, p.total_minor, COALESCE(e.amount_minor, 0)
    FROM purchase p LEFT JOIN payment_event e ON e.order_id = p.order_id AND e.said = 'captured'
    WHERE p.total_minor <> COALESCE(e.amount_minor, 0) AND (p.paid_at IS NOT NULL OR e.event_id IS NOT NULL)
    UNION ALL
    SELECT 'money was captured for an order that is closed', p.order_id, 0, e.amount_minor
    FROM purchase p JOIN payment_event e ON e.order_id = p.order_id AND e.said = 'captured'
    WHERE e.amount_minor > 0 AND p.state IN ('declined', 'cancelled')
    UNION ALL
    SELECT 'given back differs from what the gateway gave back', r.refund_id, r.amount_minor,
           COALESCE(e.amount_minor, 0)
    FROM refund r LEFT JOIN payment_event e ON e.refund_id = r.refund_id AND e.said = 'done'
    WHERE r.amount_minor <> COALESCE(e.amount_minor, 0)
        AND ((r.state = 'done' AND NOT r.by_hand) OR e.event_id IS NOT NULL);
