-- The catalogue: found by words, changed with a record of who did it.

CREATE FUNCTION copy_product_to_sku() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT p.name, p.seller_id INTO NEW.product_name, NEW.seller_id
        FROM product p WHERE p.product_id = NEW.product_id;
    -- A product that is not there is refused by the foreign key, and by its name.
    NEW.product_name := COALESCE(NEW.product_name, '');
    RETURN NEW;
END $$;
CREATE TRIGGER sku_knows_its_product BEFORE INSERT ON sku
    FOR EACH ROW EXECUTE FUNCTION copy_product_to_sku();
CREATE TRIGGER sku_learns_its_product BEFORE UPDATE OF product_id ON sku
    FOR EACH ROW WHEN (OLD.product_id <> NEW.product_id) EXECUTE FUNCTION copy_product_to_sku();

CREATE FUNCTION copy_product_to_skus() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE sku SET product_name = NEW.name, seller_id = NEW.seller_id WHERE product_id = NEW.product_id;
    RETURN NULL;
END $$;
CREATE TRIGGER skus_follow_their_product AFTER UPDATE OF name, seller_id ON product
    FOR EACH ROW WHEN ((OLD.name, OLD.seller_id) IS DISTINCT FROM (NEW.name, NEW.seller_id))
    EXECUTE FUNCTION copy_product_to_skus();

-- A word whose letters are set apart is a phrase. Inside of quotation marks everything is one already.
CREATE FUNCTION phrases_apart(words text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT string_agg(CASE
        WHEN part.at % 2 = 0 THEN letters_apart(part.said)
        ELSE (SELECT string_agg(CASE WHEN letters_apart(word) = word THEN word
                  ELSE regexp_replace(word, '^(-?)(.*)$', '\1"') || letters_apart(ltrim(word, '-')) || '"' END, ' ')
              FROM regexp_split_to_table(part.said, '\s+') AS word) END, '"' ORDER BY part.at)
    FROM regexp_split_to_table(words, '"') WITH ORDINALITY AS part (said, at)
$$;

-- Turns a shopper's words into a query: words in any order, "quoted phrases", or, -without. The last word
-- may be unfinished, unless it is left out or its quotation is closed. NULL when there is no word in it.
CREATE FUNCTION search_query(what text) RETURNS tsquery LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    -- Only a minus right before a word leaves it out; another one is a sign like others.
    words constant text := regexp_replace(
        translate(normalize(what), translate(signs(), '"-', ''), repeat(' ', 99)), '(\S)-|-(?=\s|$)', '\1 ', 'g');
    parsed text := websearch_to_tsquery('simple'::regconfig, phrases_apart(words))::text;
BEGIN
    IF parsed = '' THEN RETURN NULL; END IF;
    IF parsed ~ '''$' AND parsed !~ '!''[^'']*''$' AND words !~ '"\s*$' THEN parsed := parsed || ':*'; END IF;
    RETURN parsed::tsquery;
END $$;

-- A SKU with all that its page shows. Texts and pictures are its own; the product's stand beside them.
-- The public sees no SKU of a seller whom the room does not admit.
CREATE VIEW shown_sku AS
    SELECT k.sku_id, k.sku, k.room_id, m.room, m.public AND admitted AS public, admitted, k.product_id,
           p.product, k.product_name, p.seller_id, k.name, k.variant, k.description, k.picture,
           p.description AS product_description, p.picture AS product_picture, k.price_minor, k.currency, k.limit_per_order, k.limit_per_session,
           k.limit_per_customer, k.on_sale_from, k.on_sale_until,
           COALESCE(k.on_sale_from <= now(), true) AND COALESCE(k.on_sale_until > now(), true)
               AND admitted AS on_sale,
           k.low_at, s.on_hand, s.held, s.sold,
           GREATEST(LEAST(s.on_hand - s.held - s.sold - s.promised, r.on_hand - r.held - r.sold - r.promised), 0) AS available,
           k.search
    FROM sku k JOIN product p ON p.product_id = k.product_id JOIN room m ON m.room_id = k.room_id
    JOIN stock s ON s.sku_id = k.sku_id JOIN room_stock r ON r.room_id = k.room_id
    LEFT JOIN room_seller a ON (a.room_id, a.seller_id) = (k.room_id, k.seller_id),
    LATERAL (SELECT k.seller_id IS NULL OR a.seller_id IS NOT NULL AS admitted) x;

CREATE VIEW shown_product AS
    SELECT p.product_id, p.product, p.room_id, m.room,
           m.public AND admitted AS public, admitted, p.seller_id, o.name AS seller,
           p.name, p.description, p.picture
    FROM product p JOIN room m ON m.room_id = p.room_id LEFT JOIN operator o ON o.operator_id = p.seller_id
    LEFT JOIN room_seller a ON (a.room_id, a.seller_id) = (p.room_id, p.seller_id),
    LATERAL (SELECT p.seller_id IS NULL OR a.seller_id IS NOT NULL AS admitted) x;

-- The SKUs that a search finds, if they are few; NULL if they are many. What the planner believes of a
-- word's beginning is a guess, and a page of a rare word must not cost a walk through all SKUs.
CREATE FUNCTION few_skus(wanted tsquery) RETURNS int[] LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
DECLARE
    few_max constant int := 500;
    ids int[];
BEGIN
    -- No other condition is here, so that none leads the planner away from the words' index.
    EXECUTE 'SELECT array_agg(y.sku_id) FROM (SELECT k.sku_id FROM sku k WHERE k.search @@ $1 LIMIT $2) y'
        INTO ids USING wanted, few_max + 1;
    RETURN CASE WHEN ids IS NULL THEN '{}' WHEN cardinality(ids) <= few_max THEN ids END;
END $$;

-- A page of SKUs in their order; `sold_there` leaves out those of sellers whom the room does not admit. Only the conditions that are asked for are in the statement, and it is
-- planned with their values each time: one plan for all would read the whole catalogue for some.
CREATE FUNCTION list_skus(
    in_room text, in_product text, words text, only_on_sale boolean, private boolean, sold_there boolean,
    in_seller int, after text, count_max int)
RETURNS SETOF shown_sku LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
DECLARE
    wanted tsquery; few int[]; in_room_id int; in_product_id int; conditions text := '';
BEGIN
    IF in_room IS NOT NULL THEN
        SELECT m.room_id INTO in_room_id FROM room m WHERE m.room = in_room AND (m.public OR private);
        IF in_room_id IS NULL THEN RETURN; END IF;
        conditions := conditions || ' AND x.room_id = $3';
    END IF;
    IF NOT private THEN conditions := conditions || ' AND x.public'; END IF;
    IF in_product IS NOT NULL THEN
        SELECT p.product_id INTO in_product_id FROM product p WHERE p.product = in_product;
        IF in_product_id IS NULL THEN RETURN; END IF;
        conditions := conditions || ' AND x.product_id = $4';
    END IF;
    IF words IS NOT NULL THEN
        wanted := search_query(words);
        few := few_skus(wanted);
        IF wanted IS NULL OR few = '{}' THEN RETURN; END IF;
        conditions := conditions || CASE WHEN few IS NULL THEN ' AND x.search @@ $5' ELSE ' AND x.sku_id = ANY ($6)' END;
    END IF;
    IF sold_there THEN conditions := conditions || ' AND x.admitted'; END IF;
    IF in_seller IS NOT NULL THEN conditions := conditions || ' AND x.seller_id = $7'; END IF;
    IF only_on_sale THEN
        conditions := conditions || ' AND x.on_sale';
    ELSIF NOT only_on_sale THEN
        conditions := conditions || ' AND (x.on_sale_from IS NOT NULL OR x.on_sale_until IS NOT NULL) AND NOT x.on_sale';
    END IF;
    -- The fence keeps the planner from looking for the few along the order of all.
    RETURN QUERY EXECUTE 'SELECT y.* FROM (SELECT x.* FROM shown_sku x WHERE x.sku > $1' || conditions
            || CASE WHEN few IS NULL THEN '' ELSE ' OFFSET 0' END || ') y ORDER BY y.sku LIMIT $2'
        USING after, count_max, in_room_id, in_product_id, wanted, few, in_seller;
END $$;

-- A page of products in the order of their codes. To the public a product begins with its first SKU, and so it
-- does with `sold_there`, which also leaves out those of sellers whom the room does not admit.
CREATE FUNCTION list_products(
    in_room text, words text, private boolean, sold_there boolean, in_seller int, after text, count_max int)
RETURNS SETOF shown_product LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
DECLARE
    wanted tsquery; few int[]; in_room_id int; conditions text := '';
BEGIN
    IF in_room IS NOT NULL THEN
        SELECT m.room_id INTO in_room_id FROM room m WHERE m.room = in_room AND (m.public OR private);
        IF in_room_id IS NULL THEN RETURN; END IF;
        conditions := conditions || ' AND x.room_id = $3';
    END IF;
    IF NOT private THEN conditions := conditions || ' AND x.public'; END IF;
    IF words IS NOT NULL THEN
        wanted := search_query(words);
        few := few_skus(wanted);
        IF wanted IS NULL OR few = '{}' THEN RETURN; END IF;
        few := (SELECT array_agg(DISTINCT k.product_id) FROM sku k WHERE k.sku_id = ANY (few));
        conditions := conditions || CASE WHEN few IS NOT NULL THEN ' AND x.product_id = ANY ($5)'
            ELSE ' AND EXISTS (SELECT FROM sku k WHERE k.product_id = x.product_id AND k.search @@ $4 OFFSET 0)' END;
    END IF;
    IF sold_there THEN conditions := conditions || ' AND x.admitted'; END IF;
    IF sold_there OR NOT private THEN
        conditions := conditions || ' AND EXISTS (SELECT FROM sku k WHERE k.product_id = x.product_id OFFSET 0)';
    END IF;
    IF in_seller IS NOT NULL THEN conditions := conditions || ' AND x.seller_id = $6'; END IF;
    RETURN QUERY EXECUTE 'SELECT y.* FROM (SELECT x.* FROM shown_product x WHERE x.product > $1' || conditions
            || CASE WHEN few IS NULL THEN '' ELSE ' OFFSET 0' END || ') y ORDER BY y.product LIMIT $2'
        USING after, count_max, in_room_id, wanted, few, in_seller;
END $$;

-- Changes of a room's catalogue come one after the other; carts and payments do not wait for them.
-- The lock is the transaction's, so it works behind a pooler too.
CREATE FUNCTION lock_catalogue(in_room_id int) RETURNS void LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(x'63617461'::int, in_room_id)
$$;

-- The named fields that differ, each with what it was and what it is.
CREATE FUNCTION changed_fields(before jsonb, after jsonb, fields text[]) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT COALESCE(jsonb_object_agg(f, jsonb_build_array(before -> f, after -> f)), '{}')
    FROM unnest(fields) f WHERE before -> f IS DISTINCT FROM after -> f
$$;

-- Refuses a change by an operator who saw other values than those that stand: a colleague was faster. `was` has
-- the fields as the operator saw them, `seen` the row with these in place.
CREATE FUNCTION refuse_outdated(seen jsonb, standing jsonb, was jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    diff constant jsonb := changed_fields(seen, standing, ARRAY(SELECT jsonb_object_keys(was)));
BEGIN
    IF diff = '{}' THEN RETURN; END IF;
    RAISE EXCEPTION 'a colleague was faster'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'no_colleague_is_overwritten', DETAIL = diff::text;
END $$;

-- The name of a SKU that has none of its own.
CREATE FUNCTION variant_name(product_name text, variant text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT product_name || CASE WHEN variant <> '' THEN ', ' || variant ELSE '' END
$$;

-- Adds a product. Returns whether there is such a room.
CREATE FUNCTION add_product(in_product text, in_room text, fields jsonb, in_seller int, in_who text)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    rid constant int := (SELECT m.room_id FROM room m WHERE m.room = in_room);
BEGIN
    IF rid IS NULL THEN RETURN false; END IF;
    PERFORM lock_catalogue(rid);
    INSERT INTO product (product, room_id, seller_id, name, description, picture)
        VALUES (in_product, rid, in_seller, fields ->> 'name', COALESCE(fields ->> 'description', ''),
                COALESCE(fields ->> 'picture', ''));
    INSERT INTO operator_action (room_id, who, action, detail)
        VALUES (rid, in_who, 'add_product', jsonb_build_object('product', in_product) || fields);
    RETURN true;
END $$;

-- Lets SKUs that are called as their product and variant are follow the product's new name, on record.
CREATE FUNCTION rename_skus(p product, new_name text, in_who text, in_reason text) RETURNS void LANGUAGE sql AS $$
    WITH renamed AS (
        UPDATE sku k SET name = variant_name(new_name, k.variant)
        WHERE k.product_id = p.product_id AND new_name <> p.name AND k.name = variant_name(p.name, k.variant)
        RETURNING k.sku, k.room_id, k.name, variant_name(p.name, k.variant) AS was)
    INSERT INTO sku_change (sku, room_id, seller_id, what, changes, who, reason)
        SELECT r.sku, r.room_id, p.seller_id, 'changed',
               jsonb_build_object('name', jsonb_build_array(r.was, r.name)), in_who, in_reason
        FROM renamed r ORDER BY r.sku
$$;

-- Changes a product's name, texts and seller. Returns what was changed from what; NULL for a product
-- that is unknown or out of scope.
CREATE FUNCTION change_product(in_product text, changes jsonb, in_scope int, in_who text, in_reason text)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    p product; changed product; diff jsonb;
BEGIN
    PERFORM lock_catalogue((SELECT x.room_id FROM product x WHERE x.product = in_product));
    SELECT * INTO p FROM product x
        WHERE x.product = in_product AND (in_scope IS NULL OR x.seller_id = in_scope) FOR NO KEY UPDATE;
    IF p.product_id IS NULL THEN RETURN NULL; END IF;
    PERFORM refuse_outdated(to_jsonb(jsonb_populate_record(p, changes -> 'was')), to_jsonb(p), changes -> 'was');
    changes := changes - 'was';
    changed := jsonb_populate_record(p, changes);
    UPDATE product SET name = changed.name, description = changed.description, picture = changed.picture,
        seller_id = changed.seller_id WHERE product_id = p.product_id;
    PERFORM rename_skus(p, changed.name, in_who, in_reason);
    diff := changed_fields(to_jsonb(p), to_jsonb(changed), ARRAY(SELECT jsonb_object_keys(changes)));
    IF diff <> '{}' THEN
        INSERT INTO operator_action (room_id, who, action, detail, reason) VALUES (p.room_id, in_who,
            'change_product', jsonb_build_object('product', in_product, 'changed', diff), in_reason);
    END IF;
    RETURN diff;
END $$;

-- Adds a SKU with nothing on hand. Without a product it belongs to the one of its own code, which is
-- made if need be. Verdicts: added, no_room, no_product (unknown, in another room or out of scope).
CREATE FUNCTION add_sku(in_sku text, in_room text, in_product text, fields jsonb, in_scope int, in_who text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    rid constant int := (SELECT m.room_id FROM room m WHERE m.room = in_room);
    p product; k sku;
BEGIN
    IF rid IS NULL THEN RETURN 'no_room'; END IF;
    PERFORM lock_catalogue(rid);
    k := jsonb_populate_record(NULL::sku,
        '{"name": "", "variant": "", "description": "", "picture": "", "limit_per_session": 4, "low_at": 0}' || fields);
    SELECT * INTO p FROM product x WHERE x.product = COALESCE(in_product, in_sku) AND x.room_id = rid
        AND (in_scope IS NULL OR x.seller_id = in_scope);
    IF p.product_id IS NULL THEN
        IF in_product IS NOT NULL THEN RETURN 'no_product'; END IF;
        INSERT INTO product (product, room_id, seller_id, name, description, picture)
            VALUES (in_sku, rid, in_scope, COALESCE(NULLIF(k.name, ''), in_sku), k.description, k.picture)
            RETURNING * INTO p;
    END IF;
    INSERT INTO sku (sku, product_id, room_id, name, variant, description, picture, price_minor, currency,
                     limit_per_order, limit_per_session, limit_per_customer, on_sale_from, on_sale_until, low_at)
        VALUES (in_sku, p.product_id, rid, COALESCE(NULLIF(k.name, ''), variant_name(p.name, k.variant)), k.variant,
                k.description, k.picture, k.price_minor,
                COALESCE(k.currency, (SELECT m.currency FROM room m WHERE m.room_id = rid)), k.limit_per_order,
                k.limit_per_session, k.limit_per_customer, k.on_sale_from, k.on_sale_until, k.low_at)
        RETURNING * INTO k;
    INSERT INTO stock (sku_id) VALUES (k.sku_id);
    INSERT INTO operator_action (room_id, who, action, detail)
        VALUES (rid, in_who, 'add_sku', jsonb_build_object('sku', in_sku, 'product', p.product) || fields);
    INSERT INTO sku_change (sku, room_id, seller_id, what, who)
        VALUES (in_sku, rid, p.seller_id, 'added', in_who);
    RETURN 'added';
END $$;

-- The times of sale with which a SKU is on sale from now on, or off sale: those that it has, as far as they
-- do not stand against it.
CREATE FUNCTION times_of_sale(k sku, on_sale boolean) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object(
        'on_sale_from', CASE WHEN k.on_sale_from < clock_timestamp() THEN k.on_sale_from END,
        'on_sale_until', CASE WHEN NOT on_sale THEN LEAST(k.on_sale_until, clock_timestamp())
                              WHEN k.on_sale_until > clock_timestamp() THEN k.on_sale_until END)
$$;

-- Changes a SKU; `changes` holds column names and values that the caller has checked, and may hold under `was`
-- those that its author saw. Open holds keep
-- the price at which they were placed. Returns what was changed from what; NULL for a SKU that is
-- unknown or out of scope.
CREATE FUNCTION change_sku(in_sku text, changes jsonb, in_scope int, in_who text, in_reason text)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    k sku; changed sku; diff jsonb; seller int;
BEGIN
    PERFORM lock_catalogue((SELECT x.room_id FROM sku x WHERE x.sku = in_sku));
    SELECT x.* INTO k FROM sku x JOIN product p ON p.product_id = x.product_id
        WHERE x.sku = in_sku AND (in_scope IS NULL OR p.seller_id = in_scope) FOR NO KEY UPDATE OF x;
    IF k.sku_id IS NULL THEN RETURN NULL; END IF;
    PERFORM refuse_outdated(to_jsonb(jsonb_populate_record(k, changes -> 'was')), to_jsonb(k), changes -> 'was');
    changes := changes - 'was';
    seller := (SELECT p.seller_id FROM product p WHERE p.product_id = k.product_id);
    IF changes ? 'on_sale' THEN
        changes := changes - 'on_sale' || times_of_sale(k, (changes -> 'on_sale')::boolean);
    END IF;
    changed := jsonb_populate_record(k, changes);
    changed.name := COALESCE(NULLIF(changed.name, ''), variant_name(k.product_name, changed.variant));
    UPDATE sku SET name = changed.name, variant = changed.variant, description = changed.description,
        picture = changed.picture, price_minor = changed.price_minor,
        limit_per_order = changed.limit_per_order, limit_per_session = changed.limit_per_session,
        limit_per_customer = changed.limit_per_customer, on_sale_from = changed.on_sale_from,
        on_sale_until = changed.on_sale_until, low_at = changed.low_at
        WHERE sku_id = k.sku_id;
    diff := changed_fields(to_jsonb(k), to_jsonb(changed), ARRAY(SELECT jsonb_object_keys(changes)));
    IF diff <> '{}' THEN
        INSERT INTO operator_action (room_id, who, action, detail, reason) VALUES (k.room_id, in_who,
            'change_sku', jsonb_build_object('sku', in_sku, 'changed', diff), in_reason);
        INSERT INTO sku_change (sku, room_id, seller_id, what, changes, who, reason)
            VALUES (in_sku, k.room_id, seller, 'changed', diff, in_who, in_reason);
    END IF;
    RETURN diff;
END $$;

-- Takes SKUs out of the catalogue, all or none; says whether it did. What was ever moved or is wished
-- for stays on record. Without a movement nothing was ever on hand, so there was no hold and no order.
CREATE FUNCTION delete_skus(ids int[], in_who text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    -- A movement of stock at this moment has the row or finds it gone.
    PERFORM 1 FROM stock s WHERE s.sku_id = ANY (ids) ORDER BY s.sku_id FOR UPDATE;
    IF EXISTS (SELECT FROM stock_movement m WHERE m.sku_id = ANY (ids))
        OR EXISTS (SELECT FROM wish w WHERE w.sku_id = ANY (ids)) THEN
        RETURN false;
    END IF;
    INSERT INTO sku_change (sku, room_id, seller_id, what, who)
        SELECT k.sku, k.room_id, p.seller_id, 'deleted', in_who
        FROM sku k JOIN product p USING (product_id) WHERE k.sku_id = ANY (ids) ORDER BY k.sku;
    DELETE FROM stock s WHERE s.sku_id = ANY (ids);
    DELETE FROM sku k WHERE k.sku_id = ANY (ids);
    RETURN true;
END $$;

-- Verdicts: deleted, in_use, unknown.
CREATE FUNCTION delete_sku(in_sku text, in_scope int, in_who text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    k sku;
BEGIN
    PERFORM lock_catalogue((SELECT x.room_id FROM sku x WHERE x.sku = in_sku));
    SELECT x.* INTO k FROM sku x JOIN product p ON p.product_id = x.product_id
        WHERE x.sku = in_sku AND (in_scope IS NULL OR p.seller_id = in_scope);
    IF k.sku_id IS NULL THEN RETURN 'unknown'; END IF;
    IF NOT delete_skus(ARRAY[k.sku_id], in_who) THEN RETURN 'in_use'; END IF;
    INSERT INTO operator_action (room_id, who, action, detail)
        VALUES (k.room_id, in_who, 'delete_sku', jsonb_build_object('sku', in_sku, 'name', k.name));
    RETURN 'deleted';
END $$;

-- Takes a product out together with its SKUs. Verdicts as above.
CREATE FUNCTION delete_product(in_product text, in_scope int, in_who text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    p product;
BEGIN
    PERFORM lock_catalogue((SELECT x.room_id FROM product x WHERE x.product = in_product));
    SELECT * INTO p FROM product x WHERE x.product = in_product AND (in_scope IS NULL OR x.seller_id = in_scope);
    IF p.product_id IS NULL THEN RETURN 'unknown'; END IF;
    IF NOT delete_skus(ARRAY(SELECT k.sku_id FROM sku k WHERE k.product_id = p.product_id), in_who) THEN
        RETURN 'in_use';
    END IF;
    DELETE FROM product x WHERE x.product_id = p.product_id;
    INSERT INTO operator_action (room_id, who, action, detail)
        VALUES (p.room_id, in_who, 'delete_product', jsonb_build_object('product', in_product, 'name', p.name));
    RETURN 'deleted';
END $$;

-- Admits a seller to a room, or withdraws one, and puts it on record if it changes anything. Holds and
-- orders in being stay. The room's balance is locked, so each call counts on the seller's units or not.
-- Verdicts: done, no_room, no_seller.
CREATE FUNCTION admit_seller(in_room text, in_seller text, admitted boolean, in_who text, in_reason text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    rid constant int := (SELECT m.room_id FROM room m WHERE m.room = in_room);
    id constant int := (SELECT o.operator_id FROM operator o WHERE o.name = in_seller AND o.role = 'seller');
BEGIN
    IF rid IS NULL THEN RETURN 'no_room'; END IF;
    IF id IS NULL THEN RETURN 'no_seller'; END IF;
    PERFORM 1 FROM room_stock k WHERE k.room_id = rid FOR NO KEY UPDATE;
    IF admitted = is_admitted(rid, id) THEN RETURN 'done'; END IF;
    IF admitted THEN
        INSERT INTO room_seller (room_id, seller_id, admitted_by) VALUES (rid, id, in_who);
    ELSE
        DELETE FROM room_seller r WHERE (r.room_id, r.seller_id) = (rid, id);
    END IF;
    INSERT INTO operator_action (room_id, who, action, detail, reason)
        VALUES (rid, in_who, CASE WHEN admitted THEN 'admit_seller' ELSE 'withdraw_seller' END,
                jsonb_build_object('seller', in_seller), in_reason);
    RETURN 'done';
END $$;
