-- name: read_log_end
SELECT m.room_id, h.seq AS log_seq, is_sealed(m.room_id) AS archived
FROM room m JOIN log_head h USING (room_id) WHERE m.room = $1;

-- name: read_books
-- The room, and what became of the numbers that its lines have come to.
SELECT m.room_id, m.room, m.status, m.sold_out, clock_timestamp() AS now, h.seq AS log_seq, h.hash AS log_hash,
       is_sealed(m.room_id) AS archived, a.*
FROM room m JOIN log_head h USING (room_id), LATERAL (
    SELECT count(x.called_at) AS called,
           count(x.claimed_at) AS claimed,
           count(*) FILTER (WHERE x.called_at IS NOT NULL AND x.state IN ('missed', 'aside') AND x.came_back_at IS NULL
                            AND x.claimed_at IS NULL) AS no_shows,
           count(*) FILTER (WHERE x.times_called > 1 OR (x.came_back_at IS NOT NULL AND x.times_called > 0)) AS came_back,
           count(*) FILTER (WHERE x.state = 'left' AND x.called_at IS NULL
                            AND x.end_reason IS DISTINCT FROM 'revoked') AS left_waiting,
           count(*) FILTER (WHERE x.state = 'left' AND x.called_at IS NOT NULL
                            AND x.end_reason IS DISTINCT FROM 'revoked') AS left_later
    FROM line l JOIN admission x USING (line_id) WHERE l.room_id = m.room_id) a
WHERE m.room = $1;

-- name: count_passed_over
-- Numbers that a line has passed and of which the books know nothing.
SELECT COALESCE(sum(LEAST(l.gate, l.tail) - (
    SELECT count(*) FROM admission a WHERE a.line_id = l.line_id AND a.number <= LEAST(l.gate, l.tail))), 0)::bigint
FROM line l WHERE l.room_id = $1;

-- name: list_entries
SELECT e.seq, e.body, e.hash FROM log_between($1, $2::bigint + 1, LEAST($2 + $4::bigint, $3::bigint)) e ORDER BY e.seq;

-- name: list_away
-- Numbers that were not there when their line came to them, or have gone before it does.
SELECT l.line, a.number, wall_at(a.ended_at) AS at FROM line l JOIN admission a USING (line_id)
WHERE l.room_id = $1 AND a.called_at IS NULL AND a.state IN ('left', 'aside');

-- name: list_back
-- Numbers that wait to be called again.
SELECT l.line, a.number, wall_at(a.came_back_at) AS at FROM line l JOIN admission a USING (line_id)
WHERE l.room_id = $1 AND a.state = 'missed' AND a.came_back_at IS NOT NULL;

-- name: list_found_nothing
-- Numbers that asked for something of which nothing was left, and never held or bought anything.
SELECT l.line, a.number FROM line l JOIN admission a USING (line_id)
WHERE l.room_id = $1 AND a.refused AND NOT EXISTS (SELECT FROM hold h WHERE h.session_id = a.admission_id)
    AND NOT EXISTS (SELECT FROM outcome_elsewhere e WHERE e.session_id = a.admission_id AND (e.held_at IS NOT NULL OR e.bought > 0));
