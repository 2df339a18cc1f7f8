select
    trading_day,
    close_time as close_time_utc,
    first_complete_at as first_complete_at_utc,
    minutes_to_complete,
    verdict
from {{ source('warehouse', 'session_completion') }}
