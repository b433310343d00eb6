"""gateway.py start SITE PORT | check SITE PORT | stop SITE: a small service on loopback.

The daemon has gateway.pid locked for as long as it lives, so that nobody has to guess whether the number in it is still its
own. It keeps nothing of what the step has: not the output, which is read until nobody can write to it, and above all not
the descriptors of the lock, with which it would keep out the next runner of a job whose runner was killed. Python closes what
a child does not need (`close_fds`); other languages have to be told.
"""

import fcntl
import http.server
import json
import os
import pathlib
import signal
import subprocess
import sys
import urllib.request


def main(verb, site, port="0"):
    site = pathlib.Path(site)
    return {"start": start, "check": check, "stop": stop, "serve": serve}[verb](site, int(port))


def start(site, port):
    if check(site, port) == 0:
        return 0
    stop(site)
    ready, theirs = os.pipe()
    with open(site / "gateway.log", "ab") as log:
        subprocess.Popen(
            [sys.executable, __file__, "serve", site, str(port)],
            stdin=subprocess.DEVNULL, stdout=theirs, stderr=log, start_new_session=True, cwd="/",
        )
    os.close(theirs)
    # It says so when it can be asked; at its end nobody says anything.
    if not os.read(ready, 1):
        print((site / "gateway.log").read_text()[-2000:], file=sys.stderr)
        return 1
    return check(site, port)


def check(site, port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return 0 if json.load(answer).get("site") == str(site) else 1
    except (OSError, ValueError) as error:
        print(f"port {port}: {error}", file=sys.stderr)
        return 1


def stop(site, _port=0):
    """Ends the daemon if it lives, waits until it has, and removes what it has left."""
    for unborn in site.glob("gateway.pid.*"):
        unborn.unlink(missing_ok=True)
    try:
        file = open(site / "gateway.pid")
    except FileNotFoundError:
        return 0
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # Locked: the number is that of a living process.
            os.kill(int(file.read()), signal.SIGTERM)
            fcntl.flock(file, fcntl.LOCK_EX)
    for name in ["gateway.pid", "gateway.log"]:
        (site / name).unlink(missing_ok=True)
    return 0


def serve(site, port):
    class Service(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.answer({"site": str(site), "clients": sorted(clients)})

        def do_POST(self):
            clients.add(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.answer({"registered": True})

        def answer(self, value):
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    clients = set()
    # Complete, with its number, before anybody else can see it.
    new = site / f"gateway.pid.{os.getpid()}"
    with open(new, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(str(os.getpid()))
        file.flush()
        service = http.server.HTTPServer(("127.0.0.1", port), Service)
        os.rename(new, site / "gateway.pid")
        os.write(1, b"+")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        service.serve_forever()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
