-- name: read_gate
SELECT to_jsonb(g) - 'room_id' AS rules FROM room m LEFT JOIN gate g USING (room_id) WHERE m.room = $1;

-- name: list_gates
SELECT m.room, to_jsonb(g) - 'room_id' AS rules FROM gate g JOIN room m USING (room_id);

-- name: set_gate
SELECT set_gate($1, $2, $3, $4, $5);

-- name: read_passes
-- The sessions for which a pass is to be minted, the clock, and the seconds that each has left.
SELECT a.admission_id AS session_id, a.times_called AS turn, m.room, a.state = 'claimed' AS live,
       extract(epoch FROM a.expires_at - shopper_now())::float8 AS seconds_left,
       extract(epoch FROM clock_timestamp())::float8 AS now
FROM admission a JOIN room m USING (room_id) WHERE a.admission_id = ANY ($1::bigint[]);

-- name: revocations_since
-- What was revoked by the transactions since one, the newest first, and the oldest transaction that runs now.
SELECT m.room, r.session_id, r.turn, r.written_by::text::bigint AS written,
       extract(epoch FROM r.ended_at)::float8 AS ended_at, extract(epoch FROM r.until)::float8 AS until,
       extract(epoch FROM clock_timestamp())::float8 AS now,
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon
FROM (VALUES (1)) always LEFT JOIN (
    SELECT * FROM revocation x WHERE x.written_by >= ($1::text)::xid8 AND x.until > clock_timestamp()
    ORDER BY x.written_by DESC LIMIT $2) r ON true
LEFT JOIN room m ON m.room_id = r.room_id;

-- name: longest_passes
SELECT m.room, p.longest_s FROM gate_pass p JOIN room m USING (room_id);

-- name: forget_revocations
SELECT forget_revocations($1);

-- name: spend_hand_over
SELECT spend_hand_over($1, $2);
