"""Keep the generators of a search's best configurations, and delete all others."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweeps.analysis.configurations import Estimates, Standings
from sweeps.analysis.contest import finalists_in
from sweeps.analysis.evidence import Evidence, Setting
from sweeps.analysis.statistics import Scale
from sweeps.record.judging import judged_metrics
from sweeps.record.layout import discard_kept
from sweeps.record.past import Past
from sweeps.record.reading import read_facts, read_ledger
from sweeps.record.status import Stage, Status
from sweeps.spec.constraints import are_met
from sweeps.spec.model import SweepSpec


class BestWeights:
    """Keeps the generators of the best configurations, of the defaults and of finalists.

    A configuration that was trained on several seeds is ranked by its mean, and keeps the generators of all
    its seeds. Each further seed may change the mean of one configuration. Until the search has ended, as many
    more configurations are therefore kept as it trains further seeds.

    Args:
        folder: The sweep's folder.
        spec: The sweep.
        past: The trials of earlier runs.
    """

    def __init__(self, folder: Path, spec: SweepSpec, past: Past) -> None:
        self._folder, self._spec = folder, spec
        self._keep = max(spec.keep, spec.confirm.top) if spec.keep and spec.confirm else spec.keep
        facts = read_ledger(folder.name, folder.parent).facts
        self._exempt: set[str] = finalists_in(facts) if self._keep else set()
        self._metric = spec.metric[0].name
        self._standings = Standings(Scale(self._metric, less_is_better=spec.metric[0].goal == "minimize"))
        self._infeasible: set[str] = set()
        self._trials: dict[str, list[str]] = {}
        for row in past.rows:
            if row["stage"] != Stage.SEARCH:
                continue
            if (row["final"] or {}).get(self._metric) is not None:
                is_baseline = bool(row["is_baseline"])
                self.add(row["trial_id"], judged_metrics(row), is_baseline=is_baseline, of=row["of"])
            elif row["status"] == Status.DIVERGED:
                self.note_divergence(row["trial_id"], row["of"])

    def add(
        self, trial_id: str, metrics: Mapping[str, Any], *, is_baseline: bool, of: str | None = None
    ) -> None:
        """Rank a trial that was trained to its end, and delete the worst generators if there are too many.

        Args:
            trial_id: The trial.
            metrics: What the trial is judged by: a trial that breaks a constraint is worse than all others.
            is_baseline: Whether the trial is the baseline.
            of: The first trial of the configuration, if this one is a further seed.
        """
        name = of or trial_id
        self._standings.add(name, trial_id, metrics[self._metric], has_diverged=False)
        if of is None and are_met(self._spec.parsed_constraints, metrics) is False:
            self._infeasible.add(name)
        if is_baseline and self._keep:
            self._exempt.add(name)
        self._trials.setdefault(name, []).append(trial_id)
        self._discard(self._keep + self._spec.seed_trials if self._keep else 0)

    def note_divergence(self, trial_id: str, of: str | None) -> None:
        """Note that a further seed diverged: a configuration that does so on most seeds is not the best."""
        if of is not None:
            self._standings.add(of, trial_id, None, has_diverged=True)

    def settle(self) -> None:
        """Delete the generators that were kept because means could still change."""
        self._discard(self._keep)

    def leader(self) -> tuple[str, float, int] | None:
        """Return the best configuration by its mean over seeds, that mean, and the number of seeds.

        Returns:
            The name of its first trial, and the numbers; None before the first further seed.
        """
        if not self._standings.has_seeds:
            return None
        found, names = self._estimates(), self._ranked()
        index = found.names.index(names[0])
        return (
            names[0],
            float(self._standings.scale.from_scale(found.mean[index])),
            int(found.scores.n[index]),
        )

    def _discard(self, most: int) -> None:
        """Delete all generators but those of the best configurations; without further seeds, forget them."""
        ranked = [name for name in self._ranked() if name not in self._exempt]
        for name in ranked[most:]:
            for trial_id in self._trials.pop(name, []):
                discard_kept(self._folder, trial_id)
            if not self._spec.seed_trials and not self._standings.has_seeds:
                del self._standings.scores[name]

    def _ranked(self) -> list[str]:
        """Return the configurations with a score, the best first."""
        if self._standings.has_seeds:
            found = self._estimates()
            ordered = [found.names[index] for index in found.order]
        else:
            scale, scores = self._standings.scale, self._standings.scores
            firsts = {name: next(iter(each.values())) for name, each in scores.items()}
            ordered = sorted(firsts, key=lambda name: (scale.sign * firsts[name], name))
        return sorted(ordered, key=lambda name: name in self._infeasible)

    def _estimates(self) -> Estimates:
        extractor = read_facts(self._folder).get("extractor")
        setting = Setting(self._spec.dataset, extractor, self._spec.train)
        return self._standings.estimates(Evidence.on(self._standings.scale, setting))
