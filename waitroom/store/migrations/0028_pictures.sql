-- Pictures of what is sold, each once under the hash of its bytes.

CREATE TABLE picture (
    name text PRIMARY KEY CHECK (name ~ '^[0-9a-f]{32}\.(png|jpg|webp|avif)$'),
    room_id int NOT NULL REFERENCES room,
    -- NULL for a picture that an operator uploaded.
    seller_id int REFERENCES operator,
    body bytea NOT NULL,
    bytes int NOT NULL GENERATED ALWAYS AS (octet_length(body)) STORED,
    who text NOT NULL,
    -- Of the last upload: what was uploaded a moment ago may be about to be shown.
    at timestamptz NOT NULL DEFAULT clock_timestamp() CONSTRAINT pictures_are_of_our_time CHECK (is_moment(at)),
    CONSTRAINT picture_is_small CHECK (octet_length(body) BETWEEN 1 AND 1048576)
);
-- Pictures are packed already.
ALTER TABLE picture ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX picture_by_uploader ON picture (room_id, seller_id) INCLUDE (bytes);

-- Keeps a picture; one that is there is only marked as uploaded. `bytes_max` is for the pictures of one
-- seller in one room, and for those of the room's operators. Beyond it, pictures that no product, no SKU and no
-- look of a room has shown for a day make room. Verdicts: kept, no_room, too_many.
CREATE FUNCTION keep_picture(in_name text, in_body bytea, in_room text, in_seller int, bytes_max bigint, in_who text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    rid constant int := (SELECT m.room_id FROM room m WHERE m.room = in_room);
    free bigint;
BEGIN
    IF rid IS NULL THEN RETURN 'no_room'; END IF;
    PERFORM lock_catalogue(rid);
    UPDATE picture p SET at = clock_timestamp() WHERE p.name = in_name;
    IF FOUND THEN RETURN 'kept'; END IF;
    free := bytes_max - octet_length(in_body) - picture_bytes(rid, in_seller);
    IF free < 0 THEN
        PERFORM drop_pictures(rid, in_seller);
        free := bytes_max - octet_length(in_body) - picture_bytes(rid, in_seller);
    END IF;
    IF free < 0 THEN RETURN 'too_many'; END IF;
    INSERT INTO picture (name, room_id, seller_id, body, who) VALUES (in_name, rid, in_seller, in_body, in_who)
        ON CONFLICT (name) DO UPDATE SET at = clock_timestamp();
    RETURN 'kept';
END $$;

CREATE FUNCTION picture_bytes(in_room_id int, in_seller int) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT COALESCE(sum(p.bytes), 0) FROM picture p
    WHERE p.room_id = in_room_id AND p.seller_id IS NOT DISTINCT FROM in_seller
$$;

-- Deletes pictures that nothing shows. A picture may be shown in another room than the one of its upload.
CREATE FUNCTION drop_pictures(in_room_id int, in_seller int) RETURNS void LANGUAGE sql AS $$
    WITH shown AS MATERIALIZED (
        SELECT x.picture FROM product x WHERE x.picture LIKE '/pictures/%'
        UNION SELECT x.picture FROM sku x WHERE x.picture LIKE '/pictures/%'
        UNION SELECT one FROM room_look l, LATERAL (VALUES (l.draft ->> 'logo'), (l.draft ->> 'picture'),
            (l.live ->> 'logo'), (l.live ->> 'picture')) AS x(one) WHERE one LIKE '/pictures/%')
    DELETE FROM picture p
    WHERE p.room_id = in_room_id AND p.seller_id IS NOT DISTINCT FROM in_seller
        AND p.at < clock_timestamp() - interval '1 day'
        AND NOT EXISTS (SELECT FROM shown s WHERE s.picture = '/pictures/' || p.name)
$$;
