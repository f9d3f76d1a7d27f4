"""Two hosts on one machine, as network namespaces with a cable between them, and a job of 2 ranks over TCP.

``python -m tests.parallel.hosts [RATE]``, as root and with Debian's iproute2; not among the tests, as few sandboxes
allow it. Compares the bits of all training runs of the tests with those of one process. With a RATE such as 1gbit the
cable carries no more (``tc``), and the steps of the benchmark are timed instead, with overlap and without.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from tests.parallel.jobs import ROOT, SETTINGS, command, job

ADDRESSES = {"10.77.0.1": "ag-first", "10.77.0.2": "ag-second"}
OVER_TCP = {"UCX_TLS": "tcp,self", "UCX_NET_DEVICES": "cable", "MPIR_CVAR_NOLOCAL": "1"}  # not the shared memory
LAUNCHER = """#!/bin/sh
# Called in place of ssh, with a host and a command: enters the host's namespace.
while [ "${1#-}" != "$1" ]; do shift; done
case "$1" in %s esac
shift
exec ip netns exec "$name" sh -c "$*"
"""


def tool(*words):
    subprocess.run(words, check=True)


@contextlib.contextmanager
def hosts(rate=None):
    """Make two namespaces with a pair of network devices, for a while."""
    try:
        for name in ADDRESSES.values():
            tool("ip", "netns", "add", name)
        first, second = ADDRESSES.values()
        tool("ip", "link", "add", "cable", "netns", first, "type", "veth", "peer", "name", "cable", "netns", second)
        for address, name in ADDRESSES.items():
            tool("ip", "-n", name, "addr", "add", f"{address}/24", "dev", "cable")
            for device in ("lo", "cable"):
                tool("ip", "-n", name, "link", "set", device, "up")
            if rate:
                tool("ip", "netns", "exec", name, "tc", "qdisc", "add", "dev", "cable", "root", "tbf", "rate", rate,
                     "burst", "256k", "latency", "200ms")
        yield
    finally:
        for name in ADDRESSES.values():
            subprocess.run(["ip", "netns", "del", name], check=False)


def two_hosts(folder, *program):
    """Run a job with one rank on each host; return its last line."""
    launcher = pathlib.Path(folder, "enter")
    launcher.write_text(LAUNCHER % " ".join(f"{a}) name={n};;" for a, n in ADDRESSES.items()))
    launcher.chmod(0o755)
    first = next(iter(ADDRESSES))
    mpiexec, _, _, *own = command(2, *program)
    words = ["ip", "netns", "exec", ADDRESSES[first], mpiexec, "-launcher", "ssh", "-launcher-exec", str(launcher),
             "-localhost", first, "-iface", "cable", "-hosts", ",".join(ADDRESSES), "-n", "2", *own]
    done = subprocess.run(words, cwd=ROOT, env=os.environ | SETTINGS | OVER_TCP, text=True, capture_output=True,
                          timeout=900, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-4000:])
    print(*done.stderr.splitlines()[:1])
    return done.stdout.splitlines()[-1]


def main(rate=None):
    with tempfile.TemporaryDirectory() as folder, hosts(rate):
        if rate:
            for net in ("convnet", "example"):
                for kind in ("ours", "late"):
                    seconds = sorted(json.loads(two_hosts(folder, "-m", "benchmarks.machines_job", kind, net, "128",
                                                          "20", "8"))[3:])
                    print(f"{net}, {rate}, {'with' if kind == 'ours' else 'without'} overlap: median "
                          f"{1000 * seconds[len(seconds) // 2]:.1f} ms, least {1000 * seconds[0]:.1f} ms", flush=True)
            return
        for each in ("one", "two"):
            pathlib.Path(folder, each).mkdir()
        over_tcp = json.loads(two_hosts(folder, "-m", "tests.parallel.runs", f"{folder}/two", "0:6"))
        carried = subprocess.run(["ip", "netns", "exec", "ag-first", "cat", "/sys/class/net/cable/statistics/tx_bytes"],
                                 text=True, capture_output=True, check=True).stdout
        print(f"the cable has carried {int(carried):,} bytes from the first host to the second", flush=True)
        code, out, errors = job(1, "-m", "tests.parallel.runs", f"{folder}/one", "0:6", timeout=900)
        assert code == 0, errors
        alone = json.loads(out.splitlines()[-1])
        assert over_tcp == alone, {name: (over_tcp[name], alone[name]) for name in alone
                                   if over_tcp[name] != alone[name]}
        print(f"two hosts over TCP: all {len(alone)} runs end with the bits of one process")


if __name__ == "__main__":
    main(*sys.argv[1:])
