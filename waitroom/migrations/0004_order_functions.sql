-- Orders. Lock order as everywhere: admission, room_stock, stock, hold, then the order.

-- Marks a live hold as being paid and writes its order. A repeat of the same key finds the same
-- order. Verdicts: started, replay, other_body, no_such_hold, hold_expired, payment_running.
CREATE FUNCTION start_payment(
    in_order uuid, in_session bigint, in_hold uuid, key uuid, hash bytea, in_reference text,
    in_gateway text, token text, OUT verdict text, OUT found_order uuid)
LANGUAGE plpgsql AS $$
DECLARE
    h hold; p purchase; t timestamptz; total bigint; money text; room_window interval;
BEGIN
    -- Leaving locks the admission too, so a hold is not released under a payment that begins.
    PERFORM 1 FROM admission a WHERE a.admission_id = in_session FOR NO KEY UPDATE;
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
        SELECT x.order_id INTO found_order FROM purchase x
            WHERE x.hold_id = in_hold AND x.state NOT IN ('declined', 'cancelled');
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
    INSERT INTO purchase (order_id, reference, session_id, room_id, hold_id, idempotency_key, body_hash,
                          total_minor, currency, gateway, payment_token, pay_by)
        VALUES (in_order, in_reference, in_session, h.room_id, in_hold, key, hash,
                total, money, in_gateway, token, t);
    verdict := 'started';
    found_order := in_order;
END $$;

-- Moves an order from one state to the next and the hold with it, in one transaction. Returns the
-- state in which the order then is: not `to_state` if somebody else moved it first.
CREATE FUNCTION settle_order(in_order uuid, from_state text, to_state text, ref text, why text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    p purchase;
    open_holds int;
BEGIN
    SELECT * INTO p FROM purchase x WHERE x.order_id = in_order;
    PERFORM 1 FROM admission a WHERE a.admission_id = p.session_id FOR NO KEY UPDATE;
    IF to_state = 'authorized' THEN
        PERFORM 1 FROM room_stock k WHERE k.room_id = p.room_id FOR NO KEY UPDATE;
        PERFORM 1 FROM stock k WHERE k.sku_id IN (SELECT l.sku_id FROM hold_line l WHERE l.hold_id = p.hold_id)
            ORDER BY k.sku_id FOR NO KEY UPDATE;
    END IF;
    PERFORM 1 FROM hold h WHERE h.hold_id = p.hold_id FOR NO KEY UPDATE;
    SELECT * INTO p FROM purchase x WHERE x.order_id = in_order FOR NO KEY UPDATE;
    IF p.state <> from_state THEN RETURN p.state; END IF;
    IF to_state = 'authorized' AND end_holds(ARRAY[p.hold_id], 'confirmed', false) = '{}' THEN
        -- While it was being paid nothing else could end this hold, so this cannot be.
        RAISE EXCEPTION 'order % is authorized but its hold is not held', in_order;
    END IF;
    IF to_state IN ('declined', 'cancelled') THEN
        -- The clock counts again, as it stood before the payment; whoever was declined has a
        -- minute for another card. Nothing goes beyond the payment's own extension.
        UPDATE hold h SET paying = false, expires_at = LEAST(
                GREATEST(h.payment_until, h.unpaid_until), GREATEST(h.unpaid_until,
                shopper_now() + LEAST(make_interval(secs => m.hold_s), interval '60 seconds')))
            FROM room m WHERE h.hold_id = p.hold_id AND m.room_id = p.room_id;
        UPDATE hold_line l SET due_at = h.expires_at FROM hold h
            WHERE l.hold_id = p.hold_id AND h.hold_id = p.hold_id;
    END IF;
    UPDATE purchase x SET state = to_state, gateway_ref = COALESCE(ref, x.gateway_ref), detail = why,
            changed_at = clock_timestamp(),
            paid_at = CASE to_state WHEN 'paid' THEN clock_timestamp() ELSE x.paid_at END
        WHERE x.order_id = in_order;
    IF to_state = 'paid' THEN
        -- Whoever has paid for everything is done: the seat goes to the next in line at once.
        SELECT count(*) INTO open_holds FROM hold h WHERE h.session_id = p.session_id AND h.state = 'held';
        IF open_holds = 0 THEN PERFORM end_session(p.session_id, 'ordered'); END IF;
    END IF;
    RETURN to_state;
END $$;
