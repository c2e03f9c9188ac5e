"""What may be typed after `mlops-desk`: commands, their arguments and their help."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

from mlops_desk import __version__
from mlops_desk.cli.terminal import PROGRAM, Terminal

EXIT_CODES = """\
exit codes:
  0    done; a file that was left out or a metric that was not tested is a warning on stderr
  1    alerts at or above --fail-on
  2    wrong usage or configuration, or a model asked for of which nothing can be judged: stderr names it, the others are judged
  3    a retraining run failed
  4    another process is writing the workspace and did not finish within 10 s
  70   a defect of the program; the line on stderr names the file with the details
  130  interrupted

W is a workspace: the folder that holds desk.toml, or that file itself.
"""
USAGE = 2
SELF_TEST = "--self-test"


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line that names the way out."""

    def error(self, message: str) -> NoReturn:
        Terminal().error(f"{message}; `{self.prog} --help` shows how it is called")
        sys.exit(USAGE)


def parsed(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments of a command line; raises SystemExit after telling what is wrong with it, or after help and version."""
    parser, commands = whole_parser()
    if not argv:
        parser.print_help(sys.stderr)
        sys.exit(USAGE)
    if SELF_TEST in argv:
        if len(argv) > 1:
            parser.error(f"{SELF_TEST} stands alone")
        return argparse.Namespace(command="self_test")
    _refuse_unknown(parser, argv[0], list(commands.choices))
    return parser.parse_args(argv)


def _refuse_unknown(parser: argparse.ArgumentParser, word: str, commands: Sequence[str]) -> None:
    """Tells the nearest command in place of one that does not exist."""
    if word.startswith("-") or word in commands:
        return
    near = get_close_matches(word, commands, n=2, cutoff=0.5)
    parser.error(f"there is no command {word!r}" + (f", did you mean {' or '.join(near)}?" if near else ""))


def whole_parser() -> tuple[Parser, argparse._SubParsersAction[Parser]]:
    """The parser of the whole command line, and its commands by name."""
    parser = Parser(
        prog=PROGRAM,
        allow_abbrev=False,
        description="Watch machine-learning models in production: drift, accuracy and fairness, alerts, retraining.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    parser.add_argument(
        SELF_TEST, action="store_true", help="check this installation from end to end on the sample; takes a minute"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    _add_beginning(commands)
    _add_evaluation(commands)
    _add_alerts(commands)
    _add_explain(commands)
    _add_outputs(commands)
    _add_retraining(commands)
    _add_window(commands)
    _add_help(commands)
    return parser, commands


def _add(commands: argparse._SubParsersAction[Parser], name: str, text: str, *, workspace: bool = True) -> Parser:
    command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False)
    if workspace:
        command.add_argument("workspace", metavar="W", type=Path, help="workspace: its folder or its desk.toml")
    return command


def _json(command: argparse._ActionsContainer) -> None:
    command.add_argument("--json", action="store_true", help="write JSON for a script to read")


def _model(command: Parser, text: str = "only this model") -> None:
    command.add_argument("--model", metavar="M", help=text)


def _add_beginning(commands: argparse._SubParsersAction[Parser]) -> None:
    demo = _add(commands, "demo", "evaluate the sample workspace, report on it and open the desktop", workspace=False)
    demo.add_argument(
        "--dir", metavar="D", type=Path, help="folder of the sample workspace (default: one in your user data)"
    )
    demo.add_argument("--no-gui", action="store_true", help="do not open the desktop")
    init = _add(
        commands, "init", "write a desk.toml for prediction logs, and say why it reads as it does", workspace=False
    )
    init.add_argument("folder", metavar="DIR", type=Path, help="folder of the new workspace")
    for name, text in (("logs", "prediction logs"), ("reference", "rows to compare with"), ("labels", "late labels")):
        init.add_argument(
            f"--{name}",
            metavar="P",
            nargs="+",
            required=name == "logs",
            help=f"{text}: Parquet files, folders or patterns",
        )
    init.add_argument("--task", choices=("binary", "multiclass", "regression"), help="what the model predicts")
    check = _add(commands, "check", "read the configuration and the files without evaluating")
    _model(check)
    _json(check)


def _add_evaluation(commands: argparse._SubParsersAction[Parser]) -> None:
    run = _add(commands, "run", "evaluate what is new")
    run.epilog = "Exits with 2 where any model asked for cannot be judged: stderr names it, and the others are judged and stored."
    _model(run)
    run.add_argument("--full", action="store_true", help="evaluate everything anew")
    run.add_argument(
        "--fail-on",
        choices=("alert", "warning", "never"),
        default="never",
        help="exit with 1 where one of these is open; silenced ones do not count (default: never)",
    )
    spoken = run.add_mutually_exclusive_group()
    _json(spoken)
    spoken.add_argument(
        "--annotations",
        choices=("github",),
        help="also write open alerts as lines that mark a run of GitHub Actions (::error …, ::warning …)",
    )
    watch = _add(commands, "watch", "evaluate whenever files change, until Ctrl-C")
    watch.add_argument("--once", action="store_true", help="look once, evaluate what is new, and end")
    watch.add_argument(
        "--every",
        metavar="T",
        type=_checked("duration"),
        default=2.0,
        help="how often to look, such as 2s or 5m (default: 2s)",
    )


def _add_alerts(commands: argparse._SubParsersAction[Parser]) -> None:
    alerts = _add(commands, "alerts", "list the open alerts")
    _model(alerts)
    alerts.add_argument("--all", action="store_true", help="list resolved alerts too")
    alerts.add_argument(
        "--events", metavar="ALERT", type=_checked("number"), help="list what became of one alert, and who did it"
    )
    _json(alerts)
    ack = _add(commands, "ack", "mark an alert as seen")
    ack.add_argument("alert", metavar="ALERT", type=_checked("number"), help="its number in `alerts`")
    ack.add_argument("--note", help="what to remember of it")
    silence = _add(commands, "silence", "keep an alert quiet for a while")
    silence.add_argument("alert", metavar="ALERT", type=_checked("number"), help="its number in `alerts`")
    silence.add_argument(
        "--until",
        metavar="T",
        required=True,
        type=_checked("until"),
        help="such as 3d, 12h, 2026-11-02 or 2026-11-02T06:00Z",
    )


def _add_explain(commands: argparse._SubParsersAction[Parser]) -> None:
    explain = _add(commands, "explain", "say why an alert was raised: columns, segments, groups, bins and rows")
    explain.add_argument("--alert", metavar="ID", type=_checked("number"), required=True, help="its number in `alerts`")
    only = explain.add_mutually_exclusive_group()
    only.add_argument("--sql", action="store_true", help="write only the SQL that finds what the number is made of")
    only.add_argument("--rows", metavar="N", type=_checked("number"), help="write N of the rows behind it instead")
    _json(explain)


def _add_outputs(commands: argparse._SubParsersAction[Parser]) -> None:
    metrics = _add(commands, "metrics", "write the results table")
    metrics.add_argument("-o", "--output", metavar="F", required=True, type=Path, help="a .parquet, .csv or .json file")
    _model(metrics)
    metrics.add_argument(
        "--excel", action="store_true", help="write a .csv that Excel opens correctly: a byte order mark, times in UTC"
    )
    report = _add(commands, "report", "write a report")
    report.add_argument(
        "-o",
        "--output",
        metavar="F",
        required=True,
        type=Path,
        help="a .html, .pdf, .md or .json file, or an .xml file with a JUnit test for each series that is judged",
    )
    _model(report)
    report.add_argument("--from", dest="start", metavar="D", type=_checked("moment"), help="first day or moment")
    report.add_argument("--to", dest="end", metavar="D", type=_checked("moment"), help="day or moment after the last")
    report.add_argument(
        "--as-of",
        metavar="T",
        type=_checked("instant_utc"),
        help="the moment the report is made, in place of now (UTC where no zone is written): the same bytes whenever it is written",
    )
    report.add_argument(
        "--role",
        choices=("operator", "engineer", "manager"),
        default="engineer",
        help="what a .html, .pdf or .md shows: alerts, runs and freshness; everything (default); or one page of state, trend and value",
    )
    report.add_argument("--lang", choices=("en", "zh"), default="en", help="language of the texts (default: en)")


def _add_retraining(commands: argparse._SubParsersAction[Parser]) -> None:
    retrain = _add(commands, "retrain", "start the configured retraining of a model")
    _model(retrain, "the model; not needed where only one can be retrained")
    retrain.add_argument("--wait", action="store_true", help="follow the log and wait for the end")
    retrain.add_argument("--reason", metavar="TEXT", help="why now")
    runs = _add(commands, "runs", "list the retraining runs")
    _model(runs)
    _json(runs)
    cancel = _add(commands, "cancel", "stop a retraining run and all that it started")
    cancel.add_argument("run", metavar="RUN", type=_checked("number"), help="its number in `runs`")
    trust = _add(commands, "trust", "let this machine run what the workspace configures")
    trust.add_argument("--yes", action="store_true", help="do not ask")
    trust.add_argument("--revoke", action="store_true", help="take back what was allowed")
    audit = _add(commands, "audit", "list who did what")
    audit.add_argument("--verify", action="store_true", help="check that nothing was changed or removed")


def _add_window(commands: argparse._SubParsersAction[Parser]) -> None:
    gui = _add(commands, "gui", "open the desktop", workspace=False)
    gui.add_argument("workspace", metavar="W", type=Path, nargs="?", help="workspace: its folder or its desk.toml")
    doctor = _add(commands, "doctor", "check this machine and this installation", workspace=False)
    _json(doctor)


def _add_help(commands: argparse._SubParsersAction[Parser]) -> None:
    command = _add(
        commands, "help", "say what a metric is, how it is read and when it misleads; list all of them", workspace=False
    )
    command.add_argument(
        "metric", metavar="METRIC", nargs="?", help="a metric id or the name of a guide (default: list)"
    )


def _checked(what: str) -> Callable[[str], object]:
    """A converter of an argument's text by its name in `mlops_desk.cli.values`."""

    def convert(text: str) -> object:
        from mlops_desk.cli import values

        try:
            return values.CONVERTERS[what](text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert
