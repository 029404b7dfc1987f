"""The wheel: built from the sources, installed into an environment of its own, and run far from the checkout.

An editable install finds folders that the wheel lacks, so nothing else would notice one that is missing.
Only mrframe is installed; its dependencies are those of the environment of the tests.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from mrframe.task.code.job_file import ready_names

ROOT = Path(__file__).parents[2]
EARLIER = ROOT / "tests" / "earlier"
_spec = importlib.util.spec_from_file_location("make_corpus", EARLIER / "make_corpus.py")
make_corpus = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(make_corpus)

OWN_TESTS = re.compile(r"testing/(differential/|simulation/|manual_scheduler\.py|strategies\.py)")
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith(("MRFRAME", "PYTHON", "VIRTUAL_ENV"))
}


def do(*words, folder=None, data=b"", **variables):
    command = [str(word) for word in words]
    done = subprocess.run(
        command, cwd=folder, env=ENVIRONMENT | variables, input=data, capture_output=True, timeout=100, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return done.stdout


def modules(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.py")}


KERNEL = "mrframe/kernel/_kernel.abi3.so"


def built_wheel(tmp_path_factory, **variables):
    """Built from a copy, since a build leaves files behind, and takes up those of the build before."""
    if int(metadata.version("setuptools").partition(".")[0]) < 77:
        pytest.skip("this environment has no setuptools of 77 or newer, which a build needs")
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("mrframe", "jobs", "sample_logs"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    for name in ("pyproject.toml", "setup.cfg", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    do(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", target, source, **variables)
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return built_wheel(tmp_path_factory)


def files_of(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The `bin` of an environment that has the wheel."""
    home = tmp_path_factory.mktemp("environment")
    do(sys.executable, "-m", "venv", "--without-pip", home)
    python = home / "bin" / "python"
    do(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", "--quiet", wheel)
    packages = do(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").decode().strip()
    others = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}  # .pth files in them are not read
    Path(packages, "dependencies.pth").write_text("\n".join(sorted(others)) + "\n")
    return home / "bin"


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    return shutil.copytree(ROOT / "sample_logs", tmp_path_factory.mktemp("elsewhere") / "samples")


def test_the_wheel_has_every_module_and_every_ready_job(wheel):
    wanted = {f"mrframe/{name}" for name in modules(ROOT / "mrframe") if not OWN_TESTS.match(name)}
    wanted |= {f"mrframe/jobs/{name}" for name in modules(ROOT / "jobs")}
    wanted |= {f"mrframe/sample_logs/{name}" for name in ("access.log", "access.log.1", "access.log.2.gz")}
    wanted |= {"mrframe/py.typed", "mrframe/kernel/_kernel.pyi"}
    compiler = sysconfig.get_config_var("CC") or "cc"
    assert files_of(wheel) == wanted | ({KERNEL} if shutil.which(compiler.split()[0]) else set())
    assert "-cp311-abi3-" in wheel.name


def test_a_wheel_is_built_without_a_compiler(tmp_path_factory):
    assert KERNEL not in files_of(built_wheel(tmp_path_factory, CC="/bin/false"))


def test_the_demo_runs_on_the_logs_of_the_wheel(installed, tmp_path):
    shown = do(installed / "mrframe", "demo", folder=tmp_path).decode()
    folder, commands = shown.partition("\n")[0], [line for line in shown.splitlines() if line.startswith("$ ")]
    assert Path(folder.removeprefix("In the folder ").rstrip(":")).is_relative_to(installed.parent)
    assert [line.split()[2] for line in commands] == ["run", "count", "why"]
    assert re.search(r"^ *503 +17$", shown, re.MULTILINE)
    assert shown.count('" 503 ') == 3


def test_the_installed_wheel_is_imported(installed, samples):
    script = "import mrframe.paths; from mrframe import api; print(mrframe.paths.PACKAGE_DIR, *api.ready_names())"
    place, *names = do(installed / "python", "-c", script, folder=samples).decode().split()
    assert Path(place).is_relative_to(installed.parent)
    assert names == ready_names()


RUN_ALL = """
import json, sys
from click.testing import CliRunner
from mrframe.cli.main import group

for name, words in json.load(sys.stdin).items():
    done = CliRunner().invoke(group, ["run", name, *words])
    print(json.dumps([name, done.exit_code, done.stdout_bytes.hex(), done.stderr]), flush=True)
"""


@pytest.fixture(scope="module")
def answers(installed, samples):
    """{name: (exit code, standard output, standard error)} of every ready job, from one process."""
    words = {name: [*map(str, make_corpus.READY[name]), "-q"] for name in make_corpus.READY}
    asked = {name: words.get(name, ["--help"]) for name in ready_names()}
    said = do(installed / "python", "-c", RUN_ALL, folder=samples, data=json.dumps(asked).encode())
    return {name: (code, bytes.fromhex(out), err) for name, code, out, err in map(json.loads, said.splitlines())}


@pytest.mark.parametrize("name", ready_names())
def test_a_ready_job_runs_by_its_name(answers, name):
    code, out, err = answers[name]
    assert code == 0, err
    if name in make_corpus.READY:
        assert out == (EARLIER / "answers" / f"{name}.jsonl").read_bytes()
    else:
        assert f"mrframe run {name}".encode() in out


def test_the_command_runs_a_ready_job(installed, samples):
    said = do(installed / "mrframe", "run", "top_urls", *make_corpus.READY["top_urls"], "-q", folder=samples)
    assert said == (EARLIER / "answers" / "top_urls.jsonl").read_bytes()


def test_a_cluster_of_processes_runs(installed, samples):
    local = ("--engine", "local", "--nodes", 2, "--split-bytes", "128KiB", "-q")
    words = make_corpus.READY["status_codes"]
    said = do(installed / "mrframe", "run", "status_codes", *words, *local, folder=samples)
    assert said == (EARLIER / "answers" / "status_codes.jsonl").read_bytes()
