"""Secrets reach the command and nothing else: not a file, not the log in any usual way of writing them."""

import base64
import json
import re
from itertools import pairwise
from urllib.parse import quote

import keyring
import keyring.backend
import keyring.errors
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.domain.retraining import RunEnvironment, RunState
from mlops_desk.retraining import runner
from mlops_desk.retraining.launch import LaunchError, secret_values
from mlops_desk.retraining.output_mask import OutputMask

SECRET = 'tök"en/+ 7f3a\\9&'
PEM = "-----BEGIN KEY-----\nMIIabcdefgh\nijklmnop\n-----END KEY-----\n"


def test_a_secret_reaches_the_command_and_no_file_holds_it(workspace, python_model, started, until, monkeypatch):
    monkeypatch.setenv("TRAIN_TOKEN", SECRET)
    monkeypatch.setenv("PEM", PEM)
    code = """
import base64, json, os, sys, urllib.parse
token = os.environ["TRAIN_TOKEN"]
print("plain", token, repr(token), json.dumps(token), urllib.parse.quote(token), base64.b64encode(token.encode()).decode())
for char in token: sys.stdout.write(char); sys.stdout.flush()
print("|", token[:4])
print(os.environ["PEM"])
print("the end:", token[:5], end="", flush=True)
raise SystemExit(0 if token == sys.argv[1] else 9)
"""
    monkeypatch.setenv("EXPECTED", SECRET)
    code = code.replace("sys.argv[1]", 'os.environ["EXPECTED"]')
    environment = RunEnvironment(passed=("PATH", "EXPECTED"), secrets=("TRAIN_TOKEN", "PEM"))
    run = started(python_model(code, environment=environment))
    ended = runner.wait(workspace, run.id)
    assert (ended.state, ended.exit_code) == (RunState.SUCCEEDED, 0)
    text = runner.output(workspace, run.id)[0]
    assert text.startswith("plain *** ")
    assert "***| tök" in text
    forms = (
        SECRET,
        json.dumps(SECRET)[1:-1],
        quote(SECRET),
        base64.b64encode(SECRET.encode()).decode(),
        "MIIabcdefgh",
        "ijklmnop",
    )
    files = [file for file in workspace.rglob("*") if file.is_file()]
    assert {file.name for file in files} == {"spec.json", "state.json", "output.log", "result.json", "lock"}
    for file in files:
        content = file.read_text(encoding="utf-8")
        assert [form for form in forms if form in content] == []
    assert "TRAIN_TOKEN" in (workspace / ".desk" / "runs" / "1" / "spec.json").read_text()


def test_a_secret_that_is_nowhere_to_be_found_stops_the_run_with_the_way_out(
    workspace, python_model, finished, monkeypatch
):
    monkeypatch.delenv("TRAIN_TOKEN", raising=False)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    run = finished(python_model("pass", environment=RunEnvironment(secrets=("TRAIN_TOKEN",))))
    assert (run.state, run.started_at) == (RunState.FAILED, None)
    assert run.outcome == (
        "Not started: secret TRAIN_TOKEN is not set in the environment and the keyring has none: "
        "set it, or store it with `keyring set mlops-desk TRAIN_TOKEN`"
    )


class Drawer(keyring.backend.KeyringBackend):
    """A keyring with one entry, which can be locked."""

    priority = 1
    locked = False

    def get_password(self, service, username):
        if self.locked:
            raise keyring.errors.KeyringLocked("locked\nnow")
        return "from the keyring" if (service, username) == ("mlops-desk", "TRAIN_TOKEN") else None

    def set_password(self, service, username, password):
        raise NotImplementedError

    def delete_password(self, service, username):
        raise NotImplementedError


def test_a_secret_comes_from_the_environment_or_else_from_the_keyring():
    before = keyring.get_keyring()
    drawer = Drawer()
    keyring.set_keyring(drawer)
    try:
        assert secret_values(("TRAIN_TOKEN",), {}) == {"TRAIN_TOKEN": "from the keyring"}
        assert secret_values(("TRAIN_TOKEN",), {"TRAIN_TOKEN": "x"}) == {"TRAIN_TOKEN": "x"}
        drawer.locked = True
        with pytest.raises(LaunchError, match=r"the keyring does not answer \(locked now\)"):
            secret_values(("TRAIN_TOKEN",), {})
    finally:
        keyring.set_keyring(before)


def masked(secrets, pieces):
    mask = OutputMask(secrets)
    return "".join([*(mask.fed(piece) for piece in pieces), mask.rest()])


letters = st.text(alphabet="ab☃", min_size=1, max_size=4)


@given(
    secrets=st.lists(letters, max_size=3),
    text=st.text(alphabet="ab☃ \n", max_size=40),
    cuts=st.lists(st.integers(0, 40), max_size=8),
)
def test_a_text_is_masked_alike_however_it_is_cut(secrets, text, cuts):
    borders = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[left:right] for left, right in pairwise(borders)]
    found = masked(secrets, pieces)
    assert not any(secret in found for secret in secrets)
    ordered = sorted(secrets, key=len, reverse=True)
    expected = re.sub("|".join(map(re.escape, ordered)), "***", text) if secrets else text
    assert len(secrets) > 1 or found == expected


def test_text_is_held_back_only_while_it_may_become_a_secret():
    mask = OutputMask(["hunter2"])
    assert mask.fed("progress 1/3\n") == "progress 1/3\n"
    assert mask.fed("say hun") == "say "
    assert mask.fed("dred, hunt") == "hundred, "
    assert mask.fed("er2!") == "***!"
    assert mask.fed("hunte") == ""
    assert mask.rest() == "hunte"
    assert OutputMask([""]).fed("any") == "any"
