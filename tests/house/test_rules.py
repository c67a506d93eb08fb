"""The house rules find what they are for: each offending line of the planted files names the rule that must see it."""

import json
import re
import subprocess
import sys
from pathlib import Path

from leadmachine.env import REPOSITORY

HERE = Path(__file__).parent
PLANTED = ("planted.py", "planted.html")
SEMGREP = Path(sys.executable).with_name("semgrep")


def test_every_rule_finds_its_planted_offence_and_nothing_else() -> None:
    planted = {
        (name, number, marked.group(1))
        for name in PLANTED
        for number, line in enumerate((HERE / name).read_text().splitlines(), 1)
        if (marked := re.search(r"# ([a-z-]+)(?: #\})?$", line))
    }
    assert found() == planted
    rules = set(re.findall(r"- id: (\S+)", (HERE / "rules.yml").read_text()))
    assert {rule for _, _, rule in planted} == rules


def found() -> set[tuple[str, int, str]]:
    done = subprocess.run(
        [
            *(str(SEMGREP), "scan", "--json", "--quiet", "--metrics=off", "--disable-version-check"),
            *("--no-git-ignore", "--config", str(HERE / "rules.yml")),
            *(str(HERE / name) for name in PLANTED),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    answer = json.loads(done.stdout)
    assert answer["errors"] == []
    return {
        (Path(hit["path"]).name, hit["start"]["line"], hit["check_id"].rsplit(".", 1)[-1])
        for hit in answer["results"]
    }
