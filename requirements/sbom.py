"""Prints a CycloneDX 1.5 bill of materials of a lock file: every package with its version and its hashes.

python requirements/sbom.py [runtime|dev] > sbom.json
"""

import json
import re
import sys
import uuid
from pathlib import Path

HERE = Path(__file__).parent
PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def bill(lock_file: str) -> dict[str, object]:
    """The bill of a lock file's text; the same text gives the same bill."""
    components: list[dict[str, object]] = []
    for entry in re.split(r"\n(?=[A-Za-z0-9])", lock_file):
        if found := PINNED.match(entry):
            name, version = re.sub(r"[-_.]+", "-", found[1]).lower(), found[2]
            purl = f"pkg:pypi/{name}@{version}"
            hashes = [{"alg": "SHA-256", "content": digest} for digest in HASH.findall(entry)]
            components.append(
                {
                    "type": "library",
                    "bom-ref": purl,
                    "name": name,
                    "version": version,
                    "purl": purl,
                    "hashes": hashes,
                }
            )
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, lock_file)}",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "leadmachine"}},
        "components": components,
    }


if __name__ == "__main__":
    lock = sys.argv[1] if len(sys.argv) > 1 else "runtime"
    json.dump(bill((HERE / f"{lock}.lock").read_text()), sys.stdout, indent=2)
    sys.stdout.write("\n")
