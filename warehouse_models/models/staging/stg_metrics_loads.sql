-- The last load of each session of the metrics.
select trading_day, max(loaded_at) as loaded_at_utc
from {{ source('warehouse', 'load_audit') }}
where table_name = 'DAILY_STOCK_METRICS'
group by trading_day
