"""Look the locked packages up in a database of known vulnerabilities, by pip-audit.

    python tools/supply/audit.py

Fails where a package has one, and also where the database could not be asked about every package:
pip-audit by itself calls that a success.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def outcome(report: dict[str, Any]) -> list[str]:
    """Return the lines of what is wrong; none if every package was looked up and none is known."""
    packages = report["dependencies"]
    skipped = [each["name"] for each in packages if each.get("skip_reason")]
    lines = [
        f"{each['name']} {each['version']}: {found['id']}, "
        f"mended in {', '.join(found['fix_versions']) or 'no version yet'}"
        for each in packages
        for found in each.get("vulns", [])
    ]
    if len(skipped) == len(packages):
        lines.append(
            "nothing was audited: the registry that pip is set to gives no vulnerabilities; "
            "run this where the registry or a mirror with its JSON API can be reached"
        )
    elif skipped:
        lines.append(f"not audited, since the database does not know them: {', '.join(skipped)}")
    return lines


def main() -> int:
    """Audit requirements.lock; return 1 if anything is known or was not looked up."""
    asked = subprocess.run(
        [
            *(Path(sys.executable).with_name("pip-audit"), "--requirement", "requirements.lock"),
            *("--require-hashes", "--disable-pip", "--progress-spinner", "off"),
            *("--format", "json"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        lines = outcome(json.loads(asked.stdout))
    except ValueError:
        said = asked.stderr.strip().splitlines() or ["it said nothing"]
        lines = [f"nothing was audited: pip-audit failed: {said[-1]}"]
    said = "\n".join(lines) or "no known vulnerability in any locked package"
    sys.stdout.write(f"{said}\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
