"""openclaw register|check SITE PORT: the program that the whole is for; it runs in the sandbox and nowhere else."""

import json
import os
import pathlib
import sqlite3
import sys
import urllib.request


def main(verb, site, port):
    if pathlib.Path(sys.prefix) != pathlib.Path(site, "sandbox"):
        print(f"outside of the sandbox: {sys.prefix}", file=sys.stderr)
        return 1
    return {"register": register, "check": check}[verb](pathlib.Path(site), f"http://127.0.0.1:{port}")


def register(site, service):
    database = sqlite3.connect(f"file:{site}/inference.db?mode=ro", uri=True)
    models = [name for (name,) in database.execute("SELECT name FROM model ORDER BY context")]
    urllib.request.urlopen(f"{service}/clients", data=b"openclaw", timeout=5).close()
    new = site / "openclaw.json.new"
    new.write_text(json.dumps({"service": service, "models": models}) + "\n")
    os.rename(new, site / "openclaw.json")
    return 0


def check(site, service):
    """Registered with the service that runs now? One that was restarted has forgotten."""
    try:
        with urllib.request.urlopen(f"{service}/health", timeout=5) as answer:
            known = "openclaw" in json.load(answer)["clients"]
        return 0 if known and json.loads((site / "openclaw.json").read_text())["models"] else 1
    except (OSError, ValueError, KeyError) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
