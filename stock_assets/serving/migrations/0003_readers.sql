-- Readers may read everything here, and nothing else. A server of one's own has the role only where somebody made it.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'bi_reader') THEN
        GRANT USAGE ON SCHEMA public, serving TO bi_reader;
        GRANT SELECT ON ALL TABLES IN SCHEMA public, serving TO bi_reader;
        ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO bi_reader;
        ALTER DEFAULT PRIVILEGES IN SCHEMA serving GRANT SELECT ON TABLES TO bi_reader;
    END IF;
END
$$;
