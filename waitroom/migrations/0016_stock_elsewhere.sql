-- Rooms whose stock lives in another shop: it says how much there is and what became of sessions,
-- without which nothing could be learned.

-- What the other shop said of a session: units in its basket now, and units it bought.
CREATE TABLE outcome_elsewhere (
    session_id bigint PRIMARY KEY REFERENCES admission,
    held_at timestamptz,
    held int NOT NULL DEFAULT 0 CHECK (held >= 0),
    bought int NOT NULL DEFAULT 0 CHECK (bought >= 0)
);

-- Takes in what another shop says: units free and in baskets there, and outcomes of sessions (held,
-- bought, released, nothing, left) with units. All of it in one transaction, so that a promise ends
-- with the news of what it became. Verdicts: done, unknown, not_elsewhere.
CREATE FUNCTION hear_of_stock(
    in_room text, in_available bigint, in_held bigint, sessions bigint[], outcomes text[], units int[])
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    m room; o record; t timestamptz;
BEGIN
    SELECT * INTO m FROM room x WHERE x.room = in_room;
    IF m.room_id IS NULL THEN RETURN 'unknown'; END IF;
    IF NOT m.stock_elsewhere THEN RETURN 'not_elsewhere'; END IF;
    PERFORM 1 FROM admission a WHERE a.admission_id = ANY (sessions) AND a.room_id = m.room_id
        ORDER BY a.admission_id FOR NO KEY UPDATE;
    PERFORM 1 FROM room_stock k WHERE k.room_id = m.room_id FOR NO KEY UPDATE;
    t := shopper_now();
    FOR o IN SELECT d.*, a.state, a.promised FROM unnest(sessions, outcomes, units) WITH ORDINALITY d(id, what, units, o)
             JOIN admission a ON a.admission_id = d.id AND a.room_id = m.room_id ORDER BY d.o LOOP
        IF o.what IN ('held', 'bought', 'released') THEN
            INSERT INTO outcome_elsewhere AS e (session_id, held_at, held, bought)
                VALUES (o.id, t, CASE o.what WHEN 'held' THEN o.units ELSE 0 END,
                        CASE o.what WHEN 'bought' THEN o.units ELSE 0 END)
                ON CONFLICT (session_id) DO UPDATE SET
                    held = CASE o.what WHEN 'held' THEN o.units ELSE GREATEST(e.held - o.units, 0) END,
                    bought = e.bought + CASE o.what WHEN 'bought' THEN o.units ELSE 0 END;
            -- Its units are no longer among those that are free there, so the promise is kept.
            PERFORM return_promises(ARRAY[o.id]);
            UPDATE admission a SET promised = 0 WHERE a.admission_id = o.id;
        ELSIF o.what = 'nothing' THEN
            UPDATE admission a SET refused = true WHERE a.admission_id = o.id;
        END IF;
        IF o.what IN ('bought', 'left') THEN
            PERFORM end_session(o.id, CASE o.what WHEN 'bought' THEN 'ordered' ELSE 'left' END);
        END IF;
    END LOOP;
    UPDATE room_stock k SET on_hand = in_available + in_held, held = in_held, sold = 0,
            short = GREATEST(k.promised - in_available, 0)
        WHERE k.room_id = m.room_id;
    UPDATE room x SET stock_heard_at = clock_timestamp() WHERE x.room_id = m.room_id;
    RETURN 'done';
END $$;
