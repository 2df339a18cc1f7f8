"""a choice -> a control whose value the address keeps.

Belongs here: joining a control and a parameter of the address, so that a link shows what its sender saw.
Does not belong here: what there is to choose (the pages).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from stock_assets.dashboard import marks


def one_of(
    name: str,
    label: str,
    options: Sequence[str],
    otherwise: str,
    shown: Mapping[str, str] | None = None,
    flat: bool = False,
) -> str:
    """The option that was chosen, by the control or by the address's parameter ``name``.

    Args:
        otherwise: what counts when neither says anything.
        shown: what options are called, which must not come from data: some controls take it for Markdown.
        flat: whether all options are seen at once; of few, none of which comes from data.
    """
    asked = st.query_params.get(name)
    key = f"choice {name}"
    if asked is not None and asked != st.session_state.get(f"{key} told"):
        if asked in options:
            st.session_state[key] = asked
        else:
            marks.say(f"There is no {label.lower()} {asked}; this is {st.session_state.get(key, otherwise)}.")
    if st.session_state.get(key) not in options:
        st.session_state[key] = otherwise
    called = shown or {}
    if flat:
        chosen = st.segmented_control(
            label, options, key=key, format_func=lambda each: called.get(each, each), required=True
        )
    else:
        chosen = st.selectbox(label, options, key=key)
    value = otherwise if chosen is None or chosen not in options else chosen
    st.query_params[name] = value
    st.session_state[f"{key} told"] = value
    return value
