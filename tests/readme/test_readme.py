"""The documentation promises only what works: commands compose, options and targets exist, links lead somewhere."""

import re
import shlex
import subprocess
from pathlib import Path

import hydra
import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("data/*.md"), *ROOT.glob("logs/*.md")])
FENCED = re.compile(r"^```bash\n(.*?)^```", re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"^    (?:python|make) .*$", re.MULTILINE)
OF_OTHERS = {"sweep": {"wandb"}}  # not for run.py, but for the command `wandb`
LINK = re.compile(r"\]\((?!https?:)([^)#]+)\)")


def recipes():
    """What `make` would type."""
    shown = subprocess.run(["make", "--dry-run", "demo", "bench"], cwd=ROOT, capture_output=True, text=True, check=True)
    commands = re.findall(
        r"^\S*/(python (?:run\.py|scripts/).*?)(?: &&)?$", shown.stdout.replace("\\\n", " "), re.MULTILINE
    )
    return [command.replace("${run}", "RUN/").replace("$run", "RUN") for command in commands]


def commands(program):
    found = {tuple(words) for words in map(shlex.split, recipes()) if words[0] == program}
    for page in PAGES:
        text = page.read_text()
        lines = [line for block in FENCED.findall(text) for line in block.splitlines()] + INDENTED.findall(text)
        found |= {tuple(words) for line in lines if (words := shlex.split(line, comments=True))[:1] == [program]}
    return sorted(found)


RUNS = [words[2:] for words in commands("python") if words[1] == "run.py"]
SCRIPTS = [words[1:] for words in commands("python") if words[1] != "run.py"]


def test_there_are_commands_to_check():
    assert len(RUNS) > 10
    assert len(SCRIPTS) > 1


@pytest.mark.parametrize("words", RUNS, ids=" ".join)
def test_runs_compose(words):
    options = [word for word in words if not word.startswith("-")]
    # of a sweep, the first job
    overrides = [re.sub(r"=([^,\[]+),.*", r"=\1", option) for option in options]
    with hydra.initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = hydra.compose("config", overrides=overrides)
    assert config.stage in ("fit", "validate", "test", "predict")


@pytest.mark.parametrize("words", SCRIPTS, ids=" ".join)
def test_scripts_have_the_options(python, words):
    script, *arguments = words
    subcommand = [word for word in arguments[:1] if word.isidentifier() and script.endswith("make_synthetic.py")]
    shown = python.run(script, *subcommand, "--help")
    assert shown.returncode == 0, shown.stderr
    assert [word for word in arguments if word.startswith("--") and word not in shown.stdout] == []


@pytest.mark.parametrize("words", commands("make"), ids=" ".join)
def test_make_targets_exist(words):
    assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    assert [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()] == []


def test_readme_lists_all_encoders():
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \| [^|]+ \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert set(rows) == {path.stem for path in (ROOT / "conf" / "encoder").glob("*.yaml")}


def test_readme_lists_all_options():
    readme = (ROOT / "README.md").read_text()
    for group in ("experiment", "size", "protocol", "tasks", "trainer", "logger", "launcher", "sweep"):
        row = re.search(rf"^\| `{group}` \|(.*)$", readme, re.MULTILINE)
        names = {path.stem for path in (ROOT / "conf" / group).glob("*.yaml")} - OF_OTHERS.get(group, set())
        assert names == set(re.findall(r"`(\w+)`", row[1]))
