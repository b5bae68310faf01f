-- Gates: how a room stands in front of a site that is not ours.

CREATE TABLE gate (
    room_id int PRIMARY KEY REFERENCES room,
    -- The fields of `waitroom.gate.rules.GateRules`; a room without a row has the defaults.
    when_away text NOT NULL DEFAULT 'closed' CONSTRAINT gate_is_open_or_closed_when_away CHECK (when_away IN ('open', 'closed')),
    return_addresses jsonb NOT NULL DEFAULT '[]',
    triggers jsonb NOT NULL DEFAULT '[]',
    pass_s int NOT NULL DEFAULT 300 CONSTRAINT pass_within_its_bounds CHECK (pass_s BETWEEN 30 AND 86400),
    arrive_at text NOT NULL DEFAULT '' CONSTRAINT arrival_is_a_path CHECK (arrive_at = '' OR arrive_at LIKE '/%'),
    CONSTRAINT gate_is_small CHECK (octet_length(return_addresses::text) <= 65536 AND octet_length(triggers::text) <= 65536)
);

-- Returns the rules of a room's gate as a JSON object, those of a new row for a room without one.
CREATE FUNCTION gate_rules(rid int) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO gate (room_id) VALUES (rid) ON CONFLICT DO NOTHING;
    RETURN (SELECT to_jsonb(g) - 'room_id' FROM gate g WHERE g.room_id = rid);
END $$;

-- Puts rules in place of those of a room's gate. `in_was` are rules as the operator saw them, NULL for any. Returns
-- NULL for an unknown room, and otherwise what stands against the change: each rule that is not as in `in_was`, with
-- the value that the operator saw and the one that stands. Nothing is changed then.
CREATE FUNCTION set_gate(in_room text, in_rules jsonb, in_was jsonb, in_who text, in_reason text)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    rid constant int := (SELECT m.room_id FROM room m WHERE m.room = in_room);
    before jsonb; wanted gate; outdated jsonb; diff jsonb;
BEGIN
    IF rid IS NULL THEN RETURN NULL; END IF;
    PERFORM 1 FROM log_head h WHERE h.room_id = rid FOR NO KEY UPDATE;
    PERFORM refuse_archived(rid);
    before := gate_rules(rid);
    SELECT COALESCE(jsonb_object_agg(k, jsonb_build_array(in_was -> k, before -> k)), '{}') INTO outdated
        FROM jsonb_object_keys(COALESCE(in_was, '{}')) k WHERE before -> k IS DISTINCT FROM in_was -> k;
    IF outdated <> '{}' THEN RETURN outdated; END IF;
    SELECT * INTO wanted FROM gate g WHERE g.room_id = rid;
    wanted := jsonb_populate_record(wanted, in_rules);
    UPDATE gate g SET when_away = wanted.when_away, return_addresses = wanted.return_addresses,
        triggers = wanted.triggers, pass_s = wanted.pass_s,
        arrive_at = wanted.arrive_at WHERE g.room_id = rid;
    SELECT COALESCE(jsonb_object_agg(k, jsonb_build_array(before -> k, in_rules -> k)), '{}') INTO diff
        FROM jsonb_object_keys(in_rules) k WHERE before -> k IS DISTINCT FROM in_rules -> k;
    IF diff <> '{}' THEN
        INSERT INTO operator_action (room_id, who, action, detail, reason) VALUES (rid, in_who, 'gate', diff, in_reason);
    END IF;
    RETURN '{}';
END $$;

-- Gives a new room the gate of another.
CREATE FUNCTION copy_gate(in_source text, in_room text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO gate (room_id, when_away, return_addresses, triggers, pass_s, arrive_at)
        SELECT n.room_id, g.when_away, g.return_addresses, g.triggers, g.pass_s, g.arrive_at
        FROM gate g JOIN room m USING (room_id), room n WHERE m.room = in_source AND n.room = in_room
$$;

-- Hand-over tokens that were spent, until none of them could be taken any more.
CREATE TABLE spent_hand_over (
    nonce bytea CONSTRAINT hand_over_is_spent_once PRIMARY KEY CONSTRAINT nonce_is_of_128_bits CHECK (octet_length(nonce) = 16),
    until timestamptz NOT NULL,
    CONSTRAINT moments_are_of_our_time CHECK (until >= '2000-01-01 00:00:00+00' AND until < '2200-01-01 00:00:00+00')
);
CREATE INDEX ON spent_hand_over (until);

-- Spends a hand-over token. Returns false for one that was spent before or is too old. Each call forgets a few that
-- are long over, so the table holds a minute's worth.
CREATE FUNCTION spend_hand_over(in_nonce bytea, in_until timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM spent_hand_over s WHERE s.nonce IN (
        SELECT x.nonce FROM spent_hand_over x WHERE x.until < clock_timestamp() - interval '1 minute'
        ORDER BY x.until LIMIT 10 FOR UPDATE SKIP LOCKED);
    IF in_until < clock_timestamp() THEN RETURN false; END IF;
    INSERT INTO spent_hand_over (nonce, until) VALUES (in_nonce, in_until) ON CONFLICT DO NOTHING;
    RETURN FOUND;
END $$;
