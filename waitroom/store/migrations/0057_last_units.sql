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

-- As before, and none at a promise of the last units that were more by the time of the lock: the next tick sees them.
CREATE OR REPLACE FUNCTION calls_afforded(m room, promise int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    pool room_stock;
BEGIN
    SELECT * INTO pool FROM room_stock x WHERE x.room_id = m.room_id FOR NO KEY UPDATE;
    IF promise < m.units_promised AND promise <> promise_of(m) THEN RETURN 0; END IF;
    PERFORM advance_off_sale(ARRAY[m.room_id]);
    RETURN GREATEST(pool.on_hand - pool.held - pool.sold - pool.promised - kept_units(m.room_id), 0) / promise;
END $$;
