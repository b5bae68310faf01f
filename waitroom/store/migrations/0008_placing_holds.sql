-- Placing holds. `place_holds` takes a batch through four steps: it locks what the batch may touch, reads
-- what the batch is decided by, decides each request in the order of arrival, and writes what was decided.
-- How much anyone may have is in `allowed_units` and `units_beyond_promises`, which changes of a hold and
-- late payments ask as well.
--
-- One lock order for everybody: admission by id, room_stock by room, stock by SKU, hold by id. Every
-- function reads the clock after it has its locks.

-- A batch of requests for units. Each distinct session, each SKU and each pair of both has a slot, so
-- that two requests of one session in one batch share its limits and its promise. Slots count from 1.
CREATE TYPE hold_batch AS (
    -- Of each request, in the order of arrival:
    hold_ids uuid[],      -- the id that its hold is to have
    keys uuid[],          -- its idempotency key, distinct within a session
    body_hashes bytea[],  -- tells a repeat of the key from another request under it
    partial boolean[],    -- takes what can be given, while other requests are all or nothing
    request_session int[], -- the slot of its session
    -- Of each session slot:
    sessions bigint[],    -- its admission
    -- Request i asks for the lines line_first[i] .. line_first[i + 1] - 1. Of each line:
    line_first int[],
    line_sku int[],       -- the slot of its SKU
    line_pair int[],      -- the slot of its pair
    line_units int[],     -- the units wanted
    -- Of each SKU slot:
    skus text[],          -- its code
    -- Of each pair slot:
    pair_session int[],
    pair_sku int[]
);

-- The bounds that a room sets to the holds of a session.
CREATE TYPE session_facts AS (
    room int,             -- the slot of its room; NULL where the batch names no SKU of that room
    hold_for interval,
    units_per_order int,
    holds_left int, open_units int, -- the holds that it may still place, and the units in its open ones
    basket int            -- the units that it may hold whatever others of its network hold
);

-- The bounds that a SKU's row sets to its units.
CREATE TYPE sku_facts AS (
    room int,             -- the slot of its room; NULL for a code of no SKU
    on_sale boolean,
    lasting boolean,      -- it stays on sale for as long as a call lasts
    per_order int,
    per_session int,
    per_customer int
);

-- All that a batch is decided by, read under its locks.
CREATE TYPE hold_facts AS (
    t timestamptz,            -- shopper time
    at_wall timestamptz,
    stopped interval,
    verdicts text[],          -- of each request: what is decided before anything is counted, or NULL
    sessions session_facts[], -- of each session slot, like the next eight
    session_rooms int[],
    customers bigint[],
    networks bytea[],         -- the network that it was claimed from; NULL for none that is known
    network_slot int[],       -- the first session slot of that network
    network_held int[], network_max int[], -- there: units in the network's open holds, and its bound
    promised int[],           -- units promised to it
    named int[],              -- the SKU that one of them is of; NULL for none
    skus sku_facts[],         -- of each SKU slot, like the next six
    sku_ids int[],
    free int[],
    by_name int[],            -- those of the free units that are promised to shoppers who named the SKU
    prices bigint[],
    currencies text[],
    names text[],
    rooms int[],              -- of each room slot: its id; like the next three
    room_free bigint[],       -- free units that are promised to nobody
    room_off_sale bigint[],   -- free units that are not on sale, where anything is promised
    room_closing bigint[],    -- and those that go off sale before a call that begins now is over
    had int[],                -- of each pair slot: units that the session has of the SKU, like the next
    ahead int[],              -- units kept for others who were refused before; NULL if there are none
    customer_pair int[],      -- the first pair of the same customer and SKU; NULL without a customer
    customer_had int[]        -- in that pair's place: units that the customer has of the SKU
);

-- The decisions about a batch.
CREATE TYPE hold_decisions AS (
    verdicts text[],       -- of each request, like the next three
    culprits int[],        -- the line that stood in the way, or 0
    figures int[],         -- the units available there, or the limit
    expires timestamptz[], -- in shopper time; NULL where there is no hold, like the next two
    told timestamptz[],    -- the same by the clock on the wall
    seconds_left float8[],
    given int[],           -- of each line: its units, like the next
    line_request int[],    -- the request whose hold it is in, or 0
    promised int[],        -- of each session slot: the units still promised to it, like the next
    named int[],           -- the SKU that one of them is of
    network_held int[],    -- the units in open holds of its network, kept in that network's first slot
    free int[],            -- of each SKU slot: the units still free
    room_taken bigint[],   -- of each room slot: the units in new holds, like the next
    room_promise bigint[], -- those among them that had been promised
    room_holds int[],      -- the new holds
    short int[],           -- SKUs of which more was wanted than could be had
    room_short boolean,    -- a SKU had enough, but its room had not, beside what is promised
    behind boolean         -- someone found units that are kept for those who were refused before
);

-- Reads what a batch is decided by. Each statement here begins after the locks were had, so it sees all
-- that was committed before. A SKU that appeared since is not locked and not known. With `serving` the
-- requests are wishes: those who get something in their absence have as long as for a call. The count of
-- a session's holds walks through no more entries of an index than its bound, while a bitmap would be made
-- of all of them; `place_holds` forbids that.
CREATE FUNCTION read_facts(b hold_batch, locked int[], rooms int[], serving boolean)
RETURNS hold_facts LANGUAGE plpgsql AS $$
DECLARE
    f hold_facts; refused text[];
    any_promised boolean; any_wished boolean; limits_customers boolean; knows_customers boolean;
BEGIN
    f.rooms := rooms;
    SELECT shopper_time(o), clock_timestamp(), o.stopped, r.free, r.promised
        INTO f.t, f.at_wall, f.stopped, f.room_free, any_promised
        FROM office o, (
            SELECT array_agg(x.on_hand - x.held - x.sold - x.promised ORDER BY x.room_id) AS free,
                   bool_or(x.promised > 0) AS promised
            FROM room_stock x WHERE x.room_id = ANY (rooms)) r;
    f.room_off_sale := array_fill(0, ARRAY[cardinality(rooms)]); f.room_closing := f.room_off_sale;
    IF any_promised THEN SELECT * INTO f.room_off_sale, f.room_closing FROM read_off_sale(rooms); END IF;
    SELECT array_agg(ROW (array_position(rooms, k.room_id), is_sold_for(k, '0'),
                          is_sold_for(k, make_interval(secs => m.claim_window_s)),
                          k.limit_per_order, k.limit_per_session, k.limit_per_customer)::sku_facts ORDER BY u.o),
           array_agg(k.sku_id ORDER BY u.o), array_agg(COALESCE(s.on_hand - s.held - s.sold, 0) ORDER BY u.o),
           array_agg(COALESCE(s.promised, 0) ORDER BY u.o),
           array_agg(k.price_minor ORDER BY u.o), array_agg(k.currency ORDER BY u.o),
           array_agg(k.name ORDER BY u.o), bool_or(s.wished > 0), bool_or(k.limit_per_customer IS NOT NULL)
        INTO f.skus, f.sku_ids, f.free, f.by_name, f.prices, f.currencies, f.names, any_wished, limits_customers
        FROM unnest(b.skus) WITH ORDINALITY u(sku, o)
        LEFT JOIN sku k ON k.sku = u.sku AND k.sku_id = ANY (locked)
        LEFT JOIN stock s ON s.sku_id = k.sku_id LEFT JOIN room m ON m.room_id = k.room_id;
    SELECT array_agg(ROW (array_position(rooms, a.room_id),
                          time_to_hold(time_for(CASE WHEN serving THEN LEAST(m.hold_s, m.claim_window_s) ELSE m.hold_s END,
                                                a.time_factor), h.unpaid, n.unpaid, n.paid),
                          m.order_units_max, LEAST(session_holds_max() - h.placed, session_unpaid_max() - h.unpaid),
                          h.open_units, ordinary_basket(m, n))::session_facts ORDER BY u.o),
           array_agg(a.room_id ORDER BY u.o), array_agg(a.customer_id ORDER BY u.o),
           array_agg(a.network ORDER BY u.o), array_agg(COALESCE(n.held, 0) ORDER BY u.o),
           array_agg(network_units(m, x) ORDER BY u.o),
           array_agg(COALESCE(a.promised, 0) ORDER BY u.o),
           array_agg(CASE WHEN a.promised > 0 THEN a.promised_sku_id END ORDER BY u.o), bool_or(a.customer_id IS NOT NULL),
           array_agg(CASE WHEN a.state IS DISTINCT FROM 'claimed' OR a.expires_at <= f.t THEN 'session_over'
                          WHEN m.customers_only AND a.customer_id IS NULL THEN 'customer_needed' END ORDER BY u.o)
        INTO f.sessions, f.session_rooms, f.customers, f.networks, f.network_held, f.network_max, f.promised, f.named,
             knows_customers, refused
        FROM unnest(b.sessions) WITH ORDINALITY u(id, o)
        LEFT JOIN admission a ON a.admission_id = u.id LEFT JOIN room m ON m.room_id = a.room_id
        LEFT JOIN room_stock x ON x.room_id = a.room_id
        LEFT JOIN room_network n ON n.room_id = a.room_id AND n.network = a.network,
            holds_of(u.id) h;
    f.network_slot := CASE WHEN array_length(array_remove(f.networks, NULL), 1) > 0 THEN ARRAY(
        SELECT CASE WHEN u.n IS NOT NULL THEN min(u.o) OVER (PARTITION BY u.room, u.n)::int END
        FROM unnest(f.session_rooms, f.networks) WITH ORDINALITY u(room, n, o) ORDER BY u.o) END;
    f.verdicts := known_verdicts(b, refused);
    SELECT array_agg(x.units ORDER BY u.o) INTO f.had
        FROM unnest(b.pair_session, b.pair_sku) WITH ORDINALITY u(s, k, o),
            units_of(b.sessions[u.s], f.sku_ids[u.k]) x(units);
    IF limits_customers AND knows_customers THEN
        SELECT * INTO f.customer_pair, f.customer_had FROM count_by_customer(b, f.customers, f.sku_ids);
    END IF;
    IF any_wished AND NOT serving THEN f.ahead := units_ahead(b, f.sku_ids); END IF;
    RETURN f;
END $$;

-- Says of each request what is known before anything is counted: it was answered before, or its session may
-- not hold anything and is `refused`. NULL where it is still to be decided.
CREATE FUNCTION known_verdicts(b hold_batch, refused text[]) RETURNS text[] LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT array_agg(COALESCE((
            SELECT CASE WHEN h.body_hash = r.hash THEN 'replay' ELSE 'other_body' END
            FROM hold h WHERE h.session_id = b.sessions[r.s] AND h.idempotency_key = r.key),
            refused[r.s]) ORDER BY r.o)
        FROM unnest(b.keys, b.body_hashes, b.request_session) WITH ORDINALITY r(key, hash, s, o));
END $$;

-- Counts for each pair the units that the session's customer has of the SKU. Sessions of one customer
-- share the first of their pairs, in which their units are counted together.
CREATE FUNCTION count_by_customer(
    b hold_batch, customers bigint[], skus int[], OUT customer_pair int[], OUT customer_had int[])
LANGUAGE plpgsql AS $$
BEGIN
    SELECT array_agg(CASE WHEN x.customer IS NOT NULL THEN x.first END ORDER BY x.o),
           array_agg(customer_units(x.customer, skus[x.k]) ORDER BY x.o)
        INTO customer_pair, customer_had FROM (
            SELECT p.o, p.k, customers[p.s] AS customer,
                   min(p.o) OVER (PARTITION BY customers[p.s], p.k)::int AS first
            FROM unnest(b.pair_session, b.pair_sku) WITH ORDINALITY p(s, k, o)) x;
END $$;

-- Counts for each pair the units that are kept for sessions which were refused before and stand before
-- this one: before everybody who was not refused, and among themselves by turn.
CREATE FUNCTION units_ahead(b hold_batch, skus int[]) RETURNS int[] LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT array_agg(COALESCE((
                SELECT sum(x.quantity)::int FROM wish x
                LEFT JOIN wish own ON own.session_id = b.sessions[p.s] AND own.sku_id = skus[p.k]
                WHERE x.sku_id = skus[p.k] AND x.session_id <> b.sessions[p.s]
                  AND (own.number IS NULL OR (x.passed_at, x.number, x.line_id)
                           < (own.passed_at, own.number, own.line_id))), 0)
                ORDER BY p.o)
            FROM unnest(b.pair_session, b.pair_sku) WITH ORDINALITY p(s, k, o));
END $$;

-- Decides a batch, first come first served: each request by what those before it have left. It reads no
-- table. A request is refused by the first of its lines that cannot be given, and then takes nothing.
CREATE FUNCTION decide_holds(b hold_batch, f hold_facts) RETURNS hold_decisions LANGUAGE plpgsql AS $$
DECLARE
    n constant int := cardinality(f.verdicts);
    -- PostgreSQL finds an element of a variable at once, but one of a record's field only by walking to it.
    request_session int[] := b.request_session; partial boolean[] := b.partial; line_first int[] := b.line_first;
    line_sku int[] := b.line_sku; line_pair int[] := b.line_pair; line_units int[] := b.line_units;
    verdicts text[] := f.verdicts; culprits int[] := array_fill(0, ARRAY[n]); figures int[] := culprits;
    expires timestamptz[] := array_fill(NULL::timestamptz, ARRAY[n]); told timestamptz[] := expires;
    seconds_left float8[] := array_fill(NULL::float8, ARRAY[n]);
    given int[] := array_fill(0, ARRAY[cardinality(b.line_sku)]); line_request int[] := given;
    short int[] := '{}'; room_short boolean := false; behind boolean := false;
    sessions session_facts[] := f.sessions; skus sku_facts[] := f.skus;
    promised int[] := f.promised; named int[] := f.named; free int[] := f.free; by_name int[] := f.by_name;
    had int[] := f.had; customer_had int[] := f.customer_had;
    network_slot int[] := f.network_slot; network_held int[] := f.network_held; network_max int[] := f.network_max;
    room_free bigint[] := f.room_free; room_closing bigint[] := f.room_closing;
    room_taken bigint[] := array_fill(0, ARRAY[cardinality(f.rooms)]); room_promise bigint[] := room_taken;
    room_holds int[] := room_taken;
    s session_facts; k sku_facts; may allowance; verdict text;
    session int; item int; pair int; want int; total int; passing int; used int; ahead int; own int; kept int; mine int; origin int; most int;
    off_sale bigint; spare bigint; of_room bigint;
BEGIN
    FOR i IN 1 .. n LOOP
        CONTINUE WHEN verdicts[i] IS NOT NULL;
        session := request_session[i]; s := sessions[session]; verdict := 'placed'; total := 0; passing := 0;
        IF s.holds_left <= 0 THEN verdicts[i] := 'too_many_holds'; CONTINUE; END IF;
        origin := network_slot[session];
        most := CASE WHEN origin > 0 THEN GREATEST(network_max[origin] - network_held[origin], s.basket - s.open_units, 0) END;
        -- A promise of a SKU waits for that one, unless the request does without and could not be served otherwise.
        own := NULL; kept := 0;
        IF named[session] IS NOT NULL THEN
            own := array_position(f.sku_ids, named[session]); kept := 1;
            IF NOT own = ANY (line_sku[line_first[i] : line_first[i + 1] - 1]) THEN own := NULL; END IF;
        END IF;
        FOR j IN line_first[i] .. line_first[i + 1] - 1 LOOP
            item := line_sku[j]; k := skus[item]; pair := line_pair[j]; want := line_units[j];
            IF (k.room = s.room) IS NOT TRUE THEN
                verdict := 'unknown_sku'; culprits[i] := j; figures[i] := 0; total := 0; EXIT;
            END IF;
            may := allowed_units(want, k.on_sale, k.per_order, k.per_session, had[pair],
                                 k.per_customer, customer_had[f.customer_pair[pair]], s.units_per_order, s.open_units + total);
            IF may.units > most - total THEN may := ROW (most - total, 'network_limit', most)::allowance; END IF;
            IF may.units = want OR partial[i] THEN
                mine := CASE WHEN item = own THEN 1 ELSE 0 END; kept := kept - mine;
                -- Only a promise of one's own goes before those who wait for what comes free.
                ahead := CASE WHEN total + may.units <= promised[session] - kept THEN 0 ELSE COALESCE(f.ahead[pair], 0) END;
                off_sale := CASE WHEN k.lasting THEN room_closing[s.room] - passing ELSE f.room_off_sale[s.room] END;
                of_room := units_beyond_promises(room_free[s.room], off_sale) + promised[session] - total;
                spare := free[item] - by_name[item] + mine - ahead;
                IF own IS NULL AND of_room - kept < may.units AND spare >= may.units THEN kept := 0; END IF;
                spare := GREATEST(LEAST(spare, of_room - kept), mine);
                IF spare < may.units THEN
                    short := short || f.sku_ids[item];
                    room_short := room_short OR free[item] >= may.units;
                    behind := behind OR (COALESCE(f.ahead[pair], 0) > 0 AND free[item] > 0);
                    may := ROW (GREATEST(spare, 0), 'out_of_stock', GREATEST(spare, 0))::allowance;
                END IF;
            END IF;
            IF may.units < want AND culprits[i] = 0 AND (may.units = 0 OR NOT partial[i]) THEN
                verdict := may.verdict; culprits[i] := j; figures[i] := may.figure;
                EXIT WHEN NOT partial[i];
            END IF;
            given[j] := may.units; total := total + may.units;
            IF NOT k.lasting THEN passing := passing + may.units; END IF;
        END LOOP;
        IF partial[i] AND total > 0 THEN verdict := 'placed'; END IF;
        verdicts[i] := verdict;
        CONTINUE WHEN verdict <> 'placed';
        FOR j IN line_first[i] .. line_first[i + 1] - 1 LOOP
            CONTINUE WHEN given[j] = 0;
            item := line_sku[j]; pair := line_pair[j];
            line_request[j] := i;
            free[item] := free[item] - given[j];
            had[pair] := had[pair] + given[j];
            pair := f.customer_pair[pair];
            IF pair IS NOT NULL THEN customer_had[pair] := customer_had[pair] + given[j]; END IF;
        END LOOP;
        s.holds_left := s.holds_left - 1; s.open_units := s.open_units + total; sessions[session] := s;
        IF origin IS NOT NULL THEN network_held[origin] := network_held[origin] + total; END IF;
        used := LEAST(promised[session] - kept, total);
        IF used > 0 THEN
            promised[session] := promised[session] - used;
            room_promise[s.room] := room_promise[s.room] + used;
        END IF;
        IF named[session] IS NOT NULL AND (promised[session] = 0 OR (own IS NOT NULL AND kept = 0)) THEN
            item := array_position(f.sku_ids, named[session]);
            IF item IS NOT NULL THEN by_name[item] := by_name[item] - 1; END IF;
            named[session] := NULL;
        END IF;
        room_taken[s.room] := room_taken[s.room] + total;
        room_holds[s.room] := room_holds[s.room] + 1;
        room_free[s.room] := room_free[s.room] - (total - used);
        room_closing[s.room] := room_closing[s.room] - passing;
        expires[i] := f.t + s.hold_for; told[i] := expires[i] + f.stopped;
        seconds_left[i] := extract(epoch FROM s.hold_for);
    END LOOP;
    RETURN ROW (verdicts, culprits, figures, expires, told, seconds_left, given, line_request, promised, named, network_held, free,
                room_taken, room_promise, room_holds, short, room_short, behind)::hold_decisions;
END $$;

-- Says whether units that a batch was short of may come free: by ending what is due, or by serving those
-- who were refused before.
CREATE FUNCTION may_come_free(d hold_decisions, rooms int[], t timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RETURN d.behind
        OR EXISTS (SELECT FROM hold_line l WHERE l.sku_id = ANY (d.short) AND l.due_at <= t)
        OR (d.room_short AND EXISTS (SELECT FROM hold h WHERE h.room_id = ANY (rooms) AND h.state = 'held'
                                     AND h.expires_at <= t AND NOT h.paying));
END $$;

-- Writes the holds that were decided, and moves the balances by what is in them.
CREATE FUNCTION write_holds(b hold_batch, f hold_facts, d hold_decisions) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    hold_ids uuid[] := b.hold_ids; sessions bigint[] := b.sessions; rooms int[] := f.session_rooms;
    customers bigint[] := f.customers; expires timestamptz[] := d.expires;
    sku_ids int[] := f.sku_ids; prices bigint[] := f.prices;
BEGIN
    UPDATE room_stock x SET held = x.held + g.taken, promised = x.promised - g.used, holds = x.holds + g.holds
        FROM unnest(f.rooms, d.room_taken, d.room_promise, d.room_holds) g(id, taken, used, holds)
        WHERE x.room_id = g.id AND g.holds > 0;
    IF d.named IS DISTINCT FROM f.named THEN
        PERFORM count_named(ARRAY(SELECT g.had FROM unnest(f.named, d.named) g(had, named)
                                  WHERE g.had IS DISTINCT FROM g.named), -1);
    END IF;
    UPDATE stock x SET held = x.held + g.before - g.after
        FROM unnest(f.sku_ids, f.free, d.free) g(id, before, after) WHERE x.sku_id = g.id AND g.before > g.after;
    IF d.promised <> f.promised OR d.named IS DISTINCT FROM f.named THEN
        UPDATE admission x SET promised = g.after, promised_sku_id = g.named
            FROM unnest(b.sessions, f.promised, d.promised, f.named, d.named) g(id, before, after, had, named)
            WHERE x.admission_id = g.id AND (g.before > g.after OR g.had IS DISTINCT FROM g.named);
    END IF;
    INSERT INTO hold (hold_id, session_id, room_id, idempotency_key, body_hash, customer_id, placed_at, expires_at)
        SELECT r.id, sessions[r.s], rooms[r.s], r.key, r.hash, customers[r.s], f.at_wall, r.until
        FROM unnest(b.hold_ids, b.request_session, b.keys, b.body_hashes, d.expires) r(id, s, key, hash, until)
        WHERE r.until IS NOT NULL;
    INSERT INTO hold_line (hold_id, sku_id, quantity, price_minor, due_at)
        SELECT hold_ids[l.r], sku_ids[l.k], l.units, prices[l.k], expires[l.r]
        FROM unnest(b.line_sku, d.given, d.line_request) l(k, units, r) WHERE l.r > 0;
    IF f.network_slot IS NOT NULL THEN
        INSERT INTO room_network AS n (room_id, network, held, since)
            SELECT g.room, g.mark, g.after - g.before, f.at_wall FROM unnest(
                f.session_rooms, f.networks, f.network_held, d.network_held) g(room, mark, before, after) WHERE g.after > g.before
            ON CONFLICT ON CONSTRAINT network_counted_once DO UPDATE SET held = n.held + EXCLUDED.held;
    END IF;
END $$;

-- Places a batch of holds, with a verdict for each request; inventory/hold.py lists the verdicts. When
-- something is short that may come free, nothing is written and `must_settle` is true: the caller ends
-- what is due, serves those who were refused before, and asks again. With `final` the batch is decided
-- as things stand. With `serving` the requests are the wishes of refused sessions, by their turn,
-- and nobody stands before them. Of each request it returns the verdict, the line that stood in the way,
-- the units available there or the limit, and the deadline with the seconds until then; of each line the
-- units given; of each SKU slot the price, the currency and the name.
-- The SETs pin the plans: with plans cached on empty tables throughput falls to a tenth.
CREATE FUNCTION place_holds(
    b hold_batch, final boolean, serving boolean,
    OUT verdicts text[], OUT culprits int[], OUT figures int[], OUT expires timestamptz[],
    OUT seconds_left float8[], OUT given int[], OUT prices bigint[], OUT currencies text[], OUT names text[],
    OUT must_settle boolean)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off AS $$
DECLARE
    locked int[]; rooms int[]; f hold_facts; d hold_decisions;
BEGIN
    -- In the one order of locks. A function of its own would cost as much again as these statements.
    PERFORM 1 FROM admission a WHERE a.admission_id = ANY (b.sessions) ORDER BY a.admission_id FOR NO KEY UPDATE;
    -- A hold may take up a promise of another SKU.
    SELECT array_agg(k.sku_id) || ARRAY(SELECT a.promised_sku_id FROM admission a
                WHERE a.admission_id = ANY (b.sessions) AND a.promised > 0 AND a.promised_sku_id IS NOT NULL),
           COALESCE(array_agg(DISTINCT k.room_id ORDER BY k.room_id), '{}')
        INTO locked, rooms FROM sku k WHERE k.sku = ANY (b.skus);
    PERFORM 1 FROM room_stock x WHERE x.room_id = ANY (rooms) ORDER BY x.room_id FOR NO KEY UPDATE;
    PERFORM 1 FROM stock s WHERE s.sku_id = ANY (locked) ORDER BY s.sku_id FOR NO KEY UPDATE;
    f := read_facts(b, locked, rooms, serving);
    d := decide_holds(b, f);
    must_settle := NOT final AND cardinality(d.short) > 0 AND may_come_free(d, f.rooms, f.t);
    IF must_settle THEN RETURN; END IF;
    IF 'placed' = ANY (d.verdicts) THEN
        PERFORM write_holds(b, f, d);
    END IF;
    IF serving OR f.ahead IS NOT NULL OR 'out_of_stock' = ANY (d.verdicts) THEN
        PERFORM settle_wishes(b, f, d, serving);
    END IF;
    IF event_wanted('hold.placed') THEN
        PERFORM tell_of_holds('hold.placed', (SELECT array_agg(r.id) FROM unnest(b.hold_ids, d.verdicts) r(id, verdict)
                                              WHERE r.verdict = 'placed'));
    END IF;
    verdicts := d.verdicts; culprits := d.culprits; figures := d.figures; given := d.given;
    expires := d.told; seconds_left := d.seconds_left;
    prices := f.prices; currencies := f.currencies; names := f.names;
END $$;
