"""inference.py create|check FILE PROVIDER: the catalogue of models, made beside and put in place whole."""

import os
import sqlite3
import sys

MODELS = [("small", 8192), ("medium", 32768), ("large", 131072)]


def create(path, provider):
    new = path + ".new"
    if os.path.exists(new):
        os.unlink(new)
    database = sqlite3.connect(new)
    with database:
        database.execute("CREATE TABLE model (name TEXT PRIMARY KEY, provider TEXT NOT NULL, context INTEGER NOT NULL)")
        database.executemany("INSERT INTO model VALUES (?, ?, ?)", [(name, provider, size) for name, size in MODELS])
    database.close()
    os.rename(new, path)
    return 0


def check(path, provider):
    try:
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        (sound,) = database.execute("PRAGMA integrity_check").fetchone()
        found = database.execute("SELECT name, context FROM model WHERE provider = ? ORDER BY context", [provider])
        return 0 if sound == "ok" and found.fetchall() == MODELS else 1
    except sqlite3.Error as error:
        print(f"{path}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit({"create": create, "check": check}[sys.argv[1]](*sys.argv[2:]))
