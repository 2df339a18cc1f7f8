"""warehouse tables -> marts, as Dagster assets.

Belongs here: the assets of what marts need beside the metrics, the dbt models and their tests, and when they are built.
Does not belong here: the models (``warehouse_models``), loading (``warehouse.for_marts``), installing dbt (``local.dbt``).

None of them is partitioned. Dagster's own automation asks for them: the loads when anything above them changed, the models in
the same run. Which sessions of a model are rebuilt, it finds out itself, in LOAD_AUDIT.
"""

import functools
import operator
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, dbt_assets

from stock_assets.defs.built_assets import AVAILABILITY_KEY, MINUTE_BARS_KEY, WAREHOUSE_KEY
from stock_assets.defs.failures import RETRIES, tells_failures
from stock_assets.defs.metadata import OWNERS, column_lineage, definition_metadata, with_origins
from stock_assets.defs.raw_assets import RAW_KEYS
from stock_assets.defs.reference_assets import STOCKS_KEY
from stock_assets.defs.resources import Lake, Warehouse
from stock_assets.domain.errors import PermanentError, ServiceUnavailable
from stock_assets.settings.platform import Settings
from stock_assets.warehouse.models import PROJECT, check_manifest, column_origins, manifest
from stock_assets.warehouse.set_up import TABLES

if TYPE_CHECKING:
    from dagster_dbt.core.dbt_cli_invocation import DbtCliInvocation

RUN_RESULTS: Final = "run_results.json"
LOADED: Mapping[str, tuple[list[dg.AssetKey], str]] = {
    "stock_actions": ([RAW_KEYS["actions"]], "Splits and dividends that count."),
    "stock_availability": ([AVAILABILITY_KEY], "How far each symbol's session can be trusted."),
    "stock_hourly_bars": ([MINUTE_BARS_KEY], "Hourly bars, counted from the session's open."),
    "trading_calendar": ([], "Sessions of the exchange."),
    "stocks": ([STOCKS_KEY], "Names, sectors and spans of days of the universe's symbols."),
    "session_completion": ([AVAILABILITY_KEY], "When each session's data was complete first, and whether in time."),
    "load_audit": ([WAREHOUSE_KEY], "What each load did to each of its sessions."),
    "stock_daily_adjusted": (
        [WAREHOUSE_KEY, dg.AssetKey(["warehouse", "stock_actions"]), dg.AssetKey(["warehouse", "stocks"])],
        "View: prices in the basis of today, adjusted for splits, and closes for dividends, too.",
    ),
}
"""Tables that are loaded for the marts, and a view of them: what is above each, and what it is."""
LOADED_KEYS = [dg.AssetKey(["warehouse", name]) for name in LOADED]

ABOVE = list(dict.fromkeys(key for deps, _ in LOADED.values() for key in deps if key not in LOADED_KEYS))


def any_of(keys: Sequence[dg.AssetKey], condition: dg.AutomationCondition[Any]) -> dg.AutomationCondition[Any]:
    """True when the condition holds for any of the assets."""
    return functools.reduce(operator.or_, (dg.AutomationCondition.asset_matches(key, condition) for key in keys))


WHEN_ANYTHING_CHANGED = (
    any_of(ABOVE, dg.AutomationCondition.newly_updated()).since(dg.AutomationCondition.newly_requested())
    & ~dg.AutomationCondition.in_progress()
    & ~any_of(ABOVE, dg.AutomationCondition.in_progress())
)
"""Of all loads alike, as one step makes them. Loses no change: what happens during a run counts once that has ended.

Nor while a build writes what they read: dimensions would be older than facts, and all of it would be built again.
"""
WITH_THE_LOADS = any_of(LOADED_KEYS, dg.AutomationCondition.will_be_requested())
MARTS_SENSOR: Final = "marts_sensor"
INTERVAL_S = 15
KEPT = ("partial_parse.msgpack", RUN_RESULTS)
"""What of a run stays in dbt's folder: the next one starts quickly with the one, the other tells how it went."""
AWAY = ("250001", "could not connect", "connection refused", "timed out", "is not reachable", "remote end closed")


def loaded_for_marts(settings: Settings) -> dg.AssetsDefinition:
    """What marts need beside the metrics, loaded in one step."""
    specs = [
        dg.AssetSpec(
            dg.AssetKey(["warehouse", name]),
            deps=deps,
            description=text,
            group_name="warehouse",
            kinds={"snowflake"},
            owners=OWNERS,
            automation_condition=WHEN_ANYTHING_CHANGED,
            metadata=_columns_of(name),
        )
        for name, (deps, text) in LOADED.items()
    ]

    @dg.multi_asset(name="load_for_marts", specs=specs, retry_policy=RETRIES, pool="marts")
    @tells_failures
    def load_for_marts(context: dg.AssetExecutionContext, lake: Lake, warehouse: Warehouse) -> Iterator[Any]:
        from stock_assets.warehouse.audit import Origin
        from stock_assets.warehouse.for_marts import load_for_marts
        from stock_assets.warehouse.set_up import set_up

        with warehouse.connect({"run": context.run.run_id, "asset": "load_for_marts"}) as connection:
            set_up(connection, settings.snowflake)
            changed = load_for_marts(
                connection,
                lake.root,
                settings.universe,
                settings.market.bar_sources,
                settings.dagster.first_session,
                Origin(context.run.run_id, None),
            )
        context.log.info(", ".join(f"{name}: {rows} rows changed" for name, rows in changed.items()))
        for name in LOADED:
            rows = {"changed_rows": changed[name.upper()]} if name.upper() in changed else {}
            yield dg.MaterializeResult(asset_key=["warehouse", name], metadata=rows)

    return load_for_marts


class Translator(DagsterDbtTranslator):
    """Models are assets of the group ``marts``, below the tables they read."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        if dbt_resource_props["resource_type"] == "model":
            return dg.AssetKey(["marts", dbt_resource_props["name"]])
        return super().get_asset_key(dbt_resource_props)

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        return "marts"

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> Sequence[str]:
        return OWNERS

    def get_metadata(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, Any]:
        return _columns(dbt_resource_props)

    def get_automation_condition(self, dbt_resource_props: Mapping[str, Any]) -> dg.AutomationCondition[Any]:
        return WITH_THE_LOADS


def _columns_of(name: str) -> Mapping[str, Any]:
    """Columns of a table that is loaded, or of the view of them."""
    if name.upper() in TABLES:
        return definition_metadata(TABLES[name.upper()], f"warehouse/{name}")
    return _columns(next(source for source in manifest()["sources"].values() if source["name"] == name))


def _columns(relation: Mapping[str, Any]) -> Mapping[str, Any]:
    """Columns of a model or source of the manifest."""
    origins = column_origins(relation)
    columns = [
        dg.TableColumn(name, column.get("data_type") or "", with_origins(column["description"], origins[name]))
        for name, column in relation["columns"].items()
    ]
    return {"dagster/column_schema": dg.TableSchema(columns), **column_lineage(origins)}


def marts(settings: Settings) -> list[dg.AssetsDefinition]:
    """The loads for the marts, and the models of the stored manifest with their tests."""

    @dbt_assets(
        manifest=dict(manifest()), name="marts", dagster_dbt_translator=Translator(), retry_policy=RETRIES, pool="marts"
    )
    @tells_failures
    def models(context: dg.AssetExecutionContext) -> Iterator[Any]:
        from stock_assets.local.dbt import install, parse
        from stock_assets.settings.process import dbt_variables

        check_manifest()
        now = settings.now()
        program = install(now, context.log.info)
        folder = now.local_dir / "dbt" / "target"  # where dagster-dbt looks for what dbt parsed: DBT_TARGET_PATH
        if not (folder / "partial_parse.msgpack").is_file():
            parse(now, folder)
        dbt = DbtCliResource(project_dir=str(PROJECT), profiles_dir=str(PROJECT), dbt_executable=str(program))
        target = now.local_dir / "dbt" / "runs" / context.run.run_id
        with dbt_variables(now):
            # the models' unit tests are about their code, not about these rows: this project's tests run them
            command = ["build", "--exclude-resource-type", "unit_test"]
            invocation = dbt.cli(command, context=context, target_path=target)
        try:
            yield from invocation.stream()
        except Exception as broken:
            said = failure_of(invocation)
            if said is None:
                raise
            raise said from broken
        finally:
            for name in KEPT:
                if (target / name).is_file():
                    (target / name).replace(folder / name)
            shutil.rmtree(target, ignore_errors=True)

    return [loaded_for_marts(settings), models]


def marts_sensor(settings: Settings, status: dg.DefaultSensorStatus) -> dg.AutomationConditionSensorDefinition:
    """Has loads, models and the tables for BI tools follow what they read.

    The models once dbt is there (`make marts`), those tables unless SERVING is off; stopped when there is neither.
    """
    from stock_assets.local.dbt import program

    with_models = program(settings).is_file()
    groups = ["marts"] * with_models + ["serving"] * settings.serving.on
    return dg.AutomationConditionSensorDefinition(
        MARTS_SENSOR,
        target=dg.AssetSelection.assets(*LOADED_KEYS) | dg.AssetSelection.groups(*groups),
        minimum_interval_seconds=INTERVAL_S,
        default_status=status if groups else dg.DefaultSensorStatus.STOPPED,
        description="Loads what marts and BI tools need, and builds them, after a table that they read was changed.",
    )


def failure_of(invocation: "DbtCliInvocation") -> PermanentError | ServiceUnavailable | None:
    """What failed, in a sentence: which model or test, and dbt's words; None when dbt left no results."""
    try:
        results = invocation.get_artifact(RUN_RESULTS)["results"]
    except FileNotFoundError:
        return None
    broken = [each for each in results if each["status"] in ("error", "fail", "runtime error")]
    if not broken:
        return None
    name = broken[0]["unique_id"].split(".", 2)[-1]
    words = " ".join(str(broken[0]["message"]).split())[:400]
    others = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
    if any(sign in words.lower() for sign in AWAY):
        return ServiceUnavailable(f"The warehouse went away while dbt built {name}: {words}")
    return PermanentError(f"dbt: {name} {broken[0]['status']}: {words}{others}")
