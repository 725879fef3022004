"""A tree as text for other tools: Mermaid for Markdown, DOT for Graphviz."""

from __future__ import annotations

from typing import Any

ARROWS = {"merge": "-->", "finetune": "==>", "adapter": "-.->", "quantized": "-.->", "new_version": "---"}
STYLES = {
    "merge": "solid",
    "finetune": "bold",
    "adapter": "dashed",
    "quantized": "dotted",
    "new_version": "dotted",
}


def mermaid(tree: dict[str, Any]) -> str:
    """The tree as a Mermaid flowchart.

    Args:
        tree: JSON of `grow`.
    """
    place = {node["id"]: f"m{index}" for index, node in enumerate(tree["nodes"])}
    lines = ["flowchart LR"]
    lines += [f'  {place[node["id"]]}["{_entities(_label(node))}"]' for node in tree["nodes"]]
    for edge in tree["edges"]:
        lines.append(
            f'  {place[edge["source"]]} {ARROWS[edge["relation"]]}|"{_entities(_edge_label(edge))}"| {place[edge["target"]]}'
        )
    return "\n".join(lines) + "\n"


def dot(tree: dict[str, Any]) -> str:
    """The tree as a Graphviz digraph.

    Args:
        tree: JSON of `grow`.
    """
    place = {node["id"]: f"m{index}" for index, node in enumerate(tree["nodes"])}
    lines = ["digraph family {", "  rankdir=LR;", "  node [shape=box, style=rounded];"]
    for node in tree["nodes"]:
        dashed = ', style="rounded,dashed"' if node["status"] not in ("ok", "here", "gated") else ""
        lines.append(f"  {place[node['id']]} [label={_quoted(_label(node))}{dashed}];")
    for edge in tree["edges"]:
        label = _quoted(_edge_label(edge))
        lines.append(
            f"  {place[edge['source']]} -> {place[edge['target']]} [label={label}, style={STYLES[edge['relation']]}];"
        )
    return "\n".join([*lines, "}"]) + "\n"


def _label(node: dict[str, Any]) -> str:
    return f"{node['id']} ({node['licence']})" if node["licence"] else str(node["id"])


def _edge_label(edge: dict[str, Any]) -> str:
    weight = f" {edge['weight']:g}" if edge["weight"] is not None else ""
    return f"{edge['relation']}{weight}" + (
        f", {edge['role']}" if edge["role"] in ("base", "adapter", "tokenizer") else ""
    )


def _entities(text: str) -> str:
    """Text for inside a Mermaid label: every character with a meaning as its number."""
    return "".join(
        character if character.isalnum() or character in " -_./,()" else f"#{ord(character)};"
        for character in text
    )


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'
