-- How rooms look to shoppers. Operators preview the draft before it goes live.

-- Keeps the draft of a room's look. Returns false for an unknown room.
CREATE FUNCTION save_look(in_room text, in_draft jsonb, in_who text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    rid constant int := (SELECT m.room_id FROM room m WHERE m.room = in_room);
BEGIN
    IF rid IS NULL THEN RETURN false; END IF;
    PERFORM 1 FROM log_head h WHERE h.room_id = rid FOR NO KEY UPDATE;
    PERFORM refuse_archived(rid);
    INSERT INTO room_look AS l (room_id, draft) VALUES (rid, in_draft)
        ON CONFLICT (room_id) DO UPDATE SET draft = EXCLUDED.draft WHERE l.draft <> EXCLUDED.draft;
    IF FOUND THEN
        INSERT INTO operator_action (room_id, who, action) VALUES (rid, in_who, 'save_look');
    END IF;
    RETURN true;
END $$;

-- Makes the draft of a room's look live. Returns false for an unknown room.
CREATE FUNCTION publish_look(in_room text, in_who text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    rid constant int := (SELECT m.room_id FROM room m WHERE m.room = in_room);
    before jsonb; after jsonb;
BEGIN
    IF rid IS NULL THEN RETURN false; END IF;
    PERFORM 1 FROM log_head h WHERE h.room_id = rid FOR NO KEY UPDATE;
    PERFORM refuse_archived(rid);
    SELECT l.live INTO before FROM room_look l WHERE l.room_id = rid;
    UPDATE room_look l SET live = l.draft WHERE l.room_id = rid AND l.live <> l.draft RETURNING l.live INTO after;
    IF FOUND THEN
        INSERT INTO operator_action (room_id, who, action, detail)
            VALUES (rid, in_who, 'publish_look', jsonb_build_object('from', before, 'to', after));
    END IF;
    RETURN true;
END $$;
