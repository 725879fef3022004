"""A task of lm-eval with all its metrics: lm-eval's own answers, what it takes of them and what it counts."""

from __future__ import annotations

import copy
import json
import pickle
import tempfile
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.stats import bootstrap

from evaluation import task_reading, task_run
from evaluation.answer_filters import Filter, match_of
from evaluation.task_finding import verdicts, worded
from evaluation.task_metrics import BY_KIND, apart, exchanged_p, f1, mcc, means, positives, tables, valued
from evaluation.task_programs import listings
from evaluation.task_reading import Read, Ready, _scored, cut, prepared, sized
from evaluation.task_run import _rows, _Side
from evaluation.whole_task import WholeTaskRequest, whole_task
from shared.errors import VisitorError
from shared.steps import last
from shared.talk import context_limit, greedy, plain_ids
from tests import zoo
from tests.evaluation.whole_tasks import ANIMALS, FACTS, READ, SCRIPTED

LM_EVAL = json.loads(Path(__file__).with_name("whole_tasks.json").read_text(encoding="utf-8"))


def run(request, *animals):
    loaded = [zoo.opened(name) for name in animals]
    return last(task_run.run(request, loaded, task_run.plan(request, loaded, whole_task(request))))


def told(name, filter_name, at):
    """lm-eval's sample of a document by a filter."""
    (found,) = (one for one in LM_EVAL[name]["samples"] if (one["filter"], one["doc"]) == (filter_name, at))
    return found


@pytest.mark.parametrize("name", SCRIPTED)
def test_filters_take_and_metrics_count_what_lm_evals_do(name):
    text, rows, answers = SCRIPTED[name]
    task = whole_task(WholeTaskRequest.parse(models=["a"], yaml=text, rows=rows))
    side = _Side(
        [Read(text=answer) for answer in answers], [one.taken(answers) for one in task.recipe.filters]
    )
    for measure in task.recipe.measures:
        filter_name = task.recipe.filters[measure.filter].name
        found = _rows(measure, side, task.questions)
        for at, taken in enumerate(side.taken[measure.filter]):
            theirs = told(name, filter_name, at)
            assert taken == theirs["taken"], at
            if measure.metric.share:
                assert found[at, 0] == theirs["metrics"]["exact_match"], (filter_name, at)
        score = valued(measure.metric, found)
        expected = LM_EVAL[name]["scores"][f"{measure.metric.name},{filter_name}"]
        assert score.value == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("animal", ANIMALS)
@pytest.mark.parametrize("name", READ)
def test_answers_likelihoods_and_metrics_are_lm_evals(name, animal):
    text, rows = READ[name]
    data = run(WholeTaskRequest.parse(models=["a"], yaml=text, rows=rows), animal)
    assert data["done"] and not data["notes"][:-1]
    check(data, LM_EVAL[f"{name} {animal}"])


def test_an_answer_in_the_chat_template_is_lm_evals():
    text, rows = READ["written"]
    data = run(WholeTaskRequest.parse(models=["a"], yaml=text, rows=rows, chat=True), "llama3")
    check(data, LM_EVAL["written llama3 chat"], prompts=False)


def check(data, theirs, prompts=True):
    for document, one in zip(data["documents"], theirs["samples"], strict=True):
        (answer,) = document["answers"]
        if "text" in answer:
            assert answer["text"] == one["text"]
            assert (answer["ended"] == "length") == (answer["tokens"] == 10 and answer["ended"] != "stop")
            assert document["prompt"] == one["prompt"] or not prompts
        elif "log" in answer:
            log = one["text"][0] if isinstance(one["text"], list) else one["text"]
            assert answer["log"] == pytest.approx(float(log), abs=2e-3)
    for score in data["scores"]:
        measure = data["measures"][score["measure"]]
        key = f"{measure['name']},{measure['filter'] or 'none'}"
        assert score["value"] == pytest.approx(theirs["scores"][key], rel=1e-4, abs=1e-6), key


def test_a_target_that_the_model_would_write_is_right():
    one = zoo.opened("llama3")
    prompt = tuple(plain_ids(one.tokenizer, "The sea is"))
    (answer,) = last(greedy(one.model, one.tokenizer, [prompt], 3))
    for ids, right in ((answer.ids, True), ((*answer.ids[:2], answer.ids[2] ^ 1), False)):
        ready = Ready(None, windows=(((*prompt, *ids), len(prompt)),))
        assert _scored(one, ready).greedy == right


def test_a_long_text_is_read_in_windows():
    text, rows = READ["whole texts"]
    request = WholeTaskRequest.parse(models=["a"], yaml=text, rows=rows[-1:])
    one, task = zoo.opened("gpt2"), whole_task(request)
    windows = prepared(one, task.questions[0], task.recipe, False).windows
    limit = context_limit(one)
    assert len(windows) > 1 and all(len(ids) <= limit + 1 for ids, _ in windows)
    scored = [token for ids, start in windows for token in ids[start:]]
    assert scored == plain_ids(one.tokenizer, task.questions[0].targets[0])


def test_an_answer_is_cut_by_each_text_in_turn():
    """By hand, as lm-eval's loop over `until` does it."""
    for text, until, left in (
        ("foo.\nbar", ["\n", ".\n"], "foo."),
        ("foo.\nbar", [".\n", "\n"], "foo"),
        ("a\n\nQuestion: b", ["Question:", "\n\nQuestion"], "a\n\n"),
        ("a;b,c", [",", ";"], "a"),
        ("a b a", ["c"], "a b a"),
    ):
        assert cut(text, until) == (left, left != text)


def test_logits_are_made_of_what_is_scored_and_of_no_more_than_a_window(monkeypatch):
    one, made = zoo.opened("gpt2"), []
    hook = one.model.get_output_embeddings().register_forward_hook(
        lambda *told: made.append(told[2].shape[1])
    )
    _scored(one, Ready(None, windows=((tuple(range(1, 21)), 17),)))
    hook.remove()
    assert made == [3]
    monkeypatch.setattr(task_reading, "context_limit", lambda _: 100_000)
    long = [{**FACTS[0], "text": "A long road leads from the sea. " * 300}]
    task = whole_task(WholeTaskRequest.parse(models=["a"], yaml=READ["whole texts"][0], rows=long))
    windows = prepared(one, task.questions[0], task.recipe, False).windows
    assert len(windows) > 1 and max(len(ids) - start for ids, start in windows) == 2_048
    text = READ["last words"][0].replace("{{' '+text.split(' ')[-1]}}", "{{' '+text}}")
    task = whole_task(WholeTaskRequest.parse(models=["a"], yaml=text, rows=long))
    with pytest.raises(VisitorError, match=r"target of document 0 has \d,\d+ tokens; the limit is 2,048"):
        prepared(one, task.questions[0], task.recipe, False)


def printed(text, rows=(), **more):
    """A listing, and the task that it hands to lm-eval."""
    request = WholeTaskRequest.parse(models=["a"], yaml=text, rows=list(rows) or FACTS)
    side = {"name": "a", "origin": {"source": "a", "revision": "", "dtype": "float32"}}
    (program,) = listings(request, {"models": [side], **more}).values()
    start, end = program.index("parts = "), program.index("for name, (model, tokenizer)")
    known = {"yaml": yaml, "task": text, "documents": FACTS, "json": json, "Path": Path, "tempfile": tempfile}
    exec(program[start:end], known)
    return program, known["task"]


def test_the_listing_writes_as_much_reads_the_same_documents_and_windows():
    program, task = printed(WRITE + "generation_kwargs: {until: [x], max_new_tokens: 200}")
    assert task["generation_kwargs"] == {"do_sample": False, "until": ["x"], "max_gen_toks": 128}
    splits = "training_split: train\nfewshot_split: dev\n"
    _, task = printed(WRITE + splits)
    given = ("training_split", "validation_split", "test_split", "fewshot_split")
    assert {task[key] for key in given if key in task} == {"test"} and len(task["generation_kwargs"]) == 2
    _, task = printed(WRITE.replace("test_split: test", "validation_split: dev"))
    assert task["validation_split"] == "test" and "test_split" not in task
    assert "lm.max_length, 2048)" in printed(READ["whole texts"][0])[0] and "_length" not in program
    ended = {"stopped": "It ended.", "documents": [{"id": "0"}, {"id": "2"}]}
    assert "limit=3" in printed(WRITE, **ended)[0] and "limit=24" in program


@pytest.mark.parametrize("empty", [None, "missing"])
@pytest.mark.parametrize("key", ["text", "ref", "label"])
def test_a_document_without_its_column_is_left_out(key, empty):
    """The column's name would be the prompt, or what is right."""
    rows = [dict(one) for one in FACTS]
    rows[1] |= {key: None}
    if empty:
        del rows[1][key]
    text = READ["labels"][0] if key == "label" else WRITE
    task = whole_task(WholeTaskRequest.parse(models=["a"], yaml=text, rows=rows))
    assert len(task.questions) == 4
    assert f"1 left out. Document 1: its column “{key}” is empty or missing." in task.notes


def test_a_column_that_no_document_has_and_values_that_are_none_are_left_out():
    for text, words in (
        (WRITE.replace(": ref", ": reference"), "column “reference” is empty"),
        (WRITE.replace(": ref", ': "{{[ref, None]}}"'), "one of its targets is empty"),
        (READ["labels"][0].replace('["no", "yes"]', "ways"), "one of its choices is empty"),
    ):
        rows = [{**one, "ways": ["no", None]} for one in FACTS]
        with pytest.raises(VisitorError, match=words):
            whole_task(WholeTaskRequest.parse(models=["a"], yaml=text, rows=rows))
    spaced = WRITE.replace("doc_to_text: text", "doc_to_text: the text")
    rows = [{**one, "the text": one["text"]} for one in FACTS[:2]] + FACTS[2:]
    task = whole_task(WholeTaskRequest.parse(models=["a"], yaml=spaced, rows=rows))
    assert [one.prompt for one in task.questions] == [one["text"] for one in FACTS[:2]]


def test_correlation_and_f1_are_those_of_their_definitions():
    draw = np.random.default_rng(0)
    golds, answers = draw.integers(0, 2, 30).tolist(), draw.integers(0, 2, 30).tolist()
    table = tables(golds, answers, 2).sum(0)
    assert float(mcc(table)) == pytest.approx(float(np.corrcoef(golds, answers)[0, 1]))
    hits = sum(a == b == 1 for a, b in zip(golds, answers, strict=True))
    assert float(f1(positives(golds, answers).sum(0))) == pytest.approx(
        2 * hits / (sum(golds) + sum(answers))
    )
    assert float(mcc(tables([1, 1], [0, 1], 2).sum(0))) == 0 == float(f1(np.zeros(3)))
    three = tables([0, 1, 2, 2, 0, 1], [0, 2, 2, 2, 1, 1], 3).sum(0)  # scikit-learn 1.9's value
    assert float(mcc(three)) == pytest.approx(0.5222329678670935)


def of(kind, name):
    return next(one for one in BY_KIND[kind] if one.name == name)


def test_few_documents_are_exchanged_in_every_way():
    """By hand, with sets; with shares the same as the exact test."""
    metric = of("loglikelihood", "perplexity")
    draw = np.random.default_rng(1)
    logs = draw.normal(-3, 1, (2, 6))
    first, second = means(logs[0]), means(logs[1])
    gaps = []
    for way in product((0, 1), repeat=6):
        pair = [[logs[bit ^ side][at] for at, bit in enumerate(way)] for side in (0, 1)]
        gaps.append(abs(np.exp(-np.mean(pair[1])) - np.exp(-np.mean(pair[0]))))
    p = sum(gap >= gaps[0] - 1e-9 for gap in gaps) / 64
    assert exchanged_p(metric, first, second) == pytest.approx(p)
    share = of("loglikelihood", "acc")
    right = draw.integers(0, 2, (2, 9)).astype(float)
    assert exchanged_p(share, *map(means, right)) == pytest.approx(apart(share, *map(means, right)).p)


def test_equal_models_are_called_different_one_time_in_twenty():
    metric = of("loglikelihood_rolling", "word_perplexity")
    draw = np.random.default_rng(2)
    alarms = 0
    for _ in range(300):
        logs, words = draw.gamma(2, 20, (2, 24)), draw.integers(5, 60, 24).astype(float)
        alarms += exchanged_p(metric, means(-logs[0], words), means(-logs[1], words)) <= 0.05
    assert alarms / 300 <= 0.05 + 2 * (0.05 * 0.95 / 300) ** 0.5


def test_intervals_are_scipys_and_a_model_against_itself_is_equal():
    metric = of("loglikelihood", "perplexity")
    logs = np.random.default_rng(3).normal(-2, 1, 60)
    one = valued(metric, means(logs))
    ends = bootstrap((logs,), lambda x, axis: np.exp(-x.mean(axis)), method="percentile", rng=1)
    low, high = ends.confidence_interval
    assert (one.low, one.high) == pytest.approx((low, high), abs=0.08 * (high - low))
    same = apart(metric, means(logs), means(logs))
    assert (same.value, same.low, same.high, same.p) == (0, 0, 0, 1)
    assert valued(metric, means(logs[:1])).low is None and apart(metric, means([1]), means([2])).low is None


def test_an_example_shows_the_first_of_several_targets():
    asked = WRITE[: WRITE.index("metric_list")].replace("doc_to_target: ref", "doc_to_target: refs")
    text = f"{asked}num_fewshot: 1\nfewshot_split: test\n"
    rows = [{"text": f"{one}?", "refs": [f"{one}1", f"{one}2"]} for one in "ab"]
    task = whole_task(WholeTaskRequest.parse(models=["a"], yaml=text, rows=rows))
    assert [one.prompt for one in task.questions] == ["b? b1\n\na?", "a? a1\n\nb?"]


def test_numbers_are_written_for_readers():
    values = (2.324e8, -6.76e-6, 999.6, 999_999, 0.5223, 0)
    written = [worded({"share": False}, value, True) for value in values]
    assert written == ["+2.32·10⁸", "−6.76·10⁻⁶", "+1,000", "+999,999", "+0.522", "0"]
    assert worded({"share": True}, -0.1, True) == "−10" and worded({"share": True}, 0.1) == "10 %"


def test_choices_that_are_read_alone_too_count_as_read():
    one, text = zoo.opened("gpt2"), READ["labels"][0]
    sizes = []
    for metric in ("acc", "acc_mutual_info"):
        some = f"{text[: text.index('metric_list')]}metric_list: [{{metric: {metric}}}]"
        task = whole_task(WholeTaskRequest.parse(models=["a"], yaml=some, rows=FACTS[:1]))
        sizes.append(sized(prepared(one, task.questions[0], task.recipe, False)))
    assert sizes[1] > sizes[0] + 1


def test_a_perplexity_that_is_no_number_is_refused():
    """A text without blanks is one word of many tokens."""
    with pytest.raises(VisitorError, match="word_perplexity is too large for a number"):
        valued(of("loglikelihood_rolling", "word_perplexity"), means([-900, -1_200], [1, 1]))


def test_a_run_grows_and_its_first_sentence_says_whether_it_decides():
    request = WholeTaskRequest.parse(models=["a", "b"], limit=10, tokens=3)
    loaded = [zoo.opened(name) for name in ANIMALS]
    planned = pickle.loads(pickle.dumps(task_run.plan(request, loaded, whole_task(request))))
    steps = list(task_run.run(request, loaded, planned))  # on ZeroGPU a plan goes to another process
    counts = [len(one["documents"]) for one in steps]
    assert counts == sorted(counts) and {0, 8, 10} == set(counts) and steps[-1]["done"]
    assert all("no verdict" in one["verdicts"][0] for one in steps if 0 < len(one["documents"]) < 10)
    data = steps[-1]
    assert "10 documents cannot decide" in data["verdicts"][0] and "10 answers cut" in data["verdicts"][-1]
    assert [one["name"] for one in data["measures"]] == ["exact_match"] * 2
    (program,) = listings(request, data).values()
    compile(program, "listing", "exec")
    assert "limit=10" in program and "#### " in program
    told = copy.deepcopy(data)
    told["differences"][0] |= {"p": 0.004, "value": -0.4, "gained": 1, "lost": 9}
    assert verdicts(told, True)[0].startswith("b is worse than a: −40 points of exact_match by strict-match")


def test_a_batch_that_the_time_cuts_is_left_out_for_all_models():
    """The second model's last answers are cut; counted they would be wrong ones."""
    request = WholeTaskRequest.parse(models=["a", "b"], limit=10, tokens=24)
    loaded = [zoo.opened(name) for name in ANIMALS]
    planned = task_run.plan(request, loaded, whole_task(request))
    for cut_at, count in (("a: documents 9", 8), ("b: documents 9", 8), ("b: documents 1", 0)):
        now = [0.0]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(task_reading.time, "monotonic", lambda now=now: now[0])
            for data in task_run.run(request, loaded, planned):
                if data["progress"] and data["progress"]["label"].startswith(cut_at):
                    now[0] = 1e9
        assert len(data["documents"]) == count and "ended after 30 minutes" in data["stopped"]
        assert all(len(one["answers"]) == 2 for one in data["documents"])
        assert [one["of"] for one in data["scores"]] == [8] * 4 * bool(count)
        assert ("No documents were answered by all" in data["verdicts"][0]) == (not count)


@pytest.mark.parametrize("name", ["last words", "labels", "written"])
def test_a_model_whose_likelihoods_are_no_numbers_is_named(name):
    one = copy.deepcopy(zoo.opened("gpt2"))
    next(one.model.parameters()).data[:] = float("nan")
    text, rows = READ[name]
    request = WholeTaskRequest.parse(models=["a"], yaml=text, rows=rows)
    where = "a token of its answers" if name == "written" else "document 0"
    with pytest.raises(VisitorError, match=f"gives {where} a likelihood that is no finite number"):
        last(task_run.run(request, [one], task_run.plan(request, [one], whole_task(request))))


WRITE = SCRIPTED["overlap"][0]


def listed(metrics):
    return WRITE[: WRITE.index("metric_list")] + f"metric_list: [{metrics}]"


def metric(more):
    return listed(f"{{metric: exact_match, {more}}}")


def filtered(step="{function: lowercase}", name="x"):
    return WRITE + f"filter_list: [{{name: {name}, filter: [{step}, {{function: take_first}}]}}]"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (WRITE + "generation_kwargs: {do_sample: true}", "draws its answers"),
        (WRITE + "generation_kwargs: {temperature: 0.7}", "draws its answers"),
        (WRITE + "generation_kwargs: {num_beams: 4}", "generation_kwargs has num_beams"),
        (WRITE + "generation_kwargs: {until: 7}", "until is no list of texts"),
        (WRITE + "generation_kwargs: {max_gen_toks: 0}", "longest answer no number"),
        (WRITE + "process_results: x", "counts answers with a function of Python"),
        (WRITE + "unsafe_code: true", "runs the code that models write"),
        (WRITE.replace("generate_until", "perplexity"), "output_type is perplexity"),
        (filtered("{function: custom, filter_fn: x}"), "has the step custom, which is not known"),
        (filtered("{function: take_first}"), "goes on behind take_first"),
        (filtered("{function: regex, group_select: x}"), "settings that are not known"),
        (filtered("{function: regex, flags: 2}"), "settings that are not known"),
        (metric("hf_evaluate: true"), "is code that lm-eval loads"),
        (metric("regexes_to_ignore: x"), "exact_match has settings"),
        (listed("{metric: ter}"), "counts by ter"),
        (metric(f"regexes_to_ignore: {list('abcdefghijklmnopq')}"), "regexes_to_ignore has 17 patterns"),
        (metric("regexes_to_ignore: [a, a]"), "one of them twice"),
        (listed("{metric: bleu}, {metric: bleu}"), "metric_list has 2 metrics, or one of them twice"),
        (listed(", ".join(f"{{metric: m{at}}}" for at in range(9))), "metric_list has 9 metrics"),
        (filtered(name="x" * 61), "no name of up to 60"),
        (metric('regexes_to_ignore: ["("]'), "“\\(” is not a regular expression"),
        (filtered('{function: regex, regex_pattern: "[a"}'), "“\\[a” is not a regular expression"),
        (WRITE + f"generation_kwargs: {{max_gen_toks: 0x{'F' * 5_000}}}", "a number is too large"),
        (WRITE + f"num_fewshot: 0x{'F' * 5_000}", "a number is too large"),
        (WRITE.replace("task: overlap", 'task: "\\ud800"'), "half of a character"),
        (WRITE + 'generation_kwargs: {until: ["\\ud800"]}', "half of a character"),
        (filtered(name='"\\ud800"'), "half of a character"),
        (READ["last words"][0] + "filter_list: []", "filters answers, and its output_type"),
    ],
)
def test_what_would_mean_something_else_here_is_refused(text, words):
    with pytest.raises(VisitorError, match=words):
        WholeTaskRequest.parse(models=["a"], yaml=text, rows=FACTS)


def test_a_temperature_that_nothing_draws_with_is_taken():
    """lm-eval sets it to 0 where do_sample is false."""
    text = WRITE + "generation_kwargs: {do_sample: false, temperature: 1.0}"
    assert WholeTaskRequest.parse(models=["a"], yaml=text, rows=FACTS).task


def test_patterns_that_go_back_and_forth_end():
    slow = {"function": "regex", "regex_pattern": "(a+)+$"}
    with pytest.raises(VisitorError, match="takes more than 2 seconds"):
        Filter("x", (("regex", slow),)).taken(["a" * 40 + "!"])
    with pytest.raises(VisitorError, match="is not a regular expression"):
        match_of({"regexes_to_ignore": ["("]}).plain(["x"])


def test_metrics_are_of_what_they_are_defined_for():
    labels = READ["labels"][0].replace('["no", "yes"]', '["no", "yes", "or"]')
    several = WRITE.replace("doc_to_target: ref", 'doc_to_target: "{{[text, ref]}}"')
    for text, words in ((labels, "f1 is of two choices"), (several, "bleu is of one target")):
        with pytest.raises(VisitorError, match=words):
            whole_task(WholeTaskRequest.parse(models=["a"], yaml=text, rows=FACTS))
    with pytest.raises(VisitorError, match="no task that asks about them"):
        WholeTaskRequest.parse(models=["a"], rows=FACTS)


def test_too_much_to_write_is_refused_before_it_is_written():
    with pytest.raises(VisitorError, match="would write up to 102,400 tokens"):
        WholeTaskRequest.parse(models=["a", "b"], yaml=WRITE, limit=200, tokens=256)
