"""Every limit of the suite, in one place: stated in the pages, enforced on the server."""

MAX_PARAMETERS_GPU = 4_000_000_000
"""Largest model on a GPU, in parameters (16 GB in float32)."""

MAX_PARAMETERS_CPU = 1_800_000_000
"""Largest model on a CPU, in parameters (7 GB in float32)."""

MAX_PROMPT_CHARACTERS = 8_000
"""Longest prompt that is tokenized at all, in characters."""

MAX_PROMPT_TOKENS = 1_024
"""Longest prompt, in tokens, the chat template included."""

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

MODELS_IN_MEMORY = 2
"""Models kept in memory at once beside the embedded one."""

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

MAX_CONTAMINATION_ROWS = 200_000
"""Rows of all splits together that one contamination report compares."""

MAX_UPLOADS = 6
"""Files that one contamination report takes."""

MAX_SEMANTIC_ROWS = 20_000
"""Different rows that are compared by meaning; every pair is computed."""

MAX_FORMATS = 16
"""Formats in one comparison."""

MAX_TEXT_CHARACTERS = 400_000
"""Longest text to measure on or to calibrate with."""

MAX_CONTEXT = 2_048
"""Longest window, in tokens."""

MAX_WINDOWS = 64
"""Windows that one comparison reads."""

MAX_COMPARE_SECONDS = 3_600
"""Longest comparison of formats, as estimated, in seconds: others wait for it."""

MAX_QUANTIZED_PARAMETERS_CPU = 800_000_000
"""Largest model that is quantized on a CPU: base and copy are in memory together."""
