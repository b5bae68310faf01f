-- How called shoppers fare and what shoppers come for: what the leader learns from, and how it hears of changes.

-- The choices of one batch of joins in which any shopper named one: a row for each such batch, so that a
-- number that waits has no row of its own. `sku_ids` has NULL where none was named. A shopper who names
-- one only later may have a row for one number.
CREATE TABLE choice (
    line_id int NOT NULL,
    entered boolean NOT NULL,
    first_number bigint NOT NULL,
    sku_ids int[] NOT NULL,
    CONSTRAINT choices_kept_by_batch PRIMARY KEY (line_id, entered, first_number)
);

-- The rows that the leader has yet to read, as `journey_change`.
CREATE UNLOGGED TABLE choice_change (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    room_id int NOT NULL,
    line_id int NOT NULL,
    entered boolean NOT NULL,
    first_number bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
CREATE INDEX choice_change_by_room ON choice_change (room_id, change_id);

CREATE FUNCTION note_choices() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO choice_change (room_id, line_id, entered, first_number)
        SELECT l.room_id, a.line_id, a.entered, a.first_number FROM after a JOIN line l USING (line_id);
    RETURN NULL;
END $$;
CREATE TRIGGER choices_of_new_batches AFTER INSERT ON choice
    REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION note_choices();
CREATE TRIGGER choices_that_changed AFTER UPDATE ON choice
    REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION note_choices();

-- Finds the row that a number's choice stands in, if any: rows do not overlap.
CREATE FUNCTION choice_row(in_line int, in_entered boolean, in_number bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT c.first_number FROM (
        SELECT * FROM choice x WHERE x.line_id = in_line AND x.entered = in_entered AND x.first_number <= in_number
        ORDER BY x.first_number DESC LIMIT 1) c
    WHERE in_number < c.first_number + cardinality(c.sku_ids)
$$;

-- Returns the SKU that the shopper of a number named, NULL or no row for none. Beyond the end of a row's
-- array there is none. Like `shopper_at` it becomes part of the query where it stands in FROM.
CREATE FUNCTION choice_of(in_line int, in_entered boolean, in_number bigint) RETURNS SETOF int LANGUAGE sql STABLE AS $$
    SELECT c.sku_ids[in_number - c.first_number + 1] FROM choice c
    WHERE c.line_id = in_line AND c.entered = in_entered AND c.first_number <= in_number
    ORDER BY c.first_number DESC LIMIT 1
$$;

-- How each called number fared so far. Times are seconds of the shoppers' clock. `is_over` means that
-- it ended by itself: a turn that an operator took away does not count as one that was missed.
CREATE VIEW journey AS
SELECT a.room_id, a.admission_id, a.state, extract(epoch FROM a.called_at)::float8 AS called_at,
       extract(epoch FROM a.claimed_at)::float8 AS claimed_at,
       extract(epoch FROM COALESCE((SELECT * FROM shopper_at(h.placed_at)), e.held_at))::float8 AS held_at,
       extract(epoch FROM COALESCE((SELECT * FROM shopper_at(h.ended_at)), e.held_until))::float8 AS hold_ended_at,
       extract(epoch FROM a.ended_at)::float8 AS ended_at,
       (COALESCE(h.held, 0) + COALESCE(e.held, 0))::int AS units_held,
       (COALESCE(h.bought, 0) + COALESCE(e.bought, 0))::int AS units_sold,
       COALESCE(h.paying, false) AS paying, a.refused, a.promised,
       (SELECT * FROM choice_of(a.line_id, false, a.number)) AS named, h.first_sku, a.missed_sku_id AS missed_sku,
       a.called_at IS NOT NULL AND a.state NOT IN ('called', 'claimed')
           AND COALESCE(a.end_reason, '') NOT IN ('reset', 'revoked') AS is_over
FROM admission a LEFT JOIN outcome_elsewhere e ON e.session_id = a.admission_id, LATERAL (
    SELECT min(h.placed_at) AS placed_at, max(h.ended_at) AS ended_at,
           sum(l.quantity) FILTER (WHERE h.state = 'held') AS held,
           sum(l.quantity) FILTER (WHERE h.state = 'confirmed') AS bought, bool_or(h.paying) AS paying,
           (array_agg(l.sku_id ORDER BY h.placed_at, l.quantity DESC, l.sku_id))[1] AS first_sku
    FROM hold h JOIN hold_line l USING (hold_id) WHERE h.session_id = a.admission_id AND a.state <> 'called') h;

-- The journeys of these admissions. In the first minute of a sale the tables are large and were never
-- analysed, and a plan made from no statistics walks through all of them for each admission: so the
-- plan is fixed to index look-ups.
CREATE FUNCTION journeys_of(ids bigint[]) RETURNS SETOF journey LANGUAGE sql STABLE
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
    SELECT j.* FROM journey j WHERE j.admission_id = ANY (ids)
$$;

-- The admissions whose journeys changed, a row for each statement that changed any: with a row for each of them a
-- batch of claims takes a twentieth longer. The leader takes the rows of its room away and reads those journeys
-- alone, so a tick costs what happened since the last one and not what is inside. Rows become
-- visible with the change that they speak of, however late that commits. They may be lost with the
-- engine: the leader then reads every journey again.
CREATE UNLOGGED TABLE journey_change (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    room_id int NOT NULL,
    admission_ids bigint[] NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000);
CREATE INDEX journey_change_by_room ON journey_change (room_id, change_id);

CREATE FUNCTION note_admissions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO journey_change (room_id, admission_ids)
        SELECT a.room_id, array_agg(a.admission_id) FROM after a WHERE a.called_at IS NOT NULL GROUP BY a.room_id;
    RETURN NULL;
END $$;
CREATE TRIGGER journeys_of_new_admissions AFTER INSERT ON admission
    REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION note_admissions();
CREATE TRIGGER journeys_of_changed_admissions AFTER UPDATE ON admission
    REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION note_admissions();

CREATE FUNCTION note_holds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO journey_change (room_id, admission_ids)
        SELECT h.room_id, array_agg(DISTINCT h.session_id) FROM after h GROUP BY h.room_id;
    RETURN NULL;
END $$;
CREATE TRIGGER journeys_of_new_holds AFTER INSERT ON hold
    REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION note_holds();
CREATE TRIGGER journeys_of_changed_holds AFTER UPDATE ON hold
    REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION note_holds();

-- A line that is taken out of stock by its hold's end keeps its quantity; only a change of quantity
-- is news.
CREATE FUNCTION note_changed_lines() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO journey_change (room_id, admission_ids)
        SELECT h.room_id, array_agg(DISTINCT h.session_id)
        FROM before b JOIN after a USING (hold_id, sku_id) JOIN hold h USING (hold_id)
        WHERE a.quantity <> b.quantity GROUP BY h.room_id;
    RETURN NULL;
END $$;
CREATE TRIGGER journeys_of_changed_lines AFTER UPDATE ON hold_line
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION note_changed_lines();

CREATE FUNCTION note_outcomes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO journey_change (room_id, admission_ids)
        SELECT a.room_id, array_agg(a.admission_id)
        FROM after o JOIN admission a ON a.admission_id = o.session_id GROUP BY a.room_id;
    RETURN NULL;
END $$;
CREATE TRIGGER journeys_of_new_outcomes AFTER INSERT ON outcome_elsewhere
    REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION note_outcomes();
CREATE TRIGGER journeys_of_changed_outcomes AFTER UPDATE ON outcome_elsewhere
    REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION note_outcomes();

-- A room that has ended and whose last document says so is led no more, until it changes.
CREATE FUNCTION lead_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE room_state SET is_final = false WHERE room_id = NEW.room_id AND is_final;
    RETURN NULL;
END $$;
CREATE TRIGGER a_changed_room_is_led_again AFTER UPDATE ON room
    FOR EACH ROW EXECUTE FUNCTION lead_again();
