"""a visit -> a page: the script that Streamlit runs for each.

Belongs here: nothing but the call, so that all modules are imported once and not run again for each visit.
"""

from stock_assets.dashboard.navigation import show

show()
