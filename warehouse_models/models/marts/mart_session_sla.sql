select
    trading_day,
    close_time_utc,
    first_complete_at_utc,
    minutes_to_complete,
    verdict
from {{ ref('stg_session_completion') }}
