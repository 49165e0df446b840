-- One row and one commit, as pgbench sends it to the table that FastAPI's contender has.
\set user random(1, 1000000)
INSERT INTO tracking_session (session_id, playout_id, provider_name, user_id, source, started_at)
VALUES (gen_random_uuid(), 'netflix-de:0001', 'netflix', 'user-' || :user, 'jay.api.playout.1.0.0', now());
