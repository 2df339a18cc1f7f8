-- What runs the queries, and what it may cost: it sleeps after a minute, ends what runs for an hour, and stops at the quota.
CREATE WAREHOUSE IF NOT EXISTS ${warehouse}
    WAREHOUSE_SIZE = 'X-SMALL'
    AUTO_SUSPEND = 60
    AUTO_RESUME = TRUE
    INITIALLY_SUSPENDED = TRUE
    STATEMENT_TIMEOUT_IN_SECONDS = 3600;
