import subprocess
import sys

import pytest
from torch.distributed import TCPStore

from avel.errors import UserError
from avel.training import ranks

TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "TORCHELASTIC_RESTART_COUNT": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}
SLURM = {"SLURM_JOB_ID": "77", "SLURM_STEP_ID": "3", "SLURM_NTASKS": "4", "SLURM_PROCID": "2", "SLURM_JOB_NAME": "avel"}


@pytest.fixture
def environment(monkeypatch):
    """Sets variables and removes those that say something else."""

    def environment(**variables):
        for name in (*ranks.RANK, *TORCHRUN, *SLURM, "SLURM_RESTART_COUNT"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return environment


@pytest.mark.parametrize(
    ("variables", "rank", "launched"),
    [
        ({}, 0, 1),
        ({"LOCAL_RANK": "1"}, 1, 1),  # Lightning started it
        ({**TORCHRUN, "RANK": "1"}, 1, 2),
        (SLURM, 2, 4),
        ({**SLURM, "SLURM_JOB_NAME": "bash"}, 2, 1),
        ({**SLURM, **TORCHRUN, "RANK": "0"}, 0, 2),  # torchrun within Slurm
    ],
    ids=["alone", "lightning", "torchrun", "slurm", "interactive", "both"],
)
def test_the_environment_says_who_started_what(environment, variables, rank, launched):
    environment(**variables)
    assert (ranks.rank(), ranks.launched()) == (rank, launched)


def test_the_clock_names_a_run_of_one_process(environment):
    environment()
    assert ranks.agree_on_start("now") is None


def test_slurm_names_a_run_by_its_numbers_and_a_restarted_one_otherwise(environment):
    environment(**SLURM)
    assert ranks.agree_on_start("now") == "slurm-77-3"
    environment(**SLURM, SLURM_RESTART_COUNT="1")
    assert ranks.agree_on_start("now") == "slurm-77-3-1"


def test_under_torchrun_the_first_rank_names_the_run(environment):
    agent = TCPStore("127.0.0.1", 0, is_master=True)
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(agent.port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    for rank, clock in (("0", "noon"), ("1", "a second later")):
        environment(**TORCHRUN, **address, RANK=rank)
        assert ranks.agree_on_start(clock) == "noon"


def test_a_trainer_of_another_number_of_processes_is_refused(environment):
    environment(**SLURM)
    ranks.check_launch(4)
    with pytest.raises(UserError, match="4 processes were started, but the trainer works with 1: take trainer=ddp"):
        ranks.check_launch(1)
    environment()
    ranks.check_launch(2)  # Lightning will start them


def test_the_first_rank_points_to_the_one_that_failed(environment):
    environment()
    with pytest.raises(UserError, match="another process of this run has failed"), ranks.one_voice():
        raise RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer")
    with pytest.raises(RuntimeError, match="of its own"), ranks.one_voice():
        raise RuntimeError("of its own")
    with pytest.raises(UserError, match="igloo"), ranks.one_voice():
        raise UserError("igloo/a.npy: is damaged")


def test_a_process_that_lightning_finds_dead_is_told_of():
    code = (
        "import logging\n"
        "from avel.training import ranks\n"
        "with ranks.one_voice():\n"
        "    watch = logging.getLogger('lightning.fabric.strategies.launchers.subprocess_script')\n"
        "    watch.info('Child process with PID 7 terminated with code -9. Forcefully terminating all others')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    message = "another process of this run has failed: Child process with PID 7 terminated with code -9"
    assert (done.returncode, done.stderr) == (2, f"error: {message}\n")
