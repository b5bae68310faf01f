-- name: homes
-- Every room that lives here or left, with the shard that has it, NULL where it never moved.
SELECT m.room, m.name, m.public, m.status, h.shard, COALESCE(h.away, false) AS away,
       COALESCE(h.arrived, true) AS arrived
FROM room m LEFT JOIN room_home h USING (room_id) WHERE h.away OR NOT is_sealed(m.room_id) ORDER BY m.room

-- name: leave_for_shard
SELECT verdict, word FROM leave_for_shard($1, $2, $3)

-- name: luggage_of
SELECT luggage_of($1)::text

-- name: log_page
SELECT e.body FROM room m, log_between(m.room_id, $2, $3) e WHERE m.room = $1 ORDER BY e.seq

-- name: pictures
SELECT p.name, p.body, p.who, o.name AS seller
FROM picture p JOIN room m USING (room_id) LEFT JOIN operator o ON o.operator_id = p.seller_id WHERE m.room = $1

-- name: has_arrived
SELECT has_arrived($1, $2, $3)

-- name: take_in_room
SELECT take_in_room($1::text::jsonb, $2, $3)

-- name: take_in_log
SELECT take_in_log($1, $2)

-- name: take_in_picture
SELECT take_in_picture($1, $2, $3, $4, $5)

-- name: take_in_units
SELECT take_in_units($1::text::jsonb, $2, $3)

-- name: note_arrival
SELECT note_arrival($1, $2)

-- name: last_migration
SELECT max(name) FROM migration
