-- Second factors of operators: authenticator apps, passkeys, and recovery codes.

-- Operators who are signed in sign in again: how they did so was not kept.
DELETE FROM operator_session;
ALTER TABLE operator_session
    -- The way in which the operator signed in: by the password alone, with a second factor besides, by a
    -- passkey alone, or at a provider.
    ADD COLUMN how text NOT NULL CHECK (how IN ('password', 'second', 'passkey', 'provider')),
    -- The moment at which the operator last proved who they are.
    ADD COLUMN proved_at timestamptz NOT NULL DEFAULT clock_timestamp();

-- The authenticator app of an operator, which makes codes from a secret and the time (RFC 6238).
CREATE TABLE operator_authenticator (
    operator_id int PRIMARY KEY REFERENCES operator,
    -- The secret, sealed with a key that the database does not have.
    sealed bytea NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The moment of the first right code. Before it the app counts for nothing.
    confirmed_at timestamptz,
    -- The time step of the last code that was taken: each code works once.
    last_step bigint NOT NULL DEFAULT 0,
    -- Wrong codes since the last right one, from browsers in which the operator has signed in before, and from
    -- others. They are counted apart, so that others cannot use up what the operator has.
    missed_known int NOT NULL DEFAULT 0,
    missed_unknown int NOT NULL DEFAULT 0
);

CREATE TABLE operator_passkey (
    passkey_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operator_id int NOT NULL REFERENCES operator,
    credential_id bytea NOT NULL CONSTRAINT passkey_known_once UNIQUE,
    public_key bytea NOT NULL,
    -- The signatures that the authenticator has counted; 0 for one that does not count.
    sign_count bigint NOT NULL,
    name text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_used_at timestamptz
);
CREATE INDEX passkey_by_operator ON operator_passkey (operator_id);

CREATE TABLE operator_recovery_code (
    operator_id int NOT NULL REFERENCES operator,
    -- The code has some hundred random bits, so its hash cannot be searched.
    code_hash bytea NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (operator_id, code_hash)
);

-- A sign-in whose password was right, and whose second factor is still missing.
CREATE TABLE operator_step (
    step_hash bytea PRIMARY KEY,
    operator_id int NOT NULL REFERENCES operator,
    -- Another password ends the step.
    password_hash text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- A challenge that a passkey is to sign. The row goes with the first answer, so a challenge works once.
CREATE TABLE operator_challenge (
    challenge_hash bytea PRIMARY KEY,
    act text NOT NULL CHECK (act IN ('sign_in', 'prove', 'add')),
    -- NULL for a sign-in, in which the passkey itself says whose it is.
    operator_id int REFERENCES operator,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- Strangers ask for challenges too, and each new one clears away those that have run out.
CREATE INDEX operator_challenge_by_age ON operator_challenge (made_at);

CREATE FUNCTION has_factor(in_operator int) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM operator_passkey p WHERE p.operator_id = in_operator)
        OR EXISTS (SELECT FROM operator_authenticator a
                   WHERE a.operator_id = in_operator AND a.confirmed_at IS NOT NULL)
$$;

-- Opens a session. Returns false when the account is shut or, where a hash is given, its password is another
-- one by now. A password alone opens nothing for an operator with a second factor, whatever its caller
-- believes.
CREATE FUNCTION open_operator_session(in_session bytea, in_operator int, in_hash text, in_how text)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    -- A change of the account, or of its factors, waits for this lock or comes before it.
    PERFORM 1 FROM operator o WHERE o.operator_id = in_operator AND o.active
        AND COALESCE(o.password_hash = in_hash, true) FOR SHARE;
    IF NOT FOUND OR (in_how = 'password' AND has_factor(in_operator)) THEN RETURN false; END IF;
    INSERT INTO operator_session (session_hash, operator_id, how) VALUES (in_session, in_operator, in_how);
    RETURN true;
END $$;

-- Ends all sessions of an operator but this one, which has the new factor behind it from now on.
CREATE FUNCTION keep_session(in_operator int, in_session bytea) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM operator_session s WHERE s.operator_id = in_operator AND s.session_hash <> in_session;
    UPDATE operator_session s SET how = 'second', proved_at = clock_timestamp()
        WHERE s.session_hash = in_session AND s.how = 'password';
END $$;

-- Keeps the secret of an app that its operator is to confirm, in place of an earlier one. Returns false when the
-- operator has a confirmed app.
CREATE FUNCTION offer_authenticator(in_operator int, in_sealed bytea) RETURNS boolean LANGUAGE sql AS $$
    INSERT INTO operator_authenticator AS a (operator_id, sealed) VALUES (in_operator, in_sealed)
        ON CONFLICT (operator_id) DO UPDATE SET sealed = EXCLUDED.sealed, made_at = clock_timestamp()
        WHERE a.confirmed_at IS NULL
    RETURNING true
$$;

-- Lets an app count from its first right code on, which is used up. Returns whether there was one to confirm.
CREATE FUNCTION confirm_authenticator(in_operator int, in_sealed bytea, in_step bigint, in_session bytea)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    who operator;
BEGIN
    SELECT * INTO who FROM operator o WHERE o.operator_id = in_operator FOR NO KEY UPDATE;
    UPDATE operator_authenticator a SET confirmed_at = clock_timestamp(), last_step = in_step
        WHERE a.operator_id = in_operator AND a.sealed = in_sealed AND a.confirmed_at IS NULL;
    IF NOT FOUND THEN RETURN false; END IF;
    PERFORM keep_session(in_operator, in_session);
    INSERT INTO operator_action (who, action, detail) VALUES (who.name, 'add_factor',
        jsonb_build_object('operator', who.name, 'factor', 'authenticator'));
    RETURN true;
END $$;

-- Takes one try at a code of the app, and returns what it is tried against, or nothing after `tries_max` wrong ones.
-- The try is counted before the code is looked at, so that many at once are no more than the bound.
CREATE FUNCTION try_code(
    in_operator int, known boolean, tries_max int, OUT sealed bytea, OUT last_step bigint, OUT now_s double precision)
LANGUAGE sql AS $$
    UPDATE operator_authenticator a SET
        missed_known = a.missed_known + known::int, missed_unknown = a.missed_unknown + (NOT known)::int
    WHERE a.operator_id = in_operator AND a.confirmed_at IS NOT NULL
        AND CASE WHEN known THEN a.missed_known ELSE a.missed_unknown END < tries_max
    RETURNING a.sealed, a.last_step, extract(epoch FROM clock_timestamp())::double precision
$$;

-- Uses a right code up. Returns false for one that another request has used before.
CREATE FUNCTION use_code(in_operator int, in_step bigint, in_sealed bytea) RETURNS boolean LANGUAGE sql AS $$
    UPDATE operator_authenticator a
    SET last_step = in_step, sealed = in_sealed, missed_known = 0, missed_unknown = 0
    WHERE a.operator_id = in_operator AND a.last_step < in_step AND a.confirmed_at IS NOT NULL
    RETURNING true
$$;

-- Adds a passkey. Verdicts: added, known (it belongs to an account already), too_many.
CREATE FUNCTION add_passkey(
    in_operator int, in_credential bytea, in_key bytea, in_count bigint, in_name text, keys_max int,
    in_session bytea)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    who operator;
BEGIN
    SELECT * INTO who FROM operator o WHERE o.operator_id = in_operator FOR NO KEY UPDATE;
    IF (SELECT count(*) FROM operator_passkey p WHERE p.operator_id = in_operator) >= keys_max THEN
        RETURN 'too_many';
    END IF;
    INSERT INTO operator_passkey (operator_id, credential_id, public_key, sign_count, name)
        VALUES (in_operator, in_credential, in_key, in_count, in_name) ON CONFLICT (credential_id) DO NOTHING;
    IF NOT FOUND THEN RETURN 'known'; END IF;
    PERFORM keep_session(in_operator, in_session);
    INSERT INTO operator_action (who, action, detail) VALUES (who.name, 'add_factor',
        jsonb_build_object('operator', who.name, 'factor', 'passkey', 'name', in_name));
    RETURN 'added';
END $$;

-- Takes one factor of an operator away: the passkey with this id or, where it is NULL, the app. The recovery codes
-- go with the last factor. Returns whether there was one.
CREATE FUNCTION remove_factor(in_operator int, in_passkey int) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    who operator; named text;
BEGIN
    SELECT * INTO who FROM operator o WHERE o.operator_id = in_operator FOR NO KEY UPDATE;
    IF in_passkey IS NULL THEN
        DELETE FROM operator_authenticator a WHERE a.operator_id = in_operator AND a.confirmed_at IS NOT NULL;
    ELSE
        DELETE FROM operator_passkey p WHERE p.operator_id = in_operator AND p.passkey_id = in_passkey
            RETURNING p.name INTO named;
    END IF;
    IF NOT FOUND THEN RETURN false; END IF;
    IF NOT has_factor(in_operator) THEN
        DELETE FROM operator_recovery_code c WHERE c.operator_id = in_operator;
        -- Their password alone is behind the sessions that are open.
        UPDATE operator_session s SET how = 'password' WHERE s.operator_id = in_operator AND s.how <> 'provider';
    END IF;
    INSERT INTO operator_action (who, action, detail) VALUES (who.name, 'remove_factor', jsonb_strip_nulls(
        jsonb_build_object('operator', who.name, 'name', named,
            'factor', CASE WHEN in_passkey IS NULL THEN 'authenticator' ELSE 'passkey' END)));
    RETURN true;
END $$;

-- Takes all factors of an operator away, and signs them out everywhere. `actor` is the admin who asks, or NULL for
-- the owner of the machine. Verdicts: removed, unchanged (there were none), unknown, not_admin, own_account.
CREATE FUNCTION remove_factors(actor int, in_name text, in_who text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    id int;
BEGIN
    PERFORM 1 FROM operator x WHERE x.operator_id = actor OR x.name = in_name
        ORDER BY x.operator_id FOR NO KEY UPDATE;
    IF actor IS NOT NULL AND NOT EXISTS (
        SELECT FROM operator x WHERE x.operator_id = actor AND x.role = 'admin' AND x.active) THEN
        RETURN 'not_admin';
    END IF;
    SELECT o.operator_id INTO id FROM operator o WHERE o.name = in_name;
    IF id IS NULL THEN RETURN 'unknown'; END IF;
    IF id = actor THEN RETURN 'own_account'; END IF;
    IF NOT has_factor(id) THEN RETURN 'unchanged'; END IF;
    DELETE FROM operator_authenticator a WHERE a.operator_id = id;
    DELETE FROM operator_passkey p WHERE p.operator_id = id;
    DELETE FROM operator_recovery_code c WHERE c.operator_id = id;
    DELETE FROM operator_session s WHERE s.operator_id = id;
    INSERT INTO operator_action (who, action, detail) VALUES (in_who, 'remove_factors',
        jsonb_build_object('operator', in_name));
    RETURN 'removed';
END $$;

-- Gives an operator with a factor other recovery codes. Returns false for one without.
CREATE FUNCTION set_recovery_codes(in_operator int, in_codes bytea[]) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    who operator;
BEGIN
    SELECT * INTO who FROM operator o WHERE o.operator_id = in_operator FOR NO KEY UPDATE;
    IF NOT has_factor(in_operator) THEN RETURN false; END IF;
    DELETE FROM operator_recovery_code c WHERE c.operator_id = in_operator;
    INSERT INTO operator_recovery_code (operator_id, code_hash) SELECT in_operator, unnest(in_codes);
    INSERT INTO operator_action (who, action, detail) VALUES (who.name, 'make_recovery_codes',
        jsonb_build_object('operator', who.name));
    RETURN true;
END $$;

-- Uses a recovery code up. Returns false for a wrong one and for one that was used before.
CREATE FUNCTION use_recovery_code(in_operator int, in_code bytea) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE operator_recovery_code c SET used_at = clock_timestamp()
        WHERE c.operator_id = in_operator AND c.code_hash = in_code AND c.used_at IS NULL;
    IF NOT FOUND THEN RETURN false; END IF;
    INSERT INTO operator_action (who, action, detail)
        SELECT o.name, 'use_recovery_code', jsonb_build_object('operator', o.name)
        FROM operator o WHERE o.operator_id = in_operator;
    RETURN true;
END $$;
