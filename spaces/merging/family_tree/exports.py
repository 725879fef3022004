"""A tree as text for other tools: Mermaid for Markdown, DOT for Graphviz."""

from __future__ import annotations

from collections.abc import Sequence

from merging import data

ARROWS = {"merge": "-->", "finetune": "==>", "adapter": "-.->", "quantized": "-.->", "new_version": "---"}
STYLES = {
    "merge": "solid",
    "finetune": "bold",
    "adapter": "dashed",
    "quantized": "dotted",
    "new_version": "dotted",
}


def mermaid(nodes: Sequence[data.Member], edges: Sequence[data.Kinship]) -> str:
    """A tree as a Mermaid flowchart."""
    place = {node["id"]: f"m{index}" for index, node in enumerate(nodes)}
    lines = ["flowchart LR"]
    lines += [f'  {place[node["id"]]}["{_entities(_label(node))}"]' for node in nodes]
    for edge in edges:
        arrow = f'{ARROWS[edge["relation"]]}|"{_entities(_edge_label(edge))}"|'
        lines.append(f"  {place[edge['source']]} {arrow} {place[edge['target']]}")
    return "\n".join(lines) + "\n"


def dot(nodes: Sequence[data.Member], edges: Sequence[data.Kinship]) -> str:
    """A tree as a Graphviz digraph."""
    place = {node["id"]: f"m{index}" for index, node in enumerate(nodes)}
    lines = ["digraph family {", "  rankdir=LR;", "  node [shape=box, style=rounded];"]
    for node in nodes:
        dashed = ', style="rounded,dashed"' if node["status"] not in ("ok", "here", "gated") else ""
        lines.append(f"  {place[node['id']]} [label={_quoted(_label(node))}{dashed}];")
    for edge in edges:
        label = _quoted(_edge_label(edge))
        ends = f"{place[edge['source']]} -> {place[edge['target']]}"
        lines.append(f"  {ends} [label={label}, style={STYLES[edge['relation']]}];")
    return "\n".join([*lines, "}"]) + "\n"


def _label(node: data.Member) -> str:
    return f"{node['id']} ({node['licence']})" if node["licence"] else str(node["id"])


def _edge_label(edge: data.Kinship) -> str:
    weight = f" {edge['weight']:g}" if edge["weight"] is not None else ""
    role = f", {edge['role']}" if edge["role"] in ("base", "adapter", "tokenizer") else ""
    return f"{edge['relation']}{weight}{role}"


def _entities(text: str) -> str:
    """Text for inside a Mermaid label: every character with a meaning as its number."""
    return "".join(
        character if character.isalnum() or character in " -_./,()" else f"#{ord(character)};"
        for character in text
    )


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'
