-- Names of operators that differ in capitals alone are the same name. Where two such accounts exist, the older one
-- keeps the name in any case; the younger ones stay as they are, and an admin can shut them.
ALTER TABLE operator ADD COLUMN name_key text;
UPDATE operator o SET name_key = CASE WHEN x.nth = 1 THEN lower(o.name) ELSE lower(o.name) || '#' || o.operator_id END
    FROM (SELECT operator_id, row_number() OVER (PARTITION BY lower(name) ORDER BY operator_id) AS nth FROM operator) x
    WHERE x.operator_id = o.operator_id;
ALTER TABLE operator ALTER COLUMN name_key SET NOT NULL, ADD CONSTRAINT operator_named_once UNIQUE (name_key);

CREATE FUNCTION key_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.name_key := lower(NEW.name);
    RETURN NEW;
END $$;
CREATE TRIGGER operator_name_is_keyed BEFORE INSERT ON operator FOR EACH ROW EXECUTE FUNCTION key_name();

-- Adds an operator. Returns false when there is one by that name, in any case.
CREATE OR REPLACE FUNCTION add_operator(in_name text, in_role text, in_hash text, in_who text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO operator (name, role, password_hash) VALUES (in_name, in_role, in_hash) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN RETURN false; END IF;
    INSERT INTO operator_action (who, action, detail) VALUES (in_who, 'add_operator',
        jsonb_build_object('operator', in_name, 'role', in_role));
    RETURN true;
END $$;
