"""Kill the driver, workers, nodes and MLflow's server, and fill a disk."""

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

from mlflow import MlflowClient

import sweeps
from tests.chaos.small import PATIENCE_S, Workplace, kill, kill_trainers
from tests.chaos.tally import Tally
from tests.clusters import cluster_of
from tests.e2e.commands import gan_sweep

MOST_REPORTS = 8
"""Reports of a sweep when it is killed; the unbroken sweep makes a few more."""


def wait_for_reports(process, results, name, n):
    """Wait until a sweep has ``n`` reports, or its process has ended."""
    while process.poll() is None and _n_reports(results, name) < n:
        time.sleep(0.1)


def kills_of_the_driver(place: Workplace, rng, n):
    """Kill the command at random moments, half the time with its child processes, and resume each time.

    The command's home directory cannot be written.
    """
    tally, number = Tally("kills of the driver"), 0
    while tally.tried < n:
        number += 1
        name = f"driver-{number}"
        while tally.tried < n:
            before = place.ended(name)
            process = place.start(*place.command(name), HOME="/proc")
            wait_for_reports(process, place.folder / "results", name, rng.randint(0, MOST_REPORTS))
            time.sleep(rng.uniform(0, 1))
            if process.poll() is not None:
                break
            kill(process, workers_too=rng.random() < 0.5)
            after = place.ended(name)
            again = [trial for trial in before if before[trial] != after.get(trial)]
            tally.count(*(f"{trial} was trained again" for trial in again))
        code, messages = place.finish(name)
        problems = (
            place.differences(name) if code == 0 else [f"resume {name} ended with {code}: {messages[-300:]}"]
        )
        tally.lost += [f"kills of the driver: {problem}" for problem in problems]
    return tally


def moments(process, rng, least_s, most_s):
    """Yield at random moments while a process runs, for a few minutes at most."""
    deadline = time.monotonic() + 2 * PATIENCE_S
    while time.monotonic() < deadline:
        time.sleep(rng.uniform(least_s, most_s))
        if process.poll() is not None:
            return
        yield


def broken_n_times(place: Workplace, tally, n, name, options, break_at_moments):
    """Run sweeps until ``n`` tries are counted; stop at a sweep that fails without a try."""
    number = 0
    while tally.tried < n:
        number, before = number + 1, tally.tried
        process = place.start(*place.command(f"{name}-{number}", *options))
        break_at_moments(process, f"{name}-{number}")
        problems = place.problems(f"{name}-{number}", process)
        tally.lost += [f"{tally.what}: {problem}" for problem in problems]
        if problems and tally.tried == before:
            break
    return tally


def kills_of_workers(place: Workplace, rng, n):
    """Kill workers at random moments; each trial may be retried once for each kill."""
    tally = Tally("kills of workers")

    def kill_often(process, _name):
        for _ in moments(process, rng, 0.5, 3):
            if tally.tried < n and kill_trainers(process):
                tally.count()

    return broken_n_times(place, tally, n, "worker", ["--set", f"retries={n}"], kill_often)


def kills_of_nodes(place: Workplace, rng, n):
    """Replace the node that trains at random moments; trials resume on the new node."""
    tally, node = Tally("kills of nodes"), {"num_cpus": os.cpu_count()}

    def replace_often(process, name):
        wait_for_reports(process, place.folder / "results", name, 1)
        for _ in moments(process, rng, 0, 6):
            if tally.tried < n:
                [old] = cluster.worker_nodes
                cluster.add_node(**node)
                cluster.wait_for_nodes()
                cluster.remove_node(old, allow_graceful=False)
                tally.count()

    with cluster_of(node) as cluster:
        where = ["--address", cluster.address, "--storage", str(place.folder / "states")]
        return broken_n_times(place, tally, n, "node", ["--set", f"retries={n}", *where], replace_often)


class Server:
    """An MLflow server on loopback that can be killed and restarted."""

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._folder = folder
        self.uri = f"http://127.0.0.1:{self._port}"

    def start(self):
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self._port)]
        store = ["--backend-store-uri", f"sqlite:///{self._folder}/server.db", "--workers", "1"]
        files = ["--artifacts-destination", str(self._folder / "files")]
        self._process = subprocess.Popen(
            [*command, *store, *files],
            env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self):
        kill(self._process, workers_too=True)


def kills_of_the_server(place: Workplace, rng, n):
    """Kill and restart MLflow's server at random moments; missing runs are uploaded later."""
    tally, server, names = Tally("kills of the MLflow server"), Server(place.folder), []

    def kill_often(process, name):
        names.append(name)
        for _ in moments(process, rng, 2, 8):
            if tally.tried < n:
                server.kill()
                tally.count()
                time.sleep(rng.uniform(0, 2))
                server.start()

    server.start()
    broken_n_times(place, tally, n, "server", ["--tracking-uri", server.uri], kill_often)
    tally.lost += [
        f"kills of the MLflow server: {problem}" for name in names for problem in _unsent(place, name, server)
    ]
    server.kill()
    return tally


def _unsent(place, name, server):
    """Upload what the server is missing; return what is missing even then."""
    deadline = time.monotonic() + PATIENCE_S
    while (done := gan_sweep("sync", name, "--tracking-uri", server.uri, cwd=place.folder)).returncode:
        if time.monotonic() > deadline:
            return [f"sync {name}: {done.stderr[-300:]}"]
        time.sleep(1)
    client = MlflowClient(server.uri)
    runs = client.search_runs([client.get_experiment_by_name(name).experiment_id])
    found = sorted(run.data.tags["trial_id"] for run in runs if "trial_id" in run.data.tags)
    trials = sorted(sweeps.load(name, place.folder / "results").trials["trial_id"])
    return [] if found == trials else [f"MLflow has {found} of {name}"]


@contextmanager
def small_disk(folder, megabytes):
    """Mount a small file system; needs root."""
    folder.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "gan-sweep-chaos", folder], check=True
    )
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def full_disks(place: Workplace, rng, n):
    """Fill a small disk while a sweep writes to it, make room, and resume."""
    tally = Tally("full disks")
    for number in range(1, n + 1):
        with small_disk(place.folder / f"disk-{number}", 240) as disk:
            tally.count(*_filled(place, disk, rng.randint(1, 4)))
    return tally


def fill(disk):
    """Leave a megabyte of a disk, or less if a sweep writes to it meanwhile."""
    with suppress(OSError):
        (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free - 2**20))


def _filled(place, disk, at_report):
    name, where = "full", ("--results", str(disk))
    process = place.start("spec.yaml", "--name", name, *where)
    wait_for_reports(process, disk, name, at_report)
    fill(disk)
    _, messages = process.communicate(timeout=PATIENCE_S)
    if process.returncode != 2 or f"{disk / name}: the disk is full" not in messages:
        return [f"ended with {process.returncode}: {messages[-300:]}"]
    (disk / "filler").unlink()
    done = gan_sweep("resume", name, *where, "--quiet", cwd=place.folder)
    if done.returncode:
        return [f"resume ended with {done.returncode}: {done.stderr[-300:]}"]
    (place.folder / "results" / disk.name).mkdir()
    shutil.copytree(disk / name, place.folder / "results" / disk.name, dirs_exist_ok=True)
    return place.differences(disk.name)


def _n_reports(results, name):
    if not (results / name / "ledger.db").exists():
        return 0
    return len(sweeps.load(name, results).history)
