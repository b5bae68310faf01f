-- name: note_series
-- A row from the doors on, by the leader of this term alone.
INSERT INTO room_series (
    room_id, status, bound, joined, calls, claims, paid, declined, waiting, called, inside, seats_max, on_hand,
    available, held, sold, paying, paying_slow, stock_silent_s, wait_p50_s, wait_p90_s, answer_p95_s, errors,
    sell_out_low_s, sell_out_high_s)
SELECT f.room_id, $3, $4, GREATEST(f.tail, f.entries), f.head, f.claimed + f.ended, f.orders_paid, f.orders_declined,
       CASE WHEN f.tail = 0 THEN f.entries ELSE f.waiting END, f.called, f.claimed, f.seats_max, f.on_hand,
       f.available, f.held, f.sold, f.orders_authorizing, f.orders_slow, f.stock_silent_s,
       $5, $6, $7, $8, $9, $10
FROM room_figures f
WHERE f.room_id = $1 AND (f.status <> 'scheduled' OR f.doors_open) AND (SELECT o.term FROM office o) = $2
RETURNING at, status, bound, joined, calls, claims, paid, declined, waiting, called, inside, seats_max, on_hand,
          available, held, sold, paying, paying_slow, wait_p50_s, wait_p90_s, answer_p95_s, errors, sell_out_low_s,
          sell_out_high_s, stock_silent_s;

-- name: series_span
-- The first and the last row of a room, and the moment now.
SELECT m.room_id, (SELECT min(s.at) FROM room_series s WHERE s.room_id = m.room_id) AS first,
       (SELECT max(s.at) FROM room_series s WHERE s.room_id = m.room_id) AS last, clock_timestamp() AS now
FROM room m WHERE m.room = $1;

-- name: read_series
-- The last row of each step of so many seconds, from one moment to another.
SELECT DISTINCT ON (floor(extract(epoch FROM s.at) / $4))
       s.at, s.status, s.bound, s.joined, s.calls, s.claims, s.paid, s.declined, s.waiting, s.called, s.inside,
       s.seats_max, s.on_hand, s.available, s.held, s.sold, s.paying, s.paying_slow, s.wait_p50_s, s.wait_p90_s,
       s.answer_p95_s, s.errors, s.sell_out_low_s, s.sell_out_high_s, s.stock_silent_s
FROM room_series s WHERE s.room_id = $1 AND s.at >= $2 AND s.at <= $3
ORDER BY floor(extract(epoch FROM s.at) / $4), s.at DESC;

-- name: list_marks
-- What operators did in a room from one moment to another, the latest of it.
SELECT o.at, o.who, o.action, o.detail::text AS detail, m.currency
FROM operator_action o JOIN room m USING (room_id)
WHERE o.room_id = $1 AND o.at >= $2 AND o.at <= $3 ORDER BY o.action_id DESC LIMIT $4;

-- name: list_waiting_joins
-- When numbers were given that are not called yet, the latest of them first.
SELECT l.line_id, e.body FROM line l, LATERAL (
    SELECT x.seq, x.body FROM log_entry x WHERE x.room_id = l.room_id AND x.body LIKE '%"kind": "joined"%'
    ORDER BY x.seq DESC LIMIT $2) e
WHERE l.room_id = $1 AND l.joinable AND e.body::jsonb ->> 'line' = l.line
    AND (e.body::jsonb ->> 'last')::bigint > LEAST(l.gate, l.tail)
ORDER BY e.seq;

-- name: read_pace
-- The arrivals a minute of the last five minutes.
SELECT (max(s.joined) - min(s.joined)) * 60 / GREATEST(extract(epoch FROM max(s.at) - min(s.at)), 60)::float8
FROM room_series s WHERE s.room_id = $1 AND s.at > clock_timestamp() - interval '5 minutes';

-- name: read_last_call
-- The figures behind the last call, as the log has them.
SELECT e.body FROM log_entry e WHERE e.room_id = $1 AND e.body LIKE '%"kind": "called"%'
ORDER BY e.seq DESC LIMIT 1;

-- name: list_gone
-- The shoppers who were called and are gone, the latest calls of them.
SELECT j.admission_id, j.state, j.called_at, j.claimed_at, j.held_at, j.hold_ended_at, j.ended_at, j.units_held,
       j.units_sold, j.paying, j.refused, j.promised, j.named, j.first_sku, j.missed_sku
FROM journeys_of(ARRAY(
    SELECT a.admission_id FROM admission a
    WHERE a.room_id = $1 AND a.called_at IS NOT NULL AND a.state NOT IN ('called', 'claimed')
    ORDER BY a.admission_id DESC LIMIT $2)) j
WHERE j.is_over;

-- name: thin_series
SELECT thin_series($1, $2, $3, $4);
