-- name: list_sessions
SELECT session_id, browser, network, how, created_at AS since, used_at, session_hash = $2 AS this
FROM operator_session
WHERE operator_id = $1 AND used_at > clock_timestamp() - make_interval(secs => $3)
    AND created_at > clock_timestamp() - make_interval(secs => $4)
ORDER BY session_hash = $2 DESC, used_at DESC LIMIT $5;

-- name: end_session
DELETE FROM operator_session WHERE operator_id = $1 AND session_id = $2 RETURNING true;

-- name: end_other_sessions
WITH ended AS (DELETE FROM operator_session WHERE operator_id = $1 AND session_hash <> $2 RETURNING 1)
SELECT count(*) FROM ended;
