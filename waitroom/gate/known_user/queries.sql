-- name: read_known_user
SELECT to_jsonb(k) - 'room_id' AS rules FROM room m LEFT JOIN known_user k USING (room_id) WHERE m.room = $1;

-- name: list_known_users
SELECT m.room, to_jsonb(k) - 'room_id' AS rules, s.salt, s.key_id
FROM known_user k JOIN room m USING (room_id) JOIN known_user_site s USING (customer) ORDER BY k.customer, k.event;

-- name: set_known_user
SELECT set_known_user($1, $2, $3, $4, $5, $6);

-- name: renew_known_user_secret
SELECT renew_known_user_secret($1, $2, $3, $4);
