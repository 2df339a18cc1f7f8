{{ config(meta={'dagster': {'ref': {'name': 'mart_data_quality'}}}) }}
-- A symbol that was judged once is judged in every later session within its span of days.
with first_judged as (
    select symbol, min(trading_day) as trading_day from {{ ref('mart_data_quality') }} where expected group by symbol
)

select days.trading_day, first_judged.symbol
from (select distinct trading_day from {{ ref('mart_data_quality') }}) as days
inner join first_judged on days.trading_day >= first_judged.trading_day
inner join {{ ref('dim_stocks') }} as expected
    on first_judged.symbol = expected.symbol and days.trading_day between expected.valid_from and expected.valid_to
left join {{ ref('mart_data_quality') }} as judged
    on days.trading_day = judged.trading_day and expected.symbol = judged.symbol
where judged.symbol is null
