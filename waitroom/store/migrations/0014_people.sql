-- People: customers, whom the shop's identity provider knows, and the operators' accounts.

-- Binds a session to a customer, once, with its holds and orders. Verdicts: bound (also when it was
-- before), other_customer, over, limit_reached: with this session's units the customer would have more
-- than `figure` of the SKU `culprit`; then nothing is bound.
CREATE FUNCTION bind_customer(
    in_session bigint, in_issuer text, in_subject text, in_email text,
    OUT verdict text, OUT culprit text, OUT figure int)
LANGUAGE plpgsql AS $$
DECLARE
    a admission; who customer;
BEGIN
    SELECT * INTO a FROM admission x WHERE x.admission_id = in_session FOR NO KEY UPDATE;
    IF a.customer_id IS NOT NULL THEN
        SELECT * INTO who FROM customer c WHERE c.customer_id = a.customer_id;
        verdict := CASE WHEN (who.issuer, who.subject) = (in_issuer, in_subject)
                        THEN 'bound' ELSE 'other_customer' END;
        RETURN;
    END IF;
    IF a.state IS DISTINCT FROM 'claimed' OR a.expires_at <= shopper_now() THEN verdict := 'over'; RETURN; END IF;
    -- Another session of the same customer that holds any of these SKUs, or is bound with them, has to
    -- wait here or to have finished: so the units below are all there are.
    PERFORM 1 FROM stock s WHERE s.sku_id IN (
        SELECT l.sku_id FROM hold h JOIN hold_line l USING (hold_id) WHERE h.session_id = in_session)
        ORDER BY s.sku_id FOR NO KEY UPDATE;
    PERFORM 1 FROM hold h WHERE h.session_id = in_session ORDER BY h.hold_id FOR NO KEY UPDATE;
    PERFORM 1 FROM purchase p WHERE p.session_id = in_session ORDER BY p.order_id FOR NO KEY UPDATE;
    SELECT k.sku, may.figure INTO culprit, figure
        FROM (SELECT DISTINCT l.sku_id FROM hold h JOIN hold_line l USING (hold_id)
              WHERE h.session_id = in_session AND h.state IN ('held', 'confirmed')) own
        JOIN sku k USING (sku_id)
        LEFT JOIN customer c ON c.issuer = in_issuer AND c.subject = in_subject,
        session_units(ARRAY[in_session], ARRAY[k.sku_id]) AS had,
        allowed_units(had[1], true, NULL, NULL, NULL, k.limit_per_customer,
                      customer_units(c.customer_id, k.sku_id), NULL, NULL) AS may
        WHERE had[1] > 0 AND may.verdict IS NOT NULL ORDER BY k.sku LIMIT 1;
    IF culprit IS NOT NULL THEN verdict := 'limit_reached'; RETURN; END IF;
    -- A provider that says nothing about the address now does not take back what it said before.
    INSERT INTO customer AS c (issuer, subject, email) VALUES (in_issuer, in_subject, in_email)
        ON CONFLICT ON CONSTRAINT customer_known_once
        DO UPDATE SET email = COALESCE(NULLIF(EXCLUDED.email, ''), c.email)
        RETURNING * INTO who;
    UPDATE admission SET customer_id = who.customer_id WHERE admission_id = in_session;
    UPDATE hold SET customer_id = who.customer_id WHERE session_id = in_session;
    UPDATE purchase SET customer_id = who.customer_id WHERE session_id = in_session;
    verdict := 'bound';
END $$;

-- Returns everything that is kept about a customer, or NULL for an unknown one.
CREATE FUNCTION customer_data(in_issuer text, in_subject text) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'issuer', c.issuer, 'subject', c.subject, 'email', c.email, 'known_since', c.created_at,
        'sessions', COALESCE((
            SELECT jsonb_agg(jsonb_build_object('session', a.admission_id::text, 'room', m.room,
                'number', a.number, 'state', a.state, 'called_at', a.called_at, 'claimed_at', a.claimed_at,
                'ended_at', a.ended_at, 'end_reason', a.end_reason,
                'waits_for_returns_at', NULLIF(w.email, '')) ORDER BY a.admission_id)
            FROM admission a JOIN room m USING (room_id)
            LEFT JOIN returns_wait w ON w.line_id = a.line_id AND w.number = a.number
            WHERE a.customer_id = c.customer_id), '[]'),
        'holds', COALESCE((
            SELECT jsonb_agg(jsonb_build_object('hold_id', h.hold_id, 'session', h.session_id::text,
                'state', h.state, 'placed_at', h.placed_at, 'ended_at', h.ended_at,
                'items', (SELECT jsonb_agg(jsonb_build_object('sku', k.sku, 'quantity', l.quantity,
                                           'price_minor', l.price_minor) ORDER BY k.sku)
                          FROM hold_line l JOIN sku k USING (sku_id) WHERE l.hold_id = h.hold_id))
                ORDER BY h.placed_at, h.hold_id)
            FROM hold h WHERE h.customer_id = c.customer_id), '[]'),
        'orders', COALESCE((
            SELECT jsonb_agg(order_document(p, NULL) || jsonb_build_object(
                'gateway', t.gateway, 'gateway_ref', gateway_ref_of(p.order_id)) ORDER BY p.created_at, p.order_id)
            FROM purchase p JOIN payment_attempt t USING (order_id) WHERE p.customer_id = c.customer_id), '[]'))
    FROM customer c WHERE c.issuer = in_issuer AND c.subject = in_subject
$$;

-- Makes a customer nobody: the address is blanked and the provider's name for them replaced by a random
-- one, so that nothing leads from the orders, which stay for the books, to the person. Verdicts: erased
-- (also when there is nobody), session_open, payment_running, sale_running and declined_lately:
-- `culprit` is a room whose limit per customer, or the bound on declines, they could get around by being
-- somebody new.
CREATE FUNCTION erase_customer(in_issuer text, in_subject text, OUT verdict text, OUT culprit text)
LANGUAGE plpgsql AS $$
DECLARE
    who customer;
BEGIN
    -- A session that is being bound to this customer waits for this lock, and then finds nobody.
    SELECT * INTO who FROM customer c WHERE c.issuer = in_issuer AND c.subject = in_subject FOR UPDATE;
    SELECT m.room INTO culprit FROM admission a JOIN room m USING (room_id)
        WHERE a.customer_id = who.customer_id AND a.state = 'claimed' ORDER BY m.room LIMIT 1;
    IF culprit IS NOT NULL THEN verdict := 'session_open'; RETURN; END IF;
    SELECT m.room INTO culprit FROM purchase p JOIN room m USING (room_id)
        WHERE p.customer_id = who.customer_id
            AND p.state IN ('authorizing', 'authorized', 'voiding', 'returning') ORDER BY m.room LIMIT 1;
    IF culprit IS NOT NULL THEN verdict := 'payment_running'; RETURN; END IF;
    SELECT m.room INTO culprit FROM (
        SELECT DISTINCT l.sku_id FROM hold h JOIN hold_line l USING (hold_id)
        WHERE h.customer_id = who.customer_id AND h.state = 'confirmed') x
        JOIN sku k USING (sku_id) JOIN room m ON m.room_id = k.room_id
        WHERE k.limit_per_customer IS NOT NULL AND m.status <> 'ended'
            AND COALESCE(k.on_sale_until > clock_timestamp(), true)
            AND customer_units(who.customer_id, k.sku_id) > 0
        ORDER BY m.room LIMIT 1;
    IF culprit IS NOT NULL THEN verdict := 'sale_running'; RETURN; END IF;
    SELECT m.room INTO culprit FROM purchase p JOIN room m USING (room_id)
        WHERE p.customer_id = who.customer_id AND p.state = 'declined'
            AND p.created_at > clock_timestamp() - interval '1 hour' ORDER BY m.room LIMIT 1;
    IF culprit IS NOT NULL THEN verdict := 'declined_lately'; RETURN; END IF;
    UPDATE returns_wait w SET email = '' FROM admission a
        WHERE a.customer_id = who.customer_id AND w.line_id = a.line_id AND w.number = a.number;
    UPDATE customer SET issuer = 'erased', subject = gen_random_uuid()::text, email = ''
        WHERE customer_id = who.customer_id;
    verdict := 'erased';
END $$;

-- Adds an operator. Returns false when there is one by that name.
CREATE FUNCTION add_operator(in_name text, in_role text, in_hash text, in_who text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO operator (name, role, password_hash) VALUES (in_name, in_role, in_hash)
        ON CONFLICT (name) DO NOTHING;
    IF NOT FOUND THEN RETURN false; END IF;
    INSERT INTO operator_action (who, action, detail) VALUES (in_who, 'add_operator',
        jsonb_build_object('operator', in_name, 'role', in_role));
    RETURN true;
END $$;

-- The hash of the code with which the first admin makes their account, while there is no operator.
CREATE TABLE first_account (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    code_hash bytea NOT NULL
);

-- Keeps the hash of the code with which the first admin can make their account, in place of an earlier one,
-- while there is no operator at all. Returns whether there is none.
CREATE FUNCTION offer_first_account(in_code bytea) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM operator) THEN RETURN false; END IF;
    INSERT INTO first_account (code_hash) VALUES (in_code)
        ON CONFLICT (only_one) DO UPDATE SET code_hash = EXCLUDED.code_hash;
    RETURN true;
END $$;

-- Makes the account of the first admin, once: the code is used up. Verdicts: made, late (there is an operator),
-- wrong_code.
CREATE FUNCTION make_first_account(in_name text, in_hash text, in_code bytea) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    -- Two who have the code at once come one after the other, and so does an operator added meanwhile.
    LOCK TABLE operator IN SHARE ROW EXCLUSIVE MODE;
    IF EXISTS (SELECT FROM operator) THEN RETURN 'late'; END IF;
    DELETE FROM first_account WHERE code_hash = in_code;
    IF NOT FOUND THEN RETURN 'wrong_code'; END IF;
    PERFORM add_operator(in_name, 'admin', in_hash, in_name);
    RETURN 'made';
END $$;

-- The right of a program to make operators' calls. Its secret is random and is kept as a hash alone.
CREATE TABLE api_key (
    key_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    key_hash bytea NOT NULL CONSTRAINT key_has_one_secret UNIQUE,
    scopes text[] NOT NULL CONSTRAINT key_has_known_scopes CHECK (
        cardinality(scopes) > 0 AND scopes <@ ARRAY['figures', 'stock', 'steer', 'rooms', 'orders']),
    -- The only rooms in which it works; NULL: all rooms, and the calls that belong to none.
    rooms text[] CONSTRAINT key_is_for_some_room CHECK (cardinality(rooms) > 0),
    -- The admin who made it, whose rights bound its own; NULL: the command line.
    operator_id int REFERENCES operator,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz,
    last_used_at timestamptz,
    ended_at timestamptz,
    end_reason text NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX key_named_once ON api_key (name) WHERE ended_at IS NULL;
CREATE INDEX key_by_operator ON api_key (operator_id) WHERE ended_at IS NULL;

-- Adds a key. Verdicts: added, not_admin (any more), name_taken, too_many, unknown_room.
CREATE FUNCTION add_key(
    in_name text, in_hash bytea, in_scopes text[], in_rooms text[], in_expires timestamptz,
    maker int, in_who text, keys_max int)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    -- A change of the maker's account comes before this key or ends it. The row is locked before the table,
    -- as a change of an account does.
    PERFORM 1 FROM operator o WHERE o.operator_id = maker AND o.role = 'admin' AND o.active FOR SHARE;
    IF maker IS NOT NULL AND NOT FOUND THEN RETURN 'not_admin'; END IF;
    LOCK TABLE api_key IN SHARE ROW EXCLUSIVE MODE;
    IF EXISTS (SELECT FROM api_key k WHERE k.name = in_name AND k.ended_at IS NULL) THEN RETURN 'name_taken'; END IF;
    IF (SELECT count(*) FROM api_key k WHERE k.ended_at IS NULL) >= keys_max THEN RETURN 'too_many'; END IF;
    IF EXISTS (SELECT FROM unnest(in_rooms) AS named WHERE named NOT IN (SELECT m.room FROM room m)) THEN
        RETURN 'unknown_room';
    END IF;
    INSERT INTO api_key (name, key_hash, scopes, rooms, operator_id, expires_at)
        VALUES (in_name, in_hash, in_scopes, in_rooms, maker, in_expires);
    INSERT INTO operator_action (who, action, detail) VALUES (in_who, 'add_key', jsonb_strip_nulls(
        jsonb_build_object('key', in_name, 'scopes', in_scopes, 'rooms', in_rooms, 'expires_at', in_expires)));
    RETURN 'added';
END $$;

-- Ends the key with this id or, where it is NULL, the one in force with this name. Verdicts: ended,
-- unchanged (it had ended before), unknown.
CREATE FUNCTION end_key(in_key int, in_name text, in_who text, in_reason text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    k api_key;
BEGIN
    SELECT * INTO k FROM api_key x
        WHERE CASE WHEN in_key IS NULL THEN x.name = in_name ELSE x.key_id = in_key END
        ORDER BY x.ended_at DESC NULLS FIRST LIMIT 1 FOR NO KEY UPDATE;
    IF k.key_id IS NULL THEN RETURN 'unknown'; END IF;
    IF k.ended_at IS NOT NULL THEN RETURN 'unchanged'; END IF;
    UPDATE api_key SET ended_at = clock_timestamp(), end_reason = in_reason WHERE key_id = k.key_id;
    INSERT INTO operator_action (who, action, detail, reason)
        VALUES (in_who, 'end_key', jsonb_build_object('key', k.name), in_reason);
    RETURN 'ended';
END $$;

-- Ends the keys that an operator made. They had this operator's rights, which are gone or changed.
CREATE FUNCTION end_keys_of(maker operator, in_who text) RETURNS void LANGUAGE sql AS $$
    SELECT end_key(k.key_id, NULL, in_who, 'The account of ' || maker.name || ', who made it, was changed.')
    FROM api_key k WHERE k.operator_id = maker.operator_id AND k.ended_at IS NULL ORDER BY k.key_id
$$;

-- Changes an account; NULL leaves a thing as it is. The operator is signed out everywhere in the
-- same transaction, and the keys that they made end if their role or access is another one. `actor` is the admin who asks, or NULL for whoever has the machine itself. Verdicts:
-- changed, unchanged, unknown, not_admin, own_account, last_admin.
CREATE FUNCTION change_operator(
    actor int, in_name text, in_role text, in_active boolean, in_hash text, in_who text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    o operator; changed operator;
BEGIN
    -- All admins, so that two who take each other's role away do so one after the other.
    PERFORM 1 FROM operator x WHERE (x.role = 'admin' AND x.active) OR x.name = in_name
        ORDER BY x.operator_id FOR NO KEY UPDATE;
    IF actor IS NOT NULL AND NOT EXISTS (
        SELECT FROM operator x WHERE x.operator_id = actor AND x.role = 'admin' AND x.active) THEN
        RETURN 'not_admin';
    END IF;
    SELECT * INTO o FROM operator x WHERE x.name = in_name;
    IF o.operator_id IS NULL THEN RETURN 'unknown'; END IF;
    IF o.operator_id = actor THEN RETURN 'own_account'; END IF;
    changed := o;
    changed.role := COALESCE(in_role, o.role);
    changed.active := COALESCE(in_active, o.active);
    changed.password_hash := COALESCE(in_hash, o.password_hash);
    IF changed = o THEN RETURN 'unchanged'; END IF;
    IF o.role = 'admin' AND o.active AND NOT (changed.role = 'admin' AND changed.active) AND NOT EXISTS (
        SELECT FROM operator x WHERE x.role = 'admin' AND x.active AND x.operator_id <> o.operator_id) THEN
        RETURN 'last_admin';
    END IF;
    UPDATE operator SET role = changed.role, active = changed.active, password_hash = changed.password_hash
        WHERE operator_id = o.operator_id;
    DELETE FROM operator_session s WHERE s.operator_id = o.operator_id;
    IF changed.role <> o.role OR NOT changed.active THEN PERFORM end_keys_of(o, in_who); END IF;
    INSERT INTO operator_action (who, action, detail) VALUES (in_who, 'change_operator', jsonb_strip_nulls(
        jsonb_build_object('operator', in_name,
            'role', CASE WHEN changed.role <> o.role THEN jsonb_build_array(o.role, changed.role) END,
            'active', CASE WHEN changed.active <> o.active THEN jsonb_build_array(o.active, changed.active) END,
            'password', CASE WHEN in_hash IS NOT NULL THEN 'new' END)));
    RETURN 'changed';
END $$;

-- Signs an operator out everywhere. Returns how many sessions there were, or NULL for an unknown name.
CREATE FUNCTION sign_out_operator(in_name text, in_who text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    id int; ended int;
BEGIN
    SELECT o.operator_id INTO id FROM operator o WHERE o.name = in_name FOR NO KEY UPDATE;
    IF id IS NULL THEN RETURN NULL; END IF;
    DELETE FROM operator_session s WHERE s.operator_id = id;
    GET DIAGNOSTICS ended = ROW_COUNT;
    INSERT INTO operator_action (who, action, detail) VALUES (in_who, 'sign_out_operator',
        jsonb_build_object('operator', in_name, 'sessions', ended));
    RETURN ended;
END $$;

-- Gives an operator the password that they chose, and signs them out everywhere. Returns false when the
-- one that they gave as the old one is no longer in force.
CREATE FUNCTION change_own_password(in_operator int, old_hash text, new_hash text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    named text;
BEGIN
    UPDATE operator o SET password_hash = new_hash
        WHERE o.operator_id = in_operator AND o.password_hash = old_hash AND o.active
        RETURNING o.name INTO named;
    IF named IS NULL THEN RETURN false; END IF;
    DELETE FROM operator_session s WHERE s.operator_id = in_operator;
    INSERT INTO operator_action (who, action, detail) VALUES (named, 'change_password',
        jsonb_build_object('operator', named));
    RETURN true;
END $$;
