{{ config(meta={'dagster': {'ref': {'name': 'dim_stocks'}}}) }}
select former.symbol, former.valid_from, later.valid_from as later_valid_from
from {{ ref('dim_stocks') }} as former
inner join {{ ref('dim_stocks') }} as later
    on former.symbol = later.symbol
    and former.valid_from < later.valid_from
    and former.valid_to >= later.valid_from
