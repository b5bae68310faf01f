-- The bounds of the units that one session, and one network, may set aside without paying for them.

-- A session with this many holds that ended unpaid may place no more. The first few tell nothing: people
-- change their minds.
CREATE FUNCTION session_unpaid_max() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 20';

-- Says whether the baskets or payments of a network that ended badly far outweigh its paid baskets.
CREATE FUNCTION outweighs_paid(bad int, paid int) RETURNS boolean LANGUAGE sql IMMUTABLE
AS 'SELECT bad >= 2 * paid + 10';

-- The units that a session may hold whatever others of its network hold, so that all people behind one
-- address of a carrier can buy. A network that leaves most baskets unpaid loses them, except those that calls promise.
CREATE FUNCTION ordinary_basket(m room, n room_network) RETURNS int LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN outweighs_paid(n.unpaid, n.paid) THEN CASE m.policy WHEN 'guaranteed' THEN m.units_promised ELSE 0 END
                ELSE GREATEST(2, m.units_promised) END
$$;

-- The units that the sessions of one network may hold: a share of those that are not sold, and no fewer than
-- one order has.
CREATE FUNCTION network_units(m room, s room_stock) RETURNS int LANGUAGE sql IMMUTABLE AS $$
    SELECT GREATEST(ceil(m.held_share_max::numeric * (s.on_hand - s.sold)), COALESCE(m.order_units_max, 10))::int
$$;

-- The holds that a session placed, those of them that ended unpaid, and the units in those that are open. It
-- returns one row, so that in FROM it becomes part of the query.
CREATE FUNCTION holds_of(in_session bigint) RETURNS TABLE (placed int, unpaid int, open_units int)
LANGUAGE sql STABLE AS $$
    SELECT count(*)::int, count(*) FILTER (WHERE x.state IN ('released', 'expired'))::int,
           COALESCE(sum(CASE WHEN x.state = 'held' THEN (
               SELECT sum(l.quantity) FROM hold_line l WHERE l.hold_id = x.hold_id) END), 0)::int
    FROM (SELECT h.hold_id, h.state FROM hold h WHERE h.session_id = in_session LIMIT session_holds_max()) x
$$;

-- The time for a hold. It is halved for each hold of the session that ended unpaid beyond the fifth, and as its
-- network has 10, 20 and 40 more of these than twice those that were paid; but a minute is always given.
CREATE FUNCTION time_to_hold(full_time interval, of_session int, of_network int, network_paid int)
RETURNS interval LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN of_session <= 5 AND COALESCE(of_network - 2 * network_paid, 0) < 10 THEN full_time
        ELSE GREATEST(LEAST(full_time, interval '1 minute'), full_time / power(2,
            LEAST(GREATEST(of_session - 5, 0), 10)
            + width_bucket(COALESCE(of_network - 2 * network_paid, 0), ARRAY[10, 20, 40]))) END
$$;
