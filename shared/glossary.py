"""The words of the field, each in a sentence or two: a page explains them where they stand."""

from __future__ import annotations

from collections.abc import Iterable

from shared.data import Glossary, Rooms, Term

TERMS: dict[tuple[str, ...], str] = {
    ("token", "tokens"): "A piece of text that the model reads and writes as one: a word, a part of one, or "
    "a sign.",
    ("logit", "logits"): "The score that a model gives to each possible next token, before softmax makes "
    "probabilities of the scores.",
    ("softmax",): "Turns scores into probabilities: e to the power of each, over the sum of all.",
    ("nat", "nats"): "A unit of information: the natural logarithm of a probability counts in nats. One nat "
    "is a factor of 2.72.",
    ("temperature",): "Divides the logits before softmax: above 1 it makes rare tokens likelier, below 1 "
    "rarer.",
    ("top-k",): "Sampling among the k likeliest tokens alone.",
    ("top-p", "nucleus"): "Sampling among the likeliest tokens that together hold a share p of the "
    "probability.",
    ("min-p",): "Sampling among the tokens that are at least so many times as likely as the likeliest one.",
    ("greedy",): "Taking the likeliest token at every step.",
    ("beam", "beams", "beam search"): "Search that carries several texts along and keeps those that are "
    "likeliest as a whole.",
    ("contrastive search",): "Takes a likely token whose inner state is unlike those before, against "
    "repetition.",
    ("DoLa",): "Decoding that prefers what the late layers of a model know and its early ones do not.",
    ("speculative decoding",): "A cheap draft guesses several tokens, and the model checks them all in one "
    "pass.",
    ("BOS",): "Beginning of sequence: a token that many models expect before every text.",
    ("EOS",): "End of sequence: the token that says that a text is over.",
    ("chat template",): "The program that writes a conversation as the one text that a model reads.",
    ("perplexity", "PPL"): "How many tokens a model wavers between on average, where it predicts a text: e "
    "to the power of the mean loss. Lower is better.",
    ("KL divergence", "KLD", "KL"): "How far one distribution is from another: the mean extra surprise, in "
    "nats, of who expects the second and meets the first.",
    ("p99",): "The 99th percentile: one value in a hundred is larger.",
    ("RMS Δp", "RMS of Δp"): "How far the probability of the text's own next token moves: the root of the "
    "mean squared change.",
    ("rtn",): "Round to nearest: each number goes to the closest step of the grid, whatever it is used for.",
    ("acc",): "Accuracy: the share of items whose likeliest choice is the right one.",
    ("total variation", "TV"): "Half the sum of all differences between two distributions: the share of "
    "probability that has to move.",
    ("entropy",): "How undecided a distribution is: the mean surprise at what it brings.",
    ("quantization", "quantized"): "Storing weights with fewer bits each, as steps of a coarse grid.",
    ("GGUF",): "llama.cpp's file format for models, quantized or not.",
    ("SQNR",): "Signal to quantization noise: the weights' power over that of the rounding error, in "
    "decibels. Higher is better.",
    ("kurtosis",): "How heavy the tails of a distribution are. A normal one has 3; outliers make it larger.",
    ("imatrix", "importance matrix"): "How strongly each input of a weight matrix is used on a sample text, "
    "so that rounding spares what matters.",
    ("GPTQ",): "Quantization that rounds column by column and lets the later columns make up for the error.",
    ("AWQ",): "Quantization that first scales up the channels that matter most.",
    ("bfloat16", "float16", "float32"): "Number formats of 16 or 32 bits. bfloat16 has the range of float32 "
    "with fewer digits.",
    ("MLP",): "The part of a layer that works on each token alone.",
    ("attention",): "The part of a layer that lets each token look at those before it.",
    ("residual stream",): "The vector that runs through all layers of a model, to which each adds its part.",
    ("LoRA",): "Training a small low-rank change beside each frozen matrix, instead of the matrix itself.",
    ("QLoRA",): "LoRA on a base model that is held in 4 bits.",
    ("adapter", "adapters"): "A small set of trained weights that changes a model when it is added to it.",
    ("SFT",): "Supervised fine-tuning: learning answers token by token.",
    ("DPO",): "Learning from pairs of answers: the chosen one is made likelier than the rejected one, "
    "measured against the model before.",
    ("ORPO",): "Learning answers and preferring them over rejected ones in one loss, with no second model.",
    ("KTO",): "Learning from single answers marked good or bad.",
    ("GRPO",): "Reinforcement learning on groups of answers: each is rewarded for being better than the mean "
    "of its group.",
    ("reward",): "The number that an answer earns; training makes answers with more of it likelier.",
    ("learning rate",): "How far one step of training moves the weights.",
    ("optimizer",): "The rule that turns gradients into steps; AdamW keeps two numbers for every weight it "
    "trains.",
    ("gradient", "gradients"): "For every weight, how the loss would change if it grew a little.",
    ("held-out", "held out"): "Kept aside and not learned from, to measure on.",
    ("task vector", "task vectors"): "What a fine-tune changed: its weights minus those of its base.",
    ("task arithmetic",): "Merging by adding task vectors, each with a weight, to the base.",
    ("SLERP",): "Going from one model to another along a circle instead of a line, so that lengths are kept.",
    ("TIES",): "Merging that keeps each task vector's largest entries and lets a vote decide every sign.",
    ("DARE",): "Merging that drops entries of a task vector by chance and scales up the rest.",
    ("mixture of experts",): "A model with several MLPs a layer, of which a gate picks a few for each token.",
    ("gate", "gates"): "What decides which experts work on a token.",
    (
        "CMA-ES",
    ): "A search that draws candidates around the best so far and learns in which directions to go.",
    ("AUC",): "The chance that a score ranks a member of one set above one of the other: 0.5 is guessing, 1 "
    "perfect.",
    ("kernel",): "How strong the edit is at each layer: a curve over the layers.",
    ("sparse autoencoder",): "Writes a model's inner state as a sum of few features out of many, which are "
    "easier to name.",
    ("singular value", "singular values"): "How much a matrix stretches along each of its own directions.",
    ("Pareto",): "What nothing else beats in both respects at once.",
    ("Jaccard",): "Shared shingles of two texts over all shingles of both: 0 nothing in common, 1 the same.",
    ("shingle", "shingles"): "A run of so many neighbouring words, or signs, of a text.",
    ("MinHash",): "A short signature of a text; two agree in as many places as the texts are alike.",
    ("permutations",): "The number of places in a MinHash signature.",
    ("bands",): "Parts of the signatures: texts that agree in a whole band become candidates.",
    ("cosine",): "The angle between two vectors as a number: 1 the same direction, 0 nothing in common.",
    ("precision",): "Of what was found, the share that is right.",
    ("recall",): "Of what there is, the share that was found.",
    ("exact copy", "exact copies"): "A row with the text of another one, letter for letter. It is counted "
    "with the row that it repeats and is no pair: pairs are of different texts.",
    ("near tie",): "Where two models part and neither finds its own token twice as likely as the other's.",
    ("change of mind",): "Where two models part and one finds its own token ten times as likely or more.",
    ("contamination",): "Rows of a test that a model may have seen in training.",
    ("Wilson",): "An interval for a share that holds for small counts too.",
    ("Brier score",): "The mean squared distance of stated probabilities from what came true. Lower is "
    "better.",
    ("calibration text",): "The text on which a method sees what the weights are used for, before it rounds "
    "them.",
    ("calibration",): "Whether a model is right as often as it says.",
    ("standard error",): "How far an estimate would typically move with another sample.",
    ("interval", "intervals"): "The range that holds the true value in 95 of 100 such measurements.",
    ("seed",): "The number that random draws start from: the same seed gives the same draws.",
}
"""By the words that a text may use for it, the plain one first."""


def glossary(rooms: Rooms, runs: Iterable[str]) -> Glossary:
    """What a page explains, of its rooms and runs as `Glossary` has them."""
    terms: list[Term] = [{"words": list(words), "says": says} for words, says in TERMS.items()]
    return {"terms": terms, "rooms": rooms, "runs": list(runs)}
