-- Passes: a site verifies by itself that a shopper was let in. A session that ends while a pass of it may still
-- hold is listed here until that pass is over.

-- The longest time for which passes of a room were ever minted. It outlives a shorter time that an operator sets,
-- as the passes do. A room without a row mints none.
CREATE TABLE gate_pass (
    room_id int PRIMARY KEY REFERENCES room,
    longest_s int NOT NULL CONSTRAINT longest_pass_is_positive CHECK (longest_s > 0)
);
CREATE FUNCTION note_longest_pass() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO gate_pass AS p (room_id, longest_s) VALUES (NEW.room_id, NEW.pass_s)
        ON CONFLICT (room_id) DO UPDATE SET longest_s = GREATEST(p.longest_s, excluded.longest_s);
    RETURN NULL;
END $$;
CREATE TRIGGER longest_pass_of_gates AFTER INSERT OR UPDATE ON gate FOR EACH ROW EXECUTE FUNCTION note_longest_pass();

-- A session is named by its admission and by how often that was called: a number that comes back has another one.
-- `written_by` orders the list: readers go on from the oldest transaction that ran when they last read, so that none
-- which commits late is passed over. No foreign keys: their locks would go against the order of locks.
CREATE TABLE revocation (
    session_id bigint NOT NULL,
    turn int NOT NULL,
    room_id int NOT NULL,
    written_by xid8 NOT NULL DEFAULT pg_current_xact_id(),
    ended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    until timestamptz NOT NULL,
    CONSTRAINT moments_are_of_our_time CHECK (
        LEAST(ended_at, until) >= '2000-01-01 00:00:00+00' AND GREATEST(ended_at, until) < '2200-01-01 00:00:00+00'),
    CONSTRAINT session_is_revoked_once PRIMARY KEY (session_id, turn)
);
CREATE INDEX revocation_written ON revocation (written_by);
CREATE INDEX revocation_until ON revocation (until);

CREATE FUNCTION revoke_passes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO revocation (session_id, turn, room_id, until)
        SELECT OLD.admission_id, OLD.times_called, OLD.room_id, r.until
        FROM gate_pass p, LATERAL (SELECT LEAST(wall_time(OLD.expires_at),
                                                clock_timestamp() + make_interval(secs => p.longest_s)) AS until) r
        WHERE p.room_id = OLD.room_id AND r.until > clock_timestamp()
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER passes_of_ended_sessions AFTER UPDATE ON admission FOR EACH ROW
    WHEN (OLD.state = 'claimed' AND NEW.state <> 'claimed') EXECUTE FUNCTION revoke_passes();

CREATE FUNCTION forget_revocations(batch_max int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE n int;
BEGIN
    DELETE FROM revocation WHERE (session_id, turn) IN (
        SELECT r.session_id, r.turn FROM revocation r WHERE r.until < clock_timestamp() LIMIT batch_max);
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END $$;
