select
    trading_day,
    symbol,
    start_time as start_time_utc,
    source,
    open as open_price,
    high as high_price,
    low as low_price,
    close as close_price,
    volume,
    minutes,
    currency
from {{ source('warehouse', 'stock_hourly_bars') }}
