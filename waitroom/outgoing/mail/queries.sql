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

-- name: count_due_mail
SELECT count(*) FROM (SELECT FROM mail WHERE state = 'waiting' AND next_at <= clock_timestamp() LIMIT $1) x;

-- name: give_up_mail
SELECT give_up_mail($1, $2);

-- name: forget_mail
SELECT forget_mail($1, $2);

-- name: end_call_mails
SELECT end_call_mails($1);

-- name: write_called
SELECT write_called($1, $2);

-- name: list_nearing
-- The documents of rooms in which shoppers are to hear that their turn is near. An old document tells nothing.
SELECT s.room_id, s.body FROM room_state s JOIN room m USING (room_id)
WHERE m.status = 'open' AND s.body <> '' AND s.published_at > clock_timestamp() - interval '15 seconds'
    AND EXISTS (SELECT FROM line l JOIN call_mail w USING (line_id)
        WHERE l.room_id = s.room_id AND l.joinable AND NOT w.entered AND w.email <> '' AND w.near_at IS NULL);

-- name: write_near
SELECT write_near($1, $2, $3, $4, $5);
