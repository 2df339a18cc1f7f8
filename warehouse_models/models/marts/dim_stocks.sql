select
    symbol,
    valid_from,
    valid_to,
    present_symbol,
    name,
    exchange,
    primary_market,
    sector,
    industry,
    currency,
    source,
    known_at_utc,
    renamed_known_at_utc
from {{ ref('stg_stocks') }}
