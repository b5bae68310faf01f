-- name: open_to_person
SELECT * FROM open_to_person($1, $2, $3);

-- name: forget_person
SELECT forget_person($1, $2, $3);
