-- name: join_line
SELECT * FROM join_line($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: find_join_keys
SELECT * FROM find_join_keys($1, $2);

-- name: lose_joins
SELECT lose_joins($1, $2, $3, $4);

-- name: forget_join_keys
SELECT forget_join_keys($1, $2);

-- name: claim_numbers
SELECT * FROM claim_numbers($1, $2, $3, $4);

-- name: leave_line
SELECT leave_line($1, $2, $3);

-- name: read_admissions
SELECT a.state, COALESCE(a.ticket_id, p.owner) AS ticket_id, a.came_back_at IS NOT NULL AS came_back,
       had_its_turn(a) AS passed, a.state = 'left' AND COALESCE(a.end_reason = 'revoked', false) AS revoked,
       COALESCE(p.has_left, false) AS has_left, p.profile, l.gate, l.tail, s.version,
       wall_time(a.claim_until) AS claim_until,
       extract(epoch FROM a.claim_until - shopper_now())::float8 AS claim_seconds,
       COALESCE(a.ended_at > shopper_now() - time_for(m.grace_s, a.time_factor), false) AS in_grace,
       wall_time(a.ended_at + time_for(m.grace_s, a.time_factor)) AS grace_until,
       -- NULL: the ticket does not stay in line for returns. Empty: it stays without an address.
       r.email AS returns_email,
       -- What a number was promised by name, or waits for; whether any of that is left or may come back.
       a.promised > 0 AND m.policy = 'guaranteed' AS promised, k.sku AS named, a.awaits_sku_id IS NOT NULL AND m.policy = 'guaranteed' AS awaits,
       COALESCE(k.sku_id IS NOT NULL AND b.on_hand > b.sold AND is_sold_for(k, '0'), false) AS may_be_had,
       -- A call for returned units has the longer window.
       COALESCE(a.claim_until >= a.called_at + make_interval(secs => m.returns_window_s)
                AND m.returns_window_s > m.claim_window_s, false) AS for_returns
FROM unnest($1::int[], $2::bigint[], $3::bytea[], $4::boolean[])
    WITH ORDINALITY q(line_id, number, ticket_id, entered, o)
JOIN line l ON l.line_id = q.line_id JOIN room m ON m.room_id = l.room_id
JOIN room_state s ON s.room_id = l.room_id
LEFT JOIN admission a ON a.line_id = q.line_id AND a.number = q.number AND NOT q.entered
LEFT JOIN sku k ON k.sku_id = COALESCE(CASE WHEN a.promised > 0 THEN a.promised_sku_id END, a.awaits_sku_id)
LEFT JOIN stock b ON b.sku_id = k.sku_id
LEFT JOIN place p ON p.line_id = q.line_id AND p.entered = q.entered AND p.number = q.number
LEFT JOIN returns_wait r ON r.line_id = q.line_id AND r.number = q.number AND r.ticket_id = q.ticket_id
    AND NOT q.entered
ORDER BY q.o;

-- name: list_unchanged
-- Ended rooms whose logs still end with these entries. Every change of a room or of its lines is an entry.
SELECT m.room FROM unnest($1::text[], $2::bigint[]) k(room, seq) JOIN room m USING (room)
JOIN log_head h ON h.room_id = m.room_id AND h.seq = k.seq
WHERE m.status = 'ended' AND NOT is_sealed(m.room_id);

-- name: list_rooms
-- A row for each line that can be joined, the main one first; of one room, or of all others than these that
-- are not archived.
SELECT m.*, doors_open(m) AS doors_open, h.seq AS log_seq, l.line_id, l.line, l.lane,
       d.count AS drawn_count, d.key AS draw_key,
       -- Lines from before a reset: their tickets are told so.
       ARRAY(SELECT x.line_id FROM line x WHERE x.room_id = m.room_id AND NOT x.joinable) AS former_lines,
       ARRAY(SELECT n.network FROM room_network n WHERE n.room_id = m.room_id AND n.behind) AS networks_behind
FROM room m JOIN log_head h ON h.room_id = m.room_id
JOIN line l ON l.room_id = m.room_id AND l.joinable LEFT JOIN draw d ON d.line_id = l.line_id
WHERE m.room = $1 OR ($1::text IS NULL AND m.room <> ALL ($2::text[]) AND NOT is_sealed(m.room_id))
ORDER BY m.room, l.lane <> 'main', l.line_id;

-- name: name_rooms
SELECT m.room FROM room m WHERE $1::text[] IS NULL OR m.room = ANY ($1) ORDER BY m.room;

-- name: places_horizon
-- The oldest transaction that still runs: all changes before it can be read now.
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon;

-- name: read_places
-- A page of what is remembered of places and changed in or after a transaction, after a row of it.
SELECT p.line_id, p.entered, p.number, p.owner, p.aside, p.revoked, p.has_left, p.profile, p.chosen, p.changed_at,
       p.changed_in::text::bigint AS changed_in
FROM place p JOIN line l USING (line_id)
WHERE (p.changed_in, p.line_id, p.entered, p.number) > ($1::bigint::text::xid8, $2::int, $3::boolean, $4::bigint)
    AND l.joinable
ORDER BY p.changed_in, p.line_id, p.entered, p.number LIMIT $5;

-- name: read_states
SELECT m.room, s.version, s.body FROM room_state s JOIN room m USING (room_id)
WHERE s.version > 0 AND (m.room = $1 OR ($1::text IS NULL AND NOT is_sealed(m.room_id)));

-- name: beat
SELECT * FROM beat($1, $2, $3);

-- name: add_lane_behind
SELECT add_lane_behind($1);

-- name: report_serving
SELECT report_serving();

-- name: resign
UPDATE office SET leader = '' WHERE leader = $1 AND term = $2;

-- name: snapshot
-- All that a tick of one room needs to know, a row for each line, the main line first.
SELECT m.room_id, m.room, m.status, m.sold_out, m.message, m.message_at, m.opens_at, m.closes_at, m.doors_at,
       m.order_by, doors_open(m) AS doors_open,
       m.policy, m.disappointed_max, m.seats_max, m.calls_per_minute, m.batch_max, m.units_promised,
       m.claim_window_s, m.session_s, m.hold_s, m.order_units_max, m.stock_elsewhere, m.stock_heard_at IS NOT NULL AS stock_heard,
       (SELECT CASE WHEN count(*) = 1 THEN min(x.limit_per_session) END
        FROM (SELECT y.limit_per_session FROM sku y WHERE y.room_id = m.room_id AND y.seller_id IS NULL
              UNION ALL SELECT y.limit_per_session FROM room_seller r JOIN sku y USING (room_id, seller_id)
              WHERE r.room_id = m.room_id LIMIT 2) x) AS session_units_max,
       l.line_id, l.line, l.lane, l.share, l.gate, l.tail, l.passed_by, l.entries, s.version, m.xmin::text AS row_version,
       clock_timestamp() AS now, extract(epoch FROM shopper_now())::float8 AS shopper_s,
       (SELECT clock_goes_until(o) > clock_timestamp() FROM office o) AS clock_goes,
       d.line_id IS NOT NULL AS draw_announced, d.count IS NOT NULL AND d.seed IS NULL AS draw_due,
       d.signature IS NOT NULL AS closing_signed,
       d.public_value_source IS NOT NULL AND d.value IS NULL AS value_missing,
       k.on_hand - barred.units AS on_hand, k.promised, k.held, k.sold, kept_units(m.room_id) - barred.units AS kept,
       m.stock_elsewhere OR sells_skus(m.room_id) AS has_stock,
       k.seats AS seats_taken,
       b.ids AS came_back, b.first_called, b.for_returns,
       CASE WHEN b.for_returns = '{}' THEN 0 ELSE (
           SELECT count(*) FROM admission a WHERE a.room_id = m.room_id AND a.state IN ('called', 'claimed')
           AND NOT EXISTS (SELECT FROM hold h WHERE h.session_id = a.admission_id AND h.state = 'held'))
       END AS seats_without_units
FROM room m JOIN line l ON l.room_id = m.room_id AND l.joinable LEFT JOIN draw d ON d.line_id = l.line_id
JOIN room_state s ON s.room_id = m.room_id JOIN room_stock k ON k.room_id = m.room_id
CROSS JOIN LATERAL units_barred(m.room_id) barred(units)
CROSS JOIN LATERAL (
    SELECT COALESCE(array_agg(x.admission_id ORDER BY x.number), '{}') AS ids,
           COALESCE(array_agg(x.first_called ORDER BY x.number), '{}') AS first_called,
           COALESCE(array_agg(x.admission_id) FILTER (WHERE x.stays), '{}') AS for_returns
    FROM (SELECT a.admission_id, a.number, extract(epoch FROM
                     COALESCE(a.passed_at, a.called_at, a.came_back_at))::float8 AS first_called,
                 EXISTS (SELECT FROM returns_wait r WHERE r.line_id = a.line_id AND r.number = a.number) AS stays
          FROM waits_for_call(m, l.line_id) a) x) b
WHERE m.room_id = $1
ORDER BY l.lane <> 'main', l.line_id;

-- name: rooms_to_lead
SELECT room_id FROM room_state WHERE NOT is_final ORDER BY room_id;

-- name: take_journey_changes
-- The admissions of a room that changed since they were last taken: no further row once there are so many.
DELETE FROM journey_change WHERE change_id IN (
    SELECT x.change_id FROM (
        SELECT c.change_id, sum(cardinality(c.admission_ids)) OVER (ORDER BY c.change_id) - cardinality(c.admission_ids)
            AS before
        FROM (SELECT * FROM journey_change j WHERE j.room_id = $1 ORDER BY j.change_id LIMIT $2) c) x
    WHERE x.before < $2)
RETURNING admission_ids;

-- name: forget_journey_changes
DELETE FROM journey_change WHERE room_id = $1;

-- name: take_choice_changes
-- The batches of joins of a room whose choices are new or changed since they were last taken.
WITH taken AS (
    DELETE FROM choice_change WHERE change_id IN (
        SELECT c.change_id FROM choice_change c WHERE c.room_id = $1 ORDER BY c.change_id LIMIT $2)
    RETURNING line_id, entered, first_number)
SELECT c.line_id, c.entered, c.first_number AS first, c.sku_ids AS skus
FROM (SELECT DISTINCT * FROM taken) t JOIN choice c USING (line_id, entered, first_number);

-- name: forget_choice_changes
DELETE FROM choice_change WHERE room_id = $1;

-- name: list_choices
-- A page of all choices in the lines of a room, after a row of it.
SELECT c.line_id, c.entered, c.first_number AS first, c.sku_ids AS skus
FROM line l JOIN choice c USING (line_id)
WHERE l.room_id = $1 AND l.joinable AND (c.line_id, c.entered, c.first_number) > ($2, $3, $4)
ORDER BY c.line_id, c.entered, c.first_number LIMIT $5;

-- name: read_shelves
-- The SKUs of a room that are on sale, those with the most units first; none where they are too many to tell
-- of each, or where another shop keeps the stock. Units promised by name are set aside like those in baskets.
SELECT s.sku_id, k.sku, k.name, GREATEST(s.on_hand - s.held - s.sold - s.promised, 0) AS free,
       s.held + s.promised AS held, s.sold, s.wished
FROM stock s JOIN sku k USING (sku_id) JOIN room m ON m.room_id = k.room_id
WHERE k.room_id = $1 AND s.on_hand > 0 AND NOT m.stock_elsewhere AND is_sold_for(k, '0')
    AND NOT EXISTS (SELECT FROM sku x WHERE x.room_id = $1 OFFSET $2)
ORDER BY s.on_hand DESC, k.sku_id LIMIT $2;

-- name: find_choices
-- The ids of those of these SKUs that a shopper may come for in a room.
SELECT k.sku, k.sku_id FROM sku k WHERE k.sku = ANY ($2) AND may_be_chosen(k, $1);

-- name: choose
SELECT choose($1, $2, $3, $4, $5);

-- name: read_journeys
-- How these admissions fared so far; times in seconds of the shoppers' clock.
SELECT j.admission_id, j.state, j.called_at, j.claimed_at, j.held_at, j.hold_ended_at, j.ended_at, j.units_held,
       j.units_sold, j.paying, j.refused, j.promised, j.named, j.first_sku, j.missed_sku, j.is_over
FROM journeys_of($1) j WHERE j.called_at IS NOT NULL;

-- name: list_open_admissions
SELECT a.admission_id FROM admission a WHERE a.room_id = $1 AND a.state IN ('called', 'claimed')
ORDER BY a.admission_id;

-- name: list_past_admissions
-- The admissions that ended lately, the latest calls of them.
SELECT a.admission_id FROM admission a WHERE a.room_id = $1 AND a.state NOT IN ('called', 'claimed')
    AND a.ended_at > shopper_now() - make_interval(secs => $2)
ORDER BY a.admission_id DESC LIMIT $3;

-- name: call_numbers
SELECT * FROM call_numbers($1, $2, $3, $4, $5, $6, $7, $8);

-- name: publish_state
-- The term keeps an old leader out, the version a lost race.
UPDATE room_state s SET version = $3, body = $4, published_at = clock_timestamp(),
    is_final = $5 AND EXISTS (SELECT FROM room m WHERE m.room_id = $1 AND m.xmin::text = $6)
FROM office o WHERE s.room_id = $1 AND o.term = $2 AND s.version < $3
RETURNING s.published_at;

-- name: note_sold_out
SELECT note_sold_out($1);

-- name: keep_hours
SELECT keep_hours($1);

-- name: stay_for_returns
SELECT stay_for_returns($1, $2, $3, $4, $5);

-- name: ask_for_mail
SELECT ask_for_mail($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: stop_call_mail
SELECT stop_call_mail($1, $2, $3, $4);

-- name: read_call_mail
SELECT w.email FROM call_mail w
WHERE w.line_id = $1 AND w.entered = $2 AND w.number = $3 AND w.ticket_id = $4;

-- name: find_mailed_place
SELECT w.line_id, w.entered, w.number, w.ticket_id FROM call_mail w JOIN line l USING (line_id) JOIN room m USING (room_id)
WHERE w.key = $2 AND m.room = $1 AND l.joinable;

-- name: leave_returns
SELECT leave_returns($1, $2, $3);

-- name: end_due_admissions
SELECT * FROM end_due_admissions($1, $2);

-- name: rooms_with_due_admissions
SELECT room_id FROM rooms_with_due_admissions();

-- name: list_log_forward
SELECT e.seq, e.body, e.hash FROM room m, log_between(m.room_id, $2::bigint + 1, LEAST($2 + $4::bigint, $3::bigint)) e
WHERE m.room = $1 ORDER BY e.seq;

-- name: list_log_backward
SELECT e.seq, e.body, e.hash FROM room m, log_between(m.room_id, LEAST($2::bigint - 1, $3::bigint) - $4::bigint + 1, LEAST($2 - 1, $3)) e
WHERE m.room = $1 ORDER BY e.seq DESC;

-- name: list_exceptions_forward
-- As above, without the line's own course. A page that has exceptions has one at least.
SELECT x.seq, x.body, x.hash FROM room m, LATERAL (
    (SELECT e.seq, e.body, e.hash FROM log_entry e
     WHERE e.room_id = m.room_id AND e.seq > $2 AND e.seq <= $3 AND NOT is_routine(e.body) ORDER BY e.seq LIMIT $4)
    UNION ALL
    SELECT e.seq, e.body, e.hash FROM (
        SELECT p FROM log_page p WHERE p.room_id = m.room_id AND p.exceptions > 0 AND p.last_seq > $2
            AND p.first_seq <= $3 ORDER BY p.first_seq LIMIT $4 + 1) p, page_entries(p.p) e
    WHERE e.seq > $2 AND e.seq <= $3 AND NOT is_routine(e.body)) x
WHERE m.room = $1 ORDER BY x.seq LIMIT $4;

-- name: list_exceptions_backward
SELECT x.seq, x.body, x.hash FROM room m, LATERAL (
    (SELECT e.seq, e.body, e.hash FROM log_entry e WHERE e.room_id = m.room_id AND e.seq < $2 AND e.seq <= $3
         AND NOT is_routine(e.body) ORDER BY e.seq DESC LIMIT $4)
    UNION ALL
    SELECT e.seq, e.body, e.hash FROM (
        SELECT p FROM log_page p WHERE p.room_id = m.room_id AND p.exceptions > 0 AND p.first_seq < $2
            AND p.first_seq <= $3 ORDER BY p.first_seq DESC LIMIT $4 + 1) p, page_entries(p.p) e
    WHERE e.seq < $2 AND e.seq <= $3 AND NOT is_routine(e.body)) x
WHERE m.room = $1 ORDER BY x.seq DESC LIMIT $4;

-- name: create_room
SELECT create_room($1, $2, $3, $4);

-- name: set_room_status
SELECT set_room_status($1, $2, $3, $4);

-- name: copy_gate
SELECT copy_gate($1, $2);

-- name: copy_look
SELECT copy_look($1, $2, $3);

-- name: copy_goods
SELECT copy_goods($1, $2, $3, $4);

-- name: change_room
SELECT change_room($1, $2, $3, $4);

-- name: read_room
SELECT m.*, doors_open(m) AS doors_open FROM room m WHERE m.room = $1;

-- name: read_figures
-- Of all lanes together, since the room was begun; who is inside from before that is inside.
SELECT f.head, f.tail, f.gate, f.waiting, f.entries, f.called, f.claimed, f.missed, f.came_back, f."left", f.ended,
       f.seats_taken, f.on_hand, f.promised, f.held, f.sold, f.holds_open, f.available, f.orders_paid,
       f.orders_declined, f.orders_authorizing, f.orders_slow, f.oldest_payment_s, f.revenue_minor, f.currency,
       f.stock_heard_at, f.stock_silent_s,
       o.leader, o.term, extract(epoch FROM clock_timestamp() - o.beat_at)::float8 AS leader_age_s
FROM room_figures f, office o WHERE f.room = $1;

-- name: find_person_places
SELECT s.key, s.line_id, s.entered, s.number, s.ticket_id,
       (SELECT k.sku FROM sku k WHERE k.sku_id = (SELECT * FROM choice_of(s.line_id, s.entered, s.number))) AS sku
FROM person_place s
WHERE s.room_id = $1 AND s.key = ANY ($2);

-- name: leave_entry
SELECT leave_entry($1, $2, $3);

-- name: move_place
SELECT move_place($1, $2, $3, $4, $5);

-- name: step_aside
SELECT step_aside($1, $2, $3);

-- name: step_back
SELECT step_back($1, $2, $3);

-- name: take_profile
SELECT take_profile($1, $2, $3, $4, $5);

-- name: list_profiles
SELECT f.profile, f.name, f.time_factor::numeric::float8 AS time_factor, f.places_max, f.taken FROM profile f JOIN room m USING (room_id)
WHERE m.room = $1 ORDER BY f.profile;

-- name: revoke_place
SELECT revoke_place($1, $2, $3, $4, $5);

-- name: give_place_back
SELECT give_place_back($1, $2, $3, $4, $5);

-- name: places_revoked
SELECT * FROM places_revoked($1, $2, $3);

-- name: put_network_behind
SELECT put_network_behind($1, $2, $3, $4, $5);

-- name: networks_behind
-- The networks that operators put behind, the latest first, each with who did it and why.
SELECT encode(n.network, 'hex') AS network, o.at, o.who, o.reason
FROM room_network n JOIN LATERAL (
    SELECT x.at, x.who, x.reason, x.action_id FROM operator_action x
    WHERE x.room_id = n.room_id AND x.action = 'put behind' AND x.detail ->> 'network' = encode(n.network, 'hex')
    ORDER BY x.action_id DESC LIMIT 1) o ON true
WHERE n.room_id = $1 AND n.behind ORDER BY o.action_id DESC;

-- name: suspicions
SELECT * FROM suspicions($1, $2);

-- name: places_of_network
SELECT * FROM places_of_network($1, $2, $3);

-- name: list_sellers
SELECT o.name AS seller, r.seller_id IS NOT NULL AS admitted, r.admitted_by, r.admitted_at,
       COALESCE((SELECT sum(t.free) FROM sale_time t WHERE (t.room_id, t.seller_id) = (m.room_id, o.operator_id)), 0)::bigint
           AS available
FROM room m CROSS JOIN operator o LEFT JOIN room_seller r ON (r.room_id, r.seller_id) = (m.room_id, o.operator_id)
WHERE m.room = $1 AND (r.seller_id IS NOT NULL
    OR EXISTS (SELECT FROM sku k WHERE (k.room_id, k.seller_id) = (m.room_id, o.operator_id)))
ORDER BY o.name;

-- name: admit_seller
SELECT admit_seller($1, $2, $3, $4, $5);

-- name: set_lane
SELECT set_lane($1, $2, $3, $4);

-- name: invite
SELECT invite($1, $2, $3, $4, $5, $6);

-- name: read_invitation_batches
SELECT b.batch_id, m.room, b.lane, b.count, b.revoked_at IS NOT NULL AS revoked,
       extract(epoch FROM b.expires_at - clock_timestamp())::float8 AS seconds_left
FROM invitation_batch b JOIN room m USING (room_id) WHERE b.batch_id = ANY ($1);

-- name: list_invitation_batches
-- The newest first, before the cursor if there is one.
SELECT b.batch_id AS batch, b.lane, b.count, invitations_used(b) AS used, b.note, b.expires_at AS until,
       b.revoked_at, b.who, b.created_at
FROM invitation_batch b JOIN room m USING (room_id)
WHERE m.room = $1 AND ($2::int IS NULL OR b.batch_id < $2) ORDER BY b.batch_id DESC LIMIT $3;

-- name: revoke_invitations
SELECT revoke_invitations($1, $2, $3);

-- name: free_person_place
SELECT free_person_place($1, $2, $3, $4, $5);

-- name: list_lanes
-- The lines that can be joined, the main one first; `part` is the share among all shares.
SELECT l.lane, l.line, l.share::numeric::float8 AS share,
       CASE WHEN l.lane = 'behind' THEN 0.0
            ELSE round((l.share / sum(l.share) FILTER (WHERE l.lane <> 'behind') OVER ())::numeric, 4)::float8 END AS part,
       LEAST(l.gate, l.tail) AS head, l.tail, l.entries
FROM line l JOIN room m USING (room_id) WHERE m.room = $1 AND l.joinable ORDER BY l.lane <> 'main', l.line_id;

-- name: set_profile
SELECT set_profile($1, $2, $3, $4, $5, $6);

-- name: reset_room
SELECT * FROM reset_room($1, $2, $3);

-- name: hear_of_stock
SELECT * FROM hear_of_stock($1, $2, $3, $4, $5, $6, $7, $8);

-- name: announce_draw
SELECT announce_draw($1, $2, $3, $4);

-- name: read_draw
SELECT m.room, l.line, d.* FROM draw d JOIN line l USING (line_id) JOIN room m USING (room_id) WHERE d.line_id = $1;

-- name: read_draws
-- The main line's first; the seed is not among it.
SELECT l.line, l.lane, d.announced_at, d.commitment, d.public_value_source, l.entries, d.count,
       d.signature IS NOT NULL AS closing_signed, d.value, d.drawn_at
FROM draw d JOIN line l USING (line_id) JOIN room m USING (room_id) WHERE m.room = $1 AND l.joinable
ORDER BY l.lane <> 'main', l.line_id;

-- name: fix_entries
SELECT * FROM fix_entries($1, $2);

-- name: sign_closing
SELECT sign_closing($1, $2);

-- name: give_public_value
SELECT give_public_value($1, $2, $3);

-- name: reveal_draw
SELECT reveal_draw($1, $2, $3, $4, $5, $6);

-- name: read_log_head
SELECT h.seq, h.hash FROM log_head h JOIN room m USING (room_id) WHERE m.room = $1;

-- name: note_forecast
SELECT note_forecast($1, $2, $3);

-- name: seal_room
SELECT verdict, open FROM seal_room($1, $2, $3);

-- name: archive_step
SELECT archive_step($1, $2);

-- name: next_retention
SELECT next_room_id, step FROM next_retention($1, $2, $3) WHERE step IS NOT NULL;

-- name: seal_due
SELECT verdict FROM room m, seal_room(m.room, 'retention', '') WHERE m.room_id = $1;

-- name: forget_people
SELECT forget_people($1, $2, $3);

-- name: forget_orders
SELECT forget_orders($1, $2);

-- name: forget_records
SELECT forget_records($1, $2);

-- name: forget_addresses
SELECT forget_addresses($1, $2);

-- name: forget_networks
SELECT forget_networks();

-- name: look_later
UPDATE retention SET look_after = clock_timestamp() + interval '1 hour' WHERE room_id = $1;

-- name: read_retention
SELECT m.room_id, r.ended_at, r.sealed_at, r.archived_at, r.part FROM room m LEFT JOIN retention r USING (room_id)
WHERE m.room = $1;

-- name: take_up_numbers
SELECT take_up_numbers($1, $2, $3);

-- name: note_restored
SELECT * FROM note_restored($1, $2, $3);

-- name: rooms_to_restore
SELECT m.room FROM room m WHERE m.status <> 'ended' ORDER BY m.room;
