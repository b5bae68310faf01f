-- Numbers that stand after the database was brought back from an older copy.

-- When that was; NULL for a line that never was in such a database, or that began later.
ALTER TABLE line ADD COLUMN restored_at timestamptz CONSTRAINT moments_are_of_our_time
    CHECK (restored_at >= '2000-01-01 00:00:00+00' AND restored_at < '2200-01-01 00:00:00+00');

-- Notes that a room comes from an older copy, and pauses it if it is open. Returns its lines with the last
-- number and the last entry to a draw that the copy knows.
CREATE FUNCTION note_restored(in_room text, in_who text, in_reason text)
RETURNS TABLE (line_id int, line text, last_number bigint, last_entry bigint) LANGUAGE plpgsql AS $$
DECLARE
    m room;
BEGIN
    SELECT * INTO m FROM room x WHERE x.room = in_room;
    PERFORM 1 FROM log_head h WHERE h.room_id = m.room_id FOR NO KEY UPDATE;
    PERFORM refuse_archived(m.room_id);
    IF m.status = 'open' THEN PERFORM set_room_status(in_room, 'paused', in_who, in_reason); END IF;
    UPDATE line x SET restored_at = clock_timestamp() WHERE x.room_id = m.room_id AND x.joinable;
    RETURN QUERY SELECT x.line_id, x.line, x.tail, x.entries FROM line x
        WHERE x.room_id = m.room_id AND x.joinable ORDER BY x.line_id;
END $$;

-- Lets numbers up to `upto` stand, or entries to a draw, that were given before the copy was brought back: the
-- next one follows them. Returns the last one then, and NULL for a line that was not brought back.
CREATE FUNCTION take_up_numbers(in_line int, upto bigint, entered boolean) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    l record; last bigint;
BEGIN
    SELECT * INTO l FROM line x WHERE x.line_id = in_line;
    IF l.restored_at IS NULL THEN RETURN NULL; END IF;
    PERFORM 1 FROM log_head h WHERE h.room_id = l.room_id FOR NO KEY UPDATE;
    SELECT * INTO l FROM line x WHERE x.line_id = in_line FOR NO KEY UPDATE;
    last := CASE WHEN entered THEN l.entries ELSE l.tail END;
    -- Before a draw there are no numbers, and after its closing no entries.
    IF upto <= last OR NOT l.joinable OR draw_is_due(in_line)
            OR entered <> EXISTS (SELECT FROM draw d WHERE d.line_id = in_line AND d.count IS NULL) THEN
        RETURN last;
    END IF;
    IF entered THEN
        UPDATE line x SET entries = upto WHERE x.line_id = in_line;
    ELSE
        -- The gate may stand ahead, and these numbers are called in their turn like any others.
        UPDATE line x SET tail = upto, gate = LEAST(x.gate, last) WHERE x.line_id = in_line;
    END IF;
    PERFORM append_log(l.room_id, 'restored', jsonb_build_object('line', l.line, 'first', last + 1, 'last', upto)
        || CASE WHEN entered THEN '{"entry": true}' ELSE '{}' END::jsonb);
    RETURN upto;
END $$;
