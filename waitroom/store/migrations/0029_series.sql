-- How the figures of each room went, for operators. The leader writes a row every few seconds, from the doors to
-- the end, so what it costs does not grow with the crowd. Older rows are thinned out.

-- The figures of a sale, all lanes together, since the room was begun or reset. Shoppers who are inside from
-- before that are inside.
CREATE VIEW room_figures AS
SELECT m.room_id, m.room, m.status, m.sold_out, m.seats_max, doors_open(m) AS doors_open,
       l.head, l.tail, l.gate, l.tail - l.head AS waiting, l.entries,
       a.called, k.seats - a.called AS claimed, a.missed, a.came_back, a."left", a.ended, k.seats AS seats_taken,
       k.on_hand - barred.units AS on_hand, k.promised, k.held, k.sold, k.holds AS holds_open,
       GREATEST(k.on_hand - barred.units - k.held - k.sold - k.promised, 0) AS available,
       p.paid AS orders_paid, p.declined AS orders_declined, p.running AS orders_authorizing,
       p.slow AS orders_slow, extract(epoch FROM clock_timestamp() - p.oldest)::float8 AS oldest_payment_s,
       COALESCE(p.revenue, 0) AS revenue_minor, p.currency,
       m.stock_heard_at, extract(epoch FROM clock_timestamp() - m.stock_heard_at)::float8 AS stock_silent_s
FROM room m JOIN room_stock k ON k.room_id = m.room_id, units_barred(m.room_id) barred(units),
LATERAL (SELECT sum(LEAST(x.gate, x.tail))::bigint AS head, sum(x.tail)::bigint AS tail, sum(x.gate)::bigint AS gate,
                sum(x.entries)::bigint AS entries
         FROM line x WHERE x.room_id = m.room_id AND x.joinable) l,
count_places(m.room_id) a,
LATERAL (SELECT count(*) FILTER (WHERE state = 'paid') AS paid,
                count(*) FILTER (WHERE state = 'declined') AS declined,
                count(*) FILTER (WHERE state IN ('authorizing', 'authorized', 'voiding', 'returning')) AS running,
                count(*) FILTER (WHERE state IN ('authorizing', 'authorized', 'voiding', 'returning')
                                 AND created_at < clock_timestamp() - interval '2 minutes') AS slow,
                min(created_at) FILTER (WHERE state IN ('authorizing', 'authorized', 'voiding', 'returning')) AS oldest,
                sum(total_minor - refunded_minor) FILTER (WHERE state IN ('paid', 'refunded'))::bigint AS revenue,
                min(currency) AS currency
         FROM purchase WHERE room_id = m.room_id) p;

-- `grain_s` is 0 for a row as it was written, and later the length of the time that it alone is kept of.
-- `joined` to `declined` count from the beginning of the sale, so a difference says what happened between two
-- rows. `wait_p50_s` and `wait_p90_s` are of numbers called in the last minute, `answer_p95_s` and `errors` of
-- the checkout's answers in the last seconds. Everything else is as it stood at that moment.
CREATE TABLE room_series (
    room_id int NOT NULL REFERENCES room,
    at timestamptz NOT NULL DEFAULT clock_timestamp() CONSTRAINT series_are_of_our_time CHECK (is_moment(at)),
    grain_s int NOT NULL DEFAULT 0 CHECK (grain_s >= 0),
    status text NOT NULL,
    bound text NOT NULL,
    joined bigint NOT NULL,
    calls bigint NOT NULL,
    claims bigint NOT NULL,
    paid bigint NOT NULL,
    declined bigint NOT NULL,
    waiting bigint NOT NULL,
    called bigint NOT NULL,
    inside bigint NOT NULL,
    seats_max int NOT NULL,
    on_hand bigint NOT NULL,
    available bigint NOT NULL,
    held bigint NOT NULL,
    sold bigint NOT NULL,
    paying bigint NOT NULL,
    paying_slow bigint NOT NULL,
    stock_silent_s real,
    wait_p50_s real,
    wait_p90_s real,
    answer_p95_s real,
    errors real,
    sell_out_low_s real,
    sell_out_high_s real,
    CONSTRAINT one_row_at_a_moment PRIMARY KEY (room_id, at)
);
CREATE INDEX room_series_by_grain ON room_series (grain_s, at);

-- Thins out rows of one grain that are older than `age`: the last of each `coarse_s` seconds stays, since later
-- rows count what earlier ones counted. Returns how many rows it looked at.
CREATE FUNCTION thin_series(fine_s int, coarse_s int, age interval, batch_max int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    n int;
BEGIN
    WITH old AS MATERIALIZED (
        SELECT s.room_id, s.at, floor(extract(epoch FROM s.at) / coarse_s) AS span FROM room_series s
        WHERE s.grain_s = fine_s AND s.at <= clock_timestamp() - age ORDER BY s.at LIMIT batch_max
        FOR UPDATE SKIP LOCKED),
    last AS (
        SELECT o.room_id, o.at FROM (
            SELECT x.*, row_number() OVER (PARTITION BY x.room_id, x.span ORDER BY x.at DESC) AS place FROM old x) o
        WHERE o.place = 1 AND NOT EXISTS (
            SELECT FROM room_series r WHERE r.room_id = o.room_id AND r.at > o.at
                AND r.at < to_timestamp((o.span + 1) * coarse_s))),
    kept AS (
        UPDATE room_series s SET grain_s = coarse_s FROM last l WHERE (s.room_id, s.at) = (l.room_id, l.at)),
    gone AS (
        DELETE FROM room_series s USING old o WHERE (s.room_id, s.at) = (o.room_id, o.at)
            AND NOT EXISTS (SELECT FROM last l WHERE (l.room_id, l.at) = (o.room_id, o.at)))
    SELECT count(*) INTO n FROM old;
    RETURN n;
END $$;
