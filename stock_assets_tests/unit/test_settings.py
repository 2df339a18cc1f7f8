"""What settings mean, and what is said of those that cannot be."""

import re
from pathlib import Path

import pytest

from stock_assets.domain.errors import PermanentError
from stock_assets.settings.env_file import read_env_file
from stock_assets.settings.misspelled import misspelled
from stock_assets.settings.platform import OWNERS, Settings
from stock_assets.settings.process import environment, loopback_environment
from stock_assets.topic.topics import TICKS, at, topics_of
from stock_assets_tests.checkout import PROJECT


def home(folder: Path, **values: str) -> Settings:
    return Settings({"STOCK_ASSETS_HOME": str(folder), **values})


def test_a_home_that_delta_would_misread_keeps_its_data_elsewhere_and_such_a_lake_is_refused() -> None:
    local_dir = Settings({"STOCK_ASSETS_HOME": "/srv/feature%2Fx"}).local_dir
    assert "%" not in str(local_dir) and local_dir.name.startswith("feature_2Fx-")
    assert local_dir != Settings({"STOCK_ASSETS_HOME": "/opt/feature%2Fx"}).local_dir
    with pytest.raises(PermanentError, match="LAKE_ROOT must have no % in its name.*: /srv/50%25$"):
        _ = Settings({"LAKE_ROOT": "/srv/50%25"}).lake_root


def test_names_that_other_programs_read_resemble_nothing() -> None:
    assert not misspelled(["DBT_SNOWFLAKE_SCHEMA", "DBT_SNOWFLAKE_AUTHENTICATOR"])
    assert not misspelled(["HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY", "https_proxy", "NO_PROXY"])


def test_a_folder_of_the_lake_is_the_same_for_everybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "ann"))
    assert home(tmp_path).lake_root == str(tmp_path / ".local" / "lake")
    assert home(tmp_path, LAKE_ROOT="lake-here").lake_root == str(tmp_path / "lake-here")
    assert home(tmp_path, LAKE_ROOT="~/lake").lake_root == str(tmp_path / "ann" / "lake")
    assert home(tmp_path, LAKE_ROOT="/data/lake").lake_root == "/data/lake"


@pytest.mark.parametrize("root", ["s3a://bucket/lake", "S3://bucket/lake", "S3A://bucket/lake", "s3://bucket/lake"])
def test_spark_s_name_of_s3_is_s3(root: str) -> None:
    settings = Settings({"LAKE_ROOT": root})
    assert settings.lake_root == "s3://bucket/lake" and settings.lake_on_s3


@pytest.mark.parametrize("root", ["gs://bucket/lake", "file:///tmp/lake", "abfss://c@account/lake", "hdfs://host/lake"])
def test_other_schemes_are_refused(root: str) -> None:
    with pytest.raises(PermanentError, match=f"^LAKE_ROOT must be a folder or s3://bucket/prefix, not '{root}'$"):
        _ = Settings({"LAKE_ROOT": root}).lake_root


def test_s3_without_a_bucket_is_refused() -> None:
    with pytest.raises(PermanentError, match="^LAKE_ROOT names no bucket"):
        _ = Settings({"LAKE_ROOT": "s3:///"}).lake_root


@pytest.mark.parametrize(
    ("owner", "name", "text", "said"),
    [
        ("dagster", "FIRST_SESSION", "2013-02-30", "must be a day as 2013-02-28, not '2013-02-30'"),
        ("dagster", "AUTOMATIC", "perhaps", "must be true or false, not 'perhaps'"),
        ("local", "KAFKA_PORT", "many", "must be a whole number, not 'many'"),
        ("local", "SPARK_PORT", "70000", "must be 65534 or less, not '70000'"),
        ("landing", "LANDING_MAX_MB", "0", "must be above 0.0, not '0'"),
        ("lake", "VACUUM_KEEP_DAYS", "1", "must be 7 or more, not '1'"),
        (
            "kafka",
            "KAFKA_SECURITY_PROTOCOL",
            "tls",
            "must be 'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or 'SASL_SSL', not 'TLS'",
        ),
        ("vendors", "HISTORY_SOURCES", "yahoo,bloomberg", ": bloomberg is neither yahoo nor alpha_vantage"),
    ],
)
def test_a_value_that_cannot_be_is_one_sentence(owner: str, name: str, text: str, said: str) -> None:
    with pytest.raises(PermanentError) as refused:
        getattr(Settings({name: text}), owner)
    assert str(refused.value).removeprefix(name).strip() == said.strip()


def test_a_wrong_value_of_one_owner_leaves_the_others_alone() -> None:
    settings = Settings({"RECONCILE_CLOSE_BPS": "x", "KAFKA_PORT": "9192"})
    assert settings.local.kafka_port == 9192
    with pytest.raises(PermanentError):
        _ = settings.quality


def test_names_that_resemble_a_setting_are_found_and_those_of_others_are_not() -> None:
    assert misspelled(
        ["SNOWFLAKE_ACOUNT", "KAFKA_BOOTSTRAP_SERVER", "SPARK_HOME", "PATH", "KAFKA_HOME", "LAKE_ROOT"]
    ) == {
        "SNOWFLAKE_ACOUNT": "SNOWFLAKE_ACCOUNT",
        "KAFKA_BOOTSTRAP_SERVER": "KAFKA_BOOTSTRAP_SERVERS",
    }


def test_loopback_is_never_reached_through_a_proxy() -> None:
    added = "127.0.0.1,localhost,::1"
    assert loopback_environment(Settings({})) == {"NO_PROXY": added, "no_proxy": added}
    kept = environment(Settings({"no_proxy": ".corp, localhost"}))
    assert kept["NO_PROXY"] == kept["no_proxy"] == ".corp,localhost,127.0.0.1,::1"
    assert loopback_environment(Settings({"NO_PROXY": "*"})) == {}


def test_topics_are_called_as_the_settings_say() -> None:
    settings = Settings({"KAFKA_TICKS_TOPIC": "prod.ticks"})
    assert [topic.name for topic in topics_of(settings.broker).values()] == [
        "stock-market-actions",
        "stock-market-batch",
        "prod.ticks",
    ]
    assert at(settings.broker, TICKS).name == "prod.ticks" and at(Settings({}).broker, TICKS) == TICKS


def test_secrets_are_shown_nowhere() -> None:
    secrets = ("SNOWFLAKE_PASSWORD", "AWS_SECRET_ACCESS_KEY", "KAFKA_SASL_PASSWORD", "ALPHA_VANTAGE_API_KEY")
    settings = Settings({name: "hunter2" for name in secrets})
    for shown in (settings, settings.warehouse, settings.lake, settings.kafka, settings.vendors, settings.snowflake):
        assert "hunter2" not in repr(shown)


@pytest.mark.parametrize("profile", ["development", "production"])
def test_profiles_hold_settings_that_exist_and_no_secret(profile: str, tmp_path: Path) -> None:
    values = read_env_file(PROJECT / "config" / f"{profile}.env", {})
    known = {name for owner in OWNERS.values() for name in owner.variables()}
    assert values and values.keys() <= known
    assert not [name for name in values if re.search("PASSWORD|SECRET|KEY", name)]
    settings = home(tmp_path, **values)
    for owner in OWNERS:
        assert getattr(settings, owner)
    assert settings.embedded_kafka == settings.embedded_spark == (profile == "development")
