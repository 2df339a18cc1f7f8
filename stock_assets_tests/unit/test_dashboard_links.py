"""What a link to a page leads to."""

from stock_assets.dashboard.symbol_numbers import held_name


def test_a_link_finds_a_symbol_by_another_name_of_its_company_and_in_small_letters() -> None:
    assert held_name("META", ["AAPL", "FB"], None) == held_name("fb", ["AAPL", "FB"], None) == "FB"
    assert held_name("FB", ["FB", "META"], None) == "FB"
    assert held_name("ZZZ", ["AAPL"], None) is held_name("<img src=x>", ["AAPL"], None) is None
