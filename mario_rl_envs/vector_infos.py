"""The infos of many games, batched as Gymnasium's vectors do it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # it needs the native core
    from mario_rl_envs.batch import GameBatch, Results

_REWARD_TERMS: Final = "reward_terms"


class InfoBatch:
    """Makes infos of what the native core wrote, as `VectorEnv` batches those of single games.

    Each key has a mask beside it, `_key`, bool, [N]: of which games its values are.
    """

    def __init__(self, info: Iterable[str] | None, games: GameBatch) -> None:
        """Choose the keys.

        Args:
            info: Those that infos have; None: all.
            games: Of which the infos are.
        """
        named = {*games.columns, *games.flags, _REWARD_TERMS} if info is None else set(info)
        columns = [row for row, key in enumerate(games.columns) if key in named]
        flags = [row for row, key in enumerate(games.flags) if key in named]
        self._powers = games.powers
        self._rows = None if info is None else (columns, flags)
        self._numbers = [games.columns[row] for row in columns]
        self._numbers += [games.flags[row] for row in flags]
        self._terms = tuple(games.terms)
        self._term_masks = tuple(f"_{term}" for term in games.terms)
        self._has_status = "status" in named
        self._has_terms = _REWARD_TERMS in named
        keys = [*self._numbers, *([_REWARD_TERMS] if self._has_terms else [])]
        self._masks = tuple(f"_{key}" for key in keys)

    def infos(self, results: Results, mask: NDArray[np.bool_]) -> dict[str, Any]:
        """Return the infos of the games in a mask, [N]. Their masks are one array."""
        columns, flags = results.columns, results.flags
        if self._rows is not None:
            columns, flags = columns[self._rows[0]], flags[self._rows[1]]
        infos: dict[str, Any] = dict(zip(self._numbers, [*columns, *flags], strict=True))
        if self._has_status:
            status = infos["status"] = self._powers[infos["status"]]
            if not mask.all():
                status[~mask] = None
        mask = mask.copy()
        if self._has_terms:
            terms = infos[_REWARD_TERMS] = dict(zip(self._terms, results.terms, strict=True))
            terms.update(dict.fromkeys(self._term_masks, mask))
        infos.update(dict.fromkeys(self._masks, mask))
        return infos

    def final_infos(self, results: Results, ended: NDArray[np.bool_]) -> dict[str, Any]:
        """Return what the episodes ended with that have ended, a mask, [N]."""
        final_obs = np.full(len(ended), None, object)
        for env in np.flatnonzero(ended):
            final_obs[env] = results.obs[env].copy()
        only = results._replace(
            columns=np.where(ended, results.columns, 0),
            flags=results.flags & ended,
            terms=np.where(ended, results.terms, 0.0),
        )
        return {
            "final_obs": final_obs,
            "_final_obs": ended.copy(),
            "final_info": self.infos(only, ended),
            "_final_info": ended.copy(),
        }
