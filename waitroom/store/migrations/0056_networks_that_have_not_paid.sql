-- A network of which nobody has paid gets less time for what it holds beyond its share, also where that is few units: in a
-- sale of some dozens these are much of the stock.

-- Says whether a network that holds so much may have all the time for more: it is within its share, or pays for enough.
CREATE FUNCTION may_hold_on(held int, most int, n room_network) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT held <= most OR (n.paid > 0 AND NOT outweighs_paid(held + n.unpaid, n.paid)) IS TRUE
$$;

-- As before, by `may_hold_on`.
CREATE OR REPLACE FUNCTION decide_holds(b hold_batch, f hold_facts) RETURNS hold_decisions LANGUAGE plpgsql AS $$
DECLARE
    d hold_decisions := decide_units(b, f);
BEGIN
    -- Nearly every network stays within its share.
    IF f.network_slot IS NULL
       OR NOT EXISTS (SELECT FROM unnest(d.network_held, f.network_max) x(held, most) WHERE x.held > x.most) THEN
        RETURN d;
    END IF;
    SELECT array_agg(c.expires - c.less ORDER BY c.o), array_agg(c.told - c.less ORDER BY c.o),
           array_agg(c.seconds - extract(epoch FROM c.less) ORDER BY c.o)
        INTO d.expires, d.told, d.seconds_left FROM (
        SELECT r.*, make_interval(secs => CASE WHEN r.network_held IS NULL OR may_hold_on(r.network_held, f.network_max[r.s], n)
                THEN 0 ELSE r.seconds - seconds_beyond_share(r.seconds) END) AS less
        FROM (SELECT q.*, CASE WHEN f.network_slot[q.s] IS NOT NULL THEN f.network_held[q.s] + (sum(COALESCE(g.units, 0)) OVER (
                         PARTITION BY f.network_slot[q.s] ORDER BY q.o))::int END AS network_held
              FROM unnest(d.expires, d.told, d.seconds_left, b.request_session) WITH ORDINALITY
                       q(expires, told, seconds, s, o)
              LEFT JOIN (SELECT l.request, sum(l.units) AS units FROM unnest(d.line_request, d.given) l(request, units)
                         GROUP BY l.request) g ON g.request = q.o) r
        LEFT JOIN room_network n ON n.room_id = f.session_rooms[r.s] AND n.network = f.networks[r.s]) c;
    RETURN d;
END $$;

-- As before, and no more time is for what a network holds beyond its present share while nobody there has paid.
CREATE OR REPLACE FUNCTION is_beyond_its_share(m room, in_network bytea) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT COALESCE((
        SELECT network_level(n) > 0 OR (n.paid = 0 AND n.held > network_units(m, s, n))
            OR (n.held > GREATEST(m.held_share_max::numeric * (s.on_hand - s.sold), COALESCE(m.order_units_max, 10))
                AND outweighs_paid(n.unpaid + n.held, n.paid))
        FROM room_network n JOIN room_stock s USING (room_id)
        WHERE (n.room_id, n.network) = (m.room_id, in_network)), false)
$$;
