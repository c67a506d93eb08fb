"""What we stand on: every package pinned by hash and on the bill of materials; no secret in the history."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from leadmachine.env import REPOSITORY

# Shapes of secrets, and of those values that only look like one: examples, and canaries of the tests.
SECRETS = re.compile(
    r"-----BEGIN (?:RSA |EC |OPENSSH |)PRIVATE KEY-----"
    r"|\bAKIA[0-9A-Z]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{36}\b"
    r"|\bxox[abprs]-[A-Za-z0-9-]{20,}"
    r"|\bAQ[XVU][A-Za-z0-9_-]{60,}"
    r"|\bsk_live_[A-Za-z0-9]{20,}"
    r"|\bey[A-Za-z0-9_-]{20,}\.ey[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}"
    r"|\b(?:SECRET_KEY|FIELD_KEYS|DATABASE_URL|REDIS_URL)=(?!\$|\s|\")[^\s'\"$<{…]{40,}"
)
PLANTED = [
    "-----BEGIN " + "PRIVATE KEY-----",
    "AKIA" + "IOSFODNN7EXAMPLE",
    "ghp_" + "a1B2" * 9,
    "AQX" + "a1B2c3D4" * 8,
    "SECRET_KEY=" + "q1w2e3r4" * 6,
    "ey" + "J" * 24 + ".ey" + "J" * 24 + "." + "s" * 30,
]


@pytest.mark.parametrize("secret", PLANTED, ids=range(len(PLANTED)))
def test_a_planted_secret_is_seen(secret: str) -> None:
    assert SECRETS.search(f"+  value = {secret}")


@pytest.mark.parametrize(
    "text", ["SECRET_KEY=", "FIELD_KEYS=new:…,old:…", "AQX", "SECRET_KEY=$(openssl rand -base64 48)"]
)
def test_a_placeholder_is_none(text: str) -> None:
    assert not SECRETS.search(text)


def test_the_history_holds_no_secret() -> None:
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a checkout")
    log = subprocess.run(
        ["git", "log", "--all", "--patch", "--no-color", "--unified=0", "--format=commit %h"],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    ).stdout.decode(errors="replace")
    commit, found = "", []
    for line in log.splitlines():
        if line.startswith("commit "):
            commit = line
        elif line.startswith("+") and SECRETS.search(line):
            found.append(f"{commit}: {line[:60]}")
    assert commit
    assert found == []


@pytest.mark.parametrize("lock", ["runtime", "dev"])
def test_every_package_is_pinned_and_on_the_bill(lock: str) -> None:
    done = subprocess.run(
        [sys.executable, "requirements/sbom.py", lock],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    bill = json.loads(done.stdout)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    text = (REPOSITORY / "requirements" / f"{lock}.lock").read_text()
    pinned = set(re.findall(r"(?m)^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==", text))
    assert {each["name"] for each in bill["components"]} == {
        re.sub(r"[-_.]+", "-", name).lower() for name in pinned
    }
    assert len(bill["components"]) > 30
    assert all(each["hashes"] for each in bill["components"])
    assert "://" not in text.replace("https://pypi.org", "")
