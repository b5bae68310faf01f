-- Leases of processes that died. A lease names its holder, and holders say once a second that they live.
-- What a dead one held is free at once, and not only when the lease's whole length is over.

CREATE TABLE lease_holder (
    holder uuid PRIMARY KEY,
    beat_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Since when each beat came soon after the one before.
    steady_since timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 20);

-- Frees what a process holds. It waits for no lock: what is locked just now is freed by the next call, and
-- until then the holder stands.
CREATE FUNCTION end_leases(in_holder uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    t constant timestamptz := clock_timestamp();
BEGIN
    UPDATE purchase p SET driven_until = LEAST(p.driven_until, t), driven_by = NULL FROM (
        SELECT x.order_id FROM purchase x WHERE x.driven_by = in_holder
            AND x.state IN ('authorizing', 'authorized', 'voiding', 'returning') FOR NO KEY UPDATE SKIP LOCKED) d
        WHERE p.order_id = d.order_id;
    UPDATE refund r SET driven_until = LEAST(r.driven_until, t), driven_by = NULL FROM (
        SELECT x.refund_id FROM refund x WHERE x.driven_by = in_holder AND x.state = 'asked'
        FOR NO KEY UPDATE SKIP LOCKED) d
        WHERE r.refund_id = d.refund_id;
    UPDATE webhook_delivery w SET due_at = LEAST(w.due_at, t), lease = NULL, sent_by = NULL FROM (
        SELECT x.delivery_id FROM webhook_delivery x WHERE x.sent_by = in_holder AND x.lease IS NOT NULL
        FOR NO KEY UPDATE SKIP LOCKED) d
        WHERE w.delivery_id = d.delivery_id;
    UPDATE mail m SET next_at = LEAST(m.next_at, t), sent_by = NULL FROM (
        SELECT x.mail_id FROM mail x WHERE x.sent_by = in_holder AND x.state = 'waiting'
        FOR NO KEY UPDATE SKIP LOCKED) d
        WHERE m.mail_id = d.mail_id;
    DELETE FROM lease_holder h WHERE h.holder = in_holder
        AND NOT EXISTS (SELECT FROM purchase x WHERE x.driven_by = in_holder
                        AND x.state IN ('authorizing', 'authorized', 'voiding', 'returning'))
        AND NOT EXISTS (SELECT FROM refund x WHERE x.driven_by = in_holder AND x.state = 'asked');
END $$;

-- Notes that a process lives, and frees what dead ones hold. Returns how many were found dead.
-- A stall of the database silences everybody, so nobody is judged dead by a process that was not itself
-- heard of all the while.
CREATE FUNCTION beat_lease_holder(in_holder uuid) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    silence constant interval := '3 seconds';
    gap constant interval := '2 seconds';
    since timestamptz; dead uuid; found_dead int := 0;
BEGIN
    INSERT INTO lease_holder AS h (holder) VALUES (in_holder)
        ON CONFLICT (holder) DO UPDATE SET beat_at = clock_timestamp(),
            steady_since = CASE WHEN h.beat_at < clock_timestamp() - gap THEN clock_timestamp() ELSE h.steady_since END
        RETURNING h.steady_since INTO since;
    IF since > clock_timestamp() - silence THEN RETURN 0; END IF;
    FOR dead IN SELECT h.holder FROM lease_holder h WHERE h.beat_at < clock_timestamp() - silence
                ORDER BY h.holder FOR UPDATE SKIP LOCKED LOOP
        PERFORM end_leases(dead);
        found_dead := found_dead + 1;
    END LOOP;
    RETURN found_dead;
END $$;
