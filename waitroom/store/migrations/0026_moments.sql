-- The bounds of every moment. PostgreSQL stores moments that the program cannot read back, and one of them
-- would stop all that reads its row. So each table refuses them, whoever writes: an operator, a file, another
-- shop or a mistake. Columns that have `infinity` for "never" or "always" begin with it, and nothing else is
-- written there but the database's own clock. Tables of later files state the bounds themselves. They are those
-- of `is_moment`, which is not called: PostgreSQL would read its text for each column in each statement that
-- writes. LEAST and GREATEST leave NULL out.
DO $$
DECLARE
    t record;
BEGIN
    FOR t IN SELECT c.oid::regclass AS name, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) AS moments
             FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
             LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (c.oid, a.attnum)
             WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
                 AND a.atttypid = 'timestamptz'::regtype
                 AND COALESCE(pg_get_expr(d.adbin, d.adrelid), '') NOT LIKE '%infinity%'
                 AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c'
                                 AND a.attnum = ANY (k.conkey) AND pg_get_constraintdef(k.oid) LIKE '%is_moment%')
             GROUP BY c.oid ORDER BY c.oid LOOP
        EXECUTE format('ALTER TABLE %1$s ADD CONSTRAINT moments_are_of_our_time CHECK (
                LEAST(%2$s) >= ''2000-01-01 00:00:00+00'' AND GREATEST(%2$s) < ''2200-01-01 00:00:00+00'')', t.name, t.moments);
    END LOOP;
END $$;
