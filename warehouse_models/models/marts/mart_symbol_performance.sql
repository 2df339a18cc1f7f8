-- Returns on closes adjusted for splits and dividends. A return looks back to the same company, under whichever symbol it
-- traded then, and is null when that session has no close.
with closes as (
    select
        prices.symbol,
        prices.trading_day,
        coalesce(stocks.present_symbol, prices.symbol) as company,
        prices.adjusted_close,
        days.session_number,
        days.calendar_year
    from {{ ref('stg_adjusted_prices') }} as prices
    inner join {{ ref('dim_trading_day') }} as days on prices.trading_day = days.trading_day
    left join {{ ref('dim_stocks') }} as stocks
        on prices.symbol = stocks.symbol and prices.trading_day between stocks.valid_from and stocks.valid_to
    qualify row_number() over (
        partition by coalesce(stocks.present_symbol, prices.symbol), prices.trading_day
        order by case when stocks.symbol is null then 1 else 0 end, prices.symbol
    ) = 1
),

year_ends as (
    select company, calendar_year, adjusted_close
    from closes
    qualify row_number() over (partition by company, calendar_year order by trading_day desc) = 1
)

select
    today.symbol,
    today.trading_day,
    today.company as present_symbol,
    today.adjusted_close,
    {% for sessions in [1, 5, 21, 63, 252] %}
    cast(today.adjusted_close / nullif(before_{{ sessions }}.adjusted_close, 0) - 1 as number(18, 8)) as return_{{ sessions }},
    {% endfor %}
    cast(today.adjusted_close / nullif(year_ends.adjusted_close, 0) - 1 as number(18, 8)) as return_ytd,
    cast(
        today.adjusted_close / nullif(
            max(today.adjusted_close) over (
                partition by today.company order by today.trading_day rows unbounded preceding
            ), 0
        ) - 1 as number(18, 8)
    ) as drawdown
from closes as today
{% for sessions in [1, 5, 21, 63, 252] %}
left join closes as before_{{ sessions }}
    on today.company = before_{{ sessions }}.company
    and today.session_number - {{ sessions }} = before_{{ sessions }}.session_number
{% endfor %}
left join year_ends
    on today.company = year_ends.company and today.calendar_year - 1 = year_ends.calendar_year
