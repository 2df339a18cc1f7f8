select trading_day, open_time as open_time_utc, close_time as close_time_utc, half_day
from {{ source('warehouse', 'trading_calendar') }}
