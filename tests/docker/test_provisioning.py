"""What ClickHouse and Grafana are started with: users, limits, data source, where dashboards lie."""

import subprocess
import sys
from xml.etree import ElementTree

import yaml

from tests.docker.files import DOCKER, read_mounts, read_services

SERVICES = read_services()
USERS = ElementTree.parse(DOCKER / "clickhouse" / "users.d" / "waybill.xml").getroot()  # noqa: S314 our own file
CONFIG = ElementTree.parse(DOCKER / "clickhouse" / "config.d" / "waybill.xml").getroot()  # noqa: S314
GRAFANA = DOCKER / "grafana" / "provisioning"


def grants(user: str) -> list[str | None]:
    """What a user may do."""
    return [query.text for query in USERS.iterfind(f"users/{user}/grants/query")]


def limits() -> dict[str, int]:
    """The settings of the reader's profile."""
    profile = USERS.find("profiles/reader")
    assert profile is not None
    return {setting.tag: int(setting.text or "") for setting in profile if setting.tag != "constraints"}


def test_there_are_two_users_with_passwords_from_the_environment_and_none_without() -> None:
    environment = SERVICES["clickhouse"]["environment"]
    users = USERS.find("users")
    assert users is not None
    assert [user.tag for user in users if "remove" not in user.attrib] == ["waybill", "reader"]
    assert [user.tag for user in users if "remove" in user.attrib] == ["default"]
    for user, secret in (("waybill", "CLICKHOUSE_PASSWORD"), ("reader", "READER_PASSWORD")):
        password = USERS.find(f"users/{user}/password")
        assert password is not None and password.text is None
        assert environment[password.attrib["from_env"]].startswith(f"${{{secret}:?")
    # The image makes users of its own when it finds these.
    assert not environment.keys() & {"CLICKHOUSE_USER", "CLICKHOUSE_PASSWORD", "CLICKHOUSE_DB"}
    assert environment["CLICKHOUSE_SKIP_USER_SETUP"] == "1"


def test_the_reader_reads_one_database_and_nothing_else() -> None:
    assert grants("reader") == ["GRANT SELECT ON waybill.*"]
    assert grants("waybill") == ["GRANT ALL ON waybill.*"]
    assert USERS.findtext("users/reader/profile") == "reader"
    assert limits()["readonly"] == 2


def test_no_query_of_the_reader_can_take_off_a_limit() -> None:
    for name, value in limits().items():
        if name == "readonly":
            continue  # ClickHouse lets nobody change it
        found = USERS.find(f"profiles/reader/constraints/{name}")
        assert found is not None, name
        if found.find("readonly") is None:
            assert (found.findtext("min"), found.findtext("max")) == ("1", str(value)), name  # 0 is no limit


def test_clickhouse_knows_the_settings_of_the_reader() -> None:
    settings = "".join(f"SET {name} = {value};" for name, value in limits().items())
    program = f"import chdb; from chdb.session import Session; print(Session().query('{settings} SELECT 42'), end='')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "42", done.stderr[-500:]


def test_backups_go_to_a_disk_that_is_allowed_and_kept() -> None:
    allowed = CONFIG.findtext("backups/allowed_disk")
    path = CONFIG.findtext(f"storage_configuration/disks/{allowed}/path") or ""
    [kept] = [mount.target for mount in read_mounts(SERVICES["clickhouse"]) if mount.is_volume]
    assert path.startswith(f"{kept}/")


def test_grafana_reads_the_store_as_the_reader_through_the_plugin_it_fetches() -> None:
    provisioned = yaml.safe_load((GRAFANA / "datasources" / "clickhouse.yaml").read_text(encoding="utf-8"))
    [source] = provisioned["datasources"]
    environment = SERVICES["grafana"]["environment"]
    assert provisioned["apiVersion"] == 1
    assert environment["GF_PLUGINS_PREINSTALL_SYNC"].split("@")[0] == source["type"]
    assert source["jsonData"]["host"] in SERVICES and source["jsonData"]["username"] == "reader"
    assert source["secureJsonData"]["password"].removeprefix("$") in environment
    assert int(source["jsonData"]["queryTimeout"]) <= limits()["max_execution_time"]


def test_grafana_finds_provisioning_and_dashboards_where_they_are_mounted() -> None:
    provisioned = yaml.safe_load((GRAFANA / "dashboards" / "waybill.yaml").read_text(encoding="utf-8"))
    [provider] = provisioned["providers"]
    mounted = {mount.target: mount.source for mount in read_mounts(SERVICES["grafana"])}
    assert provisioned["apiVersion"] == 1
    assert mounted[provider["options"]["path"]] == "../dashboards"
    assert mounted["/etc/grafana/provisioning"] == "./grafana/provisioning"
    assert not provider["allowUiUpdates"] and provider["disableDeletion"]
