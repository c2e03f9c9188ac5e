"""`metrics` and `report`: what was stored, written to files."""

from __future__ import annotations

from mlops_desk.cli.call import Call
from mlops_desk.cli.workspaces import opened, warn_of_runs
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.overview import Period


def metrics(call: Call) -> int:
    """Writes the results table."""
    arguments = call.arguments
    rows = opened(arguments).write_metrics(arguments.output, model=arguments.model, excel=arguments.excel)
    call.terminal.line(f"{arguments.output}: {rows:,} rows")
    return 0


def report(call: Call) -> int:
    """Writes a report."""
    arguments = call.arguments
    start, end = arguments.start, arguments.end
    if start is not None and end is not None and start.replace(tzinfo=None) >= end.replace(tzinfo=None):
        raise UserError(f"--to must be later than --from ({start.isoformat()}), not {end.isoformat()}")
    period = Period(start=start, end=end)
    workspace = opened(arguments)
    troubles = workspace.write_report(
        arguments.output,
        model=arguments.model,
        period=period,
        now=arguments.as_of,
        role=arguments.role,
        language=arguments.lang,
    )
    warn_of_runs(call.terminal, workspace)
    for trouble in troubles:
        call.terminal.warning(trouble)
    call.terminal.line(f"{arguments.output}: written")
    return 0
