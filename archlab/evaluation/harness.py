"""EleutherAI's lm-evaluation-harness: its tasks and its metrics, asked of a run.

Log-likelihoods are the scorer's, many questions in a row as in training, and texts are continued by
`generate`.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lm_eval
from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM
from lm_eval.models.utils import normalize_gen_kwargs, postprocess_generated_text
from lm_eval.tasks import TaskManager
from lm_eval.utils import make_table

from archlab.data.row import DECODER, ENCODER, PAIR
from archlab.evaluation.formats import Format, Span
from archlab.evaluation.subject import Subject
from archlab.generation.generate import AT_ONCE, generate
from archlab.generation.manner import Manner
from archlab.spelling import nearest

CONTINUES = ("causal", "prefix")  # formats that read what stands before as it is
LONGEST = 256  # tokens of an answer, where a task does not say; the harness's own default


def form(subject: Subject) -> Format:
    """Chooses how a run is asked to go on from a text.

    Args:
      subject: the run.

    Returns:
      As it was trained to be, if that is to continue; else as its architecture does. An encoder
      fills masks.
    """
    found, kind = subject.format(), subject.row.kind
    if kind == ENCODER or found.name in CONTINUES:
        return found
    is_causal = kind == DECODER and subject.model.architecture.visibility == "causal"
    return Format("causal" if is_causal else "prefix")


class Harness(TemplateLM):
    """A run, as the harness asks it.

    Example:
      lm_eval.simple_evaluate(Harness(subject, form(subject)), tasks=["piqa"])

    Args:
      subject: the run.
      form: how it is asked.
      at_once: texts that are continued together.
    """

    def __init__(self, subject: Subject, form: Format, at_once: int = AT_ONCE):
        super().__init__()
        self.subject, self.form, self.at_once = subject, form, at_once
        # How `TemplateLM` cuts a text in two: as one text, or each side by itself.
        self.backend = "seq2seq" if subject.row.kind == PAIR else "causal"

    @property
    def eot_token_id(self) -> int:
        """The id that ends a text."""
        return self.subject.words.end

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, **kwargs: object
    ) -> list[int]:
        """Turns text into ids.

        Args:
          string: any text.
          add_special_tokens: unused; a model's own start is none of its text.
          **kwargs: unused.

        Returns:
          The ids.
        """
        return self.subject.words.encode(string)

    def _loglikelihood_tokens(self, requests: Sequence[tuple], **kwargs: object) -> list[tuple]:
        """The log-likelihood of each continuation, and whether each token was the likeliest."""
        # Where nothing stands before, the harness puts an end there; a model here has its start.
        spans = [
            Span(tuple(before) if texts[0] else (), tuple(after))
            for texts, before, after in requests
        ]
        scores = self.subject.scorer.spans(spans, self.form)
        found = [
            (-float(nats), bool(is_best))
            for nats, is_best in zip(scores.nats_S, scores.is_best_S, strict=True)
        ]
        for (texts, _, _), one in zip(requests, found, strict=True):
            self.cache_hook.add_partial("loglikelihood", texts, one)
        return found

    def loglikelihood_rolling(
        self, requests: list[Instance], disable_tqdm: bool = False
    ) -> list[float]:
        """Scores whole texts, each token given those before it.

        Args:
          requests: with a text each.
          disable_tqdm: unused; nothing is shown.

        Returns:
          The log-likelihood of each. A text that is longer than a row is said in pieces, each with
          as much before it as there is room for.
        """
        texts = [self.tok_encode(request.args[0]) for request in requests]
        spans = [Span((), tuple(text)) for text in texts if text]
        nats = iter(self.subject.scorer.spans(spans, self.form).nats_S)
        found = [-float(next(nats)) if text else 0.0 for text in texts]
        for request, one in zip(requests, found, strict=True):
            self.cache_hook.add_partial("loglikelihood_rolling", request.args, one)
        return found

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Continues texts until one of a task's stops.

        Args:
          requests: with a text and settings of the generation each.
          disable_tqdm: unused; nothing is shown.

        Returns:
          What was said, without the stop.

        Raises:
          ValueError: a setting that is not known, or a format that continues nothing.
        """
        alike: dict[str, list[int]] = {}
        for number, request in enumerate(requests):
            alike.setdefault(json.dumps(request.args[1], sort_keys=True), []).append(number)
        found: dict[int, str] = {}
        for settings, numbers in alike.items():
            texts = [requests[number].args[0] for number in numbers]
            found |= dict(zip(numbers, self._continued(texts, json.loads(settings)), strict=True))
        for number, request in enumerate(requests):
            self.cache_hook.add_partial("generate_until", request.args, found[number])
        return [found[number] for number in range(len(requests))]

    def _continued(self, texts: list[str], settings: dict) -> list[str]:
        """What is said after texts, with the same settings."""
        subject, row, words = self.subject, self.subject.row, self.subject.words
        if row.kind != ENCODER and self.form.name not in CONTINUES:
            raise ValueError(
                f"format {self.form.said} continues no text; {' or '.join(CONTINUES)} does"
            )
        # No more at once than in training, of which what was asked has at least half.
        most = row.targets if row.kind == PAIR else row.total // 2
        manner, until = manners(settings, most)
        room = row.inputs if row.kind == PAIR else row.total - manner.tokens
        mode = [words.modes[self.form.mode]] if self.form.mode else []
        room -= len(mode) + 1
        given = [[*mode, *words.encode(text)[-room:]] for text in texts]
        if row.kind != DECODER:
            given = [one or [words.end] for one in given]  # as a question without a text before is
        said = generate(
            subject.model,
            subject.weights,
            words,
            given,
            manner,
            self.at_once,
            is_shifted=row.kind == ENCODER and self.form.is_shifted,
        )
        text = set(words.ordinary.tolist())  # as the harness's own backends leave out the rest
        found = [words.decode(token for token in one.ids if token in text) for one in said]
        return [postprocess_generated_text(one, until, None) for one in found]


def manners(settings: dict, most: int) -> tuple[Manner, list[str]]:
    """Reads how a task wants texts to be continued.

    Example:
      >>> manners({"until": ["."], "max_gen_toks": 9, "do_sample": False}, 99)[1]
      ['.']

    Args:
      settings: in the harness's words, which are those of transformers.
      most: tokens at the most.

    Returns:
      The manner, and the texts that stop it.

    Raises:
      ValueError: a setting that is not known.
    """
    known = normalize_gen_kwargs(settings, LONGEST)
    is_drawn, until = known.pop("do_sample"), known.pop("until", [])
    temperature = known.pop("temperature", 0.0)
    drawn: dict[str, Any] = {"temperature": temperature or 1.0} if is_drawn else {}
    for name in ("top_k", "top_p"):
        value = known.pop(name, None)
        if is_drawn and value is not None:
            drawn[name] = value
    tokens, beams = min(known.pop("max_gen_toks"), most), known.pop("num_beams", 1)
    if known:
        raise ValueError(f"{', '.join(known)}: generation has no such setting here")
    return Manner(tokens, beams=beams, **drawn), [until] if isinstance(until, str) else until


def results(
    model: Harness,
    tasks: Sequence[str],
    folder: Path | None = None,
    shots: int | None = None,
    limit: int | None = None,
) -> dict:
    """Takes tasks of the harness.

    Args:
      model: the run.
      tasks: names or patterns of tasks and groups.
      folder: of tasks of one's own, as YAML; None has the harness's alone.
      shots: examples that stand before each question; as the task says unless given.
      limit: questions of each task; all of them unless given.

    Returns:
      What the harness says, by name of task: "results", and how they were taken.

    Raises:
      ValueError: there is no such task.
    """
    manager = _known(tasks, folder)
    named = []
    for name in tasks:
        found = manager.match_tasks([name])
        if not found:
            raise ValueError(f"the harness has no task {name!r}{nearest(name, manager.all_tasks)}")
        named += found
    return lm_eval.simple_evaluate(
        model,
        tasks=[*dict.fromkeys(named)],
        num_fewshot=shots,
        limit=limit,
        task_manager=manager,
        log_samples=False,
    )


def _known(tasks: Sequence[str], folder: Path | None) -> TaskManager:
    """The tasks of a folder, if all that are wanted are there, else those of the harness too."""
    if folder:
        # Those of the harness are thousands of files, which take seconds to look through.
        manager = TaskManager(include_path=str(folder), include_defaults=False)
        if all(manager.match_tasks([name]) for name in tasks):
            return manager
    return TaskManager(include_path=str(folder) if folder else None)


def table(found: dict) -> str:
    """Args: found: from `results`. Returns: it, as a table of Markdown."""
    return make_table(found)
