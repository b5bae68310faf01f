-- name: keep_picture
SELECT keep_picture($1, $2, $3, $4, $5, $6);

-- name: read_picture
SELECT body FROM picture WHERE name = $1;
