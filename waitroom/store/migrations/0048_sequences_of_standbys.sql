-- A promoted standby empties unlogged tables, and of an unlogged sequence PostgreSQL 15 may leave it nothing that can
-- be read: "bad magic number in sequence". Each later insert would fail, and so would each hold. The tables may be
-- lost with the engine; their sequences are logged, which costs one record in 32 rows.
ALTER SEQUENCE choice_change_change_id_seq SET LOGGED;
ALTER SEQUENCE journey_change_change_id_seq SET LOGGED;
