-- Retention: which room's turn it is, and what is deleted of a room that was archived long ago.

-- The next room to do something for, and what: seal, archive, people or orders. A NULL is never.
CREATE FUNCTION next_retention(
    archive_after interval, people_after interval, orders_after interval, OUT next_room_id int, OUT step text)
LANGUAGE plpgsql AS $$
DECLARE
    t constant timestamptz := clock_timestamp();
BEGIN
    SELECT r.room_id, 'archive' INTO next_room_id, step FROM retention r
        WHERE r.sealed_at IS NOT NULL AND r.archived_at IS NULL AND r.look_after <= t ORDER BY r.room_id LIMIT 1;
    IF step IS NOT NULL THEN RETURN; END IF;
    SELECT r.room_id, 'seal' INTO next_room_id, step FROM retention r
        WHERE r.sealed_at IS NULL AND r.ended_at <= t - archive_after AND r.look_after <= t ORDER BY r.ended_at LIMIT 1;
    IF step IS NOT NULL THEN RETURN; END IF;
    SELECT r.room_id, 'people' INTO next_room_id, step FROM retention r
        WHERE r.people_forgotten_at IS NULL AND r.ended_at <= t - people_after AND r.look_after <= t
        ORDER BY r.ended_at LIMIT 1;
    IF step IS NOT NULL THEN RETURN; END IF;
    SELECT r.room_id, 'orders' INTO next_room_id, step FROM retention r
        WHERE r.orders_forgotten_at IS NULL AND r.archived_at IS NOT NULL AND r.ended_at <= t - orders_after
            AND r.look_after <= t ORDER BY r.ended_at LIMIT 1;
END $$;

-- Deletes those customers of whom nothing else is kept. They are locked first, so a session that is bound
-- at this moment keeps its customer.
CREATE FUNCTION forget_strangers(ids bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM customer c WHERE c.customer_id = ANY (ids) ORDER BY c.customer_id FOR UPDATE;
    DELETE FROM customer c WHERE c.customer_id = ANY (ids)
        AND NOT EXISTS (SELECT FROM admission a WHERE a.customer_id = c.customer_id)
        AND NOT EXISTS (SELECT FROM hold h WHERE h.customer_id = c.customer_id)
        AND NOT EXISTS (SELECT FROM purchase p WHERE p.customer_id = c.customer_id);
END $$;

-- Says whether a customer has to do with a room that runs, or that ended after a moment.
CREATE FUNCTION is_known_since(in_customer bigint, moment timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM (SELECT a.room_id FROM admission a WHERE a.customer_id = in_customer
                     UNION SELECT p.room_id FROM purchase p WHERE p.customer_id = in_customer) x
        LEFT JOIN retention r USING (room_id) WHERE r.ended_at IS NULL OR r.ended_at > moment)
$$;

-- Makes customers of a room nobody, as `erase_customer` does, unless they have to do with a later room:
-- then the room is looked at again the next day. Returns whether there may be more.
CREATE FUNCTION forget_people(in_room_id int, people_after interval, batch_max int) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    since constant timestamptz := clock_timestamp() - people_after;
    ids bigint[];
    known boolean;
BEGIN
    SELECT array_agg(x.customer_id) FILTER (WHERE NOT x.known), bool_or(x.known) INTO ids, known FROM (
        SELECT c.customer_id, is_known_since(c.customer_id, since) AS known FROM customer c
        WHERE c.issuer <> 'erased' AND c.customer_id IN (
            SELECT p.customer_id FROM purchase p WHERE p.room_id = in_room_id
            UNION SELECT a.customer_id FROM line l JOIN admission a USING (line_id)
            WHERE l.room_id = in_room_id AND a.customer_id IS NOT NULL)
        ORDER BY 2 LIMIT batch_max) x;
    IF ids IS NOT NULL THEN
        PERFORM 1 FROM customer c WHERE c.customer_id = ANY (ids) ORDER BY c.customer_id FOR UPDATE;
        UPDATE customer c SET issuer = 'erased', subject = gen_random_uuid()::text, email = ''
            WHERE c.customer_id = ANY (ids) AND NOT is_known_since(c.customer_id, since);
        RETURN true;
    END IF;
    UPDATE retention r SET people_forgotten_at = CASE WHEN known THEN NULL ELSE clock_timestamp() END,
            look_after = CASE WHEN known THEN clock_timestamp() + interval '1 day' ELSE r.look_after END
        WHERE r.room_id = in_room_id;
    RETURN false;
END $$;

-- Blanks addresses that were left for returns or for a call long ago, also in rooms that never ended. Returns how many.
CREATE INDEX returns_wait_address ON returns_wait (asked_at) WHERE email <> '';
CREATE FUNCTION forget_addresses(people_after interval, batch_max int) RETURNS int LANGUAGE sql AS $$
    WITH old AS (
        UPDATE returns_wait w SET email = '' FROM (
            SELECT x.line_id, x.number FROM returns_wait x
            WHERE x.email <> '' AND x.asked_at <= clock_timestamp() - people_after
            ORDER BY x.asked_at LIMIT batch_max FOR UPDATE SKIP LOCKED) o
        WHERE (w.line_id, w.number) = (o.line_id, o.number) RETURNING 1),
    asked AS (
        UPDATE call_mail w SET email = '', address_key = '' FROM (
            SELECT x.key FROM call_mail x WHERE x.email <> '' AND x.asked_at <= clock_timestamp() - people_after
            ORDER BY x.asked_at LIMIT batch_max FOR UPDATE SKIP LOCKED) o
        WHERE w.key = o.key RETURNING 1)
    SELECT ((SELECT count(*) FROM old) + (SELECT count(*) FROM asked))::int
$$;

-- Forgets the networks of one room that ended a day ago. Returns whether there was one.
CREATE FUNCTION forget_networks() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    id constant int := (SELECT r.room_id FROM retention r WHERE r.ended_at <= clock_timestamp() - interval '1 day'
                        AND EXISTS (SELECT FROM room_network n WHERE n.room_id = r.room_id) LIMIT 1);
BEGIN
    IF id IS NULL THEN RETURN false; END IF;
    UPDATE admission a SET network = NULL FROM line l
        WHERE l.room_id = id AND a.line_id = l.line_id AND a.network IS NOT NULL;
    DELETE FROM room_network n WHERE n.room_id = id;
    RETURN true;
END $$;

-- Deletes operators' acts that belong to no room, and the histories of SKUs, once they are as old as orders
-- that are deleted. It looks at the oldest rows alone, so a sweep that finds nothing is cheap. Returns how many.
CREATE FUNCTION forget_records(orders_after interval, batch_max int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    since constant timestamptz := clock_timestamp() - orders_after;
    acts int; changes int;
BEGIN
    PERFORM set_config('waitroom.archiving', 'on', true);
    DELETE FROM operator_action o USING (
        SELECT x.action_id FROM operator_action x WHERE x.room_id IS NULL ORDER BY x.action_id LIMIT batch_max) old
        WHERE o.action_id = old.action_id AND o.at <= since;
    GET DIAGNOSTICS acts = ROW_COUNT;
    DELETE FROM sku_change c USING (SELECT x.change_id FROM sku_change x ORDER BY x.change_id LIMIT batch_max) old
        WHERE c.change_id = old.change_id AND c.at <= since;
    GET DIAGNOSTICS changes = ROW_COUNT;
    PERFORM set_config('waitroom.archiving', '', true);
    RETURN GREATEST(acts, changes);
END $$;

-- Deletes orders of an archived room with all that speaks of them. What they sold goes into the balances.
CREATE FUNCTION delete_orders(in_room_id int, ids uuid[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    sessions bigint[]; people bigint[]; holds uuid[];
BEGIN
    SELECT array_agg(DISTINCT p.session_id), array_agg(DISTINCT p.customer_id), array_agg(DISTINCT p.hold_id)
        INTO sessions, people, holds FROM purchase p WHERE p.order_id = ANY (ids);
    PERFORM fold_movements(ARRAY(SELECT m.movement_id FROM stock_movement m WHERE m.order_id = ANY (ids)));
    PERFORM set_config('waitroom.archiving', 'on', true);
    DELETE FROM payment_event e WHERE e.order_id = ANY (ids);
    DELETE FROM payment_attempt t WHERE t.order_id = ANY (ids);
    PERFORM set_config('waitroom.archiving', '', true);
    DELETE FROM stripe_payment s WHERE s.payment_key = ANY (ids::text[]);
    DELETE FROM refund_line l USING refund f WHERE f.refund_id = l.refund_id AND f.order_id = ANY (ids);
    DELETE FROM refund f WHERE f.order_id = ANY (ids);
    DELETE FROM purchase_line l WHERE l.order_id = ANY (ids);
    DELETE FROM purchase p WHERE p.order_id = ANY (ids);
    SELECT array_agg(a.admission_id) INTO sessions FROM admission a WHERE a.admission_id = ANY (sessions)
        AND NOT EXISTS (SELECT FROM purchase p WHERE p.session_id = a.admission_id);
    -- Late money gives an order another hold, so the first one of its session may be no order's by now.
    PERFORM fold_holds(in_room_id, (SELECT array_agg(h.hold_id) FROM hold h
        WHERE (h.hold_id = ANY (holds) OR h.session_id = ANY (sessions))
        AND NOT EXISTS (SELECT FROM purchase p WHERE p.hold_id = h.hold_id)));
    PERFORM count_archived(in_room_id, 'admission',
        ARRAY(SELECT a.state FROM admission a WHERE a.admission_id = ANY (sessions)));
    DELETE FROM outcome_elsewhere e WHERE e.session_id = ANY (sessions);
    DELETE FROM admission a WHERE a.admission_id = ANY (sessions);
    PERFORM forget_strangers(people);
END $$;

-- Deletes the next orders of an archived room, then the record of what operators did in it, then its series.
-- Returns whether there may be more.
CREATE FUNCTION forget_orders(in_room_id int, batch_max int) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    r retention; ids uuid[]; gone int;
BEGIN
    SELECT * INTO r FROM retention x WHERE x.room_id = in_room_id FOR UPDATE SKIP LOCKED;
    IF r.archived_at IS NULL OR r.orders_forgotten_at IS NOT NULL THEN RETURN false; END IF;
    SELECT array_agg(x.order_id) INTO ids FROM (
        SELECT p.order_id FROM purchase p WHERE p.room_id = in_room_id
        ORDER BY p.created_at DESC, p.order_id LIMIT batch_max) x;
    IF ids IS NOT NULL THEN
        IF what_is_open(in_room_id) IS NOT NULL THEN
            UPDATE retention x SET look_after = clock_timestamp() + interval '1 day' WHERE x.room_id = in_room_id;
            RETURN false;
        END IF;
        PERFORM delete_orders(in_room_id, ids);
        RETURN true;
    END IF;
    PERFORM set_config('waitroom.archiving', 'on', true);
    DELETE FROM operator_action o WHERE o.action_id IN (
        SELECT x.action_id FROM operator_action x WHERE x.room_id = in_room_id LIMIT batch_max);
    GET DIAGNOSTICS gone = ROW_COUNT;
    PERFORM set_config('waitroom.archiving', '', true);
    IF gone > 0 THEN RETURN true; END IF;
    DELETE FROM room_series s USING (
        SELECT x.at FROM room_series x WHERE x.room_id = in_room_id LIMIT batch_max) o
        WHERE s.room_id = in_room_id AND s.at = o.at;
    IF FOUND THEN RETURN true; END IF;
    UPDATE retention x SET orders_forgotten_at = clock_timestamp() WHERE x.room_id = in_room_id;
    RETURN false;
END $$;

-- Forgets what became of messages after a while, and at once the addresses of those who stayed for
-- returns in a room that has ended: nobody is called there again. Returns how many rows went.
CREATE FUNCTION forget_mail(batch_max int, kept interval) RETURNS int LANGUAGE sql AS $$
    WITH old AS (
        DELETE FROM mail m USING (
            SELECT x.mail_id FROM mail x WHERE x.ended_at < clock_timestamp() - kept
            ORDER BY x.ended_at LIMIT batch_max FOR UPDATE SKIP LOCKED) o
        WHERE m.mail_id = o.mail_id RETURNING m.mail_id),
    ended AS (
        DELETE FROM returns_wait r USING (
            SELECT x.line_id, x.number FROM retention m JOIN line l USING (room_id), LATERAL (
                SELECT * FROM returns_wait w WHERE w.line_id = l.line_id LIMIT forget_mail.batch_max FOR UPDATE SKIP LOCKED) x
            WHERE m.archived_at IS NULL LIMIT forget_mail.batch_max) o
        WHERE r.line_id = o.line_id AND r.number = o.number RETURNING r.number)
    SELECT ((SELECT count(*) FROM old) + (SELECT count(*) FROM ended))::int
$$;
