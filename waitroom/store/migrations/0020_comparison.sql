-- What the gateway did to refunds without our asking: money that was given back on its own pages, and
-- refunds that a bank sent back after they had been done.

-- Takes back a refund that was done. The order owes its money again: one that was refunded is paid once more,
-- or is returning if its money never bought anything. Units that went on the shelf stay counted as refunded,
-- since the shopper has not got them. The caller has locked the order and the refund.
CREATE FUNCTION fail_done_refund(r refund, why text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE refund x SET state = 'failed', detail = why, ended_at = clock_timestamp() WHERE x.refund_id = r.refund_id;
    IF NOT r.restock THEN
        UPDATE purchase_line l SET refunded = l.refunded - f.quantity
            FROM refund_line f WHERE f.refund_id = r.refund_id AND l.order_id = r.order_id AND l.sku_id = f.sku_id;
    END IF;
    UPDATE purchase x SET refunded_minor = x.refunded_minor - r.amount_minor, changed_at = clock_timestamp(),
            state = CASE WHEN x.state <> 'refunded' THEN x.state WHEN x.paid_at IS NULL THEN 'returning' ELSE 'paid' END,
            detail = 'Your bank did not accept a refund. The shop has to return this money in another way.'
        WHERE x.order_id = r.order_id;
END $$;

-- Takes in what the gateway says of one refund of a captured payment; `in_refund` is ours by its key, or made
-- of the gateway's own name for it. Verdicts: same, outside (it was not asked for here), ended, failed_later,
-- does_not_fit (more than the order has left, which another refund on its way may explain; an order whose money
-- is still moving; or done at the gateway what we asked and were refused). What does not fit is compared again.
CREATE FUNCTION take_in_refund(in_order uuid, in_refund uuid, in_said text, amount bigint, ref text, why text)
RETURNS text LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    p purchase; r refund; is_new boolean := false;
BEGIN
    p := lock_order(in_order, false);
    SELECT * INTO r FROM refund x WHERE x.refund_id = in_refund FOR NO KEY UPDATE;
    IF r.refund_id IS NULL THEN
        -- A gateway may call the release of money that was never captured a refund as well.
        IF in_said = 'failed' OR NOT EXISTS (
                SELECT FROM payment_event e WHERE e.order_id = in_order AND e.said = 'captured') THEN
            RETURN 'same';
        END IF;
        IF p.state NOT IN ('paid', 'returning', 'refunded')
            OR amount > p.total_minor - p.refunded_minor - p.refunding_minor THEN
            RETURN 'does_not_fit';
        END IF;
        PERFORM write_refund(p, in_refund, in_refund, '', amount, '{}', '{}', false, false, 'gateway',
                             'Given back at the payment provider.');
        UPDATE refund x SET outside = true WHERE x.refund_id = in_refund RETURNING * INTO r;
        is_new := true;
    END IF;
    IF r.state = 'done' AND in_said = 'failed' AND NOT r.by_hand THEN
        PERFORM note_payment(in_order, in_refund, in_said, 0, ref, why);
        PERFORM fail_done_refund(r, why);
        RETURN 'failed_later';
    END IF;
    IF r.state = 'failed' AND r.done_at IS NULL AND in_said = 'done' THEN
        IF NOT r.outside OR r.amount_minor > p.total_minor - p.refunded_minor - p.refunding_minor THEN
            RETURN 'does_not_fit';
        END IF;
        UPDATE purchase x SET refunding_minor = x.refunding_minor + r.amount_minor WHERE x.order_id = in_order;
    END IF;
    IF r.outside AND (r.state = 'asked' AND in_said <> 'pending'
                      OR r.state = 'failed' AND r.done_at IS NULL AND in_said = 'done') THEN
        PERFORM note_payment(in_order, in_refund, in_said, CASE in_said WHEN 'done' THEN r.amount_minor ELSE 0 END,
                             ref, why);
        PERFORM finish_refund(in_refund, in_said, why);
        RETURN CASE WHEN is_new THEN 'outside' ELSE 'ended' END;
    END IF;
    RETURN CASE WHEN is_new THEN 'outside' ELSE 'same' END;
END $$;

-- How far the daily comparison with a gateway has come: after the order that was compared last. One process
-- has it at a time, for as long as its lease lasts.
CREATE TABLE gateway_comparison (
    gateway text PRIMARY KEY,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    after_at timestamptz NOT NULL DEFAULT '-infinity',
    after_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    -- Orders that were compared in this round, differences that no news had told of, and those that remain.
    compared bigint NOT NULL DEFAULT 0 CHECK (compared >= 0),
    found bigint NOT NULL DEFAULT 0 CHECK (found >= 0),
    open bigint NOT NULL DEFAULT 0 CHECK (open >= 0),
    finished_at timestamptz,
    driven_until timestamptz NOT NULL DEFAULT '-infinity'
);

-- Leases the next orders of a round, or of a new one when the last began a day ago. Money may come late for
-- a week, and go back for half a year.
CREATE FUNCTION take_comparison(in_gateway text, lease_s double precision, count_max int)
RETURNS TABLE (order_id uuid, created_at timestamptz) LANGUAGE plpgsql AS $$
DECLARE
    c gateway_comparison; t constant timestamptz := clock_timestamp();
BEGIN
    INSERT INTO gateway_comparison (gateway) VALUES (in_gateway) ON CONFLICT DO NOTHING;
    SELECT * INTO c FROM gateway_comparison x WHERE x.gateway = in_gateway FOR NO KEY UPDATE SKIP LOCKED;
    IF c.gateway IS NULL OR c.driven_until > t THEN RETURN; END IF;
    IF c.finished_at IS NOT NULL THEN
        IF c.started_at > t - interval '1 day' THEN RETURN; END IF;
        UPDATE gateway_comparison x SET started_at = t, after_at = '-infinity', compared = 0, found = 0, open = 0,
            finished_at = NULL WHERE x.gateway = in_gateway RETURNING * INTO c;
    END IF;
    UPDATE gateway_comparison x SET driven_until = t + make_interval(secs => lease_s) WHERE x.gateway = in_gateway;
    RETURN QUERY SELECT p.order_id, p.created_at FROM purchase p JOIN payment_attempt a USING (order_id)
        WHERE (p.created_at, p.order_id) > (GREATEST(c.after_at, t - interval '180 days'), c.after_id)
            AND p.created_at < c.started_at AND a.gateway = in_gateway
            AND (p.state IN ('paid', 'refunded', 'returning')
                 OR (p.state IN ('declined', 'cancelled') AND p.created_at > t - interval '7 days'))
        ORDER BY p.created_at, p.order_id LIMIT count_max;
    IF NOT FOUND THEN
        UPDATE gateway_comparison x SET finished_at = t, driven_until = t WHERE x.gateway = in_gateway;
    END IF;
END $$;
