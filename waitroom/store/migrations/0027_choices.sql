-- Choices: a shopper names the SKU they come for. Order is by number; where calls promise what a shopper came for
-- (`0032_named_promises.sql`), a number is passed by while none of it is free. Elsewhere a choice is for the figures,
-- of chances and of how many units the next calls can count on. `0015_learning.sql` has its table.

-- Says whether a shopper may name a SKU in a room: it is the room's own or an admitted seller's.
CREATE FUNCTION may_be_chosen(k sku, in_room int) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT k.room_id = in_room AND (k.seller_id IS NULL OR is_admitted(in_room, k.seller_id))
$$;

-- Changes what a shopper came for; NULL for anything. To do it again changes nothing. Verdicts: chosen,
-- unknown_sku, other_ticket, inside, over, drawn, room_ended, too_many_changes.
CREATE FUNCTION choose(in_line int, in_entered boolean, in_number bigint, in_ticket bytea, in_sku text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    l record; p place; a admission; wanted int; at bigint;
BEGIN
    SELECT * INTO l FROM line x WHERE x.line_id = in_line;
    PERFORM 1 FROM log_head h WHERE h.room_id = l.room_id FOR NO KEY UPDATE;
    IF in_entered AND entries_are_fixed(in_line) THEN RETURN 'drawn'; END IF;
    IF is_anothers(in_line, in_entered, in_number, in_ticket) THEN RETURN 'other_ticket'; END IF;
    SELECT * INTO p FROM place x WHERE x.line_id = in_line AND x.entered = in_entered AND x.number = in_number;
    IF p.has_left OR p.revoked THEN RETURN 'over'; END IF;
    IF NOT in_entered THEN
        SELECT * INTO a FROM admission x WHERE x.line_id = in_line AND x.number = in_number FOR NO KEY UPDATE;
        IF a.ticket_id <> in_ticket THEN RETURN 'other_ticket'; END IF;
        IF a.state = 'claimed' THEN RETURN 'inside'; END IF;
        IF a.state IN ('left', 'ended') THEN RETURN 'over'; END IF;
    END IF;
    IF has_ended(l.room_id) THEN RETURN 'room_ended'; END IF;
    IF in_sku IS NOT NULL THEN
        SELECT k.sku_id INTO wanted FROM sku k WHERE k.sku = in_sku AND may_be_chosen(k, l.room_id);
        IF wanted IS NULL THEN RETURN 'unknown_sku'; END IF;
    END IF;
    IF p.chosen = COALESCE(in_sku, '') THEN RETURN 'chosen'; END IF;
    IF is_worn_out(in_line, in_entered, in_number) THEN RETURN 'too_many_changes'; END IF;
    at := choice_row(in_line, in_entered, in_number);
    IF at IS NULL THEN
        INSERT INTO choice VALUES (in_line, in_entered, in_number, ARRAY[wanted]);
    ELSE
        UPDATE choice c SET sku_ids[in_number - at + 1] = wanted
            WHERE c.line_id = in_line AND c.entered = in_entered AND c.first_number = at;
    END IF;
    INSERT INTO place (line_id, entered, number, owner, chosen)
        VALUES (in_line, in_entered, in_number, in_ticket, COALESCE(in_sku, ''))
        ON CONFLICT (line_id, entered, number) DO UPDATE SET owner = EXCLUDED.owner, chosen = EXCLUDED.chosen;
    IF a.admission_id IS NOT NULL THEN PERFORM promise_other(a, wanted); END IF;
    RETURN 'chosen';
END $$;
