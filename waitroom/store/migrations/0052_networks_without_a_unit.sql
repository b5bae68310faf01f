-- A network that stands out lets no shopper in for whom it has no unit to spare. A call that it cannot take up goes on to
-- the next shopper at once, and of the last units it has its share and no more. In small sales a network that mostly
-- lapses is bounded before it stands out.

-- Says whether a network left baskets to lapse and hardly paid for any: one lapse more than it paid is anyone's.
CREATE FUNCTION mostly_lapses(n room_network) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT COALESCE(n.lapsed > n.paid + 1, false)
$$;

-- As before, with two differences. A network that mostly lapses has no fewer than two units, and not than one order has.
-- The two units of the first level are no more than the whole share of what is left.
CREATE OR REPLACE FUNCTION network_units(m room, s room_stock, n room_network) RETURNS int LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN m.held_share_max = 1 THEN GREATEST(s.on_hand - s.sold, COALESCE(m.order_units_max, 10))
        WHEN network_level(n) = 0 THEN GREATEST(
            ceil(m.held_share_max::numeric * (s.on_hand - s.sold) * LEAST(1 + COALESCE(n.paid, 0), 4) / 4),
            CASE WHEN mostly_lapses(n) THEN 2 ELSE COALESCE(m.order_units_max, 10) END)
        ELSE GREATEST(floor(m.held_share_max * (s.on_hand - s.sold) / power(8, network_level(n))),
                      CASE network_level(n) WHEN 1 THEN LEAST(2, floor(m.held_share_max::numeric * (s.on_hand - s.sold))) ELSE 0 END) END::int
$$;

-- The sessions that a network may have beside those of its shoppers `inside`, NULL for any number. One that has a bound
-- gets no more of them than units that it may still hold, except where each call promises units of its own.
CREATE FUNCTION network_seats_left(m room, n room_network, inside bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT LEAST(network_seats(m, n) - inside, CASE WHEN m.policy <> 'guaranteed' THEN (
        SELECT GREATEST(network_units(m, s, n) - n.held, 0) FROM room_stock s WHERE s.room_id = m.room_id) END)
    WHERE network_seats(m, n) IS NOT NULL
$$;

-- As before, by the seats that are left. The calls beyond them are due now, so the next sweep gives their seats on.
CREATE OR REPLACE FUNCTION claims_beyond(
    lines int[], numbers bigint[], networks bytea[], open bigint[], OUT beyond bigint[], OUT full_networks bytea[])
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    SELECT COALESCE(array_agg(x.admission_id) FILTER (WHERE x.nth > x.spare), '{}'),
           array_agg(x.network) FILTER (WHERE x.nth >= x.spare)
        INTO beyond, full_networks FROM (
        SELECT a.admission_id, q.network, y.spare,
               count(*) FILTER (WHERE a.admission_id = ANY (open)) OVER (PARTITION BY q.network ORDER BY q.o) AS nth
        FROM unnest(lines, numbers, networks) WITH ORDINALITY q(l, n, network, o)
        JOIN admission a ON a.line_id = q.l AND a.number = q.n
        JOIN room m ON m.room_id = a.room_id
        JOIN room_network r ON r.room_id = a.room_id AND r.network = q.network,
        LATERAL (SELECT count(*) AS inside FROM (
            SELECT FROM admission o WHERE o.room_id = r.room_id AND o.network = r.network AND o.state = 'claimed'
            LIMIT network_seats(m, r)) z) i,
        LATERAL (SELECT network_seats_left(m, r, i.inside) AS spare) y
        WHERE y.spare IS NOT NULL) x;
    UPDATE admission a SET claim_until = LEAST(a.claim_until, shopper_now())
        WHERE a.admission_id = ANY (open) AND a.admission_id = ANY (beyond);
END $$;

-- As before, and a session that left a basket unpaid gets no more time while its network mostly lapses.
CREATE OR REPLACE FUNCTION extend_hold(in_hold uuid, in_session bigint, in_key uuid) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    h hold; m room; n room_network; t timestamptz; own admission; unpaid int;
BEGIN
    SELECT * INTO own FROM admission a WHERE a.admission_id = in_session;
    SELECT * INTO h FROM hold x WHERE x.hold_id = in_hold AND x.session_id = in_session FOR NO KEY UPDATE;
    IF h.hold_id IS NULL THEN RETURN 'no_such_hold'; END IF;
    SELECT * INTO m FROM room WHERE room_id = h.room_id;
    SELECT * INTO n FROM room_network r WHERE r.room_id = h.room_id AND r.network = own.network;
    t := shopper_now();
    IF h.paying THEN RETURN 'payment_running'; END IF;
    IF h.state = 'confirmed' THEN RETURN 'hold_sold'; END IF;
    IF h.state <> 'held' OR h.expires_at <= t THEN RETURN 'hold_over'; END IF;
    IF h.extension_key = in_key THEN RETURN 'placed'; END IF;
    SELECT x.unpaid INTO unpaid FROM holds_of(in_session) x;
    IF h.extensions >= m.hold_extensions_max OR is_beyond_its_share(m, own.network) OR (unpaid > 0 AND mostly_lapses(n)) THEN
        RETURN 'no_extension_left';
    END IF;
    UPDATE hold SET expires_at = GREATEST(
                h.expires_at, t + time_to_hold(time_for(m.hold_s, own.time_factor), unpaid, n.unpaid, n.paid)),
            extensions = extensions + 1, extension_key = in_key
        WHERE hold_id = in_hold RETURNING expires_at INTO t;
    UPDATE hold_line SET due_at = t WHERE hold_id = in_hold AND quantity > 0;
    RETURN 'placed';
END $$;
