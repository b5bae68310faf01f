-- The signing keys that processes have, by ids that give no key away. By them a rotation knows when every
-- process accepts a new key, and when nothing that an old one signed is alive.

-- Each running process and its keys. The last id is of the key that signs.
CREATE TABLE process_keys (
    process uuid PRIMARY KEY,
    host text NOT NULL,
    pid int NOT NULL,
    key_ids bytea[] NOT NULL,
    heard_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- When a key signed first and last.
CREATE TABLE signing_key (
    key_id bytea PRIMARY KEY,
    first_signed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_signed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The processes that were heard within the time of three reports.
CREATE VIEW live_process_keys AS
    SELECT * FROM process_keys WHERE heard_at > clock_timestamp() - interval '15 seconds';

-- Says which keys a process has. Returns the others that refuse what it signs, or sign what it refuses.
CREATE FUNCTION report_keys(in_process uuid, in_host text, in_pid int, in_key_ids bytea[])
RETURNS SETOF process_keys LANGUAGE plpgsql AS $$
DECLARE
    signs constant bytea := in_key_ids[cardinality(in_key_ids)];
BEGIN
    DELETE FROM process_keys p WHERE p.heard_at < clock_timestamp() - interval '1 minute';
    INSERT INTO process_keys AS p VALUES (in_process, in_host, in_pid, in_key_ids)
        ON CONFLICT (process) DO UPDATE SET key_ids = EXCLUDED.key_ids, heard_at = EXCLUDED.heard_at;
    INSERT INTO signing_key AS k VALUES (signs)
        ON CONFLICT (key_id) DO UPDATE SET last_signed_at = EXCLUDED.last_signed_at;
    RETURN QUERY SELECT p.* FROM live_process_keys p
        WHERE NOT (signs = ANY (p.key_ids) AND p.key_ids[cardinality(p.key_ids)] = ANY (in_key_ids));
END $$;

-- The last number of each line that was given by a moment; an entry of a draw may have any of its numbers.
CREATE FUNCTION given_by(in_moment timestamptz)
RETURNS TABLE (line_id int, number bigint) LANGUAGE sql STABLE AS $$
    SELECT l.line_id, GREATEST(max((e.body::jsonb ->> 'last')::bigint),
        max(l.entries) FILTER (WHERE e.body::jsonb ->> 'kind' = 'entered'))
    FROM line l JOIN log_entry e USING (room_id)
    WHERE (e.body LIKE '%"kind": "joined"%' OR e.body LIKE '%"kind": "entered"%')
        AND e.body::jsonb ->> 'kind' IN ('joined', 'entered') AND e.body::jsonb ->> 'line' = l.line
        AND (e.body::jsonb ->> 'at')::timestamptz <= in_moment
    GROUP BY l.line_id
$$;

-- The places and invitations that were given by a moment and are still good, each room in one row. `until` is
-- when the last of its turns is over; NULL while any place waits for its turn, or an invitation for its bearer.
CREATE FUNCTION places_given_by(in_moment timestamptz)
RETURNS TABLE (room text, what text, count bigint, until timestamptz) LANGUAGE sql STABLE AS $$
    SELECT m.room, 'waiting', sum(g.number - l.gate)::bigint, NULL::timestamptz
        FROM given_by(in_moment) g JOIN line l USING (line_id) JOIN room m USING (room_id)
        WHERE l.joinable AND m.status <> 'ended' AND g.number > l.gate GROUP BY m.room
    UNION ALL
    SELECT m.room, 'turns', count(*), CASE WHEN bool_and(a.came_back_at IS NULL AND a.state <> 'aside') THEN
            max(wall_time(CASE a.state WHEN 'claimed' THEN a.expires_at WHEN 'called' THEN a.claim_until + time_for(m.grace_s, a.time_factor)
                ELSE a.ended_at + time_for(m.grace_s, a.time_factor) END)) END
        FROM given_by(in_moment) g JOIN line l USING (line_id) JOIN room m USING (room_id)
        JOIN admission a ON a.line_id = g.line_id AND a.number <= g.number
        WHERE NOT turn_is_over(a, m.grace_s) AND (a.state IN ('called', 'claimed') OR (l.joinable AND m.status <> 'ended'))
        GROUP BY m.room
    UNION ALL
    SELECT m.room, 'invitations', sum(b.count)::bigint,
            CASE WHEN bool_and(b.expires_at IS NOT NULL) THEN max(b.expires_at) END
        FROM invitation_batch b JOIN room m USING (room_id)
        WHERE b.created_at <= in_moment AND b.revoked_at IS NULL AND m.status <> 'ended'
            AND COALESCE(b.expires_at > clock_timestamp(), true) GROUP BY m.room
$$;
