-- name: lease_mail
-- Leases what is due and still of use. Rows that another sender is leasing at this moment are skipped.
WITH due AS (
    SELECT x.mail_id FROM mail x
    WHERE x.state = 'waiting' AND x.next_at <= statement_timestamp() AND x.attempts < $3
        AND mail_is_due(x)
    ORDER BY x.next_at LIMIT $1 FOR UPDATE SKIP LOCKED)
UPDATE mail m SET attempts = m.attempts + 1, next_at = statement_timestamp() + make_interval(secs => $2),
    sent_by = $4
FROM due WHERE m.mail_id = due.mail_id
RETURNING m.mail_id, m.address, m.kind, m.facts::text AS facts, m.attempts, m.created_at,
    statement_timestamp() AS now;

-- name: note_mail
-- A message that was sent is sent, also when its sender has lost the lease. Any other outcome counts
-- only from the holder of the lease.
UPDATE mail SET state = $3, outcome = $4, sent_by = NULL, next_at = clock_timestamp() + make_interval(secs => $5),
    address = CASE $3 WHEN 'waiting' THEN address ELSE '' END,
    ended_at = CASE $3 WHEN 'waiting' THEN NULL ELSE clock_timestamp() END
WHERE mail_id = $1 AND state = 'waiting' AND ($3 = 'sent' OR attempts = $2);

-- name: give_up_mail
SELECT give_up_mail($1, $2);

-- name: forget_mail
SELECT forget_mail($1, $2);
