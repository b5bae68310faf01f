-- Rooms that move from one shard to another. The room is sealed where it was, so nothing opens in it again, and
-- its log has its last entry. Only then may it come into being in the other database. So it lives in one of
-- the two, or for the moment in none; what it left with stands in `carried`, so the move can be taken up again.

CREATE TABLE room_home (
    room_id int PRIMARY KEY REFERENCES room,
    -- The shard that has the room. If it is `away`, that is another one than this.
    shard text NOT NULL,
    away boolean NOT NULL,
    -- Whether the other shard is known to have it.
    arrived boolean NOT NULL DEFAULT false,
    -- Its status as it left, and the units that it took along, by SKU.
    carried jsonb NOT NULL DEFAULT '{}',
    since timestamptz NOT NULL DEFAULT clock_timestamp() CONSTRAINT moments_are_of_our_time CHECK (is_moment(since))
);
CREATE INDEX room_home_away ON room_home (room_id) WHERE away;

-- What keeps a room from moving, in one word; NULL if nothing does.
CREATE FUNCTION what_keeps(m room) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN m.status NOT IN ('scheduled', 'ended') THEN 'open'
        WHEN what_is_open(m.room_id) IS NOT NULL THEN what_is_open(m.room_id)
        WHEN EXISTS (SELECT FROM line l JOIN returns_wait w USING (line_id) WHERE l.room_id = m.room_id) THEN 'returns'
        WHEN m.status = 'ended' THEN NULL
        WHEN EXISTS (SELECT FROM line l WHERE l.room_id = m.room_id AND l.joinable AND GREATEST(l.tail, l.entries) > 0)
            THEN 'places'
        WHEN EXISTS (SELECT FROM invitation_batch b WHERE b.room_id = m.room_id AND b.revoked_at IS NULL
                     AND (b.expires_at IS NULL OR b.expires_at > clock_timestamp())) THEN 'invitations' END
$$;

-- Lets a room leave for another shard: its units leave its stock, and it is sealed. Verdicts: left (also when it
-- had left for that shard before), unknown, archived, elsewhere (`word` names the shard), kept (`word` says by what).
CREATE FUNCTION leave_for_shard(in_room text, in_shard text, in_who text, OUT verdict text, OUT word text)
LANGUAGE plpgsql AS $$
DECLARE
    m room; h room_home; units jsonb; told constant bigint := (SELECT COALESCE(max(event_id), 0) FROM outbox_event);
BEGIN
    SELECT * INTO m FROM room x WHERE x.room = in_room;
    IF m.room_id IS NULL THEN verdict := 'unknown'; RETURN; END IF;
    PERFORM 1 FROM log_head x WHERE x.room_id = m.room_id FOR NO KEY UPDATE;
    SELECT * INTO m FROM room x WHERE x.room = in_room FOR NO KEY UPDATE;
    SELECT * INTO h FROM room_home x WHERE x.room_id = m.room_id FOR NO KEY UPDATE;
    word := h.shard;
    IF h.away THEN verdict := CASE WHEN h.shard = in_shard THEN 'left' ELSE 'elsewhere' END; RETURN; END IF;
    IF is_sealed(m.room_id) THEN verdict := 'archived'; RETURN; END IF;
    word := what_keeps(m);
    IF word IS NOT NULL THEN verdict := 'kept'; RETURN; END IF;
    SELECT COALESCE(jsonb_object_agg(k.sku, s.on_hand - s.sold), '{}') INTO units
        FROM sku k JOIN stock s USING (sku_id) WHERE k.room_id = m.room_id AND s.on_hand > s.sold;
    PERFORM move_stock(u.key, 'adjusted', -u.value::int, in_who, 'moved to the shard ' || in_shard, NULL, false)
        FROM (SELECT x.key, x.value FROM jsonb_each_text(units) x ORDER BY x.key) u;
    INSERT INTO room_home (room_id, shard, away, carried) VALUES (m.room_id, in_shard, true,
            jsonb_build_object('status', m.status, 'units', units))
        ON CONFLICT (room_id) DO UPDATE SET shard = EXCLUDED.shard, away = true, arrived = false,
            carried = EXCLUDED.carried, since = EXCLUDED.since;
    -- No shopper and no program is told of an end: the room goes on as it was, elsewhere.
    UPDATE room x SET status = 'ended' WHERE x.room_id = m.room_id AND x.status <> 'ended';
    DELETE FROM outbox_event e WHERE e.event_id > told AND e.room_id = m.room_id AND e.kind = 'room.ended';
    UPDATE retention x SET sealed_at = clock_timestamp() WHERE x.room_id = m.room_id;
    INSERT INTO operator_action (room_id, who, action, detail)
        VALUES (m.room_id, in_who, 'move', jsonb_build_object('to', in_shard));
    verdict := 'left';
END $$;

-- Notes that the other shard has a room that left.
CREATE FUNCTION note_arrival(in_room text, in_shard text) RETURNS void LANGUAGE sql AS $$
    UPDATE room_home h SET arrived = true FROM room m
        WHERE m.room_id = h.room_id AND m.room = in_room AND h.away AND h.shard = in_shard
$$;

-- Everything that a room needs elsewhere but its log and its pictures, as one document.
CREATE FUNCTION luggage_of(in_room text) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'room', to_jsonb(m) || jsonb_build_object('status', h.carried ->> 'status'),
        'units', h.carried -> 'units',
        'ended_at', (SELECT r.ended_at FROM retention r WHERE r.room_id = m.room_id),
        'version', (SELECT s.version FROM room_state s WHERE s.room_id = m.room_id),
        'head', (SELECT to_jsonb(e) FROM log_head e WHERE e.room_id = m.room_id),
        'lines', (SELECT jsonb_agg(to_jsonb(l) ORDER BY l.line_id) FROM line l WHERE l.room_id = m.room_id),
        'draws', (SELECT jsonb_agg(to_jsonb(d) || jsonb_build_object('line', l.line))
                  FROM draw d JOIN line l USING (line_id) WHERE l.room_id = m.room_id),
        'profiles', (SELECT jsonb_agg(to_jsonb(f)) FROM profile f WHERE f.room_id = m.room_id),
        'look', (SELECT to_jsonb(x) FROM room_look x WHERE x.room_id = m.room_id),
        'gate', (SELECT to_jsonb(x) FROM gate x WHERE x.room_id = m.room_id),
        'known_user', (SELECT to_jsonb(x) FROM known_user x WHERE x.room_id = m.room_id),
        'known_user_site', (SELECT to_jsonb(x) FROM known_user_site x JOIN known_user u USING (customer)
                            WHERE u.room_id = m.room_id),
        'shop', EXISTS (SELECT FROM shop x WHERE x.room_id = m.room_id),
        'sellers', (SELECT jsonb_agg(to_jsonb(x) || jsonb_build_object('seller', o.name))
                    FROM room_seller x JOIN operator o ON o.operator_id = x.seller_id WHERE x.room_id = m.room_id),
        'products', (SELECT jsonb_agg(to_jsonb(p) || jsonb_build_object('seller', o.name) ORDER BY p.product_id)
                     FROM product p LEFT JOIN operator o ON o.operator_id = p.seller_id WHERE p.room_id = m.room_id),
        'skus', (SELECT jsonb_agg(to_jsonb(k) - 'search' || jsonb_build_object('product', p.product) ORDER BY k.sku_id)
                 FROM sku k JOIN product p USING (product_id) WHERE k.room_id = m.room_id))
    FROM room m JOIN room_home h USING (room_id) WHERE m.room = in_room AND h.away
$$;

-- The account of a seller by its name, NULL for none.
CREATE FUNCTION seller_named(in_name text) RETURNS int LANGUAGE sql STABLE AS $$
    SELECT o.operator_id FROM operator o WHERE o.name = in_name AND o.role = 'seller'
$$;

-- What keeps a room's luggage from being taken in, in words that end a sentence; NULL if nothing does.
CREATE FUNCTION what_collides(luggage jsonb) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT COALESCE(
        (SELECT 'has a room ' || m.room || ' already' FROM room m WHERE m.room = luggage -> 'room' ->> 'room'),
        (SELECT 'has a product ' || p.product || ' already' FROM product p
         JOIN jsonb_array_elements(COALESCE(NULLIF(luggage -> 'products', 'null'), '[]')) x
             ON one_code(p.product) = one_code(x ->> 'product') LIMIT 1),
        (SELECT 'has a SKU ' || k.sku || ' already' FROM sku k
         JOIN jsonb_array_elements(COALESCE(NULLIF(luggage -> 'skus', 'null'), '[]')) x
             ON one_code(k.sku) = one_code(x ->> 'sku') LIMIT 1),
        (SELECT 'has no account of the seller ' || s.name FROM (
            SELECT x ->> 'seller' FROM jsonb_array_elements(COALESCE(NULLIF(luggage -> 'products', 'null'), '[]')) x
            UNION SELECT x ->> 'seller' FROM jsonb_array_elements(COALESCE(NULLIF(luggage -> 'sellers', 'null'), '[]')) x
         ) s (name) WHERE s.name IS NOT NULL AND seller_named(s.name) IS NULL LIMIT 1))
$$;

-- Says whether a room that left another shard is here, with the log that it left with.
CREATE FUNCTION has_arrived(in_room text, in_seq bigint, in_hash bytea) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM room m JOIN room_home h USING (room_id), LATERAL log_between(m.room_id, in_seq, in_seq) e
                   WHERE m.room = in_room AND NOT h.away AND e.hash = in_hash)
$$;

-- A room that comes back finds its name, and those of its goods, with what was left behind when it went: the orders
-- of that time. That gets other names.
CREATE FUNCTION make_way(in_room text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    left_behind record; suffix text;
BEGIN
    SELECT m.room_id, h.since INTO left_behind FROM room m JOIN room_home h USING (room_id)
        WHERE m.room = in_room AND h.away AND h.arrived;
    IF NOT FOUND THEN RETURN; END IF;
    suffix := to_char(left_behind.since AT TIME ZONE 'UTC', '"-until-"YYYYMMDDHH24MISS');
    UPDATE room x SET room = left(in_room, 40) || suffix WHERE x.room_id = left_behind.room_id;
    UPDATE sku k SET sku = left(k.sku, 40) || suffix WHERE k.room_id = left_behind.room_id;
    UPDATE product p SET product = left(p.product, 40) || suffix WHERE p.room_id = left_behind.room_id;
    DELETE FROM known_user x WHERE x.room_id = left_behind.room_id;
END $$;

-- Lets a room come into being here from its luggage, without its log and without units. Returns what collides.
CREATE FUNCTION take_in_room(luggage jsonb, in_shard text, in_who text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    m room := jsonb_populate_record(NULL::room, luggage -> 'room');
    collides text;
    d draw; x jsonb;
BEGIN
    PERFORM make_way(m.room);
    collides := what_collides(luggage);
    IF collides IS NOT NULL THEN RETURN collides; END IF;
    m.room_id := nextval(pg_get_serial_sequence('room', 'room_id'));
    INSERT INTO room OVERRIDING SYSTEM VALUE SELECT m.*;
    INSERT INTO log_head (room_id) VALUES (m.room_id);
    -- Browsers have seen documents up to this version, and look at no older one.
    INSERT INTO room_state (room_id, version) VALUES (m.room_id, (luggage ->> 'version')::bigint);
    INSERT INTO room_stock (room_id) VALUES (m.room_id);
    IF m.status = 'ended' THEN
        INSERT INTO retention (room_id, ended_at) VALUES (m.room_id, (luggage ->> 'ended_at')::timestamptz);
    END IF;
    INSERT INTO line (room_id, line, lane, generation, share, joinable, entries, tail, gate, passed_by, restored_at)
        SELECT m.room_id, y.line, y.lane, y.generation, y.share, y.joinable, y.entries, y.tail, y.gate, y.passed_by,
               y.restored_at
        FROM jsonb_to_recordset(luggage -> 'lines') y (
            line_id int, line text, lane text, generation int, share real, joinable boolean, entries bigint, tail bigint,
            gate bigint, passed_by bigint, restored_at timestamptz) ORDER BY y.line_id;
    FOR x IN SELECT * FROM jsonb_array_elements(COALESCE(NULLIF(luggage -> 'draws', 'null'), '[]')) LOOP
        d := jsonb_populate_record(NULL::draw, x);
        d.line_id := (SELECT y.line_id FROM line y WHERE y.room_id = m.room_id AND y.line = x ->> 'line');
        INSERT INTO draw SELECT d.*;
    END LOOP;
    PERFORM take_in_rules(m.room_id, luggage), take_in_goods(m.room_id, luggage, in_who);
    INSERT INTO room_home (room_id, shard, away, arrived) VALUES (m.room_id, in_shard, false, true);
    INSERT INTO operator_action (room_id, who, action, detail)
        VALUES (m.room_id, in_who, 'move', jsonb_build_object('to', in_shard));
    RETURN NULL;
END $$;

-- What operators set for a room beside its rules.
CREATE FUNCTION take_in_rules(in_room_id int, luggage jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    here constant jsonb := jsonb_build_object('room_id', in_room_id);
BEGIN
    INSERT INTO profile SELECT f.* FROM jsonb_array_elements(COALESCE(NULLIF(luggage -> 'profiles', 'null'), '[]')) x,
        jsonb_populate_record(NULL::profile, x || here || '{"taken": 0}') f;
    IF jsonb_typeof(luggage -> 'look') = 'object' THEN
        INSERT INTO room_look SELECT (jsonb_populate_record(NULL::room_look, luggage -> 'look' || here)).*;
    END IF;
    IF jsonb_typeof(luggage -> 'gate') = 'object' THEN
        INSERT INTO gate SELECT (jsonb_populate_record(NULL::gate, luggage -> 'gate' || here)).*;
    END IF;
    IF jsonb_typeof(luggage -> 'known_user') = 'object' THEN
        INSERT INTO known_user_site
            SELECT (jsonb_populate_record(NULL::known_user_site, luggage -> 'known_user_site')).* ON CONFLICT DO NOTHING;
        INSERT INTO known_user SELECT (jsonb_populate_record(NULL::known_user, luggage -> 'known_user' || here)).*;
    END IF;
    IF (luggage ->> 'shop')::boolean THEN INSERT INTO shop VALUES (in_room_id); END IF;
    INSERT INTO room_seller (room_id, seller_id, admitted_by, admitted_at)
        SELECT in_room_id, seller_named(x ->> 'seller'), x ->> 'admitted_by', (x ->> 'admitted_at')::timestamptz
        FROM jsonb_array_elements(COALESCE(NULLIF(luggage -> 'sellers', 'null'), '[]')) x;
END $$;

-- Products and SKUs, with nothing on hand.
CREATE FUNCTION take_in_goods(in_room_id int, luggage jsonb, in_who text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM lock_catalogue(in_room_id);
    INSERT INTO product (product, room_id, seller_id, name, description, picture, created_at)
        SELECT p.product, in_room_id, seller_named(x ->> 'seller'), p.name, p.description, p.picture, p.created_at
        FROM jsonb_array_elements(COALESCE(NULLIF(luggage -> 'products', 'null'), '[]')) x,
            jsonb_populate_record(NULL::product, x) p;
    INSERT INTO sku (sku, product_id, room_id, name, variant, description, picture, price_minor, currency,
                     limit_per_order, limit_per_session, limit_per_customer, on_sale_from, on_sale_until, low_at, created_at)
        SELECT k.sku, p.product_id, in_room_id, k.name, k.variant, k.description, k.picture, k.price_minor, k.currency,
               k.limit_per_order, k.limit_per_session, k.limit_per_customer, k.on_sale_from, k.on_sale_until, k.low_at,
               k.created_at
        FROM jsonb_array_elements(COALESCE(NULLIF(luggage -> 'skus', 'null'), '[]')) x,
            jsonb_populate_record(NULL::sku, x) k, product p WHERE p.product = x ->> 'product' AND p.room_id = in_room_id;
    INSERT INTO stock (sku_id) SELECT k.sku_id FROM sku k WHERE k.room_id = in_room_id;
    INSERT INTO sku_change (sku, room_id, seller_id, what, who)
        SELECT k.sku, in_room_id, k.seller_id, 'added', in_who FROM sku k WHERE k.room_id = in_room_id ORDER BY k.sku;
END $$;

-- Takes in the next entries of a room's log, as they were. Their hashes are made again, one from the other.
CREATE FUNCTION take_in_log(in_room text, bodies text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    h log_head; body text;
BEGIN
    SELECT x.* INTO h FROM log_head x JOIN room m USING (room_id) WHERE m.room = in_room FOR NO KEY UPDATE OF x;
    FOREACH body IN ARRAY bodies LOOP
        h.seq := h.seq + 1;
        h.hash := sha256(h.hash || convert_to(body, 'UTF8'));
        INSERT INTO log_entry VALUES (h.room_id, h.seq, body, h.hash);
    END LOOP;
    UPDATE log_head x SET seq = h.seq, hash = h.hash WHERE x.room_id = h.room_id;
END $$;

CREATE FUNCTION take_in_picture(in_room text, in_name text, in_body bytea, in_who text, in_seller text)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO picture (name, room_id, seller_id, body, who)
        SELECT in_name, m.room_id, seller_named(in_seller), in_body, in_who FROM room m WHERE m.room = in_room
        ON CONFLICT DO NOTHING
$$;

-- Ends a move: the log has to be the one that the room left with, to its last hash. The units go on the shelf.
CREATE FUNCTION take_in_units(luggage jsonb, in_shard text, in_who text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    code constant text := luggage -> 'room' ->> 'room';
BEGIN
    IF NOT EXISTS (SELECT FROM log_head x JOIN room m USING (room_id), jsonb_populate_record(NULL::log_head, luggage -> 'head') h
                   WHERE m.room = code AND x.seq = h.seq AND x.hash = h.hash) THEN
        RAISE EXCEPTION 'the log of % is not the one that it left with', code;
    END IF;
    PERFORM move_stock(u.key, 'received', u.value::int, in_who, 'moved to the shard ' || in_shard, NULL, false)
        FROM (SELECT x.key, x.value FROM jsonb_each_text(luggage -> 'units') x ORDER BY x.key) u;
END $$;
