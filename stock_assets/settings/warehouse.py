"""names and texts -> settings of the warehouse.

Belongs here: the Snowflake account, or that there is none and the embedded stand-in takes its place.
Does not belong here: connecting (``stock_assets.warehouse``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from stock_assets.settings.owner import Lower, Owner, setting

EMBEDDED = "embedded stand-in"


@dataclass(frozen=True)
class Snowflake:
    """Where the warehouse is: ``host`` set means the embedded stand-in, empty means Snowflake itself."""

    account: str
    user: str
    password: str = field(repr=False)
    host: str
    port: int
    protocol: str
    database: str
    schema: str
    warehouse: str
    role: str
    dbt_role: str = ""
    authenticator: str = ""
    key_path: str = ""
    key_passphrase: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    @property
    def target(self) -> str:
        """Where rows are loaded: account (with its host, where that is another), database and schema."""
        return f"{self.account}{'@' * bool(self.host)}{self.host}/{self.database}.{self.schema}".lower()


class WarehouseSettings(Owner):
    """The Snowflake account; without one, the embedded stand-in."""

    account: str = setting("SNOWFLAKE_ACCOUNT", "", "Snowflake account", shown=EMBEDDED, example="myorg-myaccount")
    user: str = setting("SNOWFLAKE_USER", "local", "its user", shown=EMBEDDED, example="LOADER")
    password: str = setting("SNOWFLAKE_PASSWORD", "local", "password", shown=EMBEDDED, example="", repr=False)
    private_key_path: str = setting(
        "SNOWFLAKE_PRIVATE_KEY_PATH", "", "file of the private key that signs in", shown="none"
    )
    private_key_passphrase: str = setting(
        "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE", "", "its passphrase", shown="none", repr=False
    )
    token: str = setting("SNOWFLAKE_TOKEN", "", "programmatic access token that signs in", shown="none", repr=False)
    authenticator: str = setting(
        "SNOWFLAKE_AUTHENTICATOR", "", "another authenticator of the connector", shown="by what is set"
    )
    host: str = setting("SNOWFLAKE_HOST", "", "another host than the account's own", shown="the account's")
    port: int | None = setting("SNOWFLAKE_PORT", None, "its port", shown="443; stand-in: `WAREHOUSE_PORT`", ge=1)
    protocol: Annotated[Literal["http", "https"] | None, Lower] = setting(
        "SNOWFLAKE_PROTOCOL", None, "its protocol", shown="`https`; stand-in: `http`"
    )
    database: str = setting("SNOWFLAKE_DATABASE", "STOCKMARKETBATCH", "database")
    schema_name: str = setting("SNOWFLAKE_SCHEMA", "PUBLIC", "schema")
    warehouse: str = setting("SNOWFLAKE_WAREHOUSE", "STOCK_ASSETS_XS", "warehouse that runs the queries")
    role: str = setting("SNOWFLAKE_ROLE", "", "role", shown="the user's default")
    dbt_role: str = setting(
        "SNOWFLAKE_DBT_ROLE", "", "role that builds the marts, granted to the same user", shown="`SNOWFLAKE_ROLE`",
        example="TRANSFORMER",
    )  # fmt: skip

    dbt: str = setting("DBT_EXECUTABLE", "", "dbt that builds the marts", shown="installed by `make marts`")

    def place(self, embedded_port: int) -> Snowflake:
        """Where to connect; ``embedded_port`` is that of the stand-in."""
        embedded = not self.account
        return Snowflake(
            account=self.account or "local",
            user=self.user,
            password=self.password,
            host=self.host or ("127.0.0.1" if embedded else ""),
            port=self.port or (embedded_port if embedded else 443),
            protocol=self.protocol or ("http" if embedded else "https"),
            database=self.database,
            schema=self.schema_name,
            warehouse=self.warehouse,
            role=self.role,
            dbt_role=self.dbt_role or self.role,
            authenticator=self.authenticator,
            key_path=self.private_key_path,
            key_passphrase=self.private_key_passphrase,
            token=self.token,
        )
