-- How rooms look to shoppers. Operators preview the draft before it goes live.

-- Keeps the draft of a room's look. `in_was` is the draft as the operator saw it, NULL for any. Returns NULL for an
-- unknown room, and otherwise what stands against the change: each field that is not as in `in_was`, with the value
-- that the operator saw and the one that stands. Nothing is changed then. An empty field is as good as none.
CREATE FUNCTION save_look(in_room text, in_draft jsonb, in_was jsonb, in_who text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    rid constant int := (SELECT m.room_id FROM room m WHERE m.room = in_room);
    before jsonb; outdated jsonb;
BEGIN
    IF rid IS NULL THEN RETURN NULL; END IF;
    PERFORM 1 FROM log_head h WHERE h.room_id = rid FOR NO KEY UPDATE;
    PERFORM refuse_archived(rid);
    SELECT COALESCE(min(l.draft::text), '{}')::jsonb INTO before FROM room_look l WHERE l.room_id = rid;
    SELECT COALESCE(jsonb_object_agg(k, jsonb_build_array(in_was -> k, before -> k)), '{}') INTO outdated
        FROM jsonb_object_keys(COALESCE(in_was, '{}')) k
        WHERE NULLIF(NULLIF(before -> k, '""'), '{}') IS DISTINCT FROM NULLIF(NULLIF(in_was -> k, '""'), '{}');
    IF outdated <> '{}' THEN RETURN outdated; END IF;
    INSERT INTO room_look AS l (room_id, draft) VALUES (rid, in_draft)
        ON CONFLICT (room_id) DO UPDATE SET draft = EXCLUDED.draft WHERE l.draft <> EXCLUDED.draft;
    IF FOUND THEN
        INSERT INTO operator_action (room_id, who, action) VALUES (rid, in_who, 'save_look');
    END IF;
    RETURN '{}';
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
