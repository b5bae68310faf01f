-- Suspicions: networks whose shoppers behaved in a room as people seldom do. They are counted when an operator
-- asks, from rows that are on record anyway.

-- The networks of a room that stand out, the most striking first. `signals` says by what; `inside` are sessions
-- that are open, and `at_once` calls that were claimed within a second.
CREATE FUNCTION suspicions(in_room_id int, most int) RETURNS TABLE (
    network text, signals text[], since timestamptz, sessions int, inside int, at_once int,
    held int, paid int, unpaid int, declined int)
LANGUAGE sql STABLE AS $$
    WITH claims AS (
        SELECT a.network, min(a.claimed_at) AS since, count(*)::int AS sessions,
               count(*) FILTER (WHERE a.state = 'claimed')::int AS inside,
               count(*) FILTER (WHERE a.claimed_at < a.called_at + interval '1 second')::int AS at_once
        FROM line l JOIN admission a USING (line_id)
        WHERE l.room_id = in_room_id AND a.network IS NOT NULL GROUP BY a.network),
    declines AS (
        SELECT a.network, count(*)::int AS declined FROM purchase p JOIN admission a ON a.admission_id = p.session_id
        WHERE p.room_id = in_room_id AND p.state = 'declined' AND a.network IS NOT NULL GROUP BY a.network),
    counted AS (
        SELECT encode(c.network, 'hex') AS network, wall_time(c.since) AS since, c.sessions, c.inside, c.at_once,
               COALESCE(n.held, 0) AS held, COALESCE(n.paid, 0) AS paid, COALESCE(n.unpaid, 0) AS unpaid,
               COALESCE(d.declined, 0) AS declined
        FROM claims c LEFT JOIN room_network n ON n.room_id = in_room_id AND n.network = c.network
        LEFT JOIN declines d ON d.network = c.network)
    SELECT x.network, s.signals, x.since, x.sessions, x.inside, x.at_once, x.held, x.paid, x.unpaid, x.declined
    FROM counted x CROSS JOIN LATERAL (SELECT array_remove(ARRAY[
        CASE WHEN outweighs_paid(x.unpaid, x.paid) THEN 'unpaid' END,
        CASE WHEN outweighs_paid(x.declined, x.paid) THEN 'declined' END,
        CASE WHEN x.at_once >= 5 AND 2 * x.at_once > x.sessions THEN 'at_once' END,
        CASE WHEN x.sessions >= 30 THEN 'sessions' END], NULL) AS signals) s
    WHERE s.signals <> '{}'
    ORDER BY GREATEST(x.unpaid - 2 * x.paid, x.declined - 2 * x.paid, 0) DESC, x.at_once DESC, x.sessions DESC LIMIT most
$$;

-- The places of a network's open sessions.
CREATE FUNCTION places_of_network(in_room_id int, in_network bytea, most int) RETURNS TABLE (line text, number bigint)
LANGUAGE sql STABLE AS $$
    SELECT l.line, a.number FROM line l JOIN admission a USING (line_id)
    WHERE l.room_id = in_room_id AND a.network = in_network AND a.state = 'claimed' ORDER BY a.admission_id LIMIT most
$$;
