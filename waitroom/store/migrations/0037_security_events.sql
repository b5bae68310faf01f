-- Security events: sign-ins, exports, changes of rights, and what strangers try.

CREATE TABLE security_event (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind text NOT NULL,
    -- The operator or the key that acted; '' for a stranger.
    who text NOT NULL,
    -- The client's IPv4 address or IPv6 /64; '' for the command line, and for many networks together.
    network text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    -- How many events of the kind came from the network since `since`.
    count int NOT NULL DEFAULT 1 CONSTRAINT security_event_counts_some CHECK (count > 0),
    since timestamptz,
    -- Whether anyone without a right can cause it.
    of_strangers boolean NOT NULL
);
CREATE INDEX security_event_of_strangers ON security_event (event_id) WHERE of_strangers;
CREATE TRIGGER security_events_are_append_only BEFORE UPDATE OR DELETE ON security_event
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Deletes events that are older than `keep` (NULL: none), and those of strangers that are not among the newest
-- `strangers_max` of all, so that no one can fill the disk. It looks at the oldest rows alone. Returns how many.
CREATE FUNCTION forget_security_events(keep interval, strangers_max int, batch_max int) RETURNS int
LANGUAGE plpgsql AS $$
DECLARE
    too_old constant timestamptz := clock_timestamp() - keep;
    old int; surplus int;
BEGIN
    PERFORM set_config('waitroom.archiving', 'on', true);
    DELETE FROM security_event e USING (
        SELECT x.event_id FROM security_event x ORDER BY x.event_id LIMIT batch_max) oldest
        WHERE e.event_id = oldest.event_id AND e.at <= too_old;
    GET DIAGNOSTICS old = ROW_COUNT;
    DELETE FROM security_event e USING (
        SELECT x.event_id FROM security_event x
        WHERE x.of_strangers AND x.event_id <= (SELECT max(y.event_id) FROM security_event y) - strangers_max
        ORDER BY x.event_id LIMIT batch_max) oldest
        WHERE e.event_id = oldest.event_id;
    GET DIAGNOSTICS surplus = ROW_COUNT;
    PERFORM set_config('waitroom.archiving', '', true);
    RETURN GREATEST(old, surplus);
END $$;
