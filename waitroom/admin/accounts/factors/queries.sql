-- name: read_factors
SELECT o.name, a.confirmed_at AS authenticator_since,
    (SELECT count(*) FROM operator_recovery_code c WHERE c.operator_id = o.operator_id AND c.used_at IS NULL)
        AS recovery_codes_left
FROM operator o LEFT JOIN operator_authenticator a USING (operator_id) WHERE o.operator_id = $1;

-- name: list_passkeys
SELECT passkey_id, name, made_at, last_used_at FROM operator_passkey WHERE operator_id = $1 ORDER BY passkey_id;

-- name: list_credentials
SELECT credential_id FROM operator_passkey WHERE operator_id = $1 ORDER BY passkey_id;

-- name: find_passkey
SELECT p.passkey_id, p.operator_id, o.name AS operator, p.public_key, p.sign_count
FROM operator_passkey p JOIN operator o USING (operator_id) WHERE p.credential_id = $1 AND o.active;

-- name: use_passkey
-- Of two answers with one counter the second is a copy's; an authenticator that does not count stays at 0.
UPDATE operator_passkey SET sign_count = $2, last_used_at = clock_timestamp()
WHERE passkey_id = $1 AND (sign_count < $2 OR (sign_count = 0 AND $2 = 0)) RETURNING true;

-- name: add_passkey
SELECT add_passkey($1, $2, $3, $4, $5, $6, $7);

-- name: offer_authenticator
SELECT offer_authenticator($1, $2);

-- name: read_offered
SELECT sealed, extract(epoch FROM clock_timestamp())::double precision AS now_s
FROM operator_authenticator WHERE operator_id = $1 AND confirmed_at IS NULL;

-- name: confirm_authenticator
SELECT confirm_authenticator($1, $2, $3, $4);

-- name: try_code
SELECT sealed, last_step, now_s FROM try_code($1, $2, $3);

-- name: use_code
SELECT use_code($1, $2, $3);

-- name: remove_factor
SELECT remove_factor($1, $2);

-- name: remove_factors
SELECT remove_factors($1, $2, $3);

-- name: set_recovery_codes
SELECT set_recovery_codes($1, $2);

-- name: use_recovery_code
SELECT use_recovery_code($1, $2);

-- name: keep_challenge
-- Each new challenge clears away those that have run out, and the oldest of strangers' beyond the bound.
WITH over AS (
    DELETE FROM operator_challenge
    WHERE made_at < clock_timestamp() - make_interval(secs => $4)
        OR (operator_id IS NULL AND made_at <= (
            SELECT made_at FROM operator_challenge WHERE operator_id IS NULL
            ORDER BY made_at DESC OFFSET $5 LIMIT 1)))
INSERT INTO operator_challenge (challenge_hash, act, operator_id) VALUES ($1, $2, $3);

-- name: take_challenge
-- The row goes with the first answer, a right or a wrong one.
WITH taken AS (DELETE FROM operator_challenge WHERE challenge_hash = $1 RETURNING act, operator_id, made_at)
SELECT t.act = $2 AND t.operator_id IS NOT DISTINCT FROM $3
    AND t.made_at > clock_timestamp() - make_interval(secs => $4)
FROM taken t;

-- name: begin_step
WITH over AS (DELETE FROM operator_step WHERE made_at < clock_timestamp() - make_interval(secs => $4))
INSERT INTO operator_step (step_hash, operator_id, password_hash) VALUES ($1, $2, $3);

-- name: read_step
SELECT s.operator_id, o.name, s.password_hash,
    EXISTS (SELECT FROM operator_authenticator a
            WHERE a.operator_id = o.operator_id AND a.confirmed_at IS NOT NULL) AS authenticator,
    EXISTS (SELECT FROM operator_passkey p WHERE p.operator_id = o.operator_id) AS passkey
FROM operator_step s JOIN operator o USING (operator_id)
WHERE s.step_hash = $1 AND o.active AND o.password_hash = s.password_hash
    AND s.made_at > clock_timestamp() - make_interval(secs => $2);

-- name: end_step
DELETE FROM operator_step WHERE step_hash = $1;
