-- Joining: each join key gets one number, also when a reply is lost or late.

-- The number or entry that a join key got in a line, kept for as long as a join may be repeated. `key`
-- is a hash of the shopper's key; a join without one is kept under its ticket's id, so a batch that
-- arrives twice is recognised too. `state` is `given`; `heard` once the key asked again and was
-- answered; `lost` while the answer got lost and the key has not asked again. A row whose key is a
-- batch's root bars that batch: its worker has given it up.
CREATE TABLE join_key (
    line_id int NOT NULL,
    key bytea NOT NULL,
    entered boolean NOT NULL,
    number bigint NOT NULL,
    ticket_id bytea NOT NULL,
    state text NOT NULL DEFAULT 'given' CHECK (state IN ('given', 'heard', 'lost')),
    given_at timestamptz NOT NULL,
    CONSTRAINT one_number_for_a_key PRIMARY KEY (line_id, key)
) WITH (fillfactor = 90, autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_scale_factor = 0.1,
        autovacuum_vacuum_insert_scale_factor = 0.2);
CREATE INDEX join_key_by_age ON join_key (given_at);

-- Finds the places that a batch of joins was given whose reply was lost: its log entry holds the Merkle
-- root of its tickets. All is NULL if the batch never arrived.
CREATE FUNCTION find_joins(
    in_line int, in_room int, root bytea, OUT entered boolean, OUT first_number bigint, OUT called int,
    OUT claim_until timestamptz, OUT seq bigint)
LANGUAGE plpgsql AS $$
DECLARE
    body jsonb;
BEGIN
    SELECT e.body::jsonb, e.seq INTO body, seq FROM (
        SELECT * FROM log_entry x WHERE x.room_id = in_room ORDER BY x.seq DESC LIMIT 10000) e
        WHERE e.body LIKE '%"' || encode(root, 'hex') || '"%';
    IF NOT FOUND THEN RETURN; END IF;
    first_number := (body ->> 'first')::bigint;
    entered := body ->> 'kind' = 'entered';
    called := COALESCE((body ->> 'called')::int, 0);
    -- The number of an entry says nothing of a number in the line.
    SELECT wall_time(min(a.claim_until)) INTO claim_until FROM admission a
        WHERE NOT entered AND a.line_id = in_line AND a.number = first_number AND a.state = 'called';
END $$;

-- Says whether one of these keys has its number. The caller has the room's log locked, so no other
-- batch gives one meanwhile.
CREATE FUNCTION any_key_has_number(in_line int, in_keys bytea[]) RETURNS boolean LANGUAGE plpgsql
SET enable_seqscan = off AS $$
BEGIN
    RETURN EXISTS (SELECT FROM join_key k WHERE k.line_id = in_line AND k.key = ANY (in_keys));
END $$;

-- Gives the next `joins` places of a line: numbers, or entries while a draw is ahead. Numbers at or
-- below the gate are called at once. `root` is the Merkle root of the tickets; it also marks the batch,
-- so that one whose reply was lost is found again (`again`) and not given other places. `keys` and `ids`
-- name those to whom one place alone is due, with their tickets' ids, or are NULL; a second round of
-- both names what else each of these places uses up. `join_keys` and `join_ids` are the join keys and
-- tickets' ids of all others, NULL where a person is known. If one of the keys has its number already,
-- or the batch was given up, nothing is written and `refusal` is `has_number`. `sku_ids` are the SKUs that
-- these shoppers came for, NULL where none named any.
CREATE FUNCTION join_line(
    in_line int, joins int, root bytea, again boolean, keys bytea[] DEFAULT NULL, ids bytea[] DEFAULT NULL,
    join_keys bytea[] DEFAULT NULL, join_ids bytea[] DEFAULT NULL, for_returns boolean DEFAULT false,
    sku_ids int[] DEFAULT NULL, OUT refusal text, OUT entered boolean, OUT first_number bigint, OUT called int, OUT gate bigint,
    OUT tail bigint, OUT claim_until timestamptz, OUT claim_seconds float8, OUT seq bigint)
LANGUAGE plpgsql AS $$
DECLARE
    l record; m room; wanted int;
BEGIN
    SELECT * INTO l FROM line x WHERE x.line_id = in_line;
    PERFORM 1 FROM log_head h WHERE h.room_id = l.room_id FOR NO KEY UPDATE;
    SELECT * INTO m FROM room x WHERE x.room_id = l.room_id;
    -- Once more, as it is under the lock: the room may have been reset meanwhile.
    SELECT * INTO l FROM line x WHERE x.line_id = in_line;
    gate := l.gate; tail := l.tail;
    IF again THEN
        SELECT f.* INTO entered, first_number, called, claim_until, seq FROM find_joins(in_line, l.room_id, root) f;
        claim_seconds := extract(epoch FROM claim_until - clock_timestamp());
        IF seq IS NOT NULL THEN RETURN; END IF;
    END IF;
    -- Before the room's own refusals: a repeated join finds its number also when the sale is over.
    IF join_keys IS NOT NULL AND any_key_has_number(in_line, join_keys || root) THEN
        refusal := 'has_number'; RETURN;
    END IF;
    entered := m.status = 'scheduled' AND m.order_by = 'draw'; called := 0;
    refusal := why_closed(m, in_line, l.joinable, entered);
    IF refusal = 'sold_out' AND for_returns THEN
        -- Nothing is left to call these for, although the gate may stand ahead from before.
        PERFORM draw_gates_back(m.room_id);
        refusal := NULL;
    END IF;
    IF refusal IS NOT NULL THEN entered := false; RETURN; END IF;
    IF entered THEN
        UPDATE line x SET entries = x.entries + joins WHERE x.line_id = in_line
            RETURNING x.entries - joins + 1 INTO first_number;
    ELSE
        UPDATE line x SET tail = x.tail + joins WHERE x.line_id = in_line RETURNING x.tail, x.gate INTO tail, gate;
        first_number := tail - joins + 1;
        wanted := LEAST(gate, tail) - first_number + 1;
    END IF;
    IF wanted > 0 THEN
        SELECT c.* INTO called, claim_until FROM call_joins(m, in_line, first_number, wanted, sku_ids) c;
        claim_seconds := CASE WHEN called > 0 THEN m.claim_window_s END;
        claim_until := wall_time(claim_until);
        IF called < wanted THEN
            -- The stock fell since the gate was set: the gate goes back to whom it can keep its word.
            UPDATE line x SET gate = first_number - 1 + called WHERE x.line_id = in_line RETURNING x.gate INTO gate;
        END IF;
    END IF;
    IF keys IS NOT NULL THEN
        INSERT INTO person_place (room_id, key, line_id, entered, number, ticket_id)
            SELECT m.room_id, d.key, in_line, join_line.entered, first_number + (d.o - 1) % joins, d.id
            FROM unnest(keys, ids) WITH ORDINALITY d(key, id, o) WHERE d.key IS NOT NULL;
    END IF;
    IF join_keys IS NOT NULL THEN
        INSERT INTO join_key (line_id, key, entered, number, ticket_id, given_at)
            SELECT in_line, d.key, join_line.entered, first_number + d.o - 1, d.id, clock_timestamp()
            FROM unnest(join_keys, join_ids) WITH ORDINALITY d(key, id, o) WHERE d.key IS NOT NULL;
    END IF;
    IF sku_ids IS NOT NULL THEN INSERT INTO choice VALUES (in_line, entered, first_number, sku_ids); END IF;
    seq := append_log(m.room_id, CASE WHEN entered THEN 'entered' ELSE 'joined' END,
        jsonb_build_object('line', l.line, 'first', first_number, 'last', first_number + joins - 1,
            'root', encode(root, 'hex'))
        || CASE WHEN entered THEN '{}' ELSE jsonb_build_object('called', called) END);
END $$;

-- Returns the places of those of these keys that have one, and notes that their shoppers ask again. A
-- number that stepped aside when its answer was lost comes back into the line.
CREATE FUNCTION find_join_keys(in_line int, in_keys bytea[])
RETURNS TABLE (key bytea, entered boolean, number bigint, ticket_id bytea, sku text) LANGUAGE plpgsql
SET enable_seqscan = off AS $$
DECLARE
    k record;
BEGIN
    IF EXISTS (SELECT FROM join_key x WHERE x.line_id = in_line AND x.key = ANY (in_keys) AND x.state = 'lost') THEN
        PERFORM 1 FROM log_head h JOIN line l USING (room_id) WHERE l.line_id = in_line FOR NO KEY UPDATE OF h;
    END IF;
    FOR k IN SELECT * FROM join_key x
             WHERE x.line_id = in_line AND x.key = ANY (in_keys) AND x.state <> 'heard' AND x.number > 0
             ORDER BY x.key FOR NO KEY UPDATE LOOP
        UPDATE join_key x SET state = 'heard' WHERE x.line_id = in_line AND x.key = k.key;
        CONTINUE WHEN k.state <> 'lost';
        IF NOT k.entered THEN
            PERFORM step_back(in_line, k.number, k.ticket_id);
        ELSIF NOT entries_are_fixed(in_line) THEN
            -- Later than that the draw has decided, and the number of the entry is another shopper's.
            UPDATE place p SET has_left = false
                WHERE p.line_id = in_line AND p.entered AND p.number = k.number AND p.owner = k.ticket_id;
        END IF;
    END LOOP;
    RETURN QUERY SELECT x.key, x.entered, x.number, x.ticket_id, (
            SELECT u.sku FROM sku u WHERE u.sku_id = (SELECT * FROM choice_of(in_line, x.entered, x.number))) FROM join_key x
        WHERE x.line_id = in_line AND x.key = ANY (in_keys) AND x.number > 0;
END $$;

-- Settles a batch whose worker got no answer and gave none. If the batch never arrived, it is barred.
-- Numbers whose keys have not asked again step aside, and entries leave, until the key asks. Returns
-- how many there are. To do it again changes nothing.
CREATE FUNCTION lose_joins(in_line int, root bytea, keys bytea[], ids bytea[]) RETURNS int LANGUAGE plpgsql
SET enable_seqscan = off AS $$
DECLARE
    l record; lost int; t constant timestamptz := shopper_now(); calls bigint[];
BEGIN
    SELECT * INTO l FROM line x WHERE x.line_id = in_line;
    PERFORM 1 FROM log_head h WHERE h.room_id = l.room_id FOR NO KEY UPDATE;
    INSERT INTO join_key (line_id, key, entered, number, ticket_id, given_at)
        VALUES (in_line, root, false, 0, root, clock_timestamp()) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN RETURN 0; END IF;
    UPDATE join_key k SET state = 'lost' FROM unnest(keys, ids) d(key, id)
        WHERE k.line_id = in_line AND k.key = d.key AND k.ticket_id = d.id AND k.state = 'given';
    GET DIAGNOSTICS lost = ROW_COUNT;
    -- An archived room has no place left that could step aside.
    IF lost = 0 OR is_sealed(l.room_id) THEN RETURN lost; END IF;
    INSERT INTO place (line_id, entered, number, owner, has_left)
        SELECT in_line, true, k.number, k.ticket_id, true FROM join_key k
        WHERE k.line_id = in_line AND k.key = ANY (keys) AND k.ticket_id = ANY (ids)
            AND k.state = 'lost' AND k.entered AND NOT entries_are_fixed(in_line)
        ON CONFLICT (line_id, entered, number) DO UPDATE SET has_left = true;
    SELECT array_agg(x.admission_id) INTO calls FROM (
        SELECT a.admission_id FROM join_key k JOIN admission a USING (line_id, number)
        WHERE k.line_id = in_line AND k.key = ANY (keys) AND k.ticket_id = ANY (ids)
            AND k.state = 'lost' AND NOT k.entered AND a.state = 'called'
        ORDER BY a.admission_id FOR NO KEY UPDATE OF a) x;
    PERFORM return_promises(calls);
    UPDATE admission a SET state = 'aside', promised = 0, ended_at = t,
            ticket_id = k.ticket_id, end_reason = 'answer_lost'
        FROM join_key k WHERE a.admission_id = ANY (calls) AND k.line_id = in_line AND k.key = ANY (keys)
            AND k.number = a.number AND NOT k.entered;
    INSERT INTO admission (room_id, line_id, number, state, ticket_id, ended_at, end_reason)
        SELECT l.room_id, in_line, k.number, 'aside', k.ticket_id, t, 'answer_lost' FROM join_key k
        WHERE k.line_id = in_line AND k.key = ANY (keys) AND k.ticket_id = ANY (ids)
            AND k.state = 'lost' AND NOT k.entered
        ON CONFLICT ON CONSTRAINT number_called_once DO NOTHING;
    RETURN lost;
END $$;

-- Forgets up to `batch_max` keys of joins that are too old to be repeated, and returns how many.
CREATE FUNCTION forget_join_keys(batch_max int, kept_s int) RETURNS int LANGUAGE plpgsql
SET enable_seqscan = off AS $$
DECLARE
    forgotten int;
BEGIN
    DELETE FROM join_key WHERE (line_id, key) IN (
        SELECT k.line_id, k.key FROM join_key k
        WHERE k.given_at < clock_timestamp() - make_interval(secs => kept_s)
        ORDER BY k.given_at LIMIT batch_max FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    RETURN forgotten;
END $$;
