-- name: add_operator
SELECT add_operator($1, $2, $3, $4);

-- name: any_operator
SELECT EXISTS (SELECT FROM operator);

-- name: offer_first_account
SELECT offer_first_account($1);

-- name: make_first_account
SELECT make_first_account($1, $2, $3);

-- name: find_operator
SELECT operator_id, password_hash, has_factor(operator_id) AS has_factor FROM operator WHERE name = $1 AND active;

-- name: list_operators
SELECT o.name, o.role, o.active, o.created_at, has_factor(o.operator_id) AS second_factor,
    EXISTS (SELECT FROM operator_person p WHERE p.operator_id = o.operator_id) AS at_provider,
    count(s.session_hash) AS sessions, max(s.used_at) AS seen_at,
    ARRAY(SELECT m.room FROM room_seller r JOIN room m USING (room_id)
          WHERE r.seller_id = o.operator_id ORDER BY m.room) AS rooms
FROM operator o LEFT JOIN operator_session s ON s.operator_id = o.operator_id
    AND s.used_at > clock_timestamp() - make_interval(secs => $1)
    AND s.created_at > clock_timestamp() - make_interval(secs => $2)
GROUP BY o.operator_id ORDER BY o.name;

-- name: change_operator
SELECT change_operator($1, $2, $3, $4, $5, $6);

-- name: sign_out_operator
SELECT sign_out_operator($1, $2);

-- name: change_own_password
SELECT change_own_password($1, $2, $3);

-- name: open_session
-- The operator who signs in clears away what has run out.
WITH over AS (
    DELETE FROM operator_session WHERE created_at < clock_timestamp() - make_interval(secs => $5))
SELECT open_operator_session($1, $2, $3, $4);

-- name: use_session
UPDATE operator_session s SET used_at = clock_timestamp(),
    network = COALESCE(NULLIF($5, ''), s.network), browser = COALESCE(NULLIF($6, ''), s.browser)
FROM operator o
WHERE s.session_hash = $1 AND o.operator_id = s.operator_id AND o.active
    AND s.used_at > clock_timestamp() - make_interval(secs => $2)
    AND s.created_at > clock_timestamp() - make_interval(secs => $3)
RETURNING o.operator_id, o.name, o.role, s.session_hash AS fingerprint, s.how,
    s.proved_at > clock_timestamp() - make_interval(secs => $4) AS fresh,
    EXISTS (SELECT FROM operator_authenticator a
            WHERE a.operator_id = o.operator_id AND a.confirmed_at IS NOT NULL) AS authenticator,
    EXISTS (SELECT FROM operator_passkey p WHERE p.operator_id = o.operator_id) AS passkey;

-- name: prove_session
UPDATE operator_session SET proved_at = clock_timestamp() WHERE session_hash = $1;

-- name: close_session
DELETE FROM operator_session s USING operator o WHERE s.session_hash = $1 AND o.operator_id = s.operator_id
RETURNING o.name;

-- name: add_key
SELECT add_key($1, $2, $3, $4, $5, $6, $7, $8);

-- name: end_key
SELECT end_key($1, $2, $3, $4);

-- name: use_key
-- A program that asks without a pause writes the time of its last use once a minute and no oftener.
WITH found AS (
    SELECT k.key_id, k.name, k.scopes, k.rooms, COALESCE(o.role, 'admin') AS role, k.last_used_at
    FROM api_key k LEFT JOIN operator o USING (operator_id)
    WHERE k.key_hash = $1 AND k.ended_at IS NULL AND COALESCE(k.expires_at > clock_timestamp(), true)
        AND COALESCE(o.active, true)),
used AS (
    UPDATE api_key k SET last_used_at = clock_timestamp() FROM found
    WHERE k.key_id = found.key_id AND COALESCE(k.last_used_at < clock_timestamp() - interval '1 minute', true))
SELECT key_id, name, scopes, rooms, role FROM found;

-- name: list_keys
-- Those in force first, then the ones that ended, the newest first.
SELECT k.key_id, k.name, k.scopes, k.rooms, o.name AS made_by, k.made_at, k.expires_at, k.last_used_at,
    k.ended_at, k.end_reason, COALESCE(k.expires_at <= clock_timestamp(), false) AS expired
FROM api_key k LEFT JOIN operator o USING (operator_id)
ORDER BY k.ended_at IS NOT NULL, CASE WHEN k.ended_at IS NULL THEN k.name END, k.ended_at DESC LIMIT $1;

-- name: room_of_thing
-- The room of a SKU, a product or an order.
SELECT m.room FROM room m WHERE m.room_id = COALESCE(
    (SELECT k.room_id FROM sku k WHERE k.sku = $1), (SELECT p.room_id FROM product p WHERE p.product = $2),
    (SELECT o.room_id FROM purchase o WHERE o.order_id = $3));

-- name: find_actions
-- The newest actions of a room, or of all; those that belong to no room only if they are asked for.
SELECT a.action_id, a.at, m.room, m.currency, a.who, a.action, a.detail::text AS detail, a.reason
FROM operator_action a LEFT JOIN room m USING (room_id)
WHERE CASE WHEN $1::text IS NULL THEN $2::boolean OR a.room_id IS NOT NULL
           ELSE a.room_id = (SELECT x.room_id FROM room x WHERE x.room = $1) END
    AND ($3::text IS NULL OR a.who = $3) AND ($4::text[] IS NULL OR a.action = ANY ($4))
    AND ($5::timestamptz IS NULL OR a.at >= $5) AND ($6::timestamptz IS NULL OR a.at < $6)
    AND ($7::bigint IS NULL OR a.action_id < $7)
ORDER BY a.action_id DESC LIMIT $8;

-- name: list_actors
SELECT DISTINCT a.who FROM operator_action a
WHERE CASE WHEN $1::text IS NULL THEN $2::boolean OR a.room_id IS NOT NULL
           ELSE a.room_id = (SELECT x.room_id FROM room x WHERE x.room = $1) END
ORDER BY a.who;

-- name: list_account_actions
-- What was done to accounts and belongs to no room, the newest first, before the cursor if there is one.
SELECT a.action_id, a.at, NULL AS room, NULL AS currency, a.who, a.action, a.detail::text AS detail, a.reason
FROM operator_action a WHERE a.room_id IS NULL AND ($1::bigint IS NULL OR a.action_id < $1)
ORDER BY a.action_id DESC LIMIT $2;

-- name: record_action
INSERT INTO operator_action (room_id, who, action, detail, reason)
SELECT (SELECT room_id FROM room WHERE room = $1), $2, $3, $4::jsonb, $5;

-- name: add_security_event
INSERT INTO security_event (kind, who, network, detail, at, count, since, of_strangers)
VALUES ($1, $2, $3, $4::jsonb, $5, $6, $7, $8);

-- name: find_operators_named
SELECT name, active FROM operator WHERE lower(name) = ANY ($1::text[]);

-- name: find_security_events
-- The newest events that fit. Those about an operator are found by their name as well as those by them.
SELECT e.event_id, e.at, e.kind, e.who, e.network, e.count, e.since, e.detail::text AS detail
FROM security_event e
WHERE ($1::text[] IS NULL OR e.kind = ANY ($1))
    AND ($2::text IS NULL OR e.who = $2 OR e.detail ->> 'operator' = $2 OR e.detail -> 'names' ? $2)
    AND ($3::text IS NULL OR e.network = $3)
    AND ($4::timestamptz IS NULL OR e.at >= $4) AND ($5::timestamptz IS NULL OR e.at < $5)
    AND ($6::bigint IS NULL OR e.event_id < $6)
ORDER BY e.event_id DESC LIMIT $7;

-- name: forget_security_events
SELECT forget_security_events($1, $2, $3);
