"""The house rules find what they are for: planted.py names, on each offending line, the rule that must see it."""

import json
import re
import subprocess
import sys
from pathlib import Path

from leadmachine.env import REPOSITORY

HERE = Path(__file__).parent
SEMGREP = Path(sys.executable).with_name("semgrep")


def test_every_rule_finds_its_planted_offence_and_nothing_else() -> None:
    planted = {
        (number, marked.group(1))
        for number, line in enumerate((HERE / "planted.py").read_text().splitlines(), 1)
        if (marked := re.search(r"# ([a-z-]+)$", line))
    }
    assert found() == planted
    rules = set(re.findall(r"- id: (\S+)", (HERE / "rules.yml").read_text()))
    assert {rule for _, rule in planted} == rules


def found() -> set[tuple[int, str]]:
    done = subprocess.run(
        [
            *(str(SEMGREP), "scan", "--json", "--quiet", "--metrics=off", "--disable-version-check"),
            *("--no-git-ignore", "--config", str(HERE / "rules.yml"), str(HERE / "planted.py")),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    answer = json.loads(done.stdout)
    assert answer["errors"] == []
    return {(hit["start"]["line"], hit["check_id"].rsplit(".", 1)[-1]) for hit in answer["results"]}
