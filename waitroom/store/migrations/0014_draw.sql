-- The draw: what orders those who came before the opening. The seed is fixed and its commitment
-- published before anybody enters; which order it makes depends on how many enter and on the log's
-- chain at the closing, and on a public value where one was announced.

CREATE TABLE draw (
    line_id int PRIMARY KEY REFERENCES line,
    commitment bytea NOT NULL,
    -- The seed as the service sealed it; the database alone does not know it before the reveal.
    sealed_seed text NOT NULL,
    log_key bytea NOT NULL,
    public_value_source text,
    announced_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Set at the closing: how many entries, and the chain's hash with the closing in it.
    count bigint CHECK (count >= 0),
    head bytea,
    signature bytea,
    value text,
    seed bytea,
    key bytea,
    drawn_at timestamptz,
    CONSTRAINT drawn_after_the_closing CHECK (seed IS NULL OR (signature IS NOT NULL AND key IS NOT NULL)),
    CONSTRAINT announced_value_is_taken_in CHECK (
        seed IS NULL OR (public_value_source IS NULL) = (value IS NULL))
);

-- A commitment stands; a draw that was made is not made again.
CREATE FUNCTION keep_draw() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.seed IS NOT NULL
        OR (OLD.commitment, OLD.sealed_seed, OLD.log_key) <> (NEW.commitment, NEW.sealed_seed, NEW.log_key)
        OR OLD.public_value_source IS DISTINCT FROM NEW.public_value_source
        OR (OLD.count IS NOT NULL AND (OLD.count, OLD.head) <> (NEW.count, NEW.head))
        OR (OLD.value IS NOT NULL AND OLD.value IS DISTINCT FROM NEW.value) THEN
        RAISE EXCEPTION 'a draw is made once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER a_draw_is_made_once BEFORE UPDATE OR DELETE ON draw
    FOR EACH ROW EXECUTE FUNCTION keep_draw();

-- Says whether a line's entries are closed and not yet put in order.
CREATE FUNCTION draw_is_due(in_line int) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM draw d WHERE d.line_id = in_line AND d.count IS NOT NULL AND d.seed IS NULL)
$$;

-- Publishes the commitment to a line's seed, once. Entries are taken from then on.
CREATE FUNCTION announce_draw(in_line int, in_commitment bytea, in_sealed text, in_key bytea)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    l record; m room;
BEGIN
    SELECT * INTO l FROM line x WHERE x.line_id = in_line;
    PERFORM 1 FROM log_head h WHERE h.room_id = l.room_id FOR NO KEY UPDATE;
    SELECT * INTO m FROM room x WHERE x.room_id = l.room_id;
    IF m.order_by <> 'draw' OR m.status <> 'scheduled' THEN RETURN; END IF;
    INSERT INTO draw (line_id, commitment, sealed_seed, log_key, public_value_source)
        VALUES (in_line, in_commitment, in_sealed, in_key, m.public_value_source)
        ON CONFLICT (line_id) DO NOTHING;
    IF FOUND THEN
        PERFORM append_log(m.room_id, 'draw_announced', jsonb_build_object('line', l.line,
            'commitment', encode(in_commitment, 'hex'), 'key', encode(in_key, 'hex'),
            'public_value_source', m.public_value_source));
    END IF;
END $$;

-- Closes the entries of all lines of a room that is being opened; who comes now comes behind them.
-- The caller has the room's log and the room locked.
CREATE FUNCTION close_entries(in_room int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    l record;
BEGIN
    FOR l IN SELECT x.* FROM line x JOIN draw d USING (line_id)
             WHERE x.room_id = in_room AND x.joinable AND d.count IS NULL ORDER BY x.line_id FOR NO KEY UPDATE OF x LOOP
        PERFORM append_log(in_room, 'entries_closed', jsonb_build_object('line', l.line, 'count', l.entries));
        UPDATE draw d SET count = l.entries, head = h.hash FROM log_head h
            WHERE d.line_id = l.line_id AND h.room_id = in_room;
        UPDATE line x SET tail = l.entries WHERE x.line_id = l.line_id;
    END LOOP;
END $$;

-- Publishes the signature over a closing.
CREATE FUNCTION sign_closing(in_line int, in_signature bytea) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    l record; d draw;
BEGIN
    SELECT * INTO l FROM line x WHERE x.line_id = in_line;
    PERFORM 1 FROM log_head h WHERE h.room_id = l.room_id FOR NO KEY UPDATE;
    UPDATE draw x SET signature = in_signature
        WHERE x.line_id = in_line AND x.count IS NOT NULL AND x.signature IS NULL RETURNING * INTO d;
    IF FOUND THEN
        PERFORM append_log(l.room_id, 'closing_signed', jsonb_build_object('line', l.line, 'count', d.count,
            'head', encode(d.head, 'hex'), 'key', encode(d.log_key, 'hex'), 'signature', encode(in_signature, 'hex')));
    END IF;
END $$;

-- Takes in the public value that was announced, for every line of a room whose draw waits for it.
-- Returns how many lines that are.
CREATE FUNCTION give_public_value(in_room text, in_value text, in_who text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    m room; l record; given int := 0;
BEGIN
    SELECT * INTO m FROM room x WHERE x.room = in_room;
    IF m.room_id IS NULL THEN RETURN NULL; END IF;
    PERFORM 1 FROM log_head h WHERE h.room_id = m.room_id FOR NO KEY UPDATE;
    FOR l IN UPDATE draw d SET value = in_value FROM line x
             WHERE x.line_id = d.line_id AND x.room_id = m.room_id AND x.joinable AND d.signature IS NOT NULL
                 AND d.public_value_source IS NOT NULL AND d.value IS NULL RETURNING x.line, d.public_value_source LOOP
        PERFORM append_log(m.room_id, 'public_value', jsonb_build_object('line', l.line,
            'source', l.public_value_source, 'value', in_value));
        given := given + 1;
    END LOOP;
    IF given > 0 THEN
        INSERT INTO operator_action (room_id, who, action, detail)
            VALUES (m.room_id, in_who, 'public_value', jsonb_build_object('value', in_value));
    END IF;
    RETURN given;
END $$;

-- Reveals the seed and with it the order. `entries` and `numbers` tell which numbers the few places
-- got about which something is remembered. Verdicts: done, stale_term, not_due, looked_too_early
-- (something was remembered of one more entry since).
CREATE FUNCTION reveal_draw(
    in_line int, my_term bigint, in_seed bytea, in_key bytea, entries bigint[], numbers bigint[])
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    l record; d draw;
BEGIN
    PERFORM 1 FROM log_head h JOIN line x USING (room_id) WHERE x.line_id = in_line FOR NO KEY UPDATE OF h;
    SELECT * INTO l FROM line x WHERE x.line_id = in_line FOR NO KEY UPDATE;
    IF l.term > my_term THEN RETURN 'stale_term'; END IF;
    SELECT * INTO d FROM draw x WHERE x.line_id = in_line FOR NO KEY UPDATE;
    IF d.seed IS NOT NULL OR d.signature IS NULL OR (d.public_value_source IS NOT NULL AND d.value IS NULL) THEN
        RETURN 'not_due';
    END IF;
    IF (SELECT count(*) FROM place p WHERE p.line_id = in_line AND p.entered) <> cardinality(entries) THEN
        RETURN 'looked_too_early';
    END IF;
    UPDATE draw x SET seed = in_seed, key = in_key, drawn_at = clock_timestamp() WHERE x.line_id = in_line;
    UPDATE place p SET entered = false, number = m.n FROM unnest(entries, numbers) m(e, n)
        WHERE p.line_id = in_line AND p.entered AND p.number = m.e;
    INSERT INTO admission (room_id, line_id, number, state, ticket_id, ended_at)
        SELECT l.room_id, in_line, p.number, 'left', p.owner, shopper_now() FROM place p
        WHERE p.line_id = in_line AND NOT p.entered AND p.has_left
        ON CONFLICT ON CONSTRAINT number_called_once DO NOTHING;
    PERFORM append_log(l.room_id, 'drawn', jsonb_build_object('line', l.line, 'seed', encode(in_seed, 'hex'),
        'head', encode(d.head, 'hex'), 'count', d.count, 'value', d.value));
    RETURN 'done';
END $$;
