-- Operators who sign in at an identity provider.

-- The person of the provider to whom an account belongs: the provider's own name for them never changes.
CREATE TABLE operator_person (
    operator_id int PRIMARY KEY REFERENCES operator,
    issuer text NOT NULL,
    subject text NOT NULL,
    linked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT person_has_one_account UNIQUE (issuer, subject)
);

-- Returns the account that a person of the provider opens. A person without one gets that whose name is their
-- verified address (`in_email`, '' for none), unless it is another person's; `linked` says so. No row: they have none.
CREATE FUNCTION open_to_person(in_issuer text, in_subject text, in_email text,
    OUT operator_id int, OUT name text, OUT linked boolean) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
    o operator;
BEGIN
    SELECT x.* INTO o FROM operator x JOIN operator_person p ON p.operator_id = x.operator_id
        WHERE p.issuer = in_issuer AND p.subject = in_subject;
    linked := false;
    IF o.operator_id IS NULL AND in_email <> '' THEN
        SELECT x.* INTO o FROM operator x WHERE x.name_key = lower(in_email) AND x.active FOR NO KEY UPDATE;
        IF o.operator_id IS NULL THEN RETURN; END IF;
        INSERT INTO operator_person (operator_id, issuer, subject) VALUES (o.operator_id, in_issuer, in_subject)
            ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN RETURN; END IF;
        INSERT INTO operator_action (who, action, detail) VALUES (o.name, 'link_provider',
            jsonb_build_object('operator', o.name));
        linked := true;
    END IF;
    IF o.operator_id IS NULL OR NOT o.active THEN RETURN; END IF;
    operator_id := o.operator_id;
    name := o.name;
    RETURN NEXT;
END $$;

-- Takes the provider's person from an account and ends its sessions. `actor` is the admin who asks. Verdicts:
-- forgotten, unchanged, unknown, not_admin.
CREATE FUNCTION forget_person(actor int, in_name text, in_who text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    id int;
BEGIN
    PERFORM 1 FROM operator x WHERE x.operator_id = actor AND x.role = 'admin' AND x.active FOR SHARE;
    IF NOT FOUND THEN RETURN 'not_admin'; END IF;
    SELECT x.operator_id INTO id FROM operator x WHERE x.name = in_name FOR NO KEY UPDATE;
    IF id IS NULL THEN RETURN 'unknown'; END IF;
    DELETE FROM operator_person p WHERE p.operator_id = id;
    IF NOT FOUND THEN RETURN 'unchanged'; END IF;
    DELETE FROM operator_session s WHERE s.operator_id = id AND s.how = 'provider';
    INSERT INTO operator_action (who, action, detail) VALUES (in_who, 'unlink_provider',
        jsonb_build_object('operator', in_name));
    RETURN 'forgotten';
END $$;
