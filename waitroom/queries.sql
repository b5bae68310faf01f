-- name: join_line
SELECT * FROM join_line($1, $2, $3, $4);

-- name: claim_numbers
SELECT * FROM claim_numbers($1, $2, $3);

-- name: leave_line
SELECT leave_line($1, $2, $3);

-- name: read_admissions
SELECT a.state, a.ticket_id, a.came_back_at IS NOT NULL AS came_back, l.gate, l.tail,
       wall_time(a.claim_until) AS claim_until,
       extract(epoch FROM a.claim_until - shopper_now())::float8 AS claim_seconds,
       COALESCE(a.ended_at > shopper_now() - make_interval(secs => m.grace_s), false) AS in_grace,
       -- NULL for whoever does not stay in line for returns, '' for whoever left no address.
       r.email AS returns_email,
       -- Who was called for returns has the longer window.
       COALESCE(a.claim_until >= a.called_at + make_interval(secs => m.returns_window_s)
                AND m.returns_window_s > m.claim_window_s, false) AS for_returns
FROM unnest($1::int[], $2::bigint[], $3::bytea[]) WITH ORDINALITY q(line_id, number, ticket_id, o)
JOIN line l ON l.line_id = q.line_id JOIN room m ON m.room_id = l.room_id
LEFT JOIN admission a ON a.line_id = q.line_id AND a.number = q.number
LEFT JOIN returns_wait r ON r.line_id = q.line_id AND r.number = q.number AND r.ticket_id = q.ticket_id
ORDER BY q.o;

-- name: list_rooms
SELECT m.*, l.line_id, l.line
FROM room m JOIN line l ON l.room_id = m.room_id AND l.joinable
ORDER BY m.room;

-- name: read_states
SELECT m.room, s.version, s.body FROM room_state s JOIN room m USING (room_id)
WHERE s.version > 0;

-- name: beat
SELECT * FROM beat($1, $2, $3);

-- name: resign
UPDATE office SET leader = '' WHERE leader = $1 AND term = $2;

-- name: snapshot
-- All that a tick needs to know, one row for each room and line.
SELECT m.room_id, m.room, m.status, m.sold_out, m.message, m.message_at, m.opens_at, m.closes_at,
       m.policy, m.seats_max, m.calls_per_minute, m.batch_max, m.units_promised,
       l.line_id, l.line, l.gate, l.tail, s.version, o.beat_at, clock_timestamp() AS now,
       k.on_hand, k.promised, k.held, k.sold, wanted_units(m.room_id) AS wanted,
       EXISTS (SELECT FROM sku x WHERE x.room_id = m.room_id) AS has_stock,
       k.seats AS seats_taken,
       ARRAY(SELECT a.admission_id FROM admission a
             WHERE a.line_id = l.line_id AND a.state = 'missed' AND a.came_back_at IS NOT NULL
             ORDER BY a.number LIMIT m.batch_max) AS came_back
FROM room m JOIN line l ON l.room_id = m.room_id AND l.joinable
JOIN room_state s ON s.room_id = m.room_id JOIN room_stock k ON k.room_id = m.room_id, office o
ORDER BY m.room_id;

-- name: call_numbers
SELECT * FROM call_numbers($1, $2, $3, $4, $5, $6, $7);

-- name: publish_state
-- The term keeps an old leader out, the version a lost race.
UPDATE room_state s SET version = $3, body = $4, published_at = clock_timestamp()
FROM office o WHERE s.room_id = $1 AND o.term = $2 AND s.version < $3
RETURNING s.version;

-- name: note_sold_out
SELECT note_sold_out($1);

-- name: keep_hours
SELECT keep_hours($1);

-- name: stay_for_returns
SELECT stay_for_returns($1, $2, $3, $4);

-- name: leave_returns
SELECT leave_returns($1, $2, $3);

-- name: end_due_admissions
SELECT * FROM end_due_admissions($1);

-- name: read_log
SELECT e.seq, e.body, encode(e.hash, 'hex') AS hash FROM log_entry e JOIN room m USING (room_id)
WHERE m.room = $1 AND e.seq > $2 ORDER BY e.seq LIMIT $3;

-- name: create_room
SELECT create_room($1, $2, $3);

-- name: set_room_status
SELECT set_room_status($1, $2, $3, $4);

-- name: change_room
SELECT change_room($1, $2, $3, $4);

-- name: read_room
SELECT * FROM room WHERE room = $1;

-- name: read_figures
SELECT LEAST(l.gate, l.tail) AS head, l.tail, l.gate,
       l.tail - LEAST(l.gate, l.tail) AS waiting,
       a.called, a.claimed, a.missed, a.came_back, a."left", a.ended, a.called + a.claimed AS seats_taken,
       k.on_hand, GREATEST(k.on_hand - k.held - k.sold - k.promised, 0) AS available, k.promised, k.held, k.sold,
       (SELECT count(*) FROM hold h WHERE h.room_id = m.room_id AND h.state = 'held') AS holds_open,
       p.paid AS orders_paid, p.declined AS orders_declined, p.running AS orders_authorizing,
       COALESCE(p.revenue, 0) AS revenue_minor, p.currency,
       o.leader, o.term, extract(epoch FROM clock_timestamp() - o.beat_at)::float8 AS leader_age_s
FROM room m JOIN line l ON l.room_id = m.room_id AND l.joinable
JOIN room_stock k ON k.room_id = m.room_id, office o,
LATERAL (SELECT count(*) FILTER (WHERE state = 'called') AS called,
                count(*) FILTER (WHERE state = 'claimed') AS claimed,
                count(*) FILTER (WHERE state = 'missed' AND came_back_at IS NULL) AS missed,
                count(*) FILTER (WHERE state = 'missed' AND came_back_at IS NOT NULL) AS came_back,
                count(*) FILTER (WHERE state = 'left') AS "left",
                count(*) FILTER (WHERE state = 'ended') AS ended
         FROM admission WHERE room_id = m.room_id) a,
LATERAL (SELECT count(*) FILTER (WHERE state = 'paid') AS paid,
                count(*) FILTER (WHERE state = 'declined') AS declined,
                count(*) FILTER (WHERE state IN ('authorizing', 'authorized', 'voiding', 'returning')) AS running,
                sum(total_minor - refunded_minor) FILTER (WHERE state IN ('paid', 'refunded'))::bigint AS revenue,
                min(currency) AS currency
         FROM purchase WHERE room_id = m.room_id) p
WHERE m.room = $1;
