-- name: read_looks
SELECT r.draft, r.live FROM room m LEFT JOIN room_look r USING (room_id) WHERE m.room = $1;

-- name: list_live_looks
SELECT m.room, r.live FROM room_look r JOIN room m USING (room_id);

-- name: save_look
SELECT save_look($1, $2, $3, $4);

-- name: publish_look
SELECT publish_look($1, $2);
