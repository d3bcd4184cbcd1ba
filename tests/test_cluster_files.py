"""Check the files of docs/cluster as far as possible without a cluster."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.main import get_command

from sweeps.cli.app import app

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "cluster"
PROGRAMS = Path(sys.executable).parent
SCRIPTS = ("sweep.sbatch", "mlflow.sh")

RAY_JOB = {
    "activeDeadlineSeconds",
    "backoffLimit",
    "clusterSelector",
    "entrypoint",
    "entrypointNumCpus",
    "entrypointNumGpus",
    "entrypointResources",
    "jobId",
    "metadata",
    "rayClusterSpec",
    "runtimeEnvYAML",
    "shutdownAfterJobFinishes",
    "submissionMode",
    "submitterConfig",
    "submitterPodTemplate",
    "suspend",
    "ttlSecondsAfterFinished",
}
RAY_CLUSTER = {
    "authOptions",
    "autoscalerOptions",
    "enableInTreeAutoscaling",
    "gcsFaultToleranceOptions",
    "headGroupSpec",
    "headServiceAnnotations",
    "rayVersion",
    "suspend",
    "workerGroupSpecs",
}
HEAD = {"enableIngress", "headService", "rayStartParams", "serviceType", "template"}
WORKERS = {"groupName", "maxReplicas", "minReplicas", "numOfHosts", "rayStartParams", "replicas", "template"}
"""The fields of KubeRay's ray.io/v1."""


def command_lines(text, program):
    """Return the arguments of every call of a program in a text, also over several lines."""
    joined = re.sub(r"\\\n\s*", " ", text)
    found = re.findall(rf"(?:^|\s)(?:exec )?{program} ([^;&#\n]+)", joined, re.MULTILINE)
    return [shlex.split(line) for line in found]


def manifest():
    return YAML(typ="safe").load(FOLDER / "rayjob.yaml")


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_scripts_are_bash(name):
    subprocess.run(["bash", "-n", FOLDER / name], check=True)


def test_the_manifest_is_a_ray_job():
    job = manifest()
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert job["spec"].keys() <= RAY_JOB
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster.keys() <= RAY_CLUSTER
    assert cluster["headGroupSpec"].keys() <= HEAD
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    assert all(group.keys() <= WORKERS for group in groups[1:])
    for group in groups:
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        pod = group["template"]["spec"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        for container in pod["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} == volumes
            assert container["resources"]["limits"] == container["resources"]["requests"]


def test_every_command_line_of_gan_sweep_is_valid():
    files = (FOLDER / "sweep.sbatch", FOLDER.with_suffix(".md"))
    texts = [*(file.read_text(encoding="utf-8") for file in files), manifest()["spec"]["entrypoint"]]
    lines = [line for text in texts for line in command_lines(text, "gan-sweep")]
    commands = get_command(app)
    typed = [line for line in lines if line[0].endswith((".yaml", "$spec")) or line[0] == "resume"]
    assert len(typed) >= 6
    for line in typed:
        name, arguments = ("resume", line[1:]) if line[0] == "resume" else ("run", line)
        commands.commands[name].make_context(name, arguments)


def test_the_manifests_sweep_exists():
    (line,) = (
        line for line in command_lines(manifest()["spec"]["entrypoint"], "gan-sweep") if "yaml" in line[0]
    )
    spec = line[0].removeprefix("/sweeps/")
    dry = [PROGRAMS / "gan-sweep", spec, *line[1:], "--dry-run", "--json"]
    subprocess.run(dry, check=True, cwd=ROOT, capture_output=True)


def test_mlflow_accepts_the_options_of_its_server():
    (line,) = command_lines((FOLDER / "mlflow.sh").read_text(encoding="utf-8"), "mlflow server")
    options = [part.replace("$port", "5000") for part in line]
    subprocess.run([PROGRAMS / "mlflow", "server", *options, "--help"], check=True, capture_output=True)
    refused = [PROGRAMS / "mlflow", "server", *options, "--no-such-option", "--help"]
    assert subprocess.run(refused, check=False, capture_output=True).returncode == 2
