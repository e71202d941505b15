import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from chainenv.api import models, requests
from chainenv.core.environment import PromotionProgress
from chainenv.engine.observe import environment_of

OLD_SHAPE = b"""{
  "name": "staging", "created_at": "2023-11-07T05:31:56Z", "chain_id": "c1",
  "promotion_settings": {"redeploy_on_promotion": true, "rolling_deploy": true, "ramp_up_while_promoting": true,
    "ramp_up_duration_seconds": 600,
    "rolling_deploy_config": {"rolling_deploy_strategy": "REPLICA", "max_surge_percent": 20, "max_unavailable_percent": 0,
      "stabilization_time_seconds": 0, "promotion_cleanup_strategy": "SCALE_TO_ZERO"}},
  "chainlet_settings": [{"chainlet_name": "HelloWorld", "autoscaling_settings": null,
    "instance_type": {"id": "2x8", "name": "2x8", "memory_limit_mib": 8192, "millicpu_limit": 2000, "gpu_count": 0}}],
  "current_deployment": {"id": "d1", "created_at": "2023-11-07T05:31:56Z", "chain_id": "c1", "environment": "staging", "status": "DREAMING",
    "chainlets": [{"id": "x1", "name": "HelloWorld", "autoscaling_settings": {"min_replica": 1, "max_replica": 3},
      "instance_type_name": "2x8", "active_replica_count": 1, "status": "ACTIVE"}]}
}"""


def test_the_older_shape() -> None:
    environment = models.ENVIRONMENT.validate_json(OLD_SHAPE)
    promotion = environment.promotion_settings
    assert promotion.promotion_cleanup_strategy is None
    assert promotion.rolling_deploy_config is not None
    assert promotion.rolling_deploy_config.promotion_cleanup_strategy == "SCALE_TO_ZERO"
    assert environment.candidate_deployment is None
    assert environment.chainlet_settings[0].autoscaling_settings is None
    assert environment.created_at == datetime(2023, 11, 7, 5, 31, 56, tzinfo=UTC)
    assert environment.current_deployment is not None
    assert environment.current_deployment.status == "DREAMING"
    assert environment.current_deployment.chainlets[0].autoscaling_settings == models.AutoscalingSettingsV1(min_replica=1, max_replica=3)
    hash(environment)


@pytest.mark.parametrize(
    ("settings", "outer", "inner"),
    [
        ({"promotion_cleanup_strategy": "DEACTIVATE"}, "DEACTIVATE", None),
        (
            {"promotion_cleanup_strategy": "DEACTIVATE", "rolling_deploy_config": {"promotion_cleanup_strategy": "KEEP"}},
            "DEACTIVATE",
            "KEEP",
        ),
        ({"promotion_cleanup_strategy": None, "rolling_deploy_config": {"promotion_cleanup_strategy": "KEEP"}}, None, "KEEP"),
        ({"rolling_deploy_config": {}}, None, None),
        ({"rolling_deploy_config": None}, None, None),
        (None, None, None),
    ],
)
def test_the_cleanup_strategy_is_found_in_either_place(settings: Any, outer: str | None, inner: str | None) -> None:
    found = models.ENVIRONMENT.validate_python({"name": "n", "promotion_settings": settings}).promotion_settings
    assert found.promotion_cleanup_strategy == outer
    assert (found.rolling_deploy_config.promotion_cleanup_strategy if found.rolling_deploy_config else None) == inner


@pytest.mark.parametrize(
    ("adapter", "least"),
    [
        (models.ENVIRONMENT, {"name": "n"}),
        (models.DEPLOYMENT, {"id": "d"}),
        (models.DEPLOYMENT, {"id": "d", "chainlets": [{"id": "x", "name": "n"}]}),
        (models.CHAIN, {"id": "c"}),
        (models.INSTANCE_TYPES, {"instance_types": [{"id": "1x2"}]}),
        (models.PRICES, {"instance_types": [{"instance_type": {"id": "1x2"}}]}),
        (models.AUTOSCALING_UPDATED, {}),
        (models.INSTANCE_TYPES_UPDATED, {}),
        (models.DEACTIVATED, {}),
    ],
)
def test_the_least_that_must_be_there(adapter: TypeAdapter[Any], least: dict[str, Any]) -> None:
    """Nulls and unknown fields change nothing."""
    plain = adapter.validate_python(least)
    nulls = dict.fromkeys(plain.__slots__) | {"unknown": {"x": [1]}} | least
    assert adapter.validate_python(nulls) == plain
    for name in least:
        if name != "chainlets":
            with pytest.raises(ValidationError):
                adapter.validate_python({k: v for k, v in least.items() if k != name})


def test_how_far_a_promotion_is() -> None:
    reported = {"name": "n", "in_progress_promotion": {"status": "DREAMING", "percent_traffic_to_new_version": 30, "error_message": "no"}}
    assert models.ENVIRONMENT.validate_python(reported).in_progress_promotion == models.InProgressPromotionV1("DREAMING", 30, "no")
    assert models.ENVIRONMENT.validate_python({"name": "n"}).in_progress_promotion is None
    assert environment_of(models.ENVIRONMENT.validate_python(reported)).promotion_progress == PromotionProgress("DREAMING", 30, "no")
    assert environment_of(models.ENVIRONMENT.validate_python({"name": "n"})).promotion_progress is None


@pytest.mark.parametrize("value", [70.5, "much", 2**63, -(2**63) - 1, 10**400, [], {}, float("nan")])
def test_a_number_that_cannot_be_read_is_given_up_alone(value: Any) -> None:
    read = models.ENVIRONMENT.validate_python(
        {"name": "n", "chainlet_settings": [{"chainlet_name": "A", "autoscaling_settings": {"min_replica": 2, "max_replica": value}}]}
    )
    assert read.chainlet_settings[0].autoscaling_settings == models.AutoscalingSettingsV1(min_replica=2)


@pytest.mark.parametrize(("value", "number"), [("70", 70), (70.0, 70), (2**63 - 1, 2**63 - 1), (-(2**63), -(2**63))])
def test_a_number_written_in_another_way(value: Any, number: int) -> None:
    promotion = models.ENVIRONMENT.validate_python(
        {"name": "n", "promotion_settings": {"ramp_up_duration_seconds": value}}
    ).promotion_settings
    assert promotion.ramp_up_duration_seconds == number


@pytest.mark.parametrize("value", [None, 5, {}, []])
def test_a_chainlet_without_an_id_name_or_status(value: Any) -> None:
    read = models.DEPLOYMENT.validate_python({"id": "d", "status": value, "chainlets": [{"id": value, "name": "A"}, value]})
    assert read.status == "UNKNOWN"
    assert read.chainlets[0] == models.ChainletV1("", "A")


@pytest.mark.parametrize("value", [5, "d1", [], {}, {"status": "ACTIVE"}])
def test_a_deployment_that_cannot_be_read_is_still_one(value: Any) -> None:
    read = models.ENVIRONMENT.validate_python({"name": "n", "current_deployment": value, "candidate_deployment": value})
    assert read.current_deployment == read.candidate_deployment == models.ChainDeploymentV1("")


@pytest.mark.parametrize(
    ("value", "shown"),
    [("x" * 300, "x" * 256), ("A\nB\x00C\u2028D\u202eE", "A B C D E"), ("\u00e9 \u6f22", "\u00e9 \u6f22"), ("", "")],
)
def test_text_is_short_and_printable(value: str, shown: str) -> None:
    read = models.DEPLOYMENT.validate_json(json.dumps({"id": value, "status": value, "environment": value}))
    assert (read.id, read.status, read.environment) == (shown, shown, shown)


def test_a_list_is_cut() -> None:
    many = [{"id": str(i), "name": str(i)} for i in range(models.MAX_ITEMS + 1)]
    assert len(models.DEPLOYMENT.validate_python({"id": "d", "chainlets": many}).chainlets) == models.MAX_ITEMS


def test_a_chainlet_shown_twice_counts_once() -> None:
    twice = [{"chainlet_name": "A", "instance_type": {"id": "1x2"}}, {"chainlet_name": "B"}, {"chainlet_name": "A"}]
    shown = [{"id": "1", "name": "A"}, {"id": "2", "name": "A"}]
    environment = environment_of(
        models.ENVIRONMENT.validate_python({"name": "n", "chainlet_settings": twice, "current_deployment": {"id": "d", "chainlets": shown}})
    )
    assert [one.name for one in environment.chainlets] == ["A", "B"]
    assert environment.current is not None
    assert [one.id for one in environment.current.chainlets] == ["1"]


ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)


def places(value: Any) -> list[tuple[Any, Any]]:
    items = list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    return [(value, at) for at, _ in items] + [place for _, inner in items for place in places(inner)]


@given(st.data())
def test_no_single_value_makes_an_environment_unreadable(data: st.DataObject) -> None:
    document = json.loads(OLD_SHAPE)
    holder, at = data.draw(st.sampled_from(places(document)))
    holder[at] = data.draw(ANYTHING)
    read = environment_of(models.ENVIRONMENT.validate_python(document))
    assert read.current is not None or (at == "current_deployment" and document[at] is None)
    for deployment in read.deployments:
        assert len(deployment.status) <= models.MAX_TEXT
        assert deployment.status.isprintable()


@given(st.text() | st.integers() | st.none() | st.lists(st.integers()) | st.datetimes().map(str) | st.floats())
def test_a_date_never_breaks_a_read(value: Any) -> None:
    created_at = models.DEPLOYMENT.validate_python({"id": "d", "created_at": value}).created_at
    assert created_at is None or created_at.utcoffset() is not None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2023-11-07T05:31:56+02:00", datetime(2023, 11, 7, 3, 31, 56, tzinfo=UTC)),
        ("2023-11-07T05:31:56.123456789Z", datetime(2023, 11, 7, 5, 31, 56, 123456, tzinfo=UTC)),
        ("2023-11-07T05:31:56", datetime(2023, 11, 7, 5, 31, 56, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
    ],
)
def test_dates(text: str, moment: datetime | None) -> None:
    assert models.DEPLOYMENT.validate_python({"id": "d", "created_at": text}).created_at == moment


def test_only_what_is_given_is_sent() -> None:
    chainlet = requests.ChainletEnvironmentSettingsRequestV1(
        chainlet_name="A", autoscaling_settings=requests.UpdateAutoscalingSettingsV1(min_replica=0, scale_down_delay=None)
    )
    body = requests.CreateChainEnvironmentRequestV1(name="staging", chainlet_settings=(chainlet,))
    assert body.encoded() == (
        b'{"name":"staging","chainlet_settings":[{"chainlet_name":"A","autoscaling_settings":{"min_replica":0,"scale_down_delay":null}}]}'
    )
    assert requests.PromoteToChainEnvironmentRequestV1(deployment_id="d").encoded() == b'{"deployment_id":"d"}'


def test_a_batch_is_not_empty() -> None:
    with pytest.raises(ValidationError):
        requests.UpdateChainletEnvironmentInstanceTypeRequestV1(updates=())
