-- name: report_keys
SELECT host, pid FROM report_keys($1, $2, $3, $4)

-- name: report_surroundings
SELECT report_surroundings($1, $2, $3)

-- name: end_report
DELETE FROM process_keys WHERE process = $1

-- name: live_processes
SELECT host, pid, key_ids FROM live_process_keys ORDER BY host, pid

-- name: last_signed
SELECT last_signed_at FROM signing_key WHERE key_id = $1

-- name: places_given_by
SELECT room, what, count, until FROM places_given_by($1) ORDER BY room, what

-- name: draws_sealed_by
SELECT m.room FROM draw d JOIN line l USING (line_id) JOIN room m USING (room_id)
WHERE d.seed IS NULL AND l.joinable AND m.status <> 'ended' AND d.sealed_seed LIKE $1 || '.%' ORDER BY m.room

-- name: webhooks_derived_from
SELECT url FROM webhook_endpoint
WHERE key_id = $1 OR (old_key_id = $1 AND old_until > statement_timestamp()) ORDER BY url

-- name: apps_sealed_by
SELECT o.name FROM operator_authenticator a JOIN operator o USING (operator_id)
WHERE a.confirmed_at IS NOT NULL AND o.active AND substr(a.sealed, 1, length($1::bytea)) = $1 ORDER BY o.name

-- name: sites_derived_from
SELECT customer FROM known_user_site WHERE key_id = $1 ORDER BY customer
