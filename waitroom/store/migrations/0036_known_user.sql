-- KnownUser V3: the sites that rooms hand their shoppers over to by that protocol.

CREATE TABLE known_user_site (
    customer text PRIMARY KEY CONSTRAINT customer_fits_into_a_token CHECK (customer ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    -- What the site's secret is derived from, with a signing key of the service. The secret is not stored.
    salt bytea NOT NULL,
    key_id bytea NOT NULL
);

CREATE TABLE known_user (
    room_id int PRIMARY KEY REFERENCES room,
    customer text NOT NULL REFERENCES known_user_site,
    event text NOT NULL CONSTRAINT event_fits_into_a_token CHECK (event ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    extends boolean NOT NULL,
    binds_address boolean NOT NULL,
    cookie_domain text NOT NULL,
    cancel_path text NOT NULL,
    CONSTRAINT event_leads_to_one_room UNIQUE (customer, event)
);

-- Lets a room speak to a site, or to none if `in_rules` is NULL. A site that is new gets the root of its secret, and
-- one to which no room speaks any longer is forgotten with it. Returns NULL for an unknown room, and otherwise whether the site is new.
CREATE FUNCTION set_known_user(in_room text, in_rules jsonb, in_salt bytea, in_key_id bytea, in_who text, in_reason text)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    rid constant int := (SELECT m.room_id FROM room m WHERE m.room = in_room);
    before known_user; wanted known_user; is_new boolean := false;
BEGIN
    IF rid IS NULL THEN RETURN NULL; END IF;
    PERFORM 1 FROM log_head h WHERE h.room_id = rid FOR NO KEY UPDATE;
    PERFORM refuse_archived(rid);
    SELECT * INTO before FROM known_user k WHERE k.room_id = rid;
    IF in_rules IS NULL THEN
        DELETE FROM known_user k WHERE k.room_id = rid;
    ELSE
        INSERT INTO known_user_site (customer, salt, key_id) VALUES (in_rules ->> 'customer', in_salt, in_key_id)
            ON CONFLICT DO NOTHING;
        is_new := FOUND;
        wanted := jsonb_populate_record(before, in_rules || jsonb_build_object('room_id', rid));
        INSERT INTO known_user SELECT wanted.* ON CONFLICT (room_id) DO UPDATE SET customer = wanted.customer,
            event = wanted.event, extends = wanted.extends, binds_address = wanted.binds_address,
            cookie_domain = wanted.cookie_domain, cancel_path = wanted.cancel_path;
    END IF;
    DELETE FROM known_user_site s WHERE s.customer = before.customer
        AND NOT EXISTS (SELECT FROM known_user k WHERE k.customer = s.customer);
    INSERT INTO operator_action (room_id, who, action, detail, reason)
        VALUES (rid, in_who, 'known_user', COALESCE(in_rules, jsonb_build_object('customer', NULL)), in_reason);
    RETURN is_new;
END $$;

-- Gives the site of a room a new secret. Returns its customer, NULL for a room that speaks to no site.
CREATE FUNCTION renew_known_user_secret(in_room text, in_salt bytea, in_key_id bytea, in_who text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    rid constant int := (SELECT m.room_id FROM room m WHERE m.room = in_room);
    named constant text := (SELECT k.customer FROM known_user k WHERE k.room_id = rid);
BEGIN
    IF named IS NULL THEN RETURN NULL; END IF;
    UPDATE known_user_site s SET salt = in_salt, key_id = in_key_id WHERE s.customer = named;
    INSERT INTO operator_action (room_id, who, action, detail)
        VALUES (rid, in_who, 'known_user_secret', jsonb_build_object('customer', named));
    RETURN named;
END $$;
