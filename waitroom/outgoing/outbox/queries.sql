-- name: fan_out
SELECT fan_out($1);

-- name: lease_deliveries
-- Leases what is due to active endpoints, to each as much as it may have beyond what this sender is
-- sending there already. Rows that another sender is leasing at this moment are skipped.
WITH due AS (
    SELECT x.delivery_id FROM webhook_endpoint e
    LEFT JOIN unnest($1::int[], $2::int[]) b(endpoint_id, sending) USING (endpoint_id)
    CROSS JOIN LATERAL (
        SELECT d.delivery_id FROM webhook_delivery d
        WHERE d.endpoint_id = e.endpoint_id AND d.state = 'pending' AND d.due_at <= statement_timestamp()
        ORDER BY d.due_at LIMIT GREATEST($3::int - COALESCE(b.sending, 0), 0)
        FOR UPDATE SKIP LOCKED) x
    WHERE e.active AND (e.quiet_until IS NULL OR e.quiet_until <= statement_timestamp()))
UPDATE webhook_delivery d SET lease = gen_random_uuid(), sent_by = $5, attempts = d.attempts + 1,
    due_at = statement_timestamp() + make_interval(secs => $4)
FROM due, webhook_endpoint e, outbox_event v
WHERE d.delivery_id = due.delivery_id AND e.endpoint_id = d.endpoint_id AND v.event_id = d.event_id
RETURNING d.delivery_id, d.endpoint_id, d.lease, d.attempts, statement_timestamp() AS now, e.url,
    e.salt, e.key_id,
    CASE WHEN e.old_until > statement_timestamp() THEN e.old_salt END AS old_salt, e.old_key_id,
    v.webhook_id, v.kind, v.at, v.body::text AS body;

-- name: note_attempt
SELECT note_attempt($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: count_pending
SELECT count(*) FROM (SELECT FROM webhook_delivery WHERE state = 'pending' LIMIT $1) x;

-- name: forget_events
-- Ids rise nearly with time, so the oldest are found without an index of their own.
DELETE FROM outbox_event v USING (
    SELECT event_id, at FROM outbox_event ORDER BY event_id LIMIT $1) old
WHERE v.event_id = old.event_id AND old.at < statement_timestamp() - $2::interval AND v.fanned_out
RETURNING v.event_id;

-- name: list_endpoints
SELECT e.endpoint_id, e.url, e.description, e.kinds, e.active, e.inactive_why, e.inactive_since,
       e.key_id, e.old_until, e.failing_since, e.quiet_until, e.created_at,
       (SELECT count(*) FROM (SELECT FROM webhook_delivery d WHERE d.endpoint_id = e.endpoint_id
            AND d.state = 'pending' LIMIT $2) x) AS pending,
       (SELECT count(*) FROM (SELECT FROM webhook_delivery d WHERE d.endpoint_id = e.endpoint_id
            AND d.state = 'failed' LIMIT $2) x) AS failed
FROM webhook_endpoint e WHERE $1::int IS NULL OR e.endpoint_id = $1 ORDER BY e.endpoint_id;

-- name: add_endpoint
WITH new AS (
    INSERT INTO webhook_endpoint (url, description, kinds, salt, key_id)
    SELECT $1, $2, $3::text[], $4, $5 WHERE (SELECT count(*) FROM webhook_endpoint) < $6
    RETURNING endpoint_id, kinds)
INSERT INTO operator_action (who, action, detail)
SELECT $7, 'webhook_added', jsonb_build_object('endpoint_id', new.endpoint_id, 'url', $8::text,
    'kinds', new.kinds) FROM new
RETURNING (SELECT endpoint_id FROM new);

-- name: change_endpoint
-- NULL leaves a column as it is. An endpoint that is made active again starts without failures.
WITH old AS (SELECT * FROM webhook_endpoint WHERE endpoint_id = $1 FOR NO KEY UPDATE),
changed AS (
    UPDATE webhook_endpoint e SET url = COALESCE($2, old.url),
        description = COALESCE($3, old.description), kinds = COALESCE($4::text[], old.kinds),
        active = COALESCE($5, old.active),
        inactive_why = CASE WHEN $5 THEN NULL WHEN NOT $5 AND old.active THEN 'paused'
                            ELSE old.inactive_why END,
        inactive_since = CASE WHEN $5 THEN NULL WHEN NOT $5 AND old.active THEN statement_timestamp()
                              ELSE old.inactive_since END,
        failing_since = CASE WHEN $5 AND NOT old.active THEN NULL ELSE old.failing_since END,
        quiet_until = CASE WHEN $5 AND NOT old.active THEN NULL ELSE old.quiet_until END
    FROM old WHERE e.endpoint_id = old.endpoint_id RETURNING e.endpoint_id)
INSERT INTO operator_action (who, action, detail)
SELECT $6, 'webhook_changed', jsonb_build_object('endpoint_id', endpoint_id) || $7::jsonb FROM changed
RETURNING action_id;

-- name: rotate_endpoint
WITH changed AS (
    UPDATE webhook_endpoint SET old_salt = salt, old_key_id = key_id,
        old_until = statement_timestamp() + $4::interval, salt = $2, key_id = $3
    WHERE endpoint_id = $1 RETURNING endpoint_id)
INSERT INTO operator_action (who, action, detail)
SELECT $5, 'webhook_secret_rotated', jsonb_build_object('endpoint_id', endpoint_id) FROM changed
RETURNING action_id;

-- name: silence_endpoint
UPDATE webhook_endpoint SET active = false, inactive_why = COALESCE(inactive_why, 'paused'),
    inactive_since = COALESCE(inactive_since, clock_timestamp()) WHERE endpoint_id = $1;

-- name: delete_deliveries
-- A batch of an endpoint's deliveries; it waits for none that is being sent.
WITH gone AS (
    SELECT delivery_id FROM webhook_delivery WHERE endpoint_id = $1 LIMIT $2 FOR UPDATE SKIP LOCKED),
deleted AS (DELETE FROM webhook_delivery d USING gone WHERE d.delivery_id = gone.delivery_id RETURNING 1)
SELECT count(*) FROM deleted;

-- name: delete_endpoint
WITH gone AS (DELETE FROM webhook_endpoint WHERE endpoint_id = $1 RETURNING endpoint_id)
INSERT INTO operator_action (who, action, detail)
SELECT $2, 'webhook_deleted', jsonb_build_object('endpoint_id', endpoint_id, 'url', $3::text) FROM gone
RETURNING action_id;

-- name: send_test
-- An event for one endpoint alone: it is fanned out as it is written.
WITH target AS (
    SELECT endpoint_id FROM webhook_endpoint WHERE endpoint_id = $1 AND active FOR KEY SHARE),
event AS (
    INSERT INTO outbox_event (kind, body, fanned_out)
    SELECT $2, jsonb_build_object('endpoint_id', endpoint_id, 'sent_by', $3::text), true FROM target
    RETURNING event_id),
delivery AS (
    INSERT INTO webhook_delivery (endpoint_id, event_id)
    SELECT target.endpoint_id, event.event_id FROM target, event RETURNING delivery_id)
INSERT INTO operator_action (who, action, detail)
SELECT $3, 'webhook_tested', jsonb_build_object('endpoint_id', $1, 'delivery_id', delivery_id)
FROM delivery RETURNING (SELECT delivery_id FROM delivery);

-- name: list_deliveries
-- The newest of each wanted state, and of those the newest, so that every page is read off the index.
SELECT d.delivery_id, d.endpoint_id, d.state, d.attempts, d.tried_at, d.status, d.answer, d.took_ms,
       CASE WHEN d.state = 'pending' THEN d.due_at END AS due_at, d.lease IS NOT NULL AS sending,
       v.webhook_id, v.kind, v.at, v.body::text AS body
FROM unnest($2::text[]) s(state)
CROSS JOIN LATERAL (
    SELECT * FROM webhook_delivery x
    WHERE x.endpoint_id = $1 AND x.state = s.state AND x.delivery_id < $3
    ORDER BY x.delivery_id DESC LIMIT $4) d
JOIN outbox_event v USING (event_id)
ORDER BY d.delivery_id DESC LIMIT $4;

-- name: replay_delivery
-- A delivery that is being sent at this moment is left alone, or it would be sent twice.
WITH again AS (
    UPDATE webhook_delivery SET state = 'pending', attempts = 0, due_at = statement_timestamp()
    WHERE delivery_id = $1 AND lease IS NULL RETURNING delivery_id, endpoint_id)
INSERT INTO operator_action (who, action, detail)
SELECT $2, 'webhook_replayed', jsonb_build_object('endpoint_id', endpoint_id, 'delivery_id', delivery_id)
FROM again RETURNING action_id;

-- name: find_delivery
SELECT lease IS NOT NULL AS sending FROM webhook_delivery WHERE delivery_id = $1;

-- name: replay_failed
WITH found AS (
    SELECT d.delivery_id FROM webhook_delivery d JOIN outbox_event v USING (event_id)
    WHERE d.endpoint_id = $1 AND d.state = 'failed' AND v.at >= $2
    ORDER BY d.delivery_id LIMIT $3 FOR UPDATE OF d SKIP LOCKED),
again AS (
    UPDATE webhook_delivery d SET state = 'pending', attempts = 0, due_at = statement_timestamp()
    FROM found WHERE d.delivery_id = found.delivery_id RETURNING d.delivery_id),
counted AS (SELECT count(*) AS n FROM again),
noted AS (
    INSERT INTO operator_action (who, action, detail)
    SELECT $4, 'webhook_failed_replayed', jsonb_build_object('endpoint_id', $1::int, 'since', $2::timestamptz,
        'replayed', n) FROM counted WHERE n > 0 RETURNING action_id)
SELECT n FROM counted;

-- name: list_webhook_actions
SELECT at, who, action, detail::text AS detail FROM operator_action
WHERE room_id IS NULL AND action LIKE 'webhook%' ORDER BY action_id DESC LIMIT $1;
