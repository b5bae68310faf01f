-- name: add_operator
INSERT INTO operator (name, role, password_hash) VALUES ($1, $2, $3);

-- name: any_operator
SELECT EXISTS (SELECT FROM operator);

-- name: find_operator
SELECT operator_id, password_hash FROM operator WHERE name = $1 AND active;

-- name: open_session
-- Whoever signs in clears away what has run out.
WITH over AS (
    DELETE FROM operator_session WHERE created_at < clock_timestamp() - make_interval(secs => $3))
INSERT INTO operator_session (session_hash, operator_id) VALUES ($1, $2);

-- name: use_session
UPDATE operator_session s SET used_at = clock_timestamp() FROM operator o
WHERE s.session_hash = $1 AND o.operator_id = s.operator_id AND o.active
    AND s.used_at > clock_timestamp() - make_interval(secs => $2)
    AND s.created_at > clock_timestamp() - make_interval(secs => $3)
RETURNING o.operator_id, o.name, o.role;

-- name: close_session
DELETE FROM operator_session WHERE session_hash = $1;

-- name: list_actions
SELECT a.at, a.who, a.action, a.detail::text AS detail, a.reason
FROM operator_action a JOIN room m USING (room_id)
WHERE m.room = $1 ORDER BY a.action_id DESC LIMIT $2;

-- name: record_action
INSERT INTO operator_action (room_id, who, action, detail, reason)
SELECT (SELECT room_id FROM room WHERE room = $1), $2, $3, $4::jsonb, $5;
