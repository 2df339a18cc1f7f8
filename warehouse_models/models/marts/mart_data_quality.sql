select
    judged.trading_day,
    judged.symbol,
    judged.availability,
    judged.because,
    coalesce(expected.symbol is not null, false) as expected,
    judged.availability in ('available', 'corrected') as usable
from {{ ref('stg_availability') }} as judged
left join {{ ref('dim_stocks') }} as expected
    on judged.symbol = expected.symbol and judged.trading_day between expected.valid_from and expected.valid_to
