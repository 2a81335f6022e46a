"""`benchmarks/claims.py` with a claim of a few seconds: `python tiny_claims.py --out FOLDER`."""

import sys
from typing import Final

from benchmarks import claims
from benchmarks.claim_list import Arm, Claim, Side


def _arm(id: str, **settings: object) -> Arm:
    small = {"hidden_sizes": [8], **settings}
    algorithm = "benchmarks.claim_agents:SeparateActorCritic"
    return Arm(id, algorithm, "CartPole-v1", steps=200, minutes=0.1, settings=small)


CLAIMS: Final = (
    Claim(
        id="tiny",
        title="A tiny claim",
        source="nobody",
        task="CartPole-v1",
        kind="better",
        first=Side("quick", _arm("quick", learning_rate=1e-2), "all"),
        second=Side("slow", _arm("slow", learning_rate=1e-4), "all"),
        margin=1.0,
        remark="It says nothing.",
    ),
)

if __name__ == "__main__":
    sys.exit(claims.main(claims=CLAIMS))
