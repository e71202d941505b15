"""A plan for people: on a terminal, and as Markdown for a pull request. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..crd.enums import Operation
from ..crd.types import CostStatus, Drift, RolloutStatus
from .output import BAD, DOUBTFUL, FAINT, STRONG, Cell, Node
from .planned import AtTime, Call, Planned
from .text import harmless
from .view import moment


def nodes(plans: Sequence[Planned]) -> list[Node]:
    """What has nothing to show is one line."""
    return [Node([Cell(f"{each.namespace}/{each.name}", STRONG), each.where], list(_lines(each))) for each in plans]


def _lines(plan: Planned) -> Iterator[Node]:
    if plan.problem:
        yield Node([Cell(f"error: {plan.problem}", BAD)])
        return
    for number, call in enumerate(plan.calls, 1):
        head = Cell(f"{number}. {call.operation}{_starts(call)}", DOUBTFUL if call.starts_deployment else "")
        yield Node([head], _fields(call.changes))
    for each in plan.held:
        yield Node([Cell(gate_line(each), DOUBTFUL)], [Node([each.message])] if each.message else [])
    if plan.drift:
        yield Node(["not corrected"], _fields(plan.drift))
    for note in plan.notes:
        yield Node([Cell(f"note: {note}", DOUBTFUL)])
    if plan.clock:
        yield Node([clock_line(plan.clock)], [Node([path, value]) for path, value in plan.clock.values.items()])
    if plan.differs:
        yield Node([cost_line(plan)])
    elif not plan.drift and not plan.notes:
        yield Node([Cell("nothing to do", FAINT)])


def gate_line(held: RolloutStatus) -> str:
    plan = f", plan {held.plan}" if held.plan else ""
    opens = f", next window {moment(held.next_window)}" if held.next_window else ""
    return f"rollout waits for {held.waits_for}{plan}{opens}"


def clock_line(clock: AtTime) -> str:
    change = f"; next change {moment(clock.schedule.next_change)}" if clock.schedule.next_change else ""
    active = f"schedule {clock.schedule.active} is active" if clock.schedule.active else "no schedule is active"
    return f"at {moment(clock.at)} {active}{change}"


def _starts(call: Call) -> str:
    return " (starts a deployment)" if call.starts_deployment else ""


def _fields(changes: Sequence[Drift]) -> list[Node]:
    return [Node([each.path, each.actual, "->", each.desired]) for each in changes]


def cost_line(plan: Planned) -> str:
    """Of the replicas that run now, and from the fewest to the most before and after."""
    now = plan.cost.per_hour if plan.cost else "?"
    named = " (of the chainlets that the manifest names)" if any(each.operation == Operation.CREATE for each in plan.calls) else ""
    return f"cost: {now} USD an hour now; from fewest to most replicas {_span(plan.before)} before, {_span(plan.after)} after{named}"


def _span(cost: CostStatus | None) -> str:
    return f"{cost.min_per_hour or '?'}-{cost.max_per_hour or '?'}" if cost else "?-?"


def summary(plans: Sequence[Planned]) -> str:
    calls, starts = sum(len(each.calls) for each in plans), sum(each.starts for each in plans)
    failed = sum(each.problem is not None for each in plans)
    parts = [f"{len(plans)} environment{_s(len(plans))}", f"{calls} call{_s(calls)}", f"{starts} deployment{_s(starts)} started"]
    held = sum(len(each.held) for each in plans)
    parts += [f"{held} rollout{_s(held)} held back"] if held else []
    return ", ".join(parts) + (f", {failed} could not be planned" if failed else "")


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def markdown(plans: Sequence[Planned]) -> str:
    """What differs first, in a table for each environment; what is as declared in one line."""
    quiet = [each for each in plans if not (each.differs or each.drift or each.notes or each.problem)]
    parts = [f"### chainenv plan: {_md(summary(plans))}"]
    parts += [_section(each) for each in plans if each not in quiet]
    if quiet:
        parts.append("Nothing to do: " + ", ".join(_code(f"{each.namespace}/{each.name}") for each in quiet))
    return "\n\n".join(parts) + "\n"


def _section(plan: Planned) -> str:
    lines = [f"#### {_code(f'{plan.namespace}/{plan.name}')} ({_md(plan.where)})", ""]
    if plan.problem:
        return "\n".join([*lines, f"**error**: {_md(plan.problem)}"])
    for number, call in enumerate(plan.calls, 1):
        lines += [f"{number}. **{_md(call.operation)}**{_starts(call)}", ""]
        lines += [*_table(call.changes), ""]
    for each in plan.held:
        lines += [f"> **{_md(gate_line(each))}**: {_md(each.message or '')}", ""]
    if plan.drift:
        lines += ["Not corrected:", "", *_table(plan.drift), ""]
    lines += [f"> {_md(note)}" for note in plan.notes]
    if plan.clock:
        lines += ["", _md(clock_line(plan.clock)), ""]
        lines += [f"- {_code(path)}: {_code(value)}" for path, value in plan.clock.values.items()]
    if plan.differs:
        lines += ["", _md(cost_line(plan))]
    return "\n".join(lines).rstrip()


def _table(changes: Sequence[Drift]) -> list[str]:
    rows = [f"| {_code(each.path)} | {_code(each.actual)} | {_code(each.desired)} |" for each in changes]
    return ["| field | now | then |", "|---|---|---|", *rows] if rows else []


def _md(text: str) -> str:
    """As text: nothing in it is markup, a mention or a link."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>#|!~" else c for c in harmless(text)).replace("@", "@\u200b")


def _code(text: str) -> str:
    return "`" + harmless(text).replace("`", "'").replace("|", "\\|") + "`"
