-- Where a load puts its Parquet file; again at each load, as the embedded stand-in forgets both when it restarts.
CREATE FILE FORMAT IF NOT EXISTS STOCK_ASSETS_PARQUET TYPE = PARQUET;

CREATE STAGE IF NOT EXISTS STOCK_ASSETS_STAGE;
