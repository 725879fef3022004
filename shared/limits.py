"""Every limit of the suite, in one place: stated in the pages, enforced on the server."""

MODEL_BYTES = {"cpu": 7_300_000_000, "cuda": 18_500_000_000}
"""Largest model by what it runs on, in bytes of the dtype that it is loaded in, buffers included. On a CPU
that is float32: 1.8 billion parameters. On a GPU of 48 GB it is the stored one: 9.2 billion in bfloat16,
4.6 billion in float32.
"""

MODELS_BYTES = {"cpu": 12_000_000_000, "cuda": 40_000_000_000}
"""All models in memory together, in bytes: those that runs hold, and those that are kept for the next one."""


MAX_LAYERS = 1_000
"""Layers of a model, and experts of a layer: what config.json counts is built one by one."""

MAX_MODEL_FILES_BYTES = {
    "config.json": 1_000_000,
    "generation_config.json": 1_000_000,
    "tokenizer_config.json": 10_000_000,
    "tokenizer.json": 60_000_000,
    "model.safetensors.index.json": 20_000_000,
}
"""Files that are read whole, each with its largest size; the largest tokenizers have 35 MB."""

MAX_WEIGHT_FILES = 500
"""Files of one model's weights; 191 are the most that a known model has."""

MAX_TENSORS = 200_000
"""Tensors of one model whose headers are read from the Hub: each takes a kilobyte."""

MAX_HEADER_BYTES = 25_000_000
"""Header of one safetensors file: 100,000 tensors take 12 MB."""


KEPT_BYTES = 500_000_000
"""What each Space keeps of earlier runs beside the models, in bytes."""


def fits(size: int, device: str, held: int = 0) -> bool:
    """Whether a model may be loaded.

    Args:
        size: of the model in bytes, in the dtype that it is loaded in.
        device: "cpu" or "cuda".
        held: bytes of the models that stay in memory beside it.
    """
    return size <= MODEL_BYTES[device] and size + held <= MODELS_BYTES[device]


MAX_PROMPT_CHARACTERS = 8_000
"""Longest prompt that is tokenized at all, in characters."""

MAX_PROMPT_TOKENS = 1_024
"""Longest prompt, in tokens, the chat template included."""

MAX_TEMPLATE_CHARACTERS = 100_000
"""Longest chat template, and longest text that one writes, in characters."""

TEMPLATE_SECONDS = 2.0
"""Seconds of the processor that a chat template may take for one text."""

TEMPLATE_BYTES = 400_000_000
"""Memory that the process with the chat templates may take, in bytes; Python takes a tenth of it."""

TOKENIZER_SECONDS = 10.0
"""Seconds of the processor that a tokenizer may take for one text, the first time with its file."""

MAX_TOKEN_CHARACTERS = 10_000
"""Longest token of a tokenizer; a thousand spaces are the longest of real ones."""

TOKENIZER_BYTES = 3_000_000_000
"""Memory that the process in which tokenizers are tried may take, in bytes."""

PATTERN_SECONDS = 2.0
"""Seconds of the processor that a visitor's regular expression may take for all answers of a model."""

PATTERN_BYTES = 500_000_000
"""Memory that the process in which it runs may take, in bytes."""

MAX_CONSTRAINT_CHARACTERS = 8_000
"""Longest JSON schema, regular expression or grammar that a text has to obey, in characters."""

CONSTRAINT_SECONDS = 4.0
"""Seconds of the processor that trying one may take."""

CONSTRAINT_BYTES = 1_000_000_000
"""Memory that the process in which it is tried may have, in bytes."""

CONSTRAINT_RUN_SECONDS = 20.0
"""Seconds that a strategy may take to find which tokens it allows, over all steps."""

MAX_FORCED_BYTES = 2_000
"""Bytes in a row that a constraint may force: no run has room for more."""

MAX_NEW_TOKENS = 128
"""Longest continuation, in tokens."""

MAX_STRATEGIES = 4
"""Strategies in one run, branches not counted."""

MAX_BRANCHES = 8
"""Branches grown by hand on one tree."""

MAX_ROWS = 32
"""Sequences that one run extends at once (beams, samples and candidates of all strategies together)."""

MAX_STRATEGIES_JSON = 20_000
"""Longest text of a strategies list, in characters."""

MAX_QUEUE = 40
"""Runs that wait in line before a newcomer is turned away."""

MAX_SMALL_FILES_BYTES = 100_000_000
"""Configuration and tokenizer files of one model, in bytes."""

MAX_EMBEDDING_BYTES = 1_000_000_000
"""Largest model of static text vectors, in bytes."""

HUB_TIMEOUT = 4.0
"""Seconds to wait for the Hub's metadata before it counts as unreachable."""

FETCH_SECONDS = 60.0
"""Seconds that the download of a file from an address may take."""

MAX_DATASET_ROWS = 1_000_000
"""Rows that one deduplication reads."""

MAX_FILE_BYTES = 500_000_000
"""Largest dataset file, in bytes."""

RESULTS_BYTES = 2_000_000_000
"""Datasets of finished runs that visitors may still take home, all together, in bytes."""

PARSED_BYTES = 600_000_000
"""Uploaded datasets that are kept parsed between their upload and their run, all together, in bytes."""

MAX_CELL_CHARACTERS = 1_000_000
"""Longest text of a row, in characters: some 500 pages."""

MAX_ROW_BYTES = 3_000_000
"""Longest row of a text file, in bytes; of UTF-16 and CSV, in characters."""

MAX_COLUMNS = 1_000
"""Columns of a dataset."""


def unpacked_bytes(size: int) -> int:
    """Memory that the rows of a packed file may take, in bytes: six times its size, and at least 60 MB.

    Args:
        size: of the file in bytes.
    """
    return min(MAX_FILE_BYTES, max(60_000_000, 6 * size))


MAX_CONTAMINATION_ROWS = 200_000
"""Rows of all splits but the largest together that one contamination report compares."""

MAX_UPLOADS = 6
"""Files that one contamination report takes."""

MAX_PARTS = 20
"""Files that are read as one dataset; an upload takes no more."""

MAX_SEMANTIC_ROWS = 200_000
"""Different rows that are compared by vectors."""

MAX_FORMATS = 16
"""Formats in one comparison."""

MAX_COMPARED_FILES = 32
"""Published files in one comparison, those of whole repositories included."""

MAX_MATRIX_BYTES = 500_000_000
"""Bytes of an importance matrix; of a model with 128 experts in each of 48 layers it has 130 million."""

MAX_RESULTS_BYTES = 15_000_000_000
"""Uploads and results of all visitors together, in bytes: beyond that the oldest go."""

MAX_CONNECTIONS = 512
"""Connections of all visitors together; an open page has up to six. A process may have 1,024 files open."""

MAX_NEIGHBOURS = 200
"""Connections of one address, which may be an office's."""

MAX_UPLOADS_AT_ONCE = 8
"""Files that are on their way to the server at the same moment."""

MAX_ADDRESS = 60_000
"""Longest path and query of a request, in bytes: what reads addresses below Gradio ends at 65,536."""

MAX_BODY_BYTES = 5_000_000
"""Largest request beside an upload, in bytes: the longest text, each letter as JSON's six, is half of it."""

MAX_BODY_BRACKETS = 100_000
"""Lists and objects in such a request: Gradio copies each a few times while everyone else waits."""

MAX_UPLOAD_BYTES = 3_100_000_000
"""Files of one upload together, in bytes."""

STALL_SECONDS = 30.0
"""Seconds after which a request that does not go on is given up."""

MAX_WAITING_BYTES = 10_000_000
"""What the runs in a page's queue were sent with, in bytes; as objects of Python it may be twenty times that.
"""

MAX_SESSIONS = 500
"""Visitors of one page of whom it remembers anything: beyond that those go that were away for longest."""

MAX_UNREAD_BYTES = 200_000_000
"""Results that were sent to a page's visitors and that they have not read yet, in bytes."""

MAX_SESSION_BYTES = 4_000_000_000
"""Results that one visitor keeps, in bytes, beside the newest: beyond that the oldest go."""

MAX_CHECKPOINT_BYTES = 2_000_000_000
"""What interrupted runs left to be taken up again, in bytes: beyond that the oldest go."""

MAX_MODELS_ON_DISK_BYTES = 20_000_000_000
"""Models of the Hub that a Space keeps on its disk, in bytes: beyond that the least used go."""

MAX_WAITING = 4
"""Callers that wait for one of a figure's functions before a newcomer is turned away."""

MAX_TEXT_CHARACTERS = 400_000
"""Longest text to measure on or to calibrate with."""

MAX_CONTEXT = 2_048
"""Longest window, in tokens."""

MAX_WINDOWS = 64
"""Windows that one comparison reads."""

MAX_COMPARE_SECONDS = 3_600
"""Longest comparison of formats, as estimated, in seconds: others wait for it."""

MAX_SILENT_SECONDS = 900.0
"""Longest time in which a merge's process tells nothing of its progress."""

MAX_QUANTIZED_PARAMETERS_CPU = 800_000_000
"""Largest model that is quantized on a CPU: base and copy are in memory together."""
