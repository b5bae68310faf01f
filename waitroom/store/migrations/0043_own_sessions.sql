-- What an operator sees of their sessions: a number for each, and the browser and the network of its last use.
ALTER TABLE operator_session
    ADD COLUMN session_id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT session_numbered_once UNIQUE,
    -- In words of ours, such as "Firefox on Windows".
    ADD COLUMN browser text NOT NULL DEFAULT '',
    ADD COLUMN network text NOT NULL DEFAULT '';
