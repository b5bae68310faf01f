-- name: settings
SELECT name, setting
FROM pg_settings WHERE name = ANY ($1)

-- name: server
SELECT current_setting('server_version_num')::int AS version, pg_is_in_recovery() AS in_recovery, pg_backend_pid() AS pid,
    current_setting('lock_timeout') AS lock_timeout, current_setting('jit') AS jit, pg_database_size(current_database()) AS size_bytes

-- name: connections
SELECT current_setting('max_connections')::int
        - current_setting('superuser_reserved_connections')::int
        - COALESCE(current_setting('reserved_connections', true)::int, 0)
        - count(*) FILTER (WHERE backend_type = 'client backend')::int AS free,
    (SELECT NULLIF(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user) AS role_max,
    (SELECT NULLIF(datconnlimit, -1) FROM pg_database WHERE datname = current_database()) AS database_max,
    count(*) FILTER (WHERE usename = current_user AND datname = current_database() AND pid <> pg_backend_pid())::int AS own,
    count(*) FILTER (WHERE datname = current_database() AND pid <> pg_backend_pid())::int AS here,
    COALESCE(max(EXTRACT(epoch FROM clock_timestamp() - xact_start))
        FILTER (WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'), 0)::float AS oldest_transaction_s
FROM pg_stat_activity

-- name: archiver
SELECT current_setting('archive_mode') <> 'off' AS is_on, failed_count AS failed,
    COALESCE(last_failed_time > COALESCE(last_archived_time, '-infinity'), false) AS is_failing
FROM pg_stat_archiver

-- name: may_list_wal
SELECT has_function_privilege('pg_ls_waldir()', 'EXECUTE')

-- name: wal
SELECT COALESCE(sum(size), 0)::bigint AS bytes,
    pg_size_bytes(current_setting('max_wal_size')) AS most_bytes FROM pg_ls_waldir()

-- name: slots
SELECT slot_name, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint AS kept
FROM pg_replication_slots WHERE restart_lsn IS NOT NULL AND NOT active ORDER BY slot_name

-- name: replicas
SELECT COALESCE(NULLIF(application_name, ''), client_addr::text, 'unnamed') AS name, COALESCE(state, 'unknown') AS state,
    EXTRACT(epoch FROM replay_lag)::float AS replay_lag_s
FROM pg_stat_replication ORDER BY 1

-- name: rights
SELECT r.rolname AS role, r.rolsuper OR r.rolcreaterole OR (r.rolcreatedb AND NOT EXISTS (
        SELECT FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND c.relowner = r.oid))
        AS is_mighty,
    EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
        AND c.relowner = r.oid) AS owns_tables,
    ARRAY(SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace
        AND c.relkind IN ('r', 'v') AND NOT has_table_privilege(c.oid, 'SELECT') ORDER BY 1) AS unreadable,
    (SELECT count(*) FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace AND p.prokind = 'f'
        AND p.prorettype <> 'trigger'::regtype AND NOT has_function_privilege(p.oid, 'EXECUTE'))::int AS closed_functions
FROM pg_roles r WHERE r.rolname = current_user

-- name: has_tables
SELECT to_regclass('migration') IS NOT NULL

-- name: migrations
SELECT name, checksum FROM migration

-- name: live_processes
SELECT host, pid, key_ids, clock_ahead_s, forwarder FROM live_process_keys ORDER BY host, pid

-- name: webhooks
SELECT e.url, e.active, count(d.delivery_id) FILTER (WHERE d.attempts > 2)::int AS late
FROM webhook_endpoint e LEFT JOIN webhook_delivery d ON d.endpoint_id = e.endpoint_id AND d.state = 'pending'
GROUP BY e.endpoint_id ORDER BY e.url
