-- Mail on its way: how it went, and that addresses are forgotten. A message under way is leased: its
-- `next_at` is the lease's end, and `attempts`, which grows with each lease, tells one from another.
ALTER TABLE mail
    -- How the last attempt ended, in a word or two of ours; what a relay says may hold the address.
    ADD COLUMN outcome text NOT NULL DEFAULT '',
    ADD COLUMN ended_at timestamptz,
    ADD CONSTRAINT address_is_forgotten CHECK (state = 'waiting' OR address = ''),
    ADD CONSTRAINT what_is_over_has_ended CHECK ((state = 'waiting') = (ended_at IS NULL));
CREATE INDEX mail_ended ON mail (ended_at) WHERE ended_at IS NOT NULL;

-- Ends messages that are of no use any more: their call is over, or they were tried often enough by
-- senders that died over them. Returns how many.
CREATE FUNCTION give_up_mail(batch_max int, attempts_max int) RETURNS int LANGUAGE sql AS $$
    WITH over AS (
        SELECT x.mail_id FROM mail x
        WHERE x.state = 'waiting' AND x.next_at <= clock_timestamp()
            AND ((x.facts ->> 'claim_until')::timestamptz <= clock_timestamp() OR x.attempts >= attempts_max)
        ORDER BY x.next_at LIMIT batch_max FOR UPDATE SKIP LOCKED),
    ended AS (
        UPDATE mail m SET state = 'failed', address = '', ended_at = clock_timestamp(), outcome = CASE
                WHEN (m.facts ->> 'claim_until')::timestamptz <= clock_timestamp() THEN 'too late'
                ELSE 'given up' END
        FROM over WHERE m.mail_id = over.mail_id RETURNING m.mail_id)
    SELECT count(*)::int FROM ended
$$;

-- Forgets what became of messages after a while, and at once the addresses of those who stayed for
-- returns in a room that has ended: nobody is called there again. Returns how many rows went.
CREATE FUNCTION forget_mail(batch_max int, kept interval) RETURNS int LANGUAGE sql AS $$
    WITH old AS (
        DELETE FROM mail m USING (
            SELECT x.mail_id FROM mail x WHERE x.ended_at < clock_timestamp() - kept
            ORDER BY x.ended_at LIMIT batch_max FOR UPDATE SKIP LOCKED) o
        WHERE m.mail_id = o.mail_id RETURNING m.mail_id),
    ended AS (
        DELETE FROM returns_wait r USING (
            SELECT x.line_id, x.number FROM room m JOIN line l USING (room_id), LATERAL (
                SELECT * FROM returns_wait w WHERE w.line_id = l.line_id LIMIT forget_mail.batch_max FOR UPDATE SKIP LOCKED) x
            WHERE m.status = 'ended' LIMIT forget_mail.batch_max) o
        WHERE r.line_id = o.line_id AND r.number = o.number RETURNING r.number)
    SELECT ((SELECT count(*) FROM old) + (SELECT count(*) FROM ended))::int
$$;

-- Takes a ticket out of the line for returns. Whose session was over is called no more; whoever
-- missed a call and came back for it keeps that.
CREATE FUNCTION leave_returns(in_line int, in_number bigint, in_ticket bytea) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM admission a WHERE a.line_id = in_line AND a.number = in_number FOR NO KEY UPDATE;
    DELETE FROM returns_wait r WHERE r.line_id = in_line AND r.number = in_number AND r.ticket_id = in_ticket;
    IF FOUND THEN
        UPDATE admission a SET state = 'ended', came_back_at = NULL
            WHERE a.line_id = in_line AND a.number = in_number AND a.state = 'missed'
                AND a.came_back_at IS NOT NULL AND a.end_reason IS NOT NULL;
    END IF;
END $$;
