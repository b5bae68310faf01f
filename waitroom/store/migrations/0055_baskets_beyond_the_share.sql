-- Baskets of a network beyond its share end sooner while it pays for few. A farm of places holds its first baskets before
-- any of them has lapsed, so its record comes too late to bound them.

ALTER FUNCTION decide_holds(hold_batch, hold_facts) RENAME TO decide_units;

-- The seconds for a basket beyond the share of its network: half, though 30 are given where the room gives them.
CREATE FUNCTION seconds_beyond_share(full_s float8) RETURNS float8 LANGUAGE sql IMMUTABLE
AS 'SELECT GREATEST(LEAST(full_s, 30), full_s / 2)';

-- Decides a batch: the units first, and then for how long they are kept. A basket with which its network holds more than
-- its share has less time, while the network would leave most baskets unpaid if it paid for none of these units.
CREATE FUNCTION decide_holds(b hold_batch, f hold_facts) RETURNS hold_decisions LANGUAGE plpgsql AS $$
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
        SELECT r.*, make_interval(secs => CASE WHEN r.held > f.network_max[r.s]
                AND outweighs_paid(r.held + COALESCE(n.unpaid, 0), COALESCE(n.paid, 0))
                THEN r.seconds - seconds_beyond_share(r.seconds) ELSE 0 END) AS less
        FROM (SELECT q.*, f.network_held[q.s] + (sum(COALESCE(g.units, 0)) OVER (
                         PARTITION BY f.network_slot[q.s] ORDER BY q.o))::int AS held
              FROM unnest(d.expires, d.told, d.seconds_left, b.request_session) WITH ORDINALITY
                       q(expires, told, seconds, s, o)
              LEFT JOIN (SELECT l.request, sum(l.units) AS units FROM unnest(d.line_request, d.given) l(request, units)
                         GROUP BY l.request) g ON g.request = q.o) r
        LEFT JOIN room_network n ON n.room_id = f.session_rooms[r.s] AND n.network = f.networks[r.s]) c;
    RETURN d;
END $$;

-- As before, and for a basket of which the time was halved: it has lapsed after more than half of its own time.
CREATE OR REPLACE FUNCTION has_lapsed(h hold, m room, t timestamptz) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT bool_or(h.ended_at - h.placed_at > x.half AND t > h.expires_at - x.half)
    FROM (VALUES (make_interval(secs => m.hold_s / 2.0)), (make_interval(secs => m.hold_s / 4.0))) x(half)
$$;
