"""Experiments: jobs are data, an engine runs them, a result is read from the folder that it left.

```python
from mario_rl_agents.experiments import Job, LocalEngine

jobs = [Job.from_recipe("dqn", "CartPole-v1", seed=seed) for seed in range(3)]
reports = LocalEngine(num_processes=2).run(jobs, out="runs/three-seeds")
```
"""

from mario_rl_agents.experiments.engine import Engine, JobReport, JobState, read_report
from mario_rl_agents.experiments.folder import JobFolder
from mario_rl_agents.experiments.job import Job, PeriodicEvaluation
from mario_rl_agents.experiments.local import LocalEngine
from mario_rl_agents.experiments.result import JobResult, Progress, Score, TrainingReturns

__all__ = [
    "Engine",
    "Job",
    "JobFolder",
    "JobReport",
    "JobResult",
    "JobState",
    "LocalEngine",
    "PeriodicEvaluation",
    "Progress",
    "Score",
    "TrainingReturns",
    "read_report",
]
