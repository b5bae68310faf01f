-- Events for the endpoints that want them: written, handed out, noted. An event is written by the
-- transaction that makes it true, and only while some endpoint wants its kind. Mail goes out the same way.

-- Says whether an endpoint wants this kind of event. There are few endpoints, so this is cheap enough for
-- every batch; a writer of many events asks once and not for each.
CREATE FUNCTION event_wanted(in_kind text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM webhook_endpoint e
                   WHERE e.active AND (e.kinds = '{}' OR in_kind = ANY (e.kinds)))
$$;

-- Writes one event, if an endpoint wants it, in the caller's transaction.
CREATE FUNCTION emit(in_room_id int, in_kind text, facts jsonb) RETURNS void LANGUAGE sql AS $$
    INSERT INTO outbox_event (room_id, kind, body)
    SELECT in_room_id, in_kind, facts WHERE event_wanted(in_kind)
$$;

-- An order's event says what every other reader of the order is told. The buyer is not in it: the
-- operators' API has that.
CREATE FUNCTION tell_of_order() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    kind text;
BEGIN
    kind := CASE
        WHEN NEW.refunded_minor > OLD.refunded_minor THEN 'order.refunded'
        WHEN NEW.state = OLD.state THEN NULL
        -- An order that comes back to `paid` was told of when the money first came.
        WHEN NEW.state = 'paid' AND OLD.paid_at IS NULL THEN 'order.paid'
        WHEN NEW.state = 'refunded' THEN 'order.refunded'
        WHEN NEW.state = 'cancelled' THEN 'order.cancelled' END;
    IF kind IS NOT NULL AND event_wanted(kind) THEN
        PERFORM emit(NEW.room_id, kind, order_document(NEW, NULL) || CASE kind WHEN 'order.refunded'
            THEN jsonb_build_object('refunded_now_minor', NEW.refunded_minor - OLD.refunded_minor)
            ELSE '{}' END);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER order_is_told_of AFTER UPDATE ON purchase FOR EACH ROW
    WHEN (NEW.state <> OLD.state OR NEW.refunded_minor > OLD.refunded_minor)
    EXECUTE FUNCTION tell_of_order();

-- A batch of holds updates a SKU's row once, so this runs once for each SKU and batch.
CREATE FUNCTION tell_of_stock() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before constant int := OLD.on_hand - OLD.held - OLD.sold;
    after constant int := NEW.on_hand - NEW.held - NEW.sold;
    k sku;
    kind text;
BEGIN
    IF NOT EXISTS (SELECT FROM webhook_endpoint e WHERE e.active
                   AND (e.kinds = '{}' OR e.kinds && '{stock.low,stock.out,stock.back}')) THEN
        RETURN NULL;
    END IF;
    SELECT * INTO k FROM sku x WHERE x.sku_id = NEW.sku_id;
    kind := CASE
        WHEN before > 0 AND after <= 0 THEN 'stock.out'
        WHEN before <= 0 AND after > 0 THEN 'stock.back'
        WHEN before > k.low_at AND after <= k.low_at THEN 'stock.low' END;
    IF kind IS NOT NULL THEN
        PERFORM emit(k.room_id, kind, jsonb_build_object(
            'room', (SELECT m.room FROM room m WHERE m.room_id = k.room_id), 'sku', k.sku, 'name', k.name,
            'available', GREATEST(after, 0), 'on_hand', NEW.on_hand, 'held', NEW.held,
            'sold', NEW.sold, 'low_at', k.low_at));
    END IF;
    RETURN NULL;
END $$;
-- A hold that is confirmed leaves what is available as it was, and pays nothing here.
CREATE TRIGGER stock_is_told_of AFTER UPDATE ON stock FOR EACH ROW
    WHEN (NEW.on_hand - NEW.held - NEW.sold <> OLD.on_hand - OLD.held - OLD.sold)
    EXECUTE FUNCTION tell_of_stock();

CREATE FUNCTION tell_of_room() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    kind text;
    facts constant jsonb := jsonb_build_object('room', NEW.room, 'name', NEW.name, 'status', NEW.status,
        'sold_out', NEW.sold_out);
BEGIN
    kind := CASE
        WHEN NEW.status = OLD.status THEN NULL
        WHEN NEW.status = 'open' AND OLD.status = 'paused' THEN 'room.resumed'
        WHEN NEW.status = 'open' THEN 'room.opened'
        WHEN NEW.status = 'paused' THEN 'room.paused'
        WHEN NEW.status = 'ended' THEN 'room.ended' END;
    IF kind IS NOT NULL THEN PERFORM emit(NEW.room_id, kind, facts); END IF;
    IF NEW.sold_out <> OLD.sold_out THEN
        PERFORM emit(NEW.room_id, CASE WHEN NEW.sold_out THEN 'room.sold_out' ELSE 'room.stock_back' END,
                     facts);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER room_is_told_of AFTER UPDATE ON room FOR EACH ROW
    WHEN (NEW.status <> OLD.status OR NEW.sold_out <> OLD.sold_out)
    EXECUTE FUNCTION tell_of_room();

-- Writes an event for each of these holds. The caller has asked whether anybody listens.
CREATE FUNCTION tell_of_holds(in_kind text, ids uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox_event (room_id, kind, body)
        SELECT h.room_id, in_kind, jsonb_build_object('hold_id', h.hold_id, 'room', m.room,
            'session', h.session_id::text, 'state', h.state, 'expires_at', wall_time(h.expires_at),
            'items', (SELECT jsonb_agg(jsonb_build_object('sku', k.sku, 'quantity', l.quantity) ORDER BY k.sku)
                      FROM hold_line l JOIN sku k USING (sku_id) WHERE l.hold_id = h.hold_id AND l.quantity > 0))
        FROM hold h JOIN room m USING (room_id) WHERE h.hold_id = ANY (ids);
END $$;

-- Makes a delivery for each waiting event and each endpoint that wants it, up to `batch_max` events.
-- Returns how many events it took. What another sender holds is skipped, and found by the next call
-- if that one fails; what commits late is found whenever it commits.
CREATE FUNCTION fan_out(batch_max int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    taken bigint[];
BEGIN
    SELECT array_agg(x.event_id) INTO taken FROM (
        SELECT v.event_id FROM outbox_event v WHERE NOT v.fanned_out
        ORDER BY v.event_id LIMIT batch_max FOR UPDATE SKIP LOCKED) x;
    IF taken IS NULL THEN RETURN 0; END IF;
    -- An endpoint that is deleted at this moment must not fail the batch.
    PERFORM 1 FROM webhook_endpoint e WHERE e.active ORDER BY e.endpoint_id FOR KEY SHARE;
    INSERT INTO webhook_delivery (endpoint_id, event_id)
        SELECT e.endpoint_id, v.event_id FROM outbox_event v
        JOIN webhook_endpoint e ON e.active AND (e.kinds = '{}' OR v.kind = ANY (e.kinds))
        WHERE v.event_id = ANY (taken) ORDER BY v.event_id;
    UPDATE outbox_event v SET fanned_out = true WHERE v.event_id = ANY (taken);
    RETURN cardinality(taken);
END $$;

-- Notes how an attempt ended. `to_state` is delivered, failed, or pending for another attempt in
-- `again_s`. A success counts from any sender; anything else only from the holder of the lease,
-- since a sender that lost it knows less than the one that took over. `gone` ends the endpoint, and so do
-- `failing_max` of failures alone; with `quiet_s` it is left alone for so long. Returns why the
-- endpoint was made inactive by this, or NULL. Locks the endpoint before the delivery, as a deletion
-- does.
CREATE FUNCTION note_attempt(
    in_delivery bigint, in_lease uuid, to_state text, again_s float8, in_status int, in_answer text,
    in_took_ms int, gone boolean, quiet_s float8, failing_max interval)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    d webhook_delivery;
    e webhook_endpoint;
    t timestamptz;
    why text;
BEGIN
    SELECT x.* INTO d FROM webhook_delivery x WHERE x.delivery_id = in_delivery;
    IF to_state = 'delivered' THEN
        UPDATE webhook_endpoint x SET failing_since = NULL
            WHERE x.endpoint_id = d.endpoint_id AND x.failing_since IS NOT NULL;
    ELSE
        SELECT * INTO e FROM webhook_endpoint x WHERE x.endpoint_id = d.endpoint_id FOR NO KEY UPDATE;
    END IF;
    SELECT x.* INTO d FROM webhook_delivery x WHERE x.delivery_id = in_delivery FOR UPDATE;
    IF d.delivery_id IS NULL OR (to_state <> 'delivered' AND d.lease IS DISTINCT FROM in_lease) THEN
        RETURN NULL;
    END IF;
    t := clock_timestamp();
    UPDATE webhook_delivery x SET state = to_state, lease = NULL,
            due_at = t + make_interval(secs => again_s), tried_at = t, status = in_status,
            answer = in_answer, took_ms = in_took_ms
        WHERE x.delivery_id = in_delivery;
    IF to_state = 'delivered' OR NOT e.active THEN RETURN NULL; END IF;
    why := CASE WHEN gone THEN 'gone' WHEN e.failing_since < t - failing_max THEN 'failing' END;
    UPDATE webhook_endpoint x SET failing_since = COALESCE(x.failing_since, t),
            quiet_until = CASE WHEN quiet_s > 0 THEN t + make_interval(secs => quiet_s)
                               ELSE x.quiet_until END,
            active = why IS NULL, inactive_why = why,
            inactive_since = CASE WHEN why IS NOT NULL THEN t END
        WHERE x.endpoint_id = e.endpoint_id;
    IF why IS NOT NULL THEN
        INSERT INTO operator_action (who, action, detail) VALUES ('webhooks', 'webhook_disabled',
            jsonb_build_object('endpoint_id', e.endpoint_id, 'why', why));
    END IF;
    RETURN why;
END $$;

-- Says whether a message may go out: a call is not over, an order is paid, a turn is still to come. A message at
-- one's turn needs its place too: it may have been given up, or its shopper may be inside.
CREATE FUNCTION mail_is_due(m mail) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT CASE m.kind
        WHEN 'bought' THEN EXISTS (
            SELECT FROM purchase p WHERE p.order_id = (m.facts ->> 'order_id')::uuid AND p.paid_at IS NOT NULL)
        WHEN 'nearly' THEN m.created_at > statement_timestamp() - interval '10 minutes' AND EXISTS (
            SELECT FROM call_mail w JOIN line l USING (line_id)
            WHERE w.key = (m.facts ->> 'key')::uuid AND w.email <> '' AND w.number > l.gate)
        ELSE (m.facts ->> 'claim_until')::timestamptz > statement_timestamp() AND (m.kind <> 'called' OR EXISTS (
            SELECT FROM call_mail w WHERE w.key = (m.facts ->> 'key')::uuid)) END
$$;

-- Says whether a message has come too late for ever: the call is over, the order was not paid in a day.
CREATE FUNCTION mail_is_late(m mail) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT CASE m.kind
        WHEN 'bought' THEN m.created_at < clock_timestamp() - interval '1 day' OR EXISTS (
            SELECT FROM purchase p WHERE p.order_id = (m.facts ->> 'order_id')::uuid AND p.paid_at IS NULL
                AND p.state IN ('declined', 'cancelled', 'refunded'))
        ELSE NOT mail_is_due(m) END
$$;

-- Ends messages that are of no use any more, and those over which senders died as often as a message may be
-- tried. Returns how many.
CREATE FUNCTION give_up_mail(batch_max int, attempts_max int) RETURNS int LANGUAGE sql AS $$
    WITH over AS (
        SELECT x.mail_id FROM mail x
        WHERE x.state = 'waiting' AND x.next_at <= clock_timestamp()
            AND (mail_is_late(x) OR x.attempts >= attempts_max)
        ORDER BY x.next_at LIMIT batch_max FOR UPDATE SKIP LOCKED),
    ended AS (
        UPDATE mail m SET state = 'failed', address = '', ended_at = clock_timestamp(),
            outcome = CASE WHEN mail_is_late(m) THEN 'too late' ELSE 'given up' END
        FROM over WHERE m.mail_id = over.mail_id RETURNING m.mail_id)
    SELECT count(*)::int FROM ended
$$;
