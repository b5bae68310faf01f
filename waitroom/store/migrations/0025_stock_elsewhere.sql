-- Stock that lives in another shop: how much that shop says there is, and what became of its sessions.

-- Stock lives in one place: here by SKUs, or there.
CREATE FUNCTION refuse_skus_elsewhere() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM fresh f JOIN room m USING (room_id) WHERE m.stock_elsewhere) THEN
        RAISE EXCEPTION 'the stock lives elsewhere'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'stock_lives_in_one_place';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER stock_lives_in_one_place AFTER INSERT ON sku
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION refuse_skus_elsewhere();

-- Takes in one outcome of a session that the caller has locked, with its room's balance. `what` is
-- held (so many are in its basket now), bought (so many more), released (so many went back, NULL for
-- all), nothing (it wanted something and found nothing) or left. An outcome from an earlier push than
-- the last cannot say what is now; what was bought then counts all the same, and so does who found nothing.
CREATE FUNCTION hear_outcome(
    in_session bigint, what text, units int, mark text, in_as_of timestamptz, hold_s int, t timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    e outcome_elsewhere; a admission; late boolean; kept int;
BEGIN
    IF what = 'nothing' THEN
        UPDATE admission x SET refused = true WHERE x.admission_id = in_session AND NOT x.refused;
        RETURN;
    END IF;
    INSERT INTO outcome_elsewhere (session_id) VALUES (in_session) ON CONFLICT DO NOTHING;
    SELECT * INTO e FROM outcome_elsewhere x WHERE x.session_id = in_session;
    late := COALESCE(in_as_of < e.said_at, false);
    IF mark = ANY (e.heard) OR (late AND what <> 'bought') THEN RETURN; END IF;
    IF what IN ('bought', 'released') THEN e.heard := (ARRAY[mark] || e.heard)[1:32]; END IF;
    IF what = 'bought' THEN
        units := COALESCE(units, GREATEST(e.held, 1));
        e.bought := e.bought + units;
    END IF;
    kept := CASE WHEN late THEN e.held
                 WHEN what = 'held' THEN units
                 WHEN what = 'left' THEN 0
                 ELSE GREATEST(e.held - COALESCE(units, e.held), 0) END;
    e.held_until := CASE WHEN kept > 0 THEN NULL WHEN e.held > 0 OR what = 'bought' THEN t ELSE e.held_until END;
    e.held := kept;
    IF e.held + e.bought > e.taken THEN
        e.held_at := COALESCE(e.held_at, t);
        -- These units are no longer among those that are free there, so their promise is kept.
        SELECT * INTO a FROM admission x WHERE x.admission_id = in_session;
        PERFORM keep_promise(a, e.held + e.bought - e.taken);
        e.taken := e.held + e.bought;
    END IF;
    UPDATE outcome_elsewhere x SET held_at = e.held_at, held_until = e.held_until, held = e.held, bought = e.bought,
        taken = e.taken, said_at = GREATEST(x.said_at, in_as_of), heard = e.heard WHERE x.session_id = in_session;
    IF e.held > 0 THEN
        -- A basket is given as long as one here would be, from when the shop last spoke of it.
        UPDATE admission x SET expires_at = GREATEST(x.expires_at, t + time_for(hold_s, x.time_factor))
            WHERE x.admission_id = in_session AND x.state = 'claimed';
    ELSIF what = 'bought' THEN
        PERFORM end_session(in_session, 'ordered');
    ELSIF what = 'left' THEN
        PERFORM end_session(in_session, 'left');
    END IF;
END $$;

-- Turns up to so many promised units into what they were promised for.
CREATE FUNCTION keep_promise(a admission, units int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    kept constant int := LEAST(a.promised, units);
BEGIN
    IF kept > 0 THEN
        UPDATE admission x SET promised = x.promised - kept WHERE x.admission_id = a.admission_id;
        UPDATE room_stock k SET promised = k.promised - kept,
                short = LEAST(k.short, GREATEST(k.held + k.sold + k.promised - kept - k.on_hand, 0))
            WHERE k.room_id = a.room_id;
    END IF;
END $$;

-- Takes in what another shop says: units free and in baskets there, and outcomes of sessions. All of
-- it in one transaction, so that a promise ends with the news of what it became. `in_as_of` is the
-- shop's time of the figures: those that are older than the last ones are not taken over (`stale`).
-- `unknown` are sessions that never were in this room. Verdicts: done, unknown, not_elsewhere,
-- ahead (the shop's clock is more than a minute ahead, so whatever came next would seem old).
CREATE FUNCTION hear_of_stock(
    in_room text, in_available bigint, in_held bigint, in_as_of timestamptz,
    sessions bigint[], outcomes text[], units int[], marks text[],
    OUT verdict text, OUT stale boolean, OUT unknown bigint[],
    OUT available bigint, OUT held bigint, OUT promised bigint, OUT heard_at timestamptz)
LANGUAGE plpgsql AS $$
DECLARE
    m room; o record; t timestamptz;
BEGIN
    SELECT * INTO m FROM room x WHERE x.room = in_room FOR NO KEY UPDATE;
    verdict := CASE WHEN m.room_id IS NULL THEN 'unknown' WHEN NOT m.stock_elsewhere THEN 'not_elsewhere'
                    WHEN in_as_of > clock_timestamp() + interval '1 minute' THEN 'ahead' ELSE 'done' END;
    IF verdict <> 'done' THEN RETURN; END IF;
    PERFORM 1 FROM admission a WHERE a.admission_id = ANY (sessions) AND a.room_id = m.room_id
        ORDER BY a.admission_id FOR NO KEY UPDATE;
    PERFORM 1 FROM room_stock k WHERE k.room_id = m.room_id FOR NO KEY UPDATE;
    t := shopper_now();
    FOR o IN SELECT d.* FROM unnest(sessions, outcomes, units, marks) WITH ORDINALITY d(id, what, units, mark, o)
             JOIN admission a ON a.admission_id = d.id AND a.room_id = m.room_id AND a.claimed_at IS NOT NULL
             ORDER BY d.o LOOP
        PERFORM hear_outcome(o.id, o.what, o.units, COALESCE(o.mark, concat(o.what, ' ', o.units)), in_as_of,
                             m.hold_s, t);
    END LOOP;
    SELECT COALESCE(array_agg(DISTINCT d.id), '{}') INTO unknown FROM unnest(sessions) d(id)
        WHERE NOT EXISTS (SELECT FROM admission a
            WHERE a.admission_id = d.id AND a.room_id = m.room_id AND a.claimed_at IS NOT NULL);
    stale := COALESCE(in_as_of < m.stock_as_of, false);
    IF NOT stale THEN
        UPDATE room_stock k SET on_hand = in_available + in_held, held = in_held, sold = 0,
                short = GREATEST(k.promised - in_available, 0)
            WHERE k.room_id = m.room_id;
    END IF;
    UPDATE room x SET stock_heard_at = clock_timestamp(), stock_as_of = GREATEST(x.stock_as_of, in_as_of)
        WHERE x.room_id = m.room_id RETURNING x.stock_heard_at INTO heard_at;
    SELECT k.on_hand - k.held, k.held, k.promised INTO available, held, promised FROM room_stock k WHERE k.room_id = m.room_id;
END $$;
