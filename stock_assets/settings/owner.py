"""names and texts -> the typed settings of one owner.

Belongs here: how a field is declared, and what is said of a value that cannot be read.
Does not belong here: which settings there are (one module for each owner), and the environment (``platform``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, JsonValue, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from stock_assets.domain.errors import PermanentError

SENTENCES = {
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "bool_parsing": "must be true or false",
    "literal_error": "must be {expected}",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "date_from_datetime_parsing": "must be a day as 2013-02-28",
    "date_from_datetime_inexact": "must be a day as 2013-02-28",
    "date_parsing": "must be a day as 2013-02-28",
}
"""What is said for each kind of error of pydantic; its own message for others."""


def setting(
    name: str,
    default: Any,
    about: str,
    *,
    shown: str | None = None,
    example: str | None = None,
    listed: bool = True,
    **rules: Any,
) -> Any:
    """A field that is read from the variable ``name``.

    Args:
        about: its row in the table of docs/settings.md.
        shown: what the table says of its default, where that depends on other settings.
        example: its value in ``.env.example``; the default when None.
        listed: False for what every program reads, such as PATH.
        rules: passed to ``pydantic.Field``, such as ``ge``.
    """
    extra: dict[str, JsonValue] = {"shown": shown, "example": example, "listed": listed}
    return Field(default, alias=name, description=about, json_schema_extra=extra, **rules)


def _split(text: Any) -> Any:
    return tuple(each.strip() for each in text.split(",") if each.strip()) if isinstance(text, str) else text


def _upper(text: Any) -> Any:
    return text.upper() if isinstance(text, str) else text


def _lower(text: Any) -> Any:
    return text.lower() if isinstance(text, str) else text


Upper = BeforeValidator(_upper)
Lower = BeforeValidator(_lower)
Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
"""Names separated by commas."""


class Owner(BaseSettings):
    """Settings of one owner. Names are the variables' own; unset and empty both mean the default."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", case_sensitive=True, validate_default=False)

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what ``of`` is given: ``platform`` has joined ``.env`` and the environment already."""
        return (init_settings,)

    @classmethod
    def variables(cls) -> dict[str, Any]:
        """The fields by the names of their variables."""
        return {field.alias: field for field in cls.model_fields.values() if field.alias}

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Self:
        """The settings that ``values`` describe.

        Raises:
            PermanentError: a value cannot be read; the text names the variable.
        """
        names = cls.variables()
        given = {name: text for name in names if (text := values.get(name, "").strip())}
        try:
            return cls.model_validate(given)
        except ValidationError as broken:
            raise PermanentError(_sentence(broken)) from None


def _sentence(broken: ValidationError) -> str:
    error = broken.errors()[0]
    name = str(error["loc"][0]) if error["loc"] else ""
    if error["type"] == "value_error":
        own = str(error["ctx"]["error"])
        return f"{name}{own if own.startswith(':') else f' {own}'}".strip()
    said = SENTENCES.get(error["type"])
    about = said.format(**error.get("ctx", {})) if said else error["msg"]
    return f"{name} {about}, not {error['input']!r}"
