-- A catalogue imported as a whole.

-- The columns of a SKU that an import may set; the rows of an import have them under the same names.
CREATE FUNCTION imported_columns() RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT ARRAY['name', 'variant', 'description', 'picture', 'price_minor', 'currency', 'limit_per_order',
                 'limit_per_session', 'limit_per_customer', 'on_sale_from', 'on_sale_until', 'low_at']
$$;

-- Makes the tables into which a file is copied and in which its rows meet their fates. They belong to
-- the transaction and to the owner of the functions; the session fills and reads them.
CREATE FUNCTION begin_import() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- An import waits for an earlier one of its room, which may take minutes.
    PERFORM set_config('lock_timeout', '300s', true);
    CREATE TEMP TABLE import_row (
        line int, sku text, product text, product_name text, product_description text, product_picture text,
        name text, variant text, description text, picture text, price_minor bigint, currency text,
        limit_per_order int, limit_per_session int, limit_per_customer int, on_sale_from timestamptz,
        on_sale_until timestamptz, low_at int, receive int, problems text[],
        sku_id int, old_product text, received_at timestamptz, received_by text, fate text, changes jsonb
    ) ON COMMIT DROP;
    CREATE TEMP TABLE import_product (
        product text PRIMARY KEY, product_id int, mine boolean, name text, description text, picture text,
        changes jsonb
    ) ON COMMIT DROP;
    EXECUTE format('GRANT SELECT, INSERT ON import_row, import_product TO %I', session_user);
END $$;

-- Decides what becomes of each row: added, changed, unchanged or refused. `columns` are those that the
-- file has; what it does not speak of stays as it is. Writes nothing but the import's own tables.
-- Returns the room's id, or NULL for an unknown room.
CREATE FUNCTION plan_import(in_room text, columns text[], in_delivery text, in_scope int)
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
    PERFORM refuse_codes(m.room_id, in_scope);
    PERFORM refuse_rows(m, columns);
    PERFORM find_received(in_delivery);
    UPDATE import_row r SET fate = CASE WHEN r.problems <> '{}' THEN 'refused' WHEN r.sku_id IS NULL THEN 'added'
                                        ELSE 'unchanged' END;
    EXECUTE format('
        UPDATE import_row r SET fate = ''changed'',
               changes = changed_fields(to_jsonb(k) || jsonb_build_object(''product'', r.old_product), to_jsonb(r),
                                        imported_columns() || ''product''::text) || i.changes
                   || CASE WHEN r.receive > 0 AND r.received_at IS NULL THEN jsonb_build_object(''receive'', r.receive)
                           ELSE ''{}'' END
        FROM sku k, import_product i
        WHERE r.fate = ''unchanged'' AND k.sku_id = r.sku_id AND i.product = r.product
            AND ((%s) IS DISTINCT FROM (%s) OR r.product <> r.old_product OR i.changes <> ''{}''
                 OR (r.receive > 0 AND r.received_at IS NULL))', ours, theirs);
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

-- Adds to the rows' problems those of codes that are taken, or that another one differs from only in
-- its capitals. Of a SKU or product in another room, or of another seller, nothing is said but that it is taken.
CREATE FUNCTION refuse_codes(in_room_id int, in_scope int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    capitals constant text := 'Codes that differ only in capitals are one.';
BEGIN
    UPDATE import_row r SET problems = r.problems || CASE r.sku WHEN f.sku
            THEN format('Line %s has this SKU already.', f.line)
            ELSE format('Line %s has this SKU already, written %s. %s', f.line, f.sku, capitals) END
        FROM (SELECT one_code(x.sku) AS code, (array_agg(x.sku ORDER BY x.line))[1] AS sku, min(x.line) AS line
              FROM import_row x WHERE x.sku <> '' GROUP BY 1 HAVING count(*) > 1) f
        WHERE one_code(r.sku) = f.code AND r.line > f.line;
    UPDATE import_row r SET problems = r.problems || CASE
            WHEN k.sku <> r.sku AND k.room_id = in_room_id AND (in_scope IS NULL OR p.seller_id = in_scope)
            THEN format('The room has this SKU, written %s. %s', k.sku, capitals)
            ELSE format('The SKU %s is taken.', r.sku) END
        FROM sku k JOIN product p USING (product_id) WHERE r.sku_id IS NULL AND one_code(k.sku) = one_code(r.sku);
    -- A product that is made along with its SKU has the SKU's problem, which is told already.
    UPDATE import_row r SET problems = r.problems
            || format('Line %s writes this product %s. %s', f.line, f.product, capitals)
        FROM (SELECT one_code(x.product) AS code, (array_agg(x.product ORDER BY x.line))[1] AS product,
                     min(x.line) AS line FROM import_row x GROUP BY 1 HAVING count(DISTINCT x.product) > 1) f
        WHERE one_code(r.product) = f.code AND r.product <> f.product
            AND (r.product <> r.sku OR r.problems = '{}');
    UPDATE import_row r SET problems = r.problems || CASE
            WHEN p.product <> i.product AND p.room_id = in_room_id AND (in_scope IS NULL OR p.seller_id = in_scope)
            THEN format('The room has this product, written %s. %s', p.product, capitals)
            ELSE format('The product %s is taken.', r.product) END
        FROM import_product i JOIN product p ON one_code(p.product) = one_code(i.product)
        WHERE i.product = r.product AND (NOT i.mine OR p.product <> i.product)
            AND (p.product = i.product OR r.product <> r.sku OR r.problems = '{}');
END $$;

-- Adds to the rows' problems those that only the tables know of.
CREATE FUNCTION refuse_rows(m room, columns text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
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
END $$;

-- Finds the rows whose units came with an earlier import of the same delivery. A row that gives another
-- number than then is refused: it may be a correction or a further delivery, and only a person knows.
CREATE FUNCTION find_received(in_delivery text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE import_row r SET received_at = x.at, received_by = x.who,
            problems = r.problems || CASE WHEN x.quantity <> r.receive THEN ARRAY[format(
                '%s units of it were received of %s on %s by %s. Units beyond these need a delivery of another name; '
                'a wrong number is corrected in the stock.', x.quantity,
                CASE in_delivery WHEN '' THEN 'the delivery without a name' ELSE 'delivery ' || in_delivery END,
                to_char(x.at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'), x.who)] ELSE '{}' END
        FROM stock_movement x
        WHERE r.receive > 0 AND x.sku_id = r.sku_id AND one_code(x.delivery) = one_code(in_delivery);
END $$;

-- Carries a plan without refused rows out: products, SKUs, the record, and last the units received.
CREATE FUNCTION apply_import(in_room_id int, in_delivery text, in_scope int, in_who text, in_reason text)
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
        INSERT INTO sku (sku, product_id, room_id, %s)
        SELECT r.sku, p.product_id, p.room_id, %s FROM import_row r JOIN product p USING (product)
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
               'received', COALESCE(sum(r.receive) FILTER (WHERE r.received_at IS NULL), 0))
               || CASE in_delivery WHEN '' THEN '{}' ELSE jsonb_build_object('delivery', in_delivery) END, in_reason
        FROM import_row r;
    INSERT INTO sku_change (sku, room_id, seller_id, what, changes, who, reason)
        SELECT r.sku, in_room_id, p.seller_id, r.fate, COALESCE(r.changes, '{}'), in_who, in_reason
        FROM import_row r JOIN product p USING (product) WHERE r.fate IN ('added', 'changed') ORDER BY r.line;
    PERFORM receive_import(in_room_id, in_delivery, in_who, in_reason);
END $$;

-- Puts the units of an import on the shelf, each SKU once of each delivery. Sales wait from here to the commit.
CREATE FUNCTION receive_import(in_room_id int, in_delivery text, in_who text, in_reason text)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    ids int[]; quantities int[];
BEGIN
    SELECT array_agg(r.sku_id ORDER BY r.sku_id), array_agg(r.receive ORDER BY r.sku_id) INTO ids, quantities
        FROM import_row r WHERE r.receive > 0 AND r.received_at IS NULL;
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
    INSERT INTO stock_movement (sku_id, kind, quantity, reason, who, delivery, at)
        SELECT d.id, 'received', d.q, concat_ws(', ', NULLIF(in_reason, ''), 'delivery ' || NULLIF(in_delivery, '')),
               in_who, in_delivery, clock_timestamp()
        FROM unnest(ids, quantities) d(id, q);
    PERFORM append_log(in_room_id, 'stock', (SELECT jsonb_build_object('movement', 'received', 'skus', count(*),
        'quantity', sum(u.q)) FROM unnest(quantities) u(q)));
END $$;
