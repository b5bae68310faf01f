-- The catalogue: found by words, changed with a record of who did it, imported as a whole.

-- A generated column reads its own row alone, so the product's name stands here too, kept by triggers.
ALTER TABLE sku ADD COLUMN product_name text NOT NULL DEFAULT '';

CREATE FUNCTION name_product_of_sku() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.product_name := COALESCE((SELECT p.name FROM product p WHERE p.product_id = NEW.product_id), '');
    RETURN NEW;
END $$;
CREATE TRIGGER sku_knows_its_products_name BEFORE INSERT ON sku
    FOR EACH ROW WHEN (NEW.product_name = '') EXECUTE FUNCTION name_product_of_sku();
CREATE TRIGGER sku_learns_its_products_name BEFORE UPDATE OF product_id ON sku
    FOR EACH ROW WHEN (OLD.product_id <> NEW.product_id) EXECUTE FUNCTION name_product_of_sku();

CREATE FUNCTION rename_product_of_skus() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE sku SET product_name = NEW.name WHERE product_id = NEW.product_id;
    RETURN NULL;
END $$;
CREATE TRIGGER skus_follow_their_products_name AFTER UPDATE OF name ON product
    FOR EACH ROW WHEN (OLD.name <> NEW.name) EXECUTE FUNCTION rename_product_of_skus();

-- Signs that are spaces to both the catalogue and the search. Otherwise the parser would take MUG-01 for
-- a word and a negative number, and v1.2/eu for a file.
CREATE FUNCTION signs() RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT E'!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~\u00a0¡§«»¿–—‘’‚“”„…‹›×·•€£¥©®™'
$$;

-- No language's endings are cut off, since a shop may speak any.
ALTER TABLE sku ADD COLUMN search tsvector GENERATED ALWAYS AS (to_tsvector('simple'::regconfig,
    translate(sku || ' ' || name || ' ' || variant || ' ' || product_name, signs(), repeat(' ', 99)))) STORED;
CREATE INDEX sku_by_words ON sku USING gin (search);
-- Clients cannot tell of moments beyond the calendar of four digits.
ALTER TABLE sku ADD CONSTRAINT sale_is_within_the_calendar CHECK (
    on_sale_from BETWEEN '1970-01-01 UTC' AND '9998-12-31 UTC'
    AND on_sale_until BETWEEN '1970-01-01 UTC' AND '9998-12-31 UTC');
CREATE INDEX sku_with_a_window ON sku (sku) WHERE on_sale_from IS NOT NULL OR on_sale_until IS NOT NULL;

-- What a shopper typed, as a query: words in any order, "quoted phrases", or, -without. The last word
-- may be unfinished, unless it is left out or its quotation is closed. NULL when there is no word in it.
CREATE FUNCTION search_query(what text) RETURNS tsquery LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    -- Only a minus right before a word leaves it out; another one is a sign like others.
    words constant text := regexp_replace(
        translate(what, translate(signs(), '"-', ''), repeat(' ', 99)), '(\S)-|-(?=\s|$)', '\1 ', 'g');
    parsed text := websearch_to_tsquery('simple'::regconfig, words)::text;
BEGIN
    IF parsed = '' THEN RETURN NULL; END IF;
    IF parsed ~ '''$' AND parsed !~ '!''[^'']*''$' AND words !~ '"\s*$' THEN parsed := parsed || ':*'; END IF;
    RETURN parsed::tsquery;
END $$;

-- A SKU with all that its page shows. Texts and pictures are its own; the product's stand beside them.
CREATE VIEW shown_sku AS
    SELECT k.sku_id, k.sku, k.room_id, m.room, m.public, k.product_id, p.product, k.product_name, p.seller_id,
           k.name, k.variant, k.description, k.picture, p.description AS product_description,
           p.picture AS product_picture, k.price_minor, k.currency, k.limit_per_order, k.limit_per_session,
           k.limit_per_customer, k.on_sale_from, k.on_sale_until,
           COALESCE(k.on_sale_from <= now(), true) AND COALESCE(k.on_sale_until > now(), true) AS on_sale,
           k.low_at, s.on_hand, s.held, s.sold,
           GREATEST(LEAST(s.on_hand - s.held - s.sold, r.on_hand - r.held - r.sold - r.promised), 0) AS available,
           k.search
    FROM sku k JOIN product p ON p.product_id = k.product_id JOIN room m ON m.room_id = k.room_id
    JOIN stock s ON s.sku_id = k.sku_id JOIN room_stock r ON r.room_id = k.room_id;

CREATE VIEW shown_product AS
    SELECT p.product_id, p.product, p.room_id, m.room, m.public, p.seller_id, o.name AS seller, p.name,
           p.description, p.picture
    FROM product p JOIN room m ON m.room_id = p.room_id LEFT JOIN operator o ON o.operator_id = p.seller_id;

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

-- A page of SKUs in their order. Only the conditions that are asked for are in the statement, and it is
-- planned with their values each time: one plan for all would read the whole catalogue for some.
CREATE FUNCTION list_skus(
    in_room text, in_product text, words text, only_on_sale boolean, private boolean, in_seller int,
    after text, count_max int)
RETURNS SETOF shown_sku LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
DECLARE
    wanted tsquery; few int[]; in_room_id int; in_product_id int; conditions text := '';
BEGIN
    IF in_room IS NOT NULL THEN
        SELECT m.room_id INTO in_room_id FROM room m WHERE m.room = in_room AND (m.public OR private);
        IF in_room_id IS NULL THEN RETURN; END IF;
        conditions := conditions || ' AND x.room_id = $3';
    ELSIF NOT private THEN
        conditions := conditions || ' AND x.public';
    END IF;
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

-- A page of products in the order of their codes. To the public a product begins with its first SKU.
CREATE FUNCTION list_products(
    in_room text, words text, private boolean, in_seller int, after text, count_max int)
RETURNS SETOF shown_product LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
DECLARE
    wanted tsquery; few int[]; in_room_id int; conditions text := '';
BEGIN
    IF in_room IS NOT NULL THEN
        SELECT m.room_id INTO in_room_id FROM room m WHERE m.room = in_room AND (m.public OR private);
        IF in_room_id IS NULL THEN RETURN; END IF;
        conditions := conditions || ' AND x.room_id = $3';
    ELSIF NOT private THEN
        conditions := conditions || ' AND x.public';
    END IF;
    IF words IS NOT NULL THEN
        wanted := search_query(words);
        few := few_skus(wanted);
        IF wanted IS NULL OR few = '{}' THEN RETURN; END IF;
        few := (SELECT array_agg(DISTINCT k.product_id) FROM sku k WHERE k.sku_id = ANY (few));
        conditions := conditions || CASE WHEN few IS NOT NULL THEN ' AND x.product_id = ANY ($5)'
            ELSE ' AND EXISTS (SELECT FROM sku k WHERE k.product_id = x.product_id AND k.search @@ $4 OFFSET 0)' END;
    END IF;
    IF NOT private THEN
        conditions := conditions || ' AND EXISTS (SELECT FROM sku k WHERE k.product_id = x.product_id OFFSET 0)';
    END IF;
    IF in_seller IS NOT NULL THEN conditions := conditions || ' AND x.seller_id = $6'; END IF;
    RETURN QUERY EXECUTE 'SELECT y.* FROM (SELECT x.* FROM shown_product x WHERE x.product > $1' || conditions
            || CASE WHEN few IS NULL THEN '' ELSE ' OFFSET 0' END || ') y ORDER BY y.product LIMIT $2'
        USING after, count_max, in_room_id, wanted, few, in_seller;
END $$;

-- What became of each SKU, by whom: of an import there is one action in the operators' list, and here
-- what it did to each. The code and not the id, so that it outlives the SKU.
CREATE TABLE sku_change (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku text NOT NULL,
    room_id int NOT NULL,
    seller_id int,
    what text NOT NULL CHECK (what IN ('added', 'changed', 'deleted')),
    changes jsonb NOT NULL DEFAULT '{}',
    who text NOT NULL,
    reason text NOT NULL DEFAULT '',
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX sku_change_by_sku ON sku_change (sku, change_id DESC);
CREATE TRIGGER sku_changes_are_append_only BEFORE UPDATE OR DELETE ON sku_change
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Whoever changes a room's catalogue comes one after the other; carts and payments do not wait for it.
-- The lock is the transaction's, so it works behind a pooler too.
CREATE FUNCTION lock_catalogue(in_room_id int) RETURNS void LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(x'63617461'::int, in_room_id)
$$;

-- The named fields that differ, each with what it was and what it is.
CREATE FUNCTION changed_fields(before jsonb, after jsonb, fields text[]) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT COALESCE(jsonb_object_agg(f, jsonb_build_array(before -> f, after -> f)), '{}')
    FROM unnest(fields) f WHERE before -> f IS DISTINCT FROM after -> f
$$;

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
    changed := jsonb_populate_record(p, changes);
    UPDATE product SET name = changed.name, description = changed.description, picture = changed.picture,
        seller_id = changed.seller_id WHERE product_id = p.product_id;
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

-- Changes a SKU; `changes` holds column names and values that the caller has checked. Open holds keep
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
    seller := (SELECT p.seller_id FROM product p WHERE p.product_id = k.product_id);
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
    -- Whoever moves stock at this moment has the row or finds it gone.
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

-- The columns of a SKU that an import may set; the rows of an import have them under the same names.
CREATE FUNCTION imported_columns() RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT ARRAY['name', 'variant', 'description', 'picture', 'price_minor', 'currency', 'limit_per_order',
                 'limit_per_session', 'limit_per_customer', 'on_sale_from', 'on_sale_until', 'low_at']
$$;

-- Makes the tables into which a file is copied and in which its rows meet their fates. They belong to
-- the transaction.
CREATE FUNCTION begin_import() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    CREATE TEMP TABLE import_row (
        line int, sku text, product text, product_name text, product_description text, product_picture text,
        name text, variant text, description text, picture text, price_minor bigint, currency text,
        limit_per_order int, limit_per_session int, limit_per_customer int, on_sale_from timestamptz,
        on_sale_until timestamptz, low_at int, receive int, problems text[],
        sku_id int, old_product text, received boolean DEFAULT false, fate text, changes jsonb
    ) ON COMMIT DROP;
    CREATE TEMP TABLE import_product (
        product text PRIMARY KEY, product_id int, mine boolean, name text, description text, picture text,
        changes jsonb
    ) ON COMMIT DROP;
END $$;

-- Decides what becomes of each row: added, changed, unchanged or refused. `columns` are those that the
-- file has; what it does not speak of stays as it is. Writes nothing but the import's own tables.
-- Returns the room's id, or NULL for an unknown room.
CREATE FUNCTION plan_import(in_room text, columns text[], in_key uuid, in_scope int)
RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    m room;
    absent text; ours text; theirs text;
BEGIN
    SELECT * INTO m FROM room x WHERE x.room = in_room;
    IF m.room_id IS NULL THEN RETURN NULL; END IF;
    PERFORM lock_catalogue(m.room_id);
    ANALYZE import_row;
    SELECT string_agg(format(', %1$I = k.%1$I', c), '') FILTER (WHERE c <> ALL (columns)),
           string_agg(format('k.%I', c), ', '), string_agg(format('r.%I', c), ', ')
        INTO absent, ours, theirs FROM unnest(imported_columns()) c;
    EXECUTE format('
        UPDATE import_row r SET sku_id = k.sku_id, old_product = p.product,
               product = CASE r.product WHEN '''' THEN p.product ELSE r.product END%s
        FROM sku k JOIN product p USING (product_id)
        WHERE k.sku = r.sku AND k.room_id = $1 AND ($2 IS NULL OR p.seller_id = $2)', absent)
        USING m.room_id, in_scope;
    UPDATE import_row r SET product = r.sku WHERE r.product = '';
    UPDATE import_row r SET currency = m.currency WHERE r.currency = '';
    PERFORM plan_products(m.room_id, in_scope);
    UPDATE import_row r SET name = variant_name(i.name, r.variant)
        FROM import_product i WHERE r.name = '' AND i.product = r.product;
    PERFORM refuse_rows(m, columns, in_key);
    UPDATE import_row r SET fate = CASE WHEN r.problems <> '{}' THEN 'refused' WHEN r.sku_id IS NULL THEN 'added'
                                        ELSE 'unchanged' END;
    EXECUTE format('
        UPDATE import_row r SET fate = ''changed'',
               changes = changed_fields(to_jsonb(k) || jsonb_build_object(''product'', r.old_product), to_jsonb(r),
                                        imported_columns() || ''product''::text) || i.changes
                   || CASE WHEN r.receive > 0 AND NOT r.received THEN jsonb_build_object(''receive'', r.receive)
                           ELSE ''{}'' END
        FROM sku k, import_product i
        WHERE r.fate = ''unchanged'' AND k.sku_id = r.sku_id AND i.product = r.product
            AND ((%s) IS DISTINCT FROM (%s) OR r.product <> r.old_product OR i.changes <> ''{}''
                 OR (r.receive > 0 AND NOT r.received))', ours, theirs);
    RETURN m.room_id;
END $$;

-- Gathers what the rows say of their products: of each text the first that is not empty. A product that
-- has no name anywhere takes that of its first row.
CREATE FUNCTION plan_products(in_room_id int, in_scope int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO import_product (product, product_id, mine, name, description, picture, changes)
        SELECT f.product, p.product_id,
               p.product_id IS NULL OR (p.room_id = in_room_id AND (in_scope IS NULL OR p.seller_id = in_scope)),
               COALESCE(f.names[1], p.name, f.own_names[1]), COALESCE(f.descriptions[1], p.description, ''),
               COALESCE(f.pictures[1], p.picture, ''),
               CASE WHEN p.product_id IS NULL THEN '{}' ELSE changed_fields(
                   jsonb_build_object('product_name', p.name, 'product_description', p.description,
                                      'product_picture', p.picture),
                   jsonb_build_object('product_name', COALESCE(f.names[1], p.name),
                                      'product_description', COALESCE(f.descriptions[1], p.description),
                                      'product_picture', COALESCE(f.pictures[1], p.picture)),
                   '{product_name,product_description,product_picture}') END
        FROM (SELECT r.product, array_agg(r.product_name ORDER BY r.line) FILTER (WHERE r.product_name <> '') AS names,
                     array_agg(r.product_description ORDER BY r.line)
                         FILTER (WHERE r.product_description <> '') AS descriptions,
                     array_agg(r.product_picture ORDER BY r.line) FILTER (WHERE r.product_picture <> '') AS pictures,
                     array_agg(r.name ORDER BY r.line) FILTER (WHERE r.name <> '') AS own_names
              FROM import_row r GROUP BY r.product) f
        LEFT JOIN product p ON p.product = f.product;
    ANALYZE import_product;
END $$;

-- Adds to the rows' problems those that only the tables know of.
CREATE FUNCTION refuse_rows(m room, columns text[], in_key uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE import_row r SET problems = r.problems || format('Line %s has this SKU already.', f.line)
        FROM (SELECT x.sku, min(x.line) AS line FROM import_row x WHERE x.sku <> '' GROUP BY x.sku
              HAVING count(*) > 1) f
        WHERE r.sku = f.sku AND r.line > f.line;
    -- Of a SKU or product in another room, or of another seller, nothing is said but that it is taken.
    UPDATE import_row r SET problems = r.problems || format('The SKU %s is taken.', r.sku)
        FROM sku k WHERE r.sku_id IS NULL AND k.sku = r.sku;
    UPDATE import_row r SET problems = r.problems || format('The product %s is taken.', r.product)
        FROM import_product i WHERE i.product = r.product AND NOT i.mine;
    UPDATE import_row r SET problems = r.problems
            || format('An earlier line gives the product %s another name, description or picture.', r.product)
        FROM import_product i
        WHERE i.product = r.product AND ((r.product_name <> '' AND r.product_name <> i.name)
            OR (r.product_description <> '' AND r.product_description <> i.description)
            OR (r.product_picture <> '' AND r.product_picture <> i.picture));
    UPDATE import_row r SET problems = r.problems || format('This room sells in %s.', m.currency)
        WHERE r.currency <> m.currency;
    -- An empty cell is refused when it is read; here the whole column is missing.
    UPDATE import_row r SET problems = r.problems || 'A new SKU needs a price_minor.'::text
        WHERE r.sku_id IS NULL AND 'price_minor' <> ALL (columns);
    UPDATE import_row r SET problems = r.problems || 'A new SKU needs a name, or its product a product_name.'::text
        WHERE r.name IS NULL;
    UPDATE import_row r SET problems = r.problems || 'on_sale_until must be later than on_sale_from.'::text
        WHERE r.on_sale_from >= r.on_sale_until;
    UPDATE import_row r SET received = true
        FROM stock_movement x WHERE r.receive > 0 AND x.sku_id = r.sku_id AND x.idempotency_key = in_key;
    UPDATE import_row r SET problems = r.problems
            || format('%s units of it were received under this import''s key before.', x.quantity)
        FROM stock_movement x
        WHERE r.received AND x.sku_id = r.sku_id AND x.idempotency_key = in_key AND x.quantity <> r.receive;
END $$;

-- Carries a plan without refused rows out: products, SKUs, the record, and last the units received.
CREATE FUNCTION apply_import(in_room_id int, in_key uuid, in_scope int, in_who text, in_reason text)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    columns constant text := (SELECT string_agg(quote_ident(c), ', ') FROM unnest(imported_columns()) c);
    theirs constant text := (SELECT string_agg(format('r.%I', c), ', ') FROM unnest(imported_columns()) c);
BEGIN
    INSERT INTO product (product, room_id, seller_id, name, description, picture)
        SELECT i.product, in_room_id, in_scope, i.name, i.description, i.picture FROM import_product i
        WHERE i.product_id IS NULL ORDER BY i.product;
    UPDATE product p SET name = i.name, description = i.description, picture = i.picture
        FROM import_product i WHERE p.product_id = i.product_id AND i.changes <> '{}';
    EXECUTE format('
        INSERT INTO sku (sku, product_id, room_id, product_name, %s)
        SELECT r.sku, p.product_id, p.room_id, p.name, %s FROM import_row r JOIN product p USING (product)
        WHERE r.fate = ''added'' ORDER BY r.sku', columns, theirs);
    UPDATE import_row r SET sku_id = k.sku_id FROM sku k WHERE r.fate = 'added' AND k.sku = r.sku;
    INSERT INTO stock (sku_id) SELECT r.sku_id FROM import_row r WHERE r.fate = 'added' ORDER BY r.sku_id;
    EXECUTE format('
        UPDATE sku k SET (product_id, %s) = ROW (p.product_id, %s) FROM import_row r JOIN product p USING (product)
        WHERE r.fate = ''changed'' AND k.sku_id = r.sku_id AND r.changes ?| (imported_columns() || ''product''::text)',
        columns, theirs);
    INSERT INTO operator_action (room_id, who, action, detail, reason)
        SELECT in_room_id, in_who, 'import', jsonb_build_object('rows', count(*),
               'added', count(*) FILTER (WHERE r.fate = 'added'), 'changed', count(*) FILTER (WHERE r.fate = 'changed'),
               'received', COALESCE(sum(r.receive) FILTER (WHERE NOT r.received), 0)), in_reason
        FROM import_row r;
    INSERT INTO sku_change (sku, room_id, seller_id, what, changes, who, reason)
        SELECT r.sku, in_room_id, p.seller_id, r.fate, COALESCE(r.changes, '{}'), in_who, in_reason
        FROM import_row r JOIN product p USING (product) WHERE r.fate IN ('added', 'changed') ORDER BY r.line;
    PERFORM receive_import(in_room_id, in_key, in_who, in_reason);
END $$;

-- Puts the units of an import on the shelf, once for each key. Sales wait from here to the commit.
CREATE FUNCTION receive_import(in_room_id int, in_key uuid, in_who text, in_reason text)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    ids int[]; quantities int[];
BEGIN
    SELECT array_agg(r.sku_id ORDER BY r.sku_id), array_agg(r.receive ORDER BY r.sku_id) INTO ids, quantities
        FROM import_row r WHERE r.receive > 0 AND NOT r.received;
    IF ids IS NULL THEN RETURN; END IF;
    PERFORM 1 FROM log_head h WHERE h.room_id = in_room_id FOR NO KEY UPDATE;
    PERFORM 1 FROM room_stock k WHERE k.room_id = in_room_id FOR NO KEY UPDATE;
    PERFORM 1 FROM stock k WHERE k.sku_id = ANY (ids) ORDER BY k.sku_id FOR NO KEY UPDATE;
    UPDATE room_stock k SET on_hand = k.on_hand + d.q,
            short = LEAST(k.short, GREATEST(k.held + k.sold + k.promised - k.on_hand - d.q, 0))
        FROM (SELECT sum(u.q) AS q FROM unnest(quantities) u(q)) d WHERE k.room_id = in_room_id;
    UPDATE stock k SET on_hand = k.on_hand + d.q,
            short = LEAST(k.short, GREATEST(k.held + k.sold - k.on_hand - d.q, 0))
        FROM unnest(ids, quantities) d(id, q) WHERE k.sku_id = d.id;
    INSERT INTO stock_movement (sku_id, kind, quantity, reason, who, idempotency_key, at)
        SELECT d.id, 'received', d.q, in_reason, in_who, in_key, clock_timestamp()
        FROM unnest(ids, quantities) d(id, q);
    PERFORM append_log(in_room_id, 'stock', (SELECT jsonb_build_object('movement', 'received', 'skus', count(*),
        'quantity', sum(u.q)) FROM unnest(quantities) u(q)));
END $$;
