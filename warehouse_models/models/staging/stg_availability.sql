select trading_day, symbol, availability, because
from {{ source('warehouse', 'stock_availability') }}
