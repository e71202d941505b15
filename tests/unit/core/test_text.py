"""How paths, values and lists read in messages."""

from __future__ import annotations

from chainenv.core.text import camel, listed, names, shown
from chainenv.crd.types import Drift

from .helpers import Case, table


def drifts(count: int) -> tuple[Drift, ...]:
    return tuple(Drift(path=f"p{i}", desired="1", actual="2") for i in range(count))


@table(
    Case("none", "nothing to report", 0, ""),
    Case("one", "path, what is, what is wanted", 1, "p0 is 2, wanted 1"),
    Case("five", "all are reported", 5, "; ".join(f"p{i} is 2, wanted 1" for i in range(5))),
    Case("six", "a longer list ends in dots", 6, "; ".join(f"p{i} is 2, wanted 1" for i in range(5)) + "; ..."),
)
def test_listed(case: Case) -> None:
    assert listed(drifts(case.given)) == case.expected, case.why


@table(
    Case("none", "no names", 0, ""),
    Case("ten", "all", 10, ", ".join(str(i) for i in range(10))),
    Case("twelve", "the rest is counted", 12, ", ".join(str(i) for i in range(10)) + " and 2 more"),
)
def test_names(case: Case) -> None:
    assert names(str(i) for i in range(case.given)) == case.expected, case.why


@table(
    Case("none", "Baseten shows no value", None, "unset"),
    Case("true", "as YAML writes it", True, "true"),
    Case("false", "as YAML writes it", False, "false"),
    Case("zero", "a number", 0, "0"),
    Case("text", "as it is", "KEEP", "KEEP"),
)
def test_shown(case: Case) -> None:
    assert shown(case.given) == case.expected, case.why


@table(
    Case("plain", "camelCase", "min_replica", "minReplica"),
    Case("path", "every part", "rolling_deploy_config.max_surge_percent", "rollingDeployConfig.maxSurgePercent"),
    Case("initialism", "kept whole (Kubernetes API conventions)", "instance_type_id", "instanceTypeID"),
    Case("unit", "MiB is written so", "memory_limit_mib", "memoryLimitMiB"),
)
def test_camel(case: Case) -> None:
    assert camel(case.given) == case.expected, case.why
