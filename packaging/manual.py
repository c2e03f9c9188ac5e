"""Writes what a shell and `man` know of the programs, from the parser itself: `python manual.py FOLDER`.

man/*.1, and completions for bash, zsh and fish. Run it with the program's Python and the checkout on PYTHONPATH.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from mlops_desk import __version__
from mlops_desk.cli.arguments import EXIT_CODES, whole_parser

PROGRAM, WINDOW, INTERPRETER = "mlops-desk", "mlops-desk-gui", "mlops-desk-python"
PATH_ARGUMENTS = ("workspace", "folder", "dir", "logs", "reference", "labels", "output")

FILES = r"""
.SH FILES
.TP
.I W/desk.toml
what is watched: models, files, columns, monitors, alerts, retraining
.TP
.I W/.desk/
results, alerts, runs and the audit chain of the workspace
.TP
.I ~/.config/mlops\-desk
settings of the desktop, what was trusted on this machine, and the log of defects
.SH ENVIRONMENT
.TP
.B MLOPS_DESK_HOME
one folder in place of the user's folders of settings and data
.SH SEE ALSO
.BR mlops\-desk\-gui (1).
.B mlops\-desk help
lists every metric and guide, and
.B mlops\-desk help install
tells how the program is installed, checked and removed.
"""

WINDOW_PAGE = r""".SH NAME
mlops\-desk\-gui \- the desktop of MLOps Desk
.SH SYNOPSIS
.B mlops\-desk\-gui
.RI [ PATH ]
.SH DESCRIPTION
Opens the desktop on a workspace (a folder, or its desk.toml), on a Parquet file from which a workspace can be made, or on its welcome page.
The same window is opened by
.BR "mlops\-desk gui" .
.SH SEE ALSO
.BR mlops\-desk (1)
"""


def main() -> None:
    """Write all files into the folder that is named."""
    folder = Path(sys.argv[1])
    (folder / "man").mkdir(parents=True, exist_ok=True)
    pages = {PROGRAM: program_page(), WINDOW: WINDOW_PAGE}
    for name, page in pages.items():
        head = f'.TH {roff(name.upper())} 1 "" "MLOps Desk {__version__}" "User commands"\n'
        (folder / "man" / f"{name}.1").write_text(head + page, encoding="utf-8", newline="\n")
    for shell, text in {"bash": bash(), "zsh": zsh(), "fish": fish()}.items():
        (folder / f"completion.{shell}").write_text(text, encoding="utf-8", newline="\n")


def commands() -> dict[str, tuple[str, list[argparse.Action]]]:
    """Return each command with its one sentence and its arguments."""
    _, chosen = whole_parser()
    sentences = {str(one.dest): str(one.help) for one in chosen._choices_actions}
    return {name: (sentences[name], visible(parser)) for name, parser in chosen.choices.items()}


def visible(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return the arguments of a command but for --help."""
    return [one for one in parser._actions if not isinstance(one, argparse._HelpAction)]


def options_of(actions: list[argparse.Action]) -> list[tuple[str, argparse.Action]]:
    """Return each spelling of each option with what it is."""
    return [(name, action) for action in actions for name in action.option_strings]


# --- man ----------------------------------------------------------------------------------------------------------------


def roff(text: str) -> str:
    """Return text as man sets it literally."""
    plain = text.replace("\\", "\\e").replace("-", "\\-").replace("%%", "%")
    return "\n".join("\\&" + line if line.startswith((".", "'")) else line for line in plain.split("\n"))


def program_page() -> str:
    """Return the page of the command line, without its head."""
    parser, _ = whole_parser()
    lines = [
        f".SH NAME\n{roff(PROGRAM)} \\- watch machine\\-learning models in production",
        f'.SH SYNOPSIS\n.B {roff(PROGRAM)}\n.I COMMAND\n.RI [ ARGUMENT " ..." ]\n.br\n.B {roff(PROGRAM)} \\-\\-version\n'
        f".br\n.B {roff(PROGRAM)} \\-\\-self\\-test",
        f".SH DESCRIPTION\n{roff(str(parser.description))}\nW is a workspace: the folder that holds desk.toml, or that file itself.",
        ".SH COMMANDS",
    ]
    for name, (sentence, actions) in commands().items():
        usage = " ".join(argument(action) for action in actions)
        lines.append(f".SS {roff(f'{name} {usage}'.strip())}\n{roff(sentence[0].upper() + sentence[1:])}.")
        lines += [f".TP\n.B {roff(spelling(one))}\n{roff(one.help)}" for one in actions if one.help]
    codes = [line.split(None, 1) for line in EXIT_CODES.splitlines() if line.startswith("  ")]
    lines.append(".SH EXIT STATUS")
    lines += [f".TP\n.B {code}\n{roff(meaning)}" for code, meaning in codes]
    return "\n".join(lines) + FILES


def spelling(action: argparse.Action) -> str:
    """Return an argument as it is typed."""
    value = action.metavar if isinstance(action.metavar, str) else "|".join(map(str, action.choices or ()))
    if not action.option_strings:
        return value or action.dest.upper()
    return ", ".join(action.option_strings) + (f" {value}" if value and action.nargs != 0 else "")


def argument(action: argparse.Action) -> str:
    """Return an argument as a synopsis shows it."""
    more = " ..." if action.nargs == "+" else ""
    needed = action.required if action.option_strings else action.nargs != "?"
    text = spelling(action).split(", ")[0]
    if action.option_strings and action.nargs != 0 and " " not in text:
        text = spelling(action).replace(", ", "|")
    return f"{text}{more}" if needed else f"[{text}{more}]"


# --- shells -------------------------------------------------------------------------------------------------------------


def takes_path(action: argparse.Action) -> bool:
    """Tell whether the value of an argument is a file or folder."""
    return action.dest in PATH_ARGUMENTS


def bash() -> str:
    """Return the completion for bash."""
    cases = []
    for name, (_, actions) in commands().items():
        words = " ".join(option for option, _ in options_of(actions)) + " --help"
        choices = [(option, action) for option, action in options_of(actions) if action.choices]
        values = "".join(
            f'            {option}) COMPREPLY=($(compgen -W "{" ".join(map(str, action.choices or ()))}" -- "$word")); return;;\n'
            for option, action in choices
        )
        chosen = f'        case "$before" in\n{values}        esac\n' if values else ""
        cases.append(f'    {name})\n{chosen}        options="{words.strip()}";;\n')
    return f"""# bash completion for {PROGRAM}
_mlops_desk() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD - 1]}}" options=""
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W "{" ".join(commands())} --help --version --self-test" -- "$word"))
        return
    fi
    case "${{COMP_WORDS[1]}}" in
{"".join(cases)}    esac
    if [[ "$word" == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$word"))
    else
        compopt -o filenames 2>/dev/null
        COMPREPLY=($(compgen -f -- "$word"))
    fi
}}
complete -F _mlops_desk {PROGRAM}
complete -f {WINDOW}
"""


def zsh() -> str:
    """Return the completion for zsh."""
    described = "\n".join(f"    {quoted(f'{name}:{sentence}')}" for name, (sentence, _) in commands().items())
    cases = "".join(
        f"    {name}) _arguments {' '.join([*zsh_arguments(actions), quoted('*:file:_files')])} ;;\n"
        for name, (_, actions) in commands().items()
    )
    return f"""#compdef {PROGRAM} {WINDOW}
if [[ $service == {WINDOW} ]]; then _files; return; fi
local -a commands
commands=(
{described}
)
if ((CURRENT == 2)); then
    _describe command commands
    _arguments '--help[show help]' '--version[show the version]' '--self-test[check this installation]'
    return
fi
local command=$words[2]
shift words
((CURRENT--))
case $command in
{cases}esac
"""


def zsh_arguments(actions: list[argparse.Action]) -> Iterator[str]:
    """Yield the options of a command as _arguments takes them."""
    for option, action in options_of(actions):
        meaning = str(action.help).translate({ord("["): "(", ord("]"): ")", ord(":"): ";"})
        value = ""
        if action.choices:
            value = f":{action.dest}:({' '.join(map(str, action.choices))})"
        elif action.nargs != 0:
            value = f":{action.dest}:{'_files' if takes_path(action) else ''}"
        yield quoted(f"{option}[{meaning}]{value}")


def fish() -> str:
    """Return the completion for fish."""
    lines = [f"complete -c {PROGRAM} -n __fish_use_subcommand -f"]
    lines += [
        f"complete -c {PROGRAM} -n __fish_use_subcommand -l {name} -d {quoted(text)}"
        for name, text in (("version", "show the version"), ("self-test", "check this installation"))
    ]
    for name, (sentence, actions) in commands().items():
        lines.append(f"complete -c {PROGRAM} -n __fish_use_subcommand -a {name} -d {quoted(sentence)}")
        for option, action in options_of(actions):
            flag = f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
            value = "" if action.nargs == 0 else " -r"
            if action.choices:
                value += f" -f -a {quoted(' '.join(map(str, action.choices)))}"
            seen = quoted(f"__fish_seen_subcommand_from {name}")
            lines.append(f"complete -c {PROGRAM} -n {seen} {flag}{value} -d {quoted(str(action.help))}")
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """Return text as one word of a shell."""
    return "'" + text.replace("'", "'\\''") + "'"


if __name__ == "__main__":
    main()
