-- name: read_gate
SELECT to_jsonb(g) - 'room_id' AS rules FROM room m LEFT JOIN gate g USING (room_id) WHERE m.room = $1;

-- name: list_gates
SELECT m.room, to_jsonb(g) - 'room_id' AS rules FROM gate g JOIN room m USING (room_id);

-- name: set_gate
SELECT set_gate($1, $2, $3, $4, $5);
