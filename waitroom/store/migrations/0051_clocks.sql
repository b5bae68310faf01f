-- What each running process sees of its surroundings, for `waitroom doctor`: by how many seconds its clock is ahead
-- of this database's, and the proxy that brings most of its requests though it is not trusted to name clients.
-- Deadlines come from the database alone; a machine whose clock is off tells wrong times in logs and messages.
ALTER TABLE process_keys ADD COLUMN clock_ahead_s double precision, ADD COLUMN forwarder text;

-- The view has the columns that the table had when it was made.
CREATE OR REPLACE VIEW live_process_keys AS
    SELECT * FROM process_keys WHERE heard_at > clock_timestamp() - interval '15 seconds';

-- Says what time it is for a process, and through whom its requests come.
CREATE FUNCTION report_surroundings(in_process uuid, in_now timestamptz, in_forwarder text) RETURNS void LANGUAGE sql AS $$
    UPDATE process_keys SET clock_ahead_s = EXTRACT(epoch FROM in_now - clock_timestamp()), forwarder = in_forwarder
    WHERE process = in_process
$$;
