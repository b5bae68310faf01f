-- Where a call promises several units, the last ones may be fewer. Once nothing can come back any more, the next call
-- promises what is left: nobody would be called for it otherwise.

-- The units that a call in this room promises: none where nothing is sold.
CREATE OR REPLACE FUNCTION promise_of(m room) RETURNS int LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN m.policy <> 'guaranteed' OR NOT (m.stock_elsewhere OR sells_skus(m.room_id)) THEN 0
                WHEN m.units_promised = 1 THEN 1
                ELSE COALESCE((
                    SELECT f.free::int
                    FROM room_stock x, LATERAL (SELECT x.on_hand - x.sold - kept_units(m.room_id) AS free) f
                    WHERE x.room_id = m.room_id AND x.held = 0 AND x.promised = 0
                        AND f.free > 0 AND f.free < m.units_promised), m.units_promised) END
$$;
