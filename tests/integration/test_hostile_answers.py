"""What Baseten or a person with few rights writes cannot grow without bounds, nor speak in the log in the operator's name."""

from __future__ import annotations

import pytest

from .harness.case import Case
from .harness.stage import Stage, condition
from .harness.waiting import wait_until

MIB = 1024 * 1024
FORGED = "2026-01-01 00:00:00,000 ERROR   forged"
LONGEST = {"message": 2000, "event": 1024, "line": 4000}


@pytest.fixture(scope="module")
def stage(shared_stage: Stage) -> Stage:
    shared_stage.run_operator(CHAINENV_LOG_FORMAT="text")
    return shared_stage


def log(stage: Stage) -> list[str]:
    return stage.operators[0].log.splitlines()


def about(stage: Stage, case: Case) -> list[str]:
    return [line for line in log(stage) if f"/{case.name}: " in line]


def forged(stage: Stage, what: str = "") -> list[str]:
    return [line for line in log(stage) if line.startswith(f"{FORGED} {what}".strip())]


def check_bounds(case: Case) -> None:
    seen = case.see()
    assert max(len(each["message"]) for each in seen["status"]["conditions"]) <= LONGEST["message"]
    assert max((len(each["message"]) for each in case.events()), default=0) <= LONGEST["event"]
    assert max(map(len, about(case.stage, case))) <= LONGEST["line"]


@pytest.mark.parametrize("status", [400, 422, 500])
def test_a_message_of_a_mebibyte_is_cut_wherever_it_is_shown(stage: Stage, status: int) -> None:
    case = Case(stage, f"long-{status}").existing()
    case.fault("answer", method="PATCH", status=status, body={"code": "VALIDATION_ERROR", "message": "long " * (MIB // 5)})
    case.apply(promotionSettings={"rampUpDurationSeconds": 60})
    case.wait_for("it is told", lambda seen: "long long" in condition(seen, "Synced").get("message", ""))
    case.wait_event("Refused" if status < 500 else "Unavailable", "long long")
    check_bounds(case)


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\x1b[2K\r", "\u2028"], ids=ascii)
def test_a_refusal_cannot_write_a_line_of_its_own(stage: Stage, separator: str) -> None:
    case = Case(stage, f"said-{len(separator)}-{ord(separator[0])}").existing()
    case.fault("answer", method="PATCH", status=422, body={"message": f"refused{separator}{FORGED} refusal"})
    case.apply(promotionSettings={"rampUpDurationSeconds": 60})
    case.wait_for("it is told", lambda seen: "forged" in condition(seen, "Synced").get("message", ""))
    wait_until("it is in the log", lambda: any("forged" in line for line in about(stage, case)))
    assert not forged(stage, "refusal")


def test_a_deployment_status_cannot_write_a_line_of_its_own(stage: Stage) -> None:
    case = Case(stage, "odd-status").existing().apply()
    case.wait_settled()
    stage.simulator.set_deployment(case.current(), status=f"ODD\n{FORGED} status")
    case.wait_event("DeploymentStatusChanged", "ODD")
    assert not forged(stage, "status")


def test_a_deployment_status_of_a_mebibyte_does_not_stop_the_resource(stage: Stage) -> None:
    case = Case(stage, "huge-status").existing().apply()
    case.wait_settled()
    stage.simulator.set_deployment(case.current(), status="X" * MIB)
    case.wait_for("the answer is too long", lambda seen: condition(seen, "Synced")["reason"] == "Unavailable")
    stage.simulator.set_deployment(case.current(), status="ACTIVE")
    case.wait_settled()
    check_bounds(case)
