-- The bounds of 0026 for the moments that tables got since then and did not bound themselves.
DO $$
DECLARE
    t record;
BEGIN
    FOR t IN SELECT c.oid::regclass AS name, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) AS moments
             FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
             LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (c.oid, a.attnum)
             LEFT JOIN pg_constraint k ON k.conrelid = c.oid AND k.conname = 'moments_are_of_our_time'
             WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND c.relname <> 'migration'
                 AND a.atttypid = 'timestamptz'::regtype
                 AND COALESCE(pg_get_expr(d.adbin, d.adrelid), '') NOT LIKE '%infinity%'
                 AND NOT EXISTS (SELECT FROM pg_constraint o WHERE o.conrelid = c.oid AND o.contype = 'c'
                                 AND a.attnum = ANY (o.conkey) AND pg_get_constraintdef(o.oid) LIKE '%is_moment%')
             GROUP BY c.oid HAVING NOT bool_and(a.attnum = ANY (COALESCE(k.conkey, '{}'))) ORDER BY c.oid LOOP
        EXECUTE format('ALTER TABLE %1$s DROP CONSTRAINT IF EXISTS moments_are_of_our_time,
                ADD CONSTRAINT moments_are_of_our_time CHECK (
                LEAST(%2$s) >= ''2000-01-01 00:00:00+00'' AND GREATEST(%2$s) < ''2200-01-01 00:00:00+00'')', t.name, t.moments);
    END LOOP;
END $$;
