-- The lane behind: further places of networks that have as many as a room gives to one.

ALTER TABLE room ADD COLUMN places_per_address_max int DEFAULT 1000 CHECK (places_per_address_max > 0); -- NULL for no limit

-- Gives a room its lane behind, unless it has one. The caller calls it only while no other lane waits.
CREATE FUNCTION add_lane_behind(in_room_id int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    main record; made text;
BEGIN
    PERFORM 1 FROM log_head h WHERE h.room_id = in_room_id FOR NO KEY UPDATE;
    PERFORM refuse_archived(in_room_id);
    SELECT * INTO main FROM line x WHERE x.room_id = in_room_id AND x.joinable AND x.lane = 'main';
    INSERT INTO line (room_id, line, lane, generation)
        VALUES (in_room_id, 'behind-' || main.generation, 'behind', main.generation)
        ON CONFLICT DO NOTHING RETURNING line INTO made;
    IF made IS NOT NULL THEN
        PERFORM append_log(in_room_id, 'lane_added', jsonb_build_object('line', made, 'share', 1));
    END IF;
END $$;

-- Says whether a lane has to wait because it is the lane behind, and another has shoppers who wait or
-- whose draw is due. The caller has the room's log locked, so no one joins meanwhile.
CREATE FUNCTION waits_behind(in_room_id int, in_lane text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT in_lane = 'behind' AND EXISTS (SELECT FROM line x WHERE x.room_id = in_room_id AND x.joinable
        AND x.lane <> 'behind' AND (x.tail > x.gate OR draw_is_due(x.line_id)))
$$;

-- Says whether a gate that moved without a call is an entry of the log: in a room with a lane behind it
-- is, since a reader could not tell otherwise that all others had had their turn.
CREATE FUNCTION shows_turns(in_room_id int, has_moved boolean) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT has_moved AND EXISTS (SELECT FROM line x WHERE x.room_id = in_room_id AND x.joinable AND x.lane = 'behind')
$$;
