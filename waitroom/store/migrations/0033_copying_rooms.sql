-- What a new room may have of another one beside its rules: the look, and the goods.

-- Gives a room the live look of another at once. The name of the other room is left out of its texts.
CREATE FUNCTION copy_look(in_source text, in_room text, in_who text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    rid constant int := (SELECT m.room_id FROM room m WHERE m.room = in_room);
    look jsonb := (SELECT l.live FROM room_look l JOIN room m USING (room_id) WHERE m.room = in_source);
    texts jsonb;
BEGIN
    IF look IS NULL OR look = '{}' THEN RETURN; END IF;
    SELECT COALESCE(jsonb_object_agg(t.tag, t.said - 'name'), '{}') INTO texts
        FROM jsonb_each(COALESCE(look -> 'texts', '{}')) AS t (tag, said) WHERE t.said - 'name' <> '{}';
    look := look - 'texts' || CASE WHEN texts = '{}' THEN '{}' ELSE jsonb_build_object('texts', texts) END;
    INSERT INTO room_look (room_id, draft, live) VALUES (rid, look, look);
    INSERT INTO operator_action (room_id, who, action, detail)
        VALUES (rid, in_who, 'copy_look', jsonb_build_object('from', in_source));
END $$;

-- Codes are one of a kind in all rooms: that of a copy ends with its room's code, in place of the other room's.
CREATE FUNCTION copied_code(code text, source text, room text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT left(CASE WHEN right(code, length(source) + 1) = '-' || source THEN left(code, -length(source) - 1)
                     ELSE code END, GREATEST(62 - length(room), 1)) || '-' || room
$$;

-- Gives a room the products and SKUs of another: texts, pictures, prices and limits. Times of sale belong to the
-- other sale. Stock is never copied: of each SKU so many units are received, or none. Returns the number of SKUs.
CREATE FUNCTION copy_goods(in_source text, in_room text, in_units int, in_who text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    sid constant int := (SELECT m.room_id FROM room m WHERE m.room = in_source);
    rid constant int := (SELECT m.room_id FROM room m WHERE m.room = in_room);
    copied int;
BEGIN
    PERFORM lock_catalogue(rid);
    INSERT INTO product (product, room_id, seller_id, name, description, picture)
        SELECT copied_code(p.product, in_source, in_room), rid, p.seller_id, p.name, p.description, p.picture
        FROM product p WHERE p.room_id = sid;
    INSERT INTO sku (sku, product_id, room_id, name, variant, description, picture, price_minor, currency,
                     limit_per_order, limit_per_session, limit_per_customer, low_at)
        SELECT copied_code(k.sku, in_source, in_room), n.product_id, rid, k.name, k.variant, k.description, k.picture,
               k.price_minor, k.currency, k.limit_per_order, k.limit_per_session, k.limit_per_customer, k.low_at
        FROM sku k JOIN product p USING (product_id)
        JOIN product n ON n.room_id = rid AND n.product = copied_code(p.product, in_source, in_room)
        WHERE k.room_id = sid;
    INSERT INTO stock (sku_id) SELECT k.sku_id FROM sku k WHERE k.room_id = rid;
    GET DIAGNOSTICS copied = ROW_COUNT;
    INSERT INTO sku_change (sku, room_id, seller_id, what, who)
        SELECT k.sku, rid, k.seller_id, 'added', in_who FROM sku k WHERE k.room_id = rid ORDER BY k.sku;
    IF in_units > 0 THEN
        PERFORM move_stock(k.sku, 'received', in_units, in_who, 'in a copy of ' || in_source, NULL, false)
            FROM (SELECT x.sku FROM sku x WHERE x.room_id = rid ORDER BY x.sku_id) k;
    END IF;
    INSERT INTO operator_action (room_id, who, action, detail) VALUES (rid, in_who, 'copy_goods',
        jsonb_build_object('from', in_source, 'skus', copied, 'units', in_units));
    RETURN copied;
END $$;
